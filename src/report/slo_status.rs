//! The status of an SLO, from its budget, its forecast and its tiers: tables, pages, mails and gates are sorted by it.
//! A word and a sign express it; colours may only repeat them.

use serde::{Deserialize, Serialize};

use crate::burn::{ErrorBudget, ExhaustionForecast};
use crate::evaluation::SloState;
use crate::evaluation::status::{FleetStatus, SloRow, WeekAgo, is_half_known};
use crate::format::{format_elapsed, format_lookback, format_percent, format_time, pluralize};
use crate::rational::{Rational, to_f64};
use crate::slo::Urgency;

/// A budget with less than this share left is at risk, whatever the forecast says.
pub const LOW_BUDGET_SHARE: Rational = Rational::new_raw(1, 4);

/// The status of an SLO, the worst first. The first rule that applies wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SloStatus {
    /// As many events failed as the budget allows, or more, in a window of which at least half is known.
    Exhausted,
    /// A tier fires, or there is an outage or a traffic drop; or the budget is forecast to run out before the window
    /// has passed once more (a calendar window: before its period ends); or less than a quarter is left.
    AtRisk,
    /// Too many of the newest minutes are unknown, no minute is known, or less than half of the window is known and it
    /// has events.
    NoData,
    /// Minutes are known, not too many of the newest are unknown, and the window has no event.
    NoTraffic,
    /// None of these now, but exhausted or at risk (by budget and forecast) a week ago.
    Recovered,
    Ok,
}

impl SloStatus {
    pub const ALL: [Self; 6] =
        [Self::Exhausted, Self::AtRisk, Self::NoData, Self::NoTraffic, Self::Recovered, Self::Ok];

    pub fn from_row(row: &SloRow) -> Self {
        let past = &row.week_ago;
        if row.is_half_known() && is_exhausted(&row.budget) {
            Self::Exhausted
        } else if row.evaluation.state.urgency().is_some()
            || (row.is_half_known() && is_at_risk(&row.budget, row.forecast))
        {
            Self::AtRisk
        } else if !lacks_recent_data(row) && row.sums.known > 0 && row.sums.total == 0 {
            Self::NoTraffic
        } else if lacks_recent_data(row) || !row.is_half_known() {
            Self::NoData
        } else if is_same_period_as_week_ago(row)
            && (is_exhausted(&past.budget) || is_at_risk(&past.budget, past.forecast))
        {
            Self::Recovered
        } else {
            Self::Ok
        }
    }

    /// Its text and its name in JSON, and a sign that distinguishes it without a colour.
    const fn names(self) -> (&'static str, &'static str, char) {
        match self {
            Self::Exhausted => ("exhausted", "exhausted", '■'),
            Self::AtRisk => ("at risk", "at_risk", '▲'),
            Self::NoData => ("no data", "no_data", '?'),
            Self::NoTraffic => ("no traffic", "no_traffic", '○'),
            Self::Recovered => ("recovered", "recovered", '↗'),
            Self::Ok => ("ok", "ok", '✓'),
        }
    }

    pub const fn label(self) -> &'static str {
        self.names().0
    }

    pub const fn key(self) -> &'static str {
        self.names().1
    }

    pub const fn sign(self) -> char {
        self.names().2
    }
}

/// How many rows have which status, the worst first.
pub(super) fn count_statuses<'a>(rows: impl IntoIterator<Item = &'a SloRow>) -> [(SloStatus, u32); 6] {
    let mut counts = SloStatus::ALL.map(|status| (status, 0));
    for row in rows {
        counts[SloStatus::from_row(row) as usize].1 += 1;
    }
    counts
}

/// Whether the SLO needs action: none helps where a window is only too long for what is known so far.
pub fn needs_action(row: &SloRow) -> bool {
    match SloStatus::from_row(row) {
        SloStatus::Exhausted | SloStatus::AtRisk | SloStatus::NoTraffic => true,
        SloStatus::NoData => !has_insufficient_coverage(row),
        SloStatus::Recovered | SloStatus::Ok => false,
    }
}

/// Whether the only reason for no data is that less than half of the window is known.
pub fn has_insufficient_coverage(row: &SloRow) -> bool {
    SloStatus::from_row(row) == SloStatus::NoData && !lacks_recent_data(row) && row.sums.total > 0
}

pub fn insufficient_coverage_notice(count: usize) -> Option<String> {
    let slos = pluralize(count, "SLO");
    (count > 0).then(|| format!("{slos} cannot be evaluated yet: less than half of the window is known"))
}

