//! Error budgets by occurrences: how many events may fail, how much of that is gone, and when the rest will be.

use crate::counts::Sums;
use crate::rational::{Rational, to_f64};
use crate::slo::{Objective, Policy, PolicyStep};
use crate::time::{MINUTES_PER_DAY, Minute, Span, Window};

/// Minutes of the recent past that a forecast goes by: long enough to even out a day's rhythm, short enough to see a
/// change.
const RECENT_MINUTES: i32 = 3 * MINUTES_PER_DAY;

/// The budget of a window, by events: never a mean of ratios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorBudget {
    sums: Sums,
    /// The events of the whole window: more than those seen if it is projected.
    total: u64,
    share: Rational,
}

impl ErrorBudget {
    pub fn new(sums: Sums, objective: &Objective) -> Self {
        Self { sums, total: sums.total, share: objective.budget() }
    }

    /// The budget of a window that will have so many events once it is full.
    pub fn projected(sums: Sums, projected_events: u64, objective: &Objective) -> Self {
        Self { total: projected_events.max(sums.total), ..Self::new(sums, objective) }
    }

    /// The events of the whole window: more than those seen if the budget is projected.
    pub const fn window_events(&self) -> u64 {
        self.total
    }

    pub const fn is_projected(&self) -> bool {
        self.total > self.sums.total
    }

    /// How many events may fail: total x (1 - objective). `None` without traffic.
    pub fn allowed(&self) -> Option<Rational> {
        (self.sums.total > 0).then(|| Rational::from_integer(i128::from(self.total)) * self.share)
    }

    /// How many more events may fail, below zero if too many have.
    fn surplus(&self) -> f64 {
        surplus(Sums { total: self.total, ..self.sums }, to_f64(self.share))
    }

    /// The share of the allowed events that failed; above 1 the SLO is violated. `None` without traffic, and where
    /// nothing may fail (an objective of 100%).
    pub fn consumed(&self) -> Option<Rational> {
        let allowed = self.allowed().filter(|allowed| *allowed > Rational::from_integer(0))?;
        Some(Rational::from_integer(i128::from(self.sums.bad)) / allowed)
    }

    /// Whether the SLO is violated.
    pub fn is_exceeded(&self) -> bool {
        self.allowed().is_some_and(|allowed| Rational::from_integer(i128::from(self.sums.bad)) > allowed)
    }

    /// 1 - consumed: 1 is untouched, 0 is consumed, below 0 the SLO is violated.
    pub fn remaining(&self) -> Option<Rational> {
        self.consumed().map(|consumed| Rational::from_integer(1) - consumed)
    }

    /// The step of a policy that it has come to: the last one whose share is used, exactly or more. `None` below the
    /// first.
    ///
    /// Where nothing may fail at all, all of the budget and more is used by the first bad event.
    pub fn reached_step<'p>(&self, policy: &'p Policy) -> Option<&'p PolicyStep> {
        policy.steps.iter().rfind(|step| self.has_reached(step))
    }

    /// The step that stops deploys, if one does: a later step does not lift what an earlier one has stopped.
    pub fn blocking_step<'p>(&self, policy: &'p Policy) -> Option<&'p PolicyStep> {
        policy.steps.iter().rfind(|step| step.blocks_deploys && self.has_reached(step))
    }

    fn has_reached(&self, step: &PolicyStep) -> bool {
        self.consumed().map_or_else(|| self.is_exceeded(), |consumed| consumed >= step.share)
    }
}

/// When a budget will be spent if the last three days go on as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExhaustionForecast {
    AlreadyExhausted,
    ExhaustedAt(Minute),
    /// It lasts for the window's length from now, or to the end of the calendar period.
    NotWithinPeriod,
    /// There was no traffic to go by.
    Unknown,
}

impl ExhaustionForecast {
    /// The same, unless the budget is spent sooner.
    pub fn or_earlier(self, at: Option<Minute>) -> Self {
        match (self, at) {
            (Self::ExhaustedAt(later), Some(at)) => Self::ExhaustedAt(at.min(later)),
            (Self::NotWithinPeriod, Some(at)) => Self::ExhaustedAt(at),
            _ => self,
        }
    }

    pub fn recent_span(at: Minute) -> Span {
        Span::ending_at(at, RECENT_MINUTES)
    }

