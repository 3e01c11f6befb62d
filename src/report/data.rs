//! The status for programs, as CSV, JSON, `OpenMetrics` and metrics of CloudWatch: all numbers unrounded.

mod document;
mod metrics;
mod openmetrics;

use super::model::{Row, Status};
use super::standing::Standing;
use crate::burn::Forecast;
use crate::exact::to_f64;
use crate::verdict::State;

pub(super) use document::{DowngradeText, StepText};
pub use document::{json, schema};
pub use metrics::{Datum, of_fleet, of_promises};
pub use openmetrics::openmetrics;

/// Comma-separated values, one line a row, numbers unrounded.
///
/// # Errors
/// When a value cannot be written as CSV, which no text of ours causes.
pub fn csv(status: &Status) -> Result<String, csv::Error> {
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
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        writer.write_record([
            row.team.clone(),
            row.service.clone(),
            row.slo.clone(),
            row.class.clone(),
            row.objective.clone(),
            row.window.clone(),
            Standing::of(row).key().to_owned(),
            row.verdict.state.urgency().map_or_else(String::new, |urgency| urgency.to_string()),
            number(missing_share(row)),
            row.sums.total.to_string(),
            row.sums.bad.to_string(),
            number(row.sli),
            number(row.budget.remaining().map(to_f64)),
            forecast_word(row.forecast).to_owned(),
            exhausted_at(row.forecast).unwrap_or_default(),
            row.coverage().to_string(),
            row.judged_at.to_string(),
            row.watermark.map_or_else(String::new, |mark| mark.to_string()),
            row.raw.total.to_string(),
            row.raw.bad.to_string(),
            number(row.raw_budget.remaining().map(to_f64)),
            row.excluded_minutes.to_string(),
            row.corrections.join(" "),
            row.policy.as_ref().map_or_else(String::new, |step| step.text.clone()),
        ])?;
    }
    super::replay::text_of(writer)
}

/// The share of the newest minutes that is unknown, where that is too much.
fn missing_share(row: &Row) -> Option<f64> {
    match &row.verdict.state {
        State::Blind { unknown_share, .. } => Some(to_f64(*unknown_share)),
        _ => None,
    }
}

fn forecast_word(forecast: Forecast) -> &'static str {
    match forecast {
        Forecast::AlreadyExhausted => "exhausted",
        Forecast::ExhaustedAt(_) => "exhausted_at",
        Forecast::NotWithinPeriod => "lasts",
        Forecast::Unknown => "unknown",
    }
}

fn exhausted_at(forecast: Forecast) -> Option<String> {
    match forecast {
        Forecast::ExhaustedAt(at) => Some(at.to_string()),
        _ => None,
    }
}
