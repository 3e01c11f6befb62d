//! One SLO in a weekly report: its status, its budget a week before, and for how many weeks the status has lasted.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::format::pluralize;
use crate::rational::to_f64;
use crate::report::model::{FleetStatus, SloRow};
use crate::report::slo_status::{SloStatus, remaining_now_and_week_ago, status_reason};

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

/// An SLO over one of its windows, with what the weeks before say about it.
pub struct WeeklySlo {
    pub row: SloRow,
    pub status: SloStatus,
    /// The weeks in a row that it has been exhausted or at risk, this one included.
    pub weeks_in_trouble: usize,
}

impl WeeklySlo {
    pub(super) fn new(row: &SloRow, previous_weeks: &PreviousWeeks<'_>) -> Self {
        let is_in_trouble = |row: &SloRow| matches!(SloStatus::from_row(row), SloStatus::Exhausted | SloStatus::AtRisk);
        let earlier_weeks = previous_weeks.rows_for(row).iter().take_while(|row| is_in_trouble(row)).count();
        let weeks_in_trouble = if is_in_trouble(row) { earlier_weeks + 1 } else { 0 };
        Self { row: row.clone(), status: SloStatus::from_row(row), weeks_in_trouble }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "slo": self.row.id(),
            "objective": self.row.objective,
            "window": self.row.window,
            "team": self.row.team,
            "status": self.status,
            "reason": self.reason(),
            "budget_remaining": self.row.budget.remaining().map(to_f64),
            "budget_remaining_week_ago": remaining_now_and_week_ago(&self.row).map(|(_, week_ago)| week_ago),
            "weeks_exhausted_or_at_risk": self.weeks_in_trouble,
            "policy": self.policy(),
        })
    }

    pub(super) fn reason(&self) -> String {
        status_reason(&self.row)
    }

    /// What the error-budget policy requires now.
    pub(super) fn policy(&self) -> Option<&str> {
        self.row.policy.as_ref().map(|step| step.then.as_str())
    }

    /// `99.9% over 30d`.
    pub(super) fn objective_and_window(&self) -> String {
        format!("{} over {}", self.row.objective, self.row.window)
    }

    /// `checkout/availability (99.9% over 30d, mart)`.
    pub(super) fn name_with_details(&self) -> String {
        format!("{} ({}, {})", self.row.id(), self.objective_and_window(), self.row.team)
    }

    /// The SLO with the reason for its status.
    pub(super) fn reason_line(&self) -> String {
        format!("{}: {}", self.name_with_details(), self.reason())
    }

    /// `exhausted, 154% of the error budget used`; a reason that begins with the status stands alone.
    pub(super) fn status_and_reason(&self) -> String {
        let (label, reason) = (self.status.label(), self.reason());
        if reason.starts_with(label) { reason } else { format!("{label}, {reason}") }
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
        let policy = self.policy().map_or_else(String::new, |then| format!("; policy: {then}"));
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
        let (now, week_ago) = remaining_now_and_week_ago(&self.row)?;
        let points_changed = 100.0 * (now - week_ago);
        let direction = if points_changed < 0.0 { "down" } else { "up" };
        let points = format!("{:.0}", points_changed.abs());
        let noun = if points == "1" { "point" } else { "points" };
        (points_changed.abs() >= 0.5).then(|| format!("{direction} {points} {noun} in 7 days"))
    }
}
