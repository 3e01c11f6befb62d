//! The status of an SLO, from its budget, its forecast and its tiers: tables, pages, mails and gates are sorted by it.
//!
//! Absent on purpose: colours. A word and a sign are enough; a colour may only repeat them.

use serde::{Deserialize, Serialize};

use super::model::SloRow;
use crate::burn::{ErrorBudget, ExhaustionForecast};
use crate::counts::Sums;
use crate::evaluation::SloState;
use crate::format::{format_elapsed, format_lookback, format_percent, format_time, pluralize};
use crate::rational::{Rational, to_f64};
use crate::slo::Urgency;

/// A budget with less than this share left is at risk, whatever the forecast says.
pub const LOW_BUDGET_SHARE: Rational = Rational::new_raw(1, 4);

/// A window of which a smaller share is known has no data.
pub const MIN_COVERAGE: Rational = Rational::new_raw(1, 2);

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SloStatus {
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

impl SloStatus {
    /// All of them, worst first.
    pub const ALL: [Self; 6] =
        [Self::Exhausted, Self::AtRisk, Self::NoData, Self::NoTraffic, Self::Recovered, Self::Ok];

    /// The status of a row.
    #[must_use]
    pub fn from_row(row: &SloRow) -> Self {
        if is_exhausted(&row.budget) {
            Self::Exhausted
        } else if row.evaluation.state.urgency().is_some() || is_at_risk(&row.budget, row.forecast) {
            Self::AtRisk
        } else if has_no_traffic(row) {
            Self::NoTraffic
        } else if has_no_data(row) {
            Self::NoData
        } else if was_exhausted_or_at_risk(row) {
            Self::Recovered
        } else {
            Self::Ok
        }
    }

    /// The worst of several; `None` if there are none.
    #[must_use]
    pub fn worst<'a>(rows: impl IntoIterator<Item = &'a SloRow>) -> Option<Self> {
        rows.into_iter().map(Self::from_row).min()
    }

    /// The word for people.
    #[must_use]
    pub const fn label(self) -> &'static str {
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
            other => other.label(),
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
pub fn needs_action(row: &SloRow) -> bool {
    match SloStatus::from_row(row) {
        SloStatus::Exhausted | SloStatus::AtRisk | SloStatus::NoTraffic => true,
        SloStatus::NoData => !has_insufficient_coverage(row),
        SloStatus::Recovered | SloStatus::Ok => false,
    }
}

/// Whether it has no data only because too little of its window is known.
#[must_use]
pub fn has_insufficient_coverage(row: &SloRow) -> bool {
    SloStatus::from_row(row) == SloStatus::NoData && !lacks_recent_data(row) && row.sums.total > 0
}

/// One line for all SLOs that cannot be evaluated yet.
#[must_use]
pub fn insufficient_coverage_notice(count: usize) -> Option<String> {
    (count > 0)
        .then(|| format!("{} cannot be evaluated yet: less than half of the window is known", pluralize(count, "SLO")))
}

/// The reason for the status of a row, to follow its name and a colon.
#[must_use]
pub fn status_reason(row: &SloRow) -> String {
    let left = row.budget.remaining().map(|left| format_percent(to_f64(left), 0));
    match SloStatus::from_row(row) {
        SloStatus::Exhausted => exhausted_reason(row),
        SloStatus::AtRisk => at_risk_reason(row),
        SloStatus::NoData => no_data_reason(row),
        SloStatus::NoTraffic => format!("no traffic in {}", row.window),
        SloStatus::Recovered => {
            left.map_or_else(|| "no failures".to_owned(), |left| format!("{left} of the error budget left again"))
        }
        SloStatus::Ok => {
            left.map_or_else(|| "no failures".to_owned(), |left| format!("{left} of the error budget left"))
        }
    }
}

fn exhausted_reason(row: &SloRow) -> String {
    // It may have recovered, or become worse, since then.
    let since = row.watermark.filter(|_| lacks_recent_data(row));
    let since = since.map_or_else(String::new, |mark| format!(", no data since {}", format_time(mark)));
    match row.budget.consumed() {
        Some(consumed) => format!("{} of the error budget used{since}", format_percent(to_f64(consumed), 0)),
        None => format!("{} failed, none allowed{since}", row.sums.bad),
    }
}

fn at_risk_reason(row: &SloRow) -> String {
    let firing = match row.evaluation.state {
        SloState::Outage { .. } => "outage, almost all requests fail",
        SloState::TrafficDrop { .. } => "traffic drop, almost no requests arrive",
        SloState::Firing { urgency: Urgency::Ticket, .. } => {
            return "burning error budget faster than allowed".to_owned();
        }
        SloState::Firing { .. } => "burning error budget fast enough to page",
        SloState::Ok | SloState::NoData { .. } => {
            let left = row.budget.remaining().map_or_else(String::new, |left| format_percent(to_f64(left), 0));
            return match row.forecast {
                ExhaustionForecast::ExhaustedAt(at) => {
                    format!("{left} of the error budget left, exhausted in {}", format_elapsed(row.evaluated_at, at))
                }
                _ => format!("only {left} of the error budget left"),
            };
        }
    };
    match row.forecast {
        ExhaustionForecast::ExhaustedAt(at) => {
            format!("{firing}; error budget exhausted in {}", format_elapsed(row.evaluated_at, at))
        }
        _ => firing.to_owned(),
    }
}

fn no_data_reason(row: &SloRow) -> String {
    match (&row.evaluation.state, row.watermark) {
        (SloState::NoData { unknown_share, .. }, Some(mark)) if *unknown_share == Rational::from_integer(1) => {
            format!("no data since {}", format_time(mark))
        }
        (SloState::NoData { unknown_share, minutes }, _) => {
            format!("{} of the last {} unknown", format_percent(to_f64(*unknown_share), 0), format_lookback(*minutes))
        }
        _ if row.sums.known == 0 => "no minute of the window is known".to_owned(),
        _ => format!("only {} of the window is known", format_percent(row.coverage(), 1)),
    }
}

/// The share of the budget that is left, and that was a week ago, where at least half of each window is known.
#[must_use]
pub fn remaining_now_and_week_ago(row: &SloRow) -> Option<(f64, f64)> {
    let known = |budget: &ErrorBudget, sums: Sums, minutes: u32| {
        budget.remaining().filter(|_| coverage(sums, minutes) >= MIN_COVERAGE).map(to_f64)
    };
    let (past, remaining_now) =
        (&row.week_ago, known(&row.budget, row.sums, row.minutes).filter(|_| is_same_period_as_week_ago(row)));
    remaining_now.zip(known(&past.budget, past.sums, past.minutes))
}

fn coverage(sums: Sums, minutes: u32) -> Rational {
    Rational::new(i128::from(sums.known), i128::from(minutes.max(1)))
}

/// Whether nothing may fail any more, and something did.
fn is_exhausted(budget: &ErrorBudget) -> bool {
    budget.is_exceeded() || budget.remaining() == Some(Rational::from_integer(0))
}

fn is_at_risk(budget: &ErrorBudget, forecast: ExhaustionForecast) -> bool {
    matches!(forecast, ExhaustionForecast::ExhaustedAt(_))
        || budget.remaining().is_some_and(|left| left < LOW_BUDGET_SHARE)
}

/// Whether too many of the newest minutes are unknown.
fn lacks_recent_data(row: &SloRow) -> bool {
    matches!(row.evaluation.state, SloState::NoData { .. })
}

fn has_no_traffic(row: &SloRow) -> bool {
    !lacks_recent_data(row) && row.sums.known > 0 && row.sums.total == 0
}

fn has_no_data(row: &SloRow) -> bool {
    lacks_recent_data(row) || row.sums.known == 0 || coverage(row.sums, row.minutes) < MIN_COVERAGE
}

fn was_exhausted_or_at_risk(row: &SloRow) -> bool {
    let past = &row.week_ago;
    is_same_period_as_week_ago(row) && (is_exhausted(&past.budget) || is_at_risk(&past.budget, past.forecast))
}

/// Whether a week ago was in the same period: where the calendar has turned since, nothing has recovered.
fn is_same_period_as_week_ago(row: &SloRow) -> bool {
    row.week_ago.minutes <= row.minutes
}
