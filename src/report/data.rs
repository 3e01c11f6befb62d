//! The status for programs, as CSV and JSON: all numbers unrounded.

use serde_json::{Value, json};

use super::gate::step_json;
use super::model::{Bar, Row, Status};
use crate::burn::{Budget, Forecast};
use crate::exact::to_f64;
use crate::slo::Urgency;
use crate::verdict::{Demotion, State};

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
        "state",
        "total",
        "bad",
        "sli",
        "budget_remaining",
        "forecast",
        "exhausted_at",
        "coverage",
        "judged_at",
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
            state_word(row).to_owned(),
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

/// One word a state: `severe`, `page`, `ticket`, `blind`, `no_traffic`, `calm`.
#[must_use]
pub fn state_word(row: &Row) -> &'static str {
    match (row.verdict.state.urgency(), &row.verdict.state) {
        (Some(Urgency::Severe), _) => "severe",
        (Some(Urgency::Page), _) => "page",
        (Some(Urgency::Ticket), _) => "ticket",
        (None, State::Blind { .. }) => "blind",
        (None, _) if row.sums.total == 0 => "no_traffic",
        (None, _) => "calm",
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

/// One JSON document: `{"at": ..., "slos": [...]}`, numbers unrounded, `null` where nothing is known.
#[must_use]
pub fn json(status: &Status) -> Value {
    json!({ "at": status.at.to_string(), "slos": status.rows.iter().map(row_json).collect::<Vec<_>>() })
}

fn row_json(row: &Row) -> Value {
    let tiers: Vec<Value> = row
        .tiers
        .iter()
        .zip(&row.verdict.tiers)
        .map(|(text, reading)| {
            json!({
                "name": text.name,
                "urgency": text.urgency.to_string(),
                "long": text.long,
                "short": text.short,
                "factor": text.factor,
                "long_burn": reading.long_burn,
                "short_burn": reading.short_burn,
                "holds": reading.holds,
                "demoted": reading.demoted.map(demotion_json),
            })
        })
        .collect();
    let bars: Vec<Value> = row
        .bars
        .iter()
        .map(|bar| match bar {
            Bar::Unknown => Value::Null,
            Bar::Silent => json!("no traffic"),
            Bar::Burn(rate) if rate.is_finite() => json!(rate),
            Bar::Burn(_) => json!("exceeded"),
        })
        .collect();
    json!({
        "team": row.team,
        "service": row.service,
        "slo": row.slo,
        "class": row.class,
        "objective": row.objective,
        "window": row.window,
        "judged_at": row.judged_at.to_string(),
        "watermark": row.watermark.map(|mark| mark.to_string()),
        "state": state_word(row),
        "unknown_share": match &row.verdict.state {
            State::Blind { unknown_share, .. } => Some(to_f64(*unknown_share)),
            _ => None,
        },
        "counted": row.counted,
        "total": row.sums.total,
        "bad": row.sums.bad,
        "known_minutes": row.sums.known,
        "minutes": row.minutes,
        "coverage": row.coverage(),
        "sli": row.sli,
        "budget": budget_json(&row.budget),
        "excluded_minutes": row.excluded_minutes,
        "corrections": row.corrections,
        "raw": {
            "total": row.raw.total,
            "bad": row.raw.bad,
            "known_minutes": row.raw.known,
            "budget": budget_json(&row.raw_budget),
        },
        "policy": row.policy.as_ref().map(step_json),
        "forecast": forecast_word(row.forecast),
        "exhausted_at": exhausted_at(row.forecast),
        "tiers": tiers,
        "daily_burn": bars,
    })
}

/// Why a page is only a ticket, with the numbers that made it one.
fn demotion_json(demotion: Demotion) -> Value {
    match demotion {
        Demotion::OutsideHours => json!({ "why": "outside_hours" }),
        Demotion::FewBad { bad, bad_min } => json!({ "why": "few_bad", "bad": bad, "bad_min": bad_min }),
        Demotion::Chance { chance, chance_max } => {
            json!({ "why": "chance", "chance": chance, "chance_max": chance_max })
        }
    }
}

fn budget_json(budget: &Budget) -> Value {
    json!({
        "consumed": budget.consumed().map(to_f64),
        "remaining": budget.remaining().map(to_f64),
        "exceeded": budget.is_exceeded(),
        "allowed_events": budget.allowed().map(to_f64),
    })
}
