//! What a burn rate is, and whether it is exceeded: compared exactly.

use crate::counts::Sums;
use crate::exact::{Exact, to_f64};
use crate::minute::{Minute, Span};
use crate::slo::{Objective, Tier};

/// The share of bad events that must be exceeded: factor x (1 - objective), as a reduced fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    numerator: u128,
    denominator: u128,
    /// Both, where they leave room for 32 bits of events and a sign: then 64-bit products and their differences cannot
    /// overflow.
    narrow: Option<(u32, u32)>,
}

/// A tier's two windows and the share of bad events both must exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Long window in minutes.
    pub long_minutes: u32,
    /// Short window in minutes.
    pub short_minutes: u32,
    /// What both must exceed.
    pub threshold: Threshold,
}

impl Threshold {
    /// The threshold of a burn rate of `factor` under an objective.
    #[must_use]
    pub fn new(factor: Exact, objective: &Objective) -> Self {
        let share = factor * objective.budget();
        let (numerator, denominator) = (share.numer().unsigned_abs(), share.denom().unsigned_abs());
        let small = |number: u128| u32::try_from(number).ok().filter(|number| *number < 1 << 31);
        Self { numerator, denominator, narrow: small(numerator).zip(small(denominator)) }
    }

    /// Numerator and denominator, both below 2^31; `None` if they are not.
    pub(super) const fn narrow(&self) -> Option<(u32, u32)> {
        self.narrow
    }

    /// Whether bad / total is above the threshold. Equal is not above, and without traffic nothing is.
    #[must_use]
    pub fn exceeded(&self, total: u64, bad: u64) -> bool {
        match self.narrow {
            Some((numerator, denominator)) if u32::try_from(total | bad).is_ok() => {
                bad * u64::from(denominator) > total * u64::from(numerator)
            }
            _ => u128::from(bad) * self.denominator > u128::from(total) * self.numerator,
        }
    }
}

impl Condition {
    /// The condition of a tier under an objective.
    #[must_use]
    pub fn new(tier: &Tier, objective: &Objective) -> Self {
        Self {
            long_minutes: tier.long_minutes,
            short_minutes: tier.short_minutes,
            threshold: Threshold::new(tier.factor, objective),
        }
    }

    /// The long and the short window that an evaluation at `at` looks at: the minutes that start before it.
    #[must_use]
    pub fn windows(&self, at: Minute) -> (Span, Span) {
        let before = |minutes: u32| Span::before(at, i32::try_from(minutes).unwrap_or(i32::MAX));
        (before(self.long_minutes), before(self.short_minutes))
    }

    /// Whether both windows exceed the threshold.
    #[must_use]
    pub fn holds(&self, long: Sums, short: Sums) -> bool {
        self.threshold.exceeded(long.total, long.bad) && self.threshold.exceeded(short.total, short.bad)
    }
}

/// The burn rate as a number to print: (bad / total) / (1 - objective). `None` without traffic, and for an objective of
/// 100%, whose budget nothing can be measured by.
#[must_use]
pub fn burn_rate(sums: Sums, objective: &Objective) -> Option<f64> {
    let budget = objective.budget();
    if sums.total == 0 || budget == Exact::from_integer(0) {
        return None;
    }
    Some(to_f64(Exact::new(i128::from(sums.bad), i128::from(sums.total)) / budget))
}
