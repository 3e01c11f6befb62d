//! Whether a burn rate is exceeded, compared exactly, at one minute or at every minute of a span.

use super::Running;
use crate::counts::Sums;
use crate::exact::{Exact, quotient};
use crate::minute::{Minute, Span};
use crate::slo::{Objective, Tier};

/// The share of bad events that must be exceeded: factor x (1 - objective), as a reduced fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    numerator: u128,
    denominator: u128,
    /// Both, where they leave room for 32 bits of events: then 64-bit products cannot overflow.
    narrow: Option<(u64, u64)>,
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
        let small = |number: u128| u32::try_from(number).ok().map(u64::from);
        Self { numerator, denominator, narrow: small(numerator).zip(small(denominator)) }
    }

    /// Whether bad / total is above the threshold. Equal is not above, and without traffic nothing is.
    #[must_use]
    pub fn exceeded(&self, total: u64, bad: u64) -> bool {
        match self.narrow {
            Some((numerator, denominator)) if u32::try_from(total).is_ok() => bad * denominator > total * numerator,
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

    /// The evaluation minutes of `span` at which the condition holds, as the fewest spans.
    ///
    /// Most minutes of most services are calm, so a block of minutes is first held against a bound: the most bad events and
    /// the least traffic that any long window ending in the block can have. Only blocks that could hold are looked at
    /// minute by minute, and the bound never leaves out one that does.
    #[must_use]
    pub fn firing(&self, running: &Running, span: Span) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut first = span.start;
        while first < span.end {
            let last = first.plus(BLOCK_MINUTES - 1).min(span.end.plus(-1));
            if self.may_hold(running, first, last) {
                for at in (first.0..=last.0).map(Minute).filter(|at| self.holds_at(running, *at)) {
                    match spans.last_mut() {
                        Some(newest) if newest.end == at => newest.end = at.plus(1),
                        _ => spans.push(Span::new(at, at.plus(1))),
                    }
                }
            }
            first = last.plus(1);
        }
        spans
    }

    fn holds_at(&self, running: &Running, at: Minute) -> bool {
        let (long, short) = self.windows(at);
        let exceeded = |(total, bad): (u64, u64)| self.threshold.exceeded(total, bad);
        exceeded(running.events(short)) && exceeded(running.events(long))
    }

    /// Whether the long window can exceed the threshold at any evaluation minute from `first` to `last`: all of these windows lie
    /// within the outer span and contain the inner one.
    fn may_hold(&self, running: &Running, first: Minute, last: Minute) -> bool {
        let outer = Span::new(self.windows(first).0.start, last);
        let inner = Span::new(self.windows(last).0.start, first);
        let ((_, bad), (total, _)) = (running.events(outer), running.events(inner));
        // With no traffic for certain, a single bad event may be all there is.
        bad > 0 && self.threshold.exceeded(total.max(bad), bad)
    }
}

/// Short enough that a block adds little to a window of an hour, long enough that looking at its bound costs next to nothing.
const BLOCK_MINUTES: i32 = 16;

/// The burn rate as a number to print: (bad / total) / (1 - objective). `None` without traffic, and for an objective of
/// 100%, whose budget nothing can be measured by.
#[must_use]
pub fn burn_rate(sums: Sums, objective: &Objective) -> Option<f64> {
    let budget = objective.budget();
    if sums.total == 0 || budget == Exact::from_integer(0) {
        return None;
    }
    Some(quotient(i128::from(sums.bad) * budget.denom(), i128::from(sums.total) * budget.numer()))
}
