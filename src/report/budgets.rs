//! Budgets day by day for other tools: a row for each day, SLO and window, as of the end of the day.

use super::model::{Row, Status};
use super::standing::Standing;
use crate::exact::to_f64;
use crate::minute::Day;

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
pub struct DayBudget {
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
    pub status: Standing,
}

/// The rows of a day, by the status of its end, in the order of names.
#[must_use]
pub fn of_day(day: Day, status: &Status) -> Vec<DayBudget> {
    let mut rows: Vec<&Row> = status.rows.iter().collect();
    rows.sort_by_key(|row| (&row.team, &row.service, &row.slo, &row.window));
    rows.into_iter().map(|row| of_row(day, row)).collect()
}

fn of_row(day: Day, row: &Row) -> DayBudget {
    DayBudget {
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
        status: Standing::of(row),
    }
}

/// Comma-separated values with a first line that names them, numbers unrounded, empty where nothing is known.
///
/// # Errors
/// When a value cannot be written as CSV, which no text of ours causes.
pub fn csv(budgets: &[DayBudget]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for one in budgets {
        writer.write_record([
            one.day.to_string(),
            one.team.clone(),
            one.service.clone(),
            one.slo.clone(),
            one.class.clone(),
            one.objective.clone(),
            one.window.clone(),
            one.total.to_string(),
            one.bad.to_string(),
            one.coverage.to_string(),
            number(one.consumed),
            number(one.remaining),
            one.status.key().to_owned(),
        ])?;
    }
    super::replay::text_of(writer)
}
