//! The status for programs, as CSV, JSON, `OpenMetrics` and CloudWatch metrics: all numbers unrounded.

mod document;
mod openmetrics;

use std::collections::BTreeSet;

use super::slo_status::{SloStatus, count_statuses};
use super::table::{Column, columns_csv, optional_text};
use crate::burn::ExhaustionForecast;
use crate::evaluation::SloState;
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::rational::to_f64;

pub(super) use document::SloJson;
pub use document::{json, schema};
pub use openmetrics::openmetrics;

const CSV_COLUMNS: [Column<SloRow>; 24] = [
    ("team", |row| row.team.clone()),
    ("service", |row| row.service.clone()),
    ("slo", |row| row.slo.clone()),
    ("class", |row| row.class.clone()),
    ("objective", |row| row.objective.clone()),
    ("window", |row| row.window.clone()),
    ("status", |row| SloStatus::from_row(row).key().to_owned()),
    ("urgency", |row| optional_text(row.evaluation.state.urgency())),
    ("missing_share", |row| optional_text(missing_share(row))),
    ("total", |row| row.sums.total.to_string()),
    ("bad", |row| row.sums.bad.to_string()),
    ("sli", |row| optional_text(row.sli)),
    ("budget_remaining", |row| optional_text(row.budget.remaining().map(to_f64))),
    ("forecast", |row| forecast_key(row.forecast).to_owned()),
    ("exhausted_at", |row| optional_text(exhausted_at(row.forecast))),
    ("coverage", |row| row.coverage().to_string()),
    ("evaluated_at", |row| row.evaluated_at.to_string()),
    ("watermark", |row| optional_text(row.watermark)),
    ("raw_total", |row| row.raw.total.to_string()),
    ("raw_bad", |row| row.raw.bad.to_string()),
    ("raw_budget_remaining", |row| optional_text(row.raw_budget.remaining().map(to_f64))),
    ("excluded_minutes", |row| row.excluded_minutes.to_string()),
    ("corrections", |row| row.corrections.join(" ")),
    ("policy", |row| optional_text(row.policy.as_ref().map(|step| &step.text))),
];

pub fn csv(status: &FleetStatus) -> Result<String, csv::Error> {
    columns_csv(&CSV_COLUMNS, &status.rows)
}

/// The share of the newest minutes that is unknown, if it is above `max_unknown`.
fn missing_share(row: &SloRow) -> Option<f64> {
    match &row.evaluation.state {
        SloState::NoData { unknown_share, .. } => Some(to_f64(*unknown_share)),
        _ => None,
    }
}

fn forecast_key(forecast: ExhaustionForecast) -> &'static str {
    match forecast {
        ExhaustionForecast::AlreadyExhausted => "exhausted",
        ExhaustionForecast::ExhaustedAt(_) => "exhausted_at",
        ExhaustionForecast::NotWithinPeriod => "lasts",
        ExhaustionForecast::Unknown => "unknown",
    }
}

fn exhausted_at(forecast: ExhaustionForecast) -> Option<String> {
    match forecast {
        ExhaustionForecast::ExhaustedAt(at) => Some(at.to_string()),
        _ => None,
    }
}

/// One value of a CloudWatch metric. Names in definitions are valid as values of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    pub name: &'static str,
    pub dimensions: Vec<(&'static str, String)>,
    pub value: f64,
    pub is_percent: bool,
}

/// That a run was completed, and how many SLOs of each class have which status.
pub fn fleet_metrics(status: &FleetStatus) -> Vec<Datum> {
    let count = |name, dimensions, value: u32| Datum { name, dimensions, value: value.into(), is_percent: false };
    let mut metrics = vec![count("Runs", Vec::new(), 1)];
    let classes: BTreeSet<&str> = status.rows.iter().map(|row| row.class.as_str()).collect();
    for class in classes {
        for (slo_status, number) in count_statuses(status.rows.iter().filter(|row| row.class == class)) {
            let dimensions = vec![("Class", class.to_owned()), ("Status", slo_status.key().to_owned())];
            metrics.push(count("SloCount", dimensions, number));
        }
    }
    metrics
}

/// The error budget that is left of each SLO, in percent, where it is known.
pub fn slo_metrics(status: &FleetStatus) -> Vec<Datum> {
    let budget_left_metric = |row: &SloRow| {
        let left = row.budget.remaining()?;
        let dimensions = [("Team", &row.team), ("Service", &row.service), ("SLO", &row.slo), ("Window", &row.window)];
        let dimensions = dimensions.map(|(name, text)| (name, text.clone())).to_vec();
        Some(Datum { name: "ErrorBudgetRemaining", dimensions, value: 100.0 * to_f64(left), is_percent: true })
    };
    status.rows.iter().filter_map(budget_left_metric).collect()
}