    /// Forecasts the budget of a window.
    ///
    /// The one assumption: every coming minute has the mean traffic and the mean bad events of the last three days, of
    /// which at least half must be known. The traffic of a projected budget is expected already. What leaves a rolling
    /// window on the way is not assumed but known, a UTC day at a time: an old outage that is about to leave gives its
    /// share back, a recent one stays. Between two such days the budget is taken to go evenly.
    pub fn new(window: &Window, at: Minute, budget: &ErrorBudget, sums_in: &dyn Fn(Span) -> Sums) -> Self {
        let span = window.span_at(at);
        let budget_share = to_f64(budget.share);
        let surplus = |sums: Sums| surplus(sums, budget_share);
        if budget.sums.total == 0 {
            return Self::Unknown;
        }
        let surplus_left = budget.surplus();
        if surplus_left < 0.0 || (surplus_left == 0.0 && budget.sums.bad > 0) {
            return Self::AlreadyExhausted;
        }
        let recent_span = match window {
            Window::Rolling { .. } => Self::recent_span(at).intersect(span),
            Window::Calendar { .. } => Self::recent_span(at),
        };
        let recent = sums_in(recent_span);
        if recent.total == 0 || recent.known * 2 < recent_span.minutes() {
            return Self::Unknown;
        }
        let surplus_per_minute = surplus(recent) / f64::from(recent.known);
        match window {
            Window::Rolling { .. } if budget.is_projected() => {
                // Until the window is full nothing leaves it, and its traffic is expected already.
                let minutes = f64::from(span.minutes().saturating_sub(budget.sums.known));
                let at_full = (minutes, surplus_left - minutes * bad_per_minute(recent));
                first_below_zero(at, surplus_left, std::iter::once(at_full))
            }
            Window::Rolling { .. } => {
                // The window begins at a midnight at these moments; what it then still holds are sums of whole days.
                let midnights = span.days().skip(1).map(|day| {
                    let minutes_ahead = f64::from(Span::new(span.start, day.start()).minutes());
                    (minutes_ahead, surplus(sums_in(Span::new(day.start(), at))) + surplus_per_minute * minutes_ahead)
                });
                let length = f64::from(span.minutes());
                first_below_zero(at, surplus_left, midnights.chain([(length, surplus_per_minute * length)]))
            }
            Window::Calendar { .. } => {
                let minutes_left = f64::from(Span::new(at, window.full_span_at(at).end).minutes());
                let at_end = (minutes_left, surplus_left - minutes_left * bad_per_minute(recent));
                first_below_zero(at, surplus_left, std::iter::once(at_end))
            }
        }
    }
}

/// Events that may still fail: allowed less bad, by the share that may fail. As a floating-point number, because a
/// forecast is not compared with an objective.
#[expect(clippy::cast_precision_loss, reason = "a forecast is a guess to begin with")]
fn surplus(sums: Sums, share: f64) -> f64 {
    sums.total as f64 * share - sums.bad as f64
}

#[expect(clippy::cast_precision_loss, reason = "a forecast is a guess to begin with")]
fn bad_per_minute(sums: Sums) -> f64 {
    sums.bad as f64 / f64::from(sums.known.max(1))
}

/// When the surplus falls below zero on its way through the points (minutes from now, surplus).
fn first_below_zero(at: Minute, surplus_left: f64, points: impl Iterator<Item = (f64, f64)>) -> ExhaustionForecast {
    let mut previous = (0.0, surplus_left);
    for next in points {
        if next.1 < 0.0 {
            let minutes = previous.0 + (next.0 - previous.0) * previous.1 / (previous.1 - next.1);
            #[expect(clippy::cast_possible_truncation, reason = "at most the length of a window, 400 days")]
            return ExhaustionForecast::ExhaustedAt(at.plus(minutes.ceil() as i32));
        }
        previous = next;
    }
    ExhaustionForecast::NotWithinPeriod
}

/// Minutes until so many more events have failed, if as many fail as failed in the newest minutes. `None` if they never
/// will, or have already.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "printed to the minute; more minutes than fit are never reached, and casts saturate"
)]
pub fn minutes_until_exhausted(remaining_events: f64, bad_events: u64, minutes: u32) -> Option<i32> {
    (remaining_events > 0.0 && bad_events > 0)
        .then(|| (remaining_events * f64::from(minutes) / bad_events as f64).ceil() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rational::parse_percent;

    fn step(share: &str, blocks_deploys: bool) -> PolicyStep {
        PolicyStep { share: parse_percent(share).unwrap(), text: share.to_owned(), then: String::new(), blocks_deploys }
    }

    fn reached<'p>(policy: &'p Policy, objective: &str, total: u64, bad: u64) -> [Option<&'p str>; 2] {
        let objective = Objective { share: parse_percent(objective).unwrap(), text: objective.to_owned() };
        let budget = ErrorBudget::new(Sums { total, bad, known: 1 }, &objective);
        [budget.reached_step(policy), budget.blocking_step(policy)].map(|step| step.map(|step| step.text.as_str()))
    }

    #[test]
    fn policy_step_applies_from_exactly_its_share() {
        let policy = Policy { steps: vec![step("50%", false), step("75%", true), step("100%", false)] };
        let steps_at = |bad| reached(&policy, "99.9%", 100_000, bad);
        assert_eq!(steps_at(49), [None, None]);
        assert_eq!(steps_at(50), [Some("50%"), None]);
        assert_eq!(steps_at(74), [Some("50%"), None]);
        assert_eq!(steps_at(75), [Some("75%"), Some("75%")]);
        assert_eq!(steps_at(100), [Some("100%"), Some("75%")]);
        assert_eq!(reached(&policy, "99.9%", 0, 0), [None, None]);
        assert_eq!(reached(&policy, "100%", 10, 0), [None, None]);
        assert_eq!(reached(&policy, "100%", 10, 1), [Some("100%"), Some("75%")]);
    }
}
