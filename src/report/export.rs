//! The status for programs, as CSV, JSON, `OpenMetrics` and metrics of CloudWatch: all numbers unrounded.

mod document;
mod metrics;
mod openmetrics;

use super::model::{FleetStatus, SloRow};
use super::slo_status::SloStatus;
use crate::burn::ExhaustionForecast;
use crate::evaluation::SloState;
use crate::rational::to_f64;

pub(super) use document::{DowngradeJson, PolicyStepJson};
pub use document::{json, schema};
pub use metrics::{Datum, fleet_metrics, slo_metrics};
pub use openmetrics::openmetrics;

/// Comma-separated values, one line a row, numbers unrounded.
///
/// # Errors
/// When a value cannot be written as CSV, which no text of ours causes.
pub fn csv(status: &FleetStatus) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "team",
        "service",
        "slo",
        "class",
        "objective",
        "window",
        "status",
        "urgency",
        "missing_share",
        "total",
        "bad",
        "sli",
        "budget_remaining",
        "forecast",
        "exhausted_at",
        "coverage",
        "evaluated_at",
        "watermark",
        "raw_total",
        "raw_bad",
        "raw_budget_remaining",
        "excluded_minutes",
        "corrections",
        "policy",
    ])?;
    for row in &status.rows {
        let format_optional = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        writer.write_record([
            row.team.clone(),
            row.service.clone(),
            row.slo.clone(),
            row.class.clone(),
            row.objective.clone(),
            row.window.clone(),
            SloStatus::from_row(row).key().to_owned(),
            row.evaluation.state.urgency().map_or_else(String::new, |urgency| urgency.to_string()),
            format_optional(missing_share(row)),
            row.sums.total.to_string(),
            row.sums.bad.to_string(),
            format_optional(row.sli),
            format_optional(row.budget.remaining().map(to_f64)),
            forecast_key(row.forecast).to_owned(),
            exhausted_at(row.forecast).unwrap_or_default(),
            row.coverage().to_string(),
            row.evaluated_at.to_string(),
            row.watermark.map_or_else(String::new, |mark| mark.to_string()),
            row.raw.total.to_string(),
            row.raw.bad.to_string(),
            format_optional(row.raw_budget.remaining().map(to_f64)),
            row.excluded_minutes.to_string(),
            row.corrections.join(" "),
            row.policy.as_ref().map_or_else(String::new, |step| step.text.clone()),
        ])?;
    }
    super::replay::finish_csv(writer)
}

/// The share of the newest minutes that is unknown, where that is too much.
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
