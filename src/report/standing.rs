//! How a promise stands in one word, from its budget, its forecast and its tiers: what pages, mails and gates are sorted by.
//!
//! Absent on purpose: colours. A word and a sign say it all; a colour may only repeat them.

use super::model::Row;
use super::status::percent;
use super::words::{between, clock};
use crate::burn::{Budget, Forecast};
use crate::counts::Sums;
use crate::exact::{Exact, to_f64};
use crate::slo::Urgency;
use crate::verdict::State;

/// A budget with less than this share left is at risk, whatever the forecast says.
pub const LOW_LEFT: Exact = Exact::new_raw(1, 4);

/// A window of which a smaller share was observed says too little to call it fine.
pub const COVERAGE_MIN: Exact = Exact::new_raw(1, 2);

/// How a promise stands, the worst first. The first rule that fits wins.
///
/// | standing | rule |
/// |---|---|
/// | exhausted | as many events failed as may fail, or more |
/// | at risk | a tier burns or something is severe; or it is forecast that the budget runs out before the window has passed once more (a calendar window: before its period ends); or less than a quarter is left |
/// | unknown | blind, no event in the window, or less than half of the window's minutes observed |
/// | recovered | none of these now, but exhausted or at risk (by budget and forecast) a week ago |
/// | fine | everything else |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The budget is spent.
    Exhausted,
    /// It burns, or will not last.
    AtRisk,
    /// Too little is known to say.
    Unknown,
    /// It was exhausted or at risk a week ago, and is not now.
    Recovered,
    /// Nothing to do.
    Fine,
}

impl Standing {
    /// All of them, worst first.
    pub const ALL: [Self; 5] = [Self::Exhausted, Self::AtRisk, Self::Unknown, Self::Recovered, Self::Fine];

    /// How a row stands.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        if is_spent(&row.budget) {
            Self::Exhausted
        } else if row.verdict.state.urgency().is_some() || will_not_last(&row.budget, row.forecast) {
            Self::AtRisk
        } else if is_unknown(row) {
            Self::Unknown
        } else if was_in_trouble(row) {
            Self::Recovered
        } else {
            Self::Fine
        }
    }

    /// The worst of several; `None` if there are none.
    #[must_use]
    pub fn worst<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Option<Self> {
        rows.into_iter().map(Self::of).min()
    }

    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::AtRisk => "at risk",
            Self::Unknown => "unknown",
            Self::Recovered => "recovered",
            Self::Fine => "fine",
        }
    }

    /// The word for programs and style sheets.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::AtRisk => "at_risk",
            other => other.word(),
        }
    }

    /// A sign that tells it apart without a colour.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::Exhausted => '■',
            Self::AtRisk => '▲',
            Self::Unknown => '?',
            Self::Recovered => '↗',
            Self::Fine => '✓',
        }
    }
}

/// Whether somebody should do something about it: nothing helps where a window is only too long for what was observed so far.
#[must_use]
pub fn needs_action(row: &Row) -> bool {
    match Standing::of(row) {
        Standing::Exhausted | Standing::AtRisk => true,
        Standing::Unknown => !is_too_early(row),
        Standing::Recovered | Standing::Fine => false,
    }
}

/// Whether it is unknown only because too little of its window was observed.
#[must_use]
pub fn is_too_early(row: &Row) -> bool {
    let is_blind = matches!(row.verdict.state, State::Blind { .. });
    Standing::of(row) == Standing::Unknown && !is_blind && row.sums.total > 0
}

/// What there is to say of all that it is too early for.
#[must_use]
pub fn too_early(count: usize) -> Option<String> {
    let cannot = if count == 1 { "promise cannot" } else { "promises cannot" };
    (count > 0).then(|| format!("{count} {cannot} be judged yet: less than half of the window was observed"))
}

