//! The status of an SLO, from its budget, its forecast and its tiers: tables, pages, mails and gates are sorted by it.
//!
//! Absent on purpose: colours. A word and a sign are enough; a colour may only repeat them.

use super::model::Row;
use super::status::percent;
use super::words::{between, clock, last};
use crate::burn::{Budget, Forecast};
use crate::counts::Sums;
use crate::exact::{Exact, to_f64};
use crate::slo::Urgency;
use crate::verdict::State;

/// A budget with less than this share left is at risk, whatever the forecast says.
pub const LOW_LEFT: Exact = Exact::new_raw(1, 4);

/// A window of which a smaller share is known has no data.
pub const COVERAGE_MIN: Exact = Exact::new_raw(1, 2);

/// The status of an SLO, the worst first. The first rule that applies wins.
///
/// | status | rule |
/// |---|---|
/// | exhausted | as many events failed as the budget allows, or more |
/// | at risk | a tier fires, or there is an outage or a traffic drop; or the budget is forecast to run out before the window has passed once more (a calendar window: before its period ends); or less than a quarter is left |
/// | no data | too many of the newest minutes are unknown, no minute is known, or less than half of the window is known and it has events |
/// | no traffic | minutes are known, not too many of the newest are unknown, and the window has no event |
/// | recovered | none of these now, but exhausted or at risk (by budget and forecast) a week ago |
/// | ok | everything else |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The error budget is fully consumed.
    Exhausted,
    /// An alert is firing, or the budget will not last.
    AtRisk,
    /// Too few minutes are known.
    NoData,
    /// Minutes are known, and no event was counted.
    NoTraffic,
    /// It was exhausted or at risk a week ago, and is not now.
    Recovered,
    /// Nothing to do.
    Ok,
}

impl Standing {
    /// All of them, worst first.
    pub const ALL: [Self; 6] =
        [Self::Exhausted, Self::AtRisk, Self::NoData, Self::NoTraffic, Self::Recovered, Self::Ok];

    /// The status of a row.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        if is_spent(&row.budget) {
            Self::Exhausted
        } else if row.verdict.state.urgency().is_some() || will_not_last(&row.budget, row.forecast) {
            Self::AtRisk
        } else if has_no_traffic(row) {
            Self::NoTraffic
        } else if has_no_data(row) {
            Self::NoData
        } else if was_in_trouble(row) {
            Self::Recovered
        } else {
            Self::Ok
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
            Self::NoData => "no data",
            Self::NoTraffic => "no traffic",
            Self::Recovered => "recovered",
            Self::Ok => "ok",
        }
    }

    /// The word for programs and style sheets.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::AtRisk => "at_risk",
            Self::NoData => "no_data",
            Self::NoTraffic => "no_traffic",
            other => other.word(),
        }
    }

    /// A sign that distinguishes it without a colour.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::Exhausted => '■',
            Self::AtRisk => '▲',
            Self::NoData => '?',
            Self::NoTraffic => '○',
            Self::Recovered => '↗',
            Self::Ok => '✓',
        }
    }
}

/// Whether the SLO needs action: nothing helps where a window is only too long for what is known so far.
#[must_use]
pub fn needs_action(row: &Row) -> bool {
    match Standing::of(row) {
        Standing::Exhausted | Standing::AtRisk | Standing::NoTraffic => true,
        Standing::NoData => !is_too_early(row),
        Standing::Recovered | Standing::Ok => false,
    }
}

/// Whether it has no data only because too little of its window is known.
#[must_use]
pub fn is_too_early(row: &Row) -> bool {
    Standing::of(row) == Standing::NoData && !is_blind(row) && row.sums.total > 0
}

/// One line for all SLOs that cannot be evaluated yet.
#[must_use]
pub fn too_early(count: usize) -> Option<String> {
    (count > 0).then(|| {
        format!("{} cannot be evaluated yet: less than half of the window is known", super::counted(count, "SLO"))
    })
}

/// The reason for the status of a row, to follow its name and a colon.
#[must_use]
pub fn why(row: &Row) -> String {
    let left = row.budget.remaining().map(|left| percent(to_f64(left), 0));
    match Standing::of(row) {
        Standing::Exhausted => exhausted(row),
        Standing::AtRisk => at_risk(row),
        Standing::NoData => no_data(row),
        Standing::NoTraffic => format!("no traffic in {}", row.window),
        Standing::Recovered => {
            left.map_or_else(|| "no failures".to_owned(), |left| format!("{left} of the error budget left again"))
        }
        Standing::Ok => {
            left.map_or_else(|| "no failures".to_owned(), |left| format!("{left} of the error budget left"))
        }
    }
}

fn exhausted(row: &Row) -> String {
    // It may have recovered, or become worse, since then.
    let since = row.watermark.filter(|_| is_blind(row));
    let since = since.map_or_else(String::new, |mark| format!(", no data since {}", clock(mark)));
    match row.budget.consumed() {
        Some(consumed) => format!("{} of the error budget used{since}", percent(to_f64(consumed), 0)),
        None => format!("{} failed, none allowed{since}", row.sums.bad),
    }
}

fn at_risk(row: &Row) -> String {
    let firing = match row.verdict.state {
        State::Outage { .. } => "outage, almost all requests fail",
        State::Collapse { .. } => "traffic drop, almost no requests arrive",
        State::Burning { urgency: Urgency::Ticket, .. } => {
            return "burning error budget faster than allowed".to_owned();
        }
        State::Burning { .. } => "burning error budget fast enough to page",
        State::Calm | State::Blind { .. } => {
            let left = row.budget.remaining().map_or_else(String::new, |left| percent(to_f64(left), 0));
            return match row.forecast {
                Forecast::ExhaustedAt(at) => {
                    format!("{left} of the error budget left, exhausted in {}", between(row.judged_at, at))
                }
                _ => format!("only {left} of the error budget left"),
            };
        }
    };
    match row.forecast {
        Forecast::ExhaustedAt(at) => format!("{firing}; error budget exhausted in {}", between(row.judged_at, at)),
        _ => firing.to_owned(),
    }
}

fn no_data(row: &Row) -> String {
    match (&row.verdict.state, row.watermark) {
        (State::Blind { unknown_share, .. }, Some(mark)) if *unknown_share == Exact::from_integer(1) => {
            format!("no data since {}", clock(mark))
        }
        (State::Blind { unknown_share, minutes }, _) => {
            format!("{} of the last {} unknown", percent(to_f64(*unknown_share), 0), last(*minutes))
        }
        _ if row.sums.known == 0 => "no minute of the window is known".to_owned(),
        _ => format!("only {} of the window is known", percent(row.coverage(), 1)),
    }
}

/// The share of the budget that is left, and that was a week ago, where at least half of each window is known.
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

/// Whether too many of the newest minutes are unknown.
fn is_blind(row: &Row) -> bool {
    matches!(row.verdict.state, State::Blind { .. })
}

fn has_no_traffic(row: &Row) -> bool {
    !is_blind(row) && row.sums.known > 0 && row.sums.total == 0
}

fn has_no_data(row: &Row) -> bool {
    is_blind(row) || row.sums.known == 0 || observed(row.sums, row.minutes) < COVERAGE_MIN
}

fn was_in_trouble(row: &Row) -> bool {
    let past = &row.week_ago;
    is_of_same_period(row) && (is_spent(&past.budget) || will_not_last(&past.budget, past.forecast))
}

/// Whether a week ago was in the same period: where the calendar has turned since, nothing has recovered.
fn is_of_same_period(row: &Row) -> bool {
    row.week_ago.minutes <= row.minutes
}
