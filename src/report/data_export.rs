//! What `slowburn export` writes: the known minutes of the ledger as they were counted, and budgets day by day.

use super::slo_status::SloStatus;
use super::table::{Column, columns_csv, optional_text};
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::ledger::{Ledger, NotLoaded};
use crate::rational::to_f64;
use crate::slo::Slo;
use crate::time::{Day, Minute, Span};

/// The first line of the minutes. Unknown minutes have no line; a minute without traffic has zeros.
pub const MINUTES_HEADER: &str = "slo,minute,total,bad\n";

/// The lines of a span within one day. Fails if the day is in the ledger but was not loaded.
pub fn minutes_csv(slos: &[&Slo], ledger: &Ledger, span: Span) -> Result<String, NotLoaded> {
    let mut text = String::new();
    for slo in slos {
        let day = ledger.day_minutes(&slo.indicator.series(), span.start.day())?;
        for minute in (span.start.0..span.end.0).map(Minute) {
            let index = minute.minute_of_day();
            if day.known.get(index) == Some(&1) {
                // An id has no comma or quote: definitions allow neither in names.
                text.push_str(&format!("{},{minute},{},{}\n", slo.id, day.total[index], day.bad[index]));
            }
        }
    }
    Ok(text)
}

/// The columns of daily budgets in CSV and Parquet files.
pub const BUDGET_COLUMNS: [Column<DailyBudget>; 13] = [
    ("day", |budget| budget.day.to_string()),
    ("team", |budget| budget.team.clone()),
    ("service", |budget| budget.service.clone()),
    ("slo", |budget| budget.slo.clone()),
    ("class", |budget| budget.class.clone()),
    ("objective", |budget| budget.objective.clone()),
    ("window", |budget| budget.window.clone()),
    ("total", |budget| budget.total.to_string()),
    ("bad", |budget| budget.bad.to_string()),
    ("coverage", |budget| budget.coverage.to_string()),
    ("budget_consumed", |budget| optional_text(budget.consumed)),
    ("budget_remaining", |budget| optional_text(budget.remaining)),
    ("status", |budget| budget.status.key().to_owned()),
];

/// An SLO over one of its windows at the end of a UTC day.
#[derive(Clone, Debug, PartialEq)]
pub struct DailyBudget {
    pub day: Day,
    pub team: String,
    pub service: String,
    pub slo: String,
    pub class: String,
    /// The current objective as written; on that day it may have been another.
    pub objective: String,
    pub window: String,
    pub total: u64,
    pub bad: u64,
    pub coverage: f64,
    /// The share of the budget that is used; `None` without traffic, and where the objective allows no failure.
    pub consumed: Option<f64>,
    pub remaining: Option<f64>,
    pub status: SloStatus,
}

/// The rows of a day from the status at its end, in the order of names.
pub fn daily_budgets(day: Day, status: &FleetStatus) -> Vec<DailyBudget> {
    let mut rows: Vec<&SloRow> = status.rows.iter().collect();
    rows.sort_by_key(|row| (&row.team, &row.service, &row.slo, &row.window));
    let to_budget = |row: &SloRow| DailyBudget {
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
    };
    rows.into_iter().map(to_budget).collect()
}

/// Numbers unrounded, empty where nothing is known.
pub fn budgets_csv(budgets: &[DailyBudget]) -> Result<String, csv::Error> {
    columns_csv(&BUDGET_COLUMNS, budgets)
}
