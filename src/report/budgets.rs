//! Budgets day by day for other tools: a row for each day, SLO and window, as of the end of the day.

use super::model::{FleetStatus, SloRow};
use super::slo_status::SloStatus;
use crate::rational::to_f64;
use crate::time::Day;

/// The columns in their order, as [`csv()`] and Parquet files name them.
pub const COLUMNS: [&str; 13] = [
    "day",
    "team",
    "service",
    "slo",
    "class",
    "objective",
    "window",
    "total",
    "bad",
    "coverage",
    "budget_consumed",
    "budget_remaining",
    "status",
];

/// How a promise stood over one of its windows when a day in UTC ended.
#[derive(Clone, Debug, PartialEq)]
pub struct DailyBudget {
    /// The day.
    pub day: Day,
    /// Whose it is.
    pub team: String,
    /// The service.
    pub service: String,
    /// The promise.
    pub slo: String,
    /// How important the service is.
    pub class: String,
    /// The objective of now as it is written; what was promised then may have been another.
    pub objective: String,
    /// The window: `30d`, `month`.
    pub window: String,
    /// Events of the window.
    pub total: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// The share of the window's minutes that was observed.
    pub coverage: f64,
    /// The share of the budget that was used; `None` without traffic, and where nothing may fail.
    pub consumed: Option<f64>,
    /// The share that was left.
    pub remaining: Option<f64>,
    /// Its status.
    pub status: SloStatus,
}

/// The rows of a day, by the status of its end, in the order of names.
#[must_use]
pub fn daily_budgets(day: Day, status: &FleetStatus) -> Vec<DailyBudget> {
    let mut rows: Vec<&SloRow> = status.rows.iter().collect();
    rows.sort_by_key(|row| (&row.team, &row.service, &row.slo, &row.window));
    rows.into_iter().map(|row| daily_budget(day, row)).collect()
}

fn daily_budget(day: Day, row: &SloRow) -> DailyBudget {
    DailyBudget {
        day,
        team: row.team.clone(),
        service: row.service.clone(),
        slo: row.slo.clone(),
        class: row.class.clone(),
        objective: row.objective.clone(),
        window: row.window.clone(),
        total: row.sums.total,
        bad: row.sums.bad,
        coverage: row.coverage(),
        consumed: row.budget.consumed().map(to_f64),
        remaining: row.budget.remaining().map(to_f64),
        status: SloStatus::from_row(row),
    }
}

/// Comma-separated values with a first line that names them, numbers unrounded, empty where nothing is known.
///
/// # Errors
/// When a value cannot be written as CSV, which no text of ours causes.
pub fn csv(budgets: &[DailyBudget]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let format_optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for budget in budgets {
        writer.write_record([
            budget.day.to_string(),
            budget.team.clone(),
            budget.service.clone(),
            budget.slo.clone(),
            budget.class.clone(),
            budget.objective.clone(),
            budget.window.clone(),
            budget.total.to_string(),
            budget.bad.to_string(),
            budget.coverage.to_string(),
            format_optional(budget.consumed),
            format_optional(budget.remaining),
            budget.status.key().to_owned(),
        ])?;
    }
    super::replay::finish_csv(writer)
}