/// The reason for the status of a row, to follow its name and a colon.
pub fn status_reason(row: &SloRow) -> String {
    let left = budget_left(row);
    let left_or_no_failures =
        |suffix: &str| left.as_ref().map_or_else(|| "no failures".to_owned(), |left| format!("{left}{suffix}"));
    match SloStatus::from_row(row) {
        SloStatus::Exhausted => exhausted_reason(row),
        SloStatus::AtRisk => at_risk_reason(row),
        SloStatus::NoData => no_data_reason(row),
        SloStatus::NoTraffic => format!("no traffic in {}", row.window),
        SloStatus::Recovered => left_or_no_failures(" again"),
        SloStatus::Ok => left_or_no_failures(""),
    }
}

/// `42% of the error budget left`.
fn budget_left(row: &SloRow) -> Option<String> {
    row.budget.remaining().map(|left| format!("{} of the error budget left", format_percent(to_f64(left), 0)))
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
    let exhausted_in = match row.forecast {
        ExhaustionForecast::ExhaustedAt(at) => Some(format!("exhausted in {}", format_elapsed(row.evaluated_at, at))),
        _ => None,
    };
    let firing = match row.evaluation.state {
        SloState::Outage { .. } => "outage, almost all requests fail",
        SloState::TrafficDrop { .. } => "traffic drop, almost no requests arrive",
        SloState::Firing { urgency: Urgency::Ticket, .. } => {
            return "burning error budget faster than allowed".to_owned();
        }
        SloState::Firing { .. } => "burning error budget fast enough to page",
        SloState::Ok | SloState::NoData { .. } => {
            let left = budget_left(row).unwrap_or_else(|| " of the error budget left".to_owned());
            return exhausted_in.map_or_else(|| format!("only {left}"), |exhausted| format!("{left}, {exhausted}"));
        }
    };
    exhausted_in.map_or_else(|| firing.to_owned(), |exhausted| format!("{firing}; error budget {exhausted}"))
}

fn no_data_reason(row: &SloRow) -> String {
    match (&row.evaluation.state, row.watermark) {
        (SloState::NoData { unknown_share, .. }, Some(mark)) if *unknown_share == Rational::from_integer(1) => {
            format!("no data since {}", format_time(mark))
        }
        (SloState::NoData { unknown_share, minutes }, _) => format_unknown_share(*unknown_share, *minutes),
        _ if row.sums.known == 0 => "no minute of the window is known".to_owned(),
        _ => format!("only {} of the window is known", format_percent(row.coverage(), 1)),
    }
}

/// `40% of the last hour unknown`.
pub(super) fn format_unknown_share(unknown_share: Rational, minutes: u32) -> String {
    format!("{} of the last {} unknown", format_percent(to_f64(unknown_share), 0), format_lookback(minutes))
}

/// The share of the budget that is left, and that was left a week ago, where at least half of each window is known.
pub fn remaining_now_and_week_ago(row: &SloRow) -> Option<(f64, f64)> {
    let WeekAgo { sums, minutes, budget, .. } = &row.week_ago;
    let is_comparable = is_same_period_as_week_ago(row) && row.is_half_known() && is_half_known(*sums, *minutes);
    row.budget.remaining().filter(|_| is_comparable).map(to_f64).zip(budget.remaining().map(to_f64))
}

pub(super) fn team_rows<'a>(status: &'a FleetStatus, team: Option<&str>) -> impl Iterator<Item = &'a SloRow> {
    status.rows.iter().filter(move |row| team.is_none_or(|team| row.team == team))
}

/// The known share of the minutes of all windows of a team, or of all teams; `None` without any.
pub(super) fn team_coverage(status: &FleetStatus, team: Option<&str>) -> Option<f64> {
    let (known, minutes) = team_rows(status, team).fold((0.0, 0.0), |(known, minutes), row| {
        (known + f64::from(row.sums.known), minutes + f64::from(row.minutes))
    });
    (minutes > 0.0).then(|| known / minutes)
}

fn is_exhausted(budget: &ErrorBudget) -> bool {
    budget.is_exceeded() || budget.remaining() == Some(Rational::from_integer(0))
}

fn is_at_risk(budget: &ErrorBudget, forecast: ExhaustionForecast) -> bool {
    matches!(forecast, ExhaustionForecast::ExhaustedAt(_))
        || budget.remaining().is_some_and(|left| left < LOW_BUDGET_SHARE)
}

pub(super) fn lacks_recent_data(row: &SloRow) -> bool {
    matches!(row.evaluation.state, SloState::NoData { .. })
}

/// Whether the calendar period is the same as a week ago; after it has changed, nothing has recovered.
fn is_same_period_as_week_ago(row: &SloRow) -> bool {
    row.week_ago.minutes <= row.minutes
}
