//! What a burn rate is, and whether it is exceeded: compared exactly.

use super::simd::{self, WindowSums, is_set};
use crate::counts::Sums;
use crate::rational::{Rational, quotient};
use crate::slo::{Objective, Tier};
use crate::time::{Minute, Span};

/// The share of bad events that must be exceeded: factor x (1 - objective), as a reduced fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    numerator: u128,
    denominator: u128,
    /// Both, where they leave space for 32 bits of events and a sign: then 64-bit products and their differences cannot
    /// overflow.
    fraction_u32: Option<(u32, u32)>,
}

/// A tier's two windows and the share of bad events both must exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    pub long_minutes: u32,
    pub short_minutes: u32,
    pub threshold: Threshold,
}

impl Threshold {
    pub fn new(factor: Rational, objective: &Objective) -> Self {
        let share = factor * objective.budget();
        let (numerator, denominator) = (share.numer().unsigned_abs(), share.denom().unsigned_abs());
        let fits_31_bits = |number: u128| u32::try_from(number).ok().filter(|number| *number < 1 << 31);
        Self { numerator, denominator, fraction_u32: fits_31_bits(numerator).zip(fits_31_bits(denominator)) }
    }

    /// Whether bad / total is above the threshold. Equal is not above, and without traffic nothing is.
    pub fn is_exceeded(&self, total: u64, bad: u64) -> bool {
        match self.fraction_u32 {
            Some((numerator, denominator)) if u32::try_from(total | bad).is_ok() => {
                bad * u64::from(denominator) > total * u64::from(numerator)
            }
            _ => u128::from(bad) * self.denominator > u128::from(total) * self.numerator,
        }
    }

    /// Keeps the flags of the windows that exceed the threshold. A flag is the highest bit of a number, whose others
    /// mean nothing. `false` if no flag is left.
    ///
    /// Where sums and threshold fit 32 and 31 bits, windows are decided without a branch, several at a time.
    pub(super) fn retain_exceeded<const N: usize>(&self, sums: &WindowSums<'_, N>, flags: &mut [u64; N]) -> bool {
        if let Some(share) = self.fraction_u32
            && sums.are_at_most(u32::MAX.into())
        {
            return simd::retain_above(sums, share, flags);
        }
        let mut any = 0;
        for (index, flag) in flags.iter_mut().enumerate() {
            let (total, bad) = sums.events_in(index);
            *flag &= u64::from(self.is_exceeded(total, bad)) << 63;
            any |= *flag;
        }
        is_set(any)
    }
}

impl Condition {
    pub fn new(tier: &Tier, objective: &Objective) -> Self {
        Self {
            long_minutes: tier.long_minutes,
            short_minutes: tier.short_minutes,
            threshold: Threshold::new(tier.factor, objective),
        }
    }

    /// The long and the short window that an evaluation at `at` looks at: the minutes that start before it.
    pub fn windows(&self, at: Minute) -> (Span, Span) {
        let before = |minutes: u32| Span::ending_at(at, i32::try_from(minutes).unwrap_or(i32::MAX));
        (before(self.long_minutes), before(self.short_minutes))
    }
}

/// The burn rate as a number to print: (bad / total) / (1 - objective). `None` without traffic, and for an objective of
/// 100%, whose budget nothing can be measured by.
pub fn burn_rate(sums: Sums, objective: &Objective) -> Option<f64> {
    let budget = objective.budget();
    if sums.total == 0 || budget == Rational::from_integer(0) {
        return None;
    }
    Some(quotient(i128::from(sums.bad) * budget.denom(), i128::from(sums.total) * budget.numer()))
}