/// Why a row stands as it does, as the rest of a sentence that began with its name.
#[must_use]
pub fn why(row: &Row) -> String {
    let left = || row.budget.remaining().map_or_else(String::new, |left| percent(to_f64(left), 0));
    match Standing::of(row) {
        Standing::Exhausted => {
            // It may have recovered, or got worse: nobody knows.
            let since = row.watermark.filter(|_| matches!(row.verdict.state, State::Blind { .. }));
            let since = since.map_or_else(String::new, |mark| format!(", and nothing is known since {}", clock(mark)));
            match row.budget.consumed() {
                Some(consumed) => format!("{} of the budget is used{since}", percent(to_f64(consumed), 0)),
                None => format!("{} failed where none may{since}", row.sums.bad),
            }
        }
        Standing::AtRisk => match (row.verdict.state.urgency(), row.forecast) {
            (Some(urgency @ (Urgency::Severe | Urgency::Page)), forecast) => {
                let what = if urgency == Urgency::Severe {
                    "it is down, or its traffic is gone"
                } else {
                    "it burns fast enough to wake somebody"
                };
                match forecast {
                    Forecast::ExhaustedAt(at) => {
                        format!("{what}; its budget is spent in {}", between(row.judged_at, at))
                    }
                    _ => what.to_owned(),
                }
            }
            (Some(Urgency::Ticket), _) => "it burns faster than it may".to_owned(),
            (None, Forecast::ExhaustedAt(at)) => {
                format!("{} of the budget is left, and it runs out in {}", left(), between(row.judged_at, at))
            }
            (None, _) => format!("only {} of the budget is left", left()),
        },
        Standing::Unknown => match row.verdict.state {
            State::Blind { unknown_share, .. } => {
                format!("{} of its newest minutes are unknown", percent(to_f64(unknown_share), 0))
            }
            _ if row.sums.total == 0 => "there was no event to count".to_owned(),
            _ => format!("only {} of its minutes were observed", percent(row.coverage(), 0)),
        },
        Standing::Recovered => format!("{} of the budget is left again", left()),
        Standing::Fine if row.budget.remaining().is_none() => "nothing failed".to_owned(),
        Standing::Fine => format!("{} of the budget is left", left()),
    }
}

/// The share of the budget that is left, and that was a week ago, where both are known of at least half of their windows.
#[must_use]
pub fn in_a_week(row: &Row) -> Option<(f64, f64)> {
    let known = |budget: &Budget, sums: Sums, minutes: u32| {
        budget.remaining().filter(|_| observed(sums, minutes) >= COVERAGE_MIN).map(to_f64)
    };
    let (past, now) = (&row.week_ago, known(&row.budget, row.sums, row.minutes).filter(|_| is_of_same_period(row)));
    now.zip(known(&past.budget, past.sums, past.minutes))
}

fn observed(sums: Sums, minutes: u32) -> Exact {
    Exact::new(i128::from(sums.known), i128::from(minutes.max(1)))
}

/// Whether nothing may fail any more, and something did.
fn is_spent(budget: &Budget) -> bool {
    budget.is_exceeded() || budget.remaining() == Some(Exact::from_integer(0))
}

fn will_not_last(budget: &Budget, forecast: Forecast) -> bool {
    matches!(forecast, Forecast::ExhaustedAt(_)) || budget.remaining().is_some_and(|left| left < LOW_LEFT)
}

fn is_unknown(row: &Row) -> bool {
    let observed = observed(row.sums, row.minutes);
    matches!(row.verdict.state, State::Blind { .. }) || row.sums.total == 0 || observed < COVERAGE_MIN
}

fn was_in_trouble(row: &Row) -> bool {
    let past = &row.week_ago;
    is_of_same_period(row) && (is_spent(&past.budget) || will_not_last(&past.budget, past.forecast))
}

/// Whether a week ago was in the same period: where the calendar has turned since, nothing has recovered.
fn is_of_same_period(row: &Row) -> bool {
    row.week_ago.minutes <= row.minutes
}
