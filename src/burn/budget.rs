//! Error budgets by occurrences: how many events may fail, how much of that is gone, and when the rest will be.

use super::burn_rate;
use crate::counts::Sums;
use crate::exact::{Exact, to_f64};
use crate::minute::{MINUTES_PER_DAY, Minute, Span, Window};
use crate::slo::Objective;

/// Minutes of the recent past that a forecast goes by: long enough to even out a day's rhythm, short enough to see a change.
const RECENT_MINUTES: i32 = 3 * MINUTES_PER_DAY;

/// The budget of a window, by events: never a mean of ratios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    sums: Sums,
    share: Exact,
}

impl Budget {
    /// The budget that the traffic of a window leaves under an objective.
    #[must_use]
    pub fn of(sums: Sums, objective: &Objective) -> Self {
        Self { sums, share: objective.budget() }
    }

    /// How many events may fail: total x (1 - objective). `None` without traffic.
    #[must_use]
    pub fn allowed(&self) -> Option<Exact> {
        (self.sums.total > 0).then(|| Exact::from_integer(i128::from(self.sums.total)) * self.share)
    }

    /// The share of the allowed events that failed; above 1 the promise is broken. `None` without traffic, and where nothing
    /// may fail (an objective of 100%).
    #[must_use]
    pub fn consumed(&self) -> Option<Exact> {
        let allowed = self.allowed().filter(|allowed| *allowed > Exact::from_integer(0))?;
        Some(Exact::from_integer(i128::from(self.sums.bad)) / allowed)
    }

    /// 1 - consumed: 1 is untouched, 0 is spent, below 0 the promise is broken.
    #[must_use]
    pub fn remaining(&self) -> Option<Exact> {
        self.consumed().map(|consumed| Exact::from_integer(1) - consumed)
    }
}

/// When a budget will be spent if the last three days go on as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// It is spent already.
    AlreadyExhausted,
    /// It will be spent then.
    ExhaustedAt(Minute),
    /// It lasts for the window's length from now, or to the end of the calendar period.
    NotWithinPeriod,
    /// There was no traffic to go by.
    Unknown,
}

impl Forecast {
    /// The recent past that a forecast goes by.
    #[must_use]
    pub fn recent(at: Minute) -> Span {
        Span::before(at, RECENT_MINUTES)
    }

    /// Forecasts the budget of a window.
    ///
    /// The assumption: every coming minute has the mean traffic of the window's known minutes and the burn rate of the last
    /// three days. Spending then grows evenly by burn x minutes / period, where the period is the window's whole length.
    /// For a rolling window the good and bad events that leave it are not counted back, which errs on the early side: a budget that
    /// was spent evenly at burn 1 is forecast to last, one that is being spent faster is not.
    #[must_use]
    pub fn of(window: &Window, at: Minute, objective: &Objective, over: &dyn Fn(Span) -> Sums) -> Self {
        let span = window.span_at(at);
        let sums = over(span);
        let Some(remaining) = Budget::of(sums, objective).remaining().map(to_f64) else { return Self::Unknown };
        if remaining <= 0.0 {
            return Self::AlreadyExhausted;
        }
        let recent = over(Self::recent(at).intersect(span));
        let Some(burn) = burn_rate(recent, objective) else { return Self::Unknown };
        match window {
            Window::Rolling { minutes } => rolling(at, f64::from(*minutes), remaining, burn),
            Window::Calendar { .. } => {
                let whole = window.whole_at(at);
                calendar(at, f64::from(span.minutes()), f64::from(whole.minutes()), remaining, burn)
            }
        }
    }
}

/// A rolling window spends burn / length of its budget a minute and gets back what it spent a length ago, taken as even:
/// (1 - remaining) / length a minute.
fn rolling(at: Minute, length: f64, remaining: f64, burn: f64) -> Forecast {
    let net = burn - (1.0 - remaining);
    if net <= 0.0 || burn <= 1.0 {
        return Forecast::NotWithinPeriod;
    }
    after(at, remaining * length / net, length)
}

/// A calendar period's budget grows with its traffic. After `m` more minutes at this burn, `gone` minutes' worth of
/// consumption stands against `gone + m` minutes' worth of budget; it is spent when consumption x gone + burn x m = gone + m.
fn calendar(at: Minute, gone: f64, whole: f64, remaining: f64, burn: f64) -> Forecast {
    if burn <= 1.0 {
        return Forecast::NotWithinPeriod;
    }
    after(at, remaining * gone / (burn - 1.0), whole - gone)
}

fn after(at: Minute, minutes: f64, limit: f64) -> Forecast {
    if minutes > limit {
        return Forecast::NotWithinPeriod;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most the length of a window, 400 days")]
    Forecast::ExhaustedAt(at.plus(minutes.ceil() as i32))
}
