//! One SLO in a weekly report: its status, its budget a week before, and for how many weeks the status has lasted.

use std::collections::HashMap;

use serde::Serialize;

use crate::format::pluralize;
use crate::rational::to_f64;
use crate::report::model::{DailyBurn, FleetStatus, SloRow};
use crate::report::slo_status::{
    SloStatus, has_insufficient_coverage, needs_action, remaining_now_and_week_ago, status_reason,
};
use crate::report::status::format_budget_left_with_raw;

/// The rows of the weeks before, the newest first.
#[derive(Default)]
pub struct PreviousWeeks<'a>(HashMap<[String; 3], Vec<&'a SloRow>>);

impl<'a> PreviousWeeks<'a> {
    pub fn new(statuses: &'a [FleetStatus]) -> Self {
        let mut weeks: HashMap<_, Vec<&SloRow>> = HashMap::new();
        for row in statuses.iter().flat_map(|status| &status.rows) {
            weeks.entry(row_key(row)).or_default().push(row);
        }
        Self(weeks)
    }

    pub fn rows_for(&self, row: &SloRow) -> &[&'a SloRow] {
        self.0.get(&row_key(row)).map_or(&[], Vec::as_slice)
    }
}

fn row_key(row: &SloRow) -> [String; 3] {
    [&row.service, &row.slo, &row.window].map(String::clone)
}

/// An SLO over one of its windows. Its JSON is that of the report.
#[derive(Clone, Serialize)]
pub struct WeeklySlo {
    /// `checkout/availability`.
    #[serde(rename = "slo")]
    pub name: String,
    pub objective: String,
    pub window: String,
    pub team: String,
    pub status: SloStatus,
    pub reason: String,
    /// The share of the budget that is left; `None` without a budget.
    #[serde(rename = "budget_remaining")]
    pub remaining: Option<f64>,
    /// That share a week before, if enough is known of both weeks to compare them.
    #[serde(rename = "budget_remaining_week_ago")]
    pub remaining_week_ago: Option<f64>,
    /// The weeks in a row that it has been exhausted or at risk, this one included.
    #[serde(rename = "weeks_exhausted_or_at_risk")]
    pub weeks_in_trouble: usize,
    /// The step of the error-budget policy that applies.
    pub policy: Option<String>,
    /// The budget that is left, rounded, with the raw one where minutes are excluded.
    #[serde(skip)]
    pub budget_left: String,
    #[serde(skip)]
    pub needs_action: bool,
    #[serde(skip)]
    pub has_insufficient_coverage: bool,
    /// The burn of the newest days, the newest last.
    #[serde(skip)]
    pub daily_burn: Vec<DailyBurn>,
}

impl WeeklySlo {
    pub(super) fn new(row: &SloRow, previous_weeks: &PreviousWeeks<'_>) -> Self {
        let is_in_trouble = |row: &SloRow| matches!(SloStatus::from_row(row), SloStatus::Exhausted | SloStatus::AtRisk);
        let earlier_weeks = previous_weeks.rows_for(row).iter().take_while(|row| is_in_trouble(row)).count();
        Self {
            status: SloStatus::from_row(row),
            needs_action: needs_action(row),
            has_insufficient_coverage: has_insufficient_coverage(row),
            name: row.id(),
            objective: row.objective.clone(),
            window: row.window.clone(),
            team: row.team.clone(),
            reason: status_reason(row),
            budget_left: format_budget_left_with_raw(row),
            remaining: row.budget.remaining().map(to_f64),
            remaining_week_ago: remaining_now_and_week_ago(row).map(|(_, then)| then),
            weeks_in_trouble: if is_in_trouble(row) { earlier_weeks + 1 } else { 0 },
            policy: row.policy.as_ref().map(|step| step.then.clone()),
            daily_burn: row.daily_burn.clone(),
        }
    }

    /// `99.9% over 30d`.
    pub(super) fn objective_and_window(&self) -> String {
        format!("{} over {}", self.objective, self.window)
    }

    /// `checkout/availability (99.9% over 30d, mart)`.
    pub(super) fn name_with_details(&self) -> String {
        format!("{} ({}, {})", self.name, self.objective_and_window(), self.team)
    }

    /// The SLO with the reason for its status.
    pub(super) fn reason_line(&self) -> String {
        format!("{}: {}", self.name_with_details(), self.reason)
    }

    /// `exhausted, 154% of the error budget used`; a reason that begins with the status stands alone.
    pub(super) fn status_and_reason(&self) -> String {
        let word = self.status.label();
        if self.reason.starts_with(word) { self.reason.clone() } else { format!("{word}, {}", self.reason) }
    }

    /// The SLO with its status, for how long it has lasted, and the policy that applies.
    pub(super) fn action_line(&self) -> String {
        format!("{}: {}{}", self.name_with_details(), self.status_and_reason(), self.duration_and_policy())
    }

    /// `; exhausted or at risk for 3 weeks; policy: fixes only`.
    pub(super) fn duration_and_policy(&self) -> String {
        let duration = if self.weeks_in_trouble > 1 {
            format!("; exhausted or at risk for {}", self.format_weeks())
        } else {
            String::new()
        };
        let policy = self.policy.as_ref().map_or_else(String::new, |then| format!("; policy: {then}"));
        duration + &policy
    }

    /// `3 weeks`; at the limit of what is evaluated, `at least 4 weeks`.
    pub(super) fn format_weeks(&self) -> String {
        let max_weeks = usize::try_from(super::PREVIOUS_WEEKS).unwrap_or(0) + 1;
        let prefix = if self.weeks_in_trouble >= max_weeks { "at least " } else { "" };
        format!("{prefix}{}", pluralize(self.weeks_in_trouble, "week"))
    }

    /// The change of the budget in the week, in percentage points: `down 12 points in 7 days`; `None` where there is
    /// none.
    pub fn format_trend(&self) -> Option<String> {
        let points_changed = 100.0 * (self.remaining? - self.remaining_week_ago?);
        let direction = if points_changed < 0.0 { "down" } else { "up" };
        let points = format!("{:.0}", points_changed.abs());
        let noun = if points == "1" { "point" } else { "points" };
        (points_changed.abs() >= 0.5).then(|| format!("{direction} {points} {noun} in 7 days"))
    }
}
