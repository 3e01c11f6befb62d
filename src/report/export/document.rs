//! The status as a JSON document, and the schema of it.
//!
//! Within a version fields may be added; none is removed, renamed or given another meaning.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{exhausted_at, forecast_key, missing_share};
use crate::burn::ErrorBudget;
use crate::evaluation::status::{DailyBurn, FleetStatus, SloRow, WeekAgo};
use crate::evaluation::{Downgrade, TierEvaluation};
use crate::rational::to_f64;
use crate::report::slo_status::SloStatus;
use crate::slo::{PolicyStep, Tier};
use crate::time::format_duration;

const VERSION: u32 = 1;

/// The status of every SLO. Times are in UTC, such as `2026-10-31T08:05Z`. Numbers are not rounded. Unknown values are
/// null.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Status")]
struct StatusJson {
    /// The version of this schema: 1. New fields may be added within a version, so readers must ignore unknown fields.
    schema: u32,
    /// The time of the evaluation.
    at: String,
    /// One row for each SLO and window, the most urgent first.
    slos: Vec<SloJson>,
}

/// An SLO over one of its windows.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Slo")]
pub(crate) struct SloJson {
    /// The team that owns the service.
    team: String,
    /// The service.
    service: String,
    /// The name of the SLO within the service.
    slo: String,
    /// The class of the service.
    class: String,
    /// The objective as written in the definition: `99.9%`.
    objective: String,
    /// The window: `30d` or `month`.
    window: String,
    /// The minute up to which the SLO has been evaluated: `at` minus the delay of its source.
    evaluated_at: String,
    /// The end of the newest known minute.
    watermark: Option<String>,
    /// `exhausted`, `at_risk`, `no_data`, `no_traffic`, `recovered` or `ok`.
    status: &'static str,
    /// `ticket`, `page` or `severe`. Null when nothing is firing.
    urgency: Option<String>,
    /// The share of the newest minutes that is unknown, if it is above `max_unknown`.
    missing_share: Option<f64>,
    /// What the budget counts: `events`, or timeslices such as `timeslices of 5m`.
    unit: String,
    /// Events in the window.
    total: u64,
    /// Bad events among them.
    bad: u64,
    /// Known minutes of the window.
    known_minutes: u32,
    /// Minutes of the window.
    minutes: u32,
    /// The share of the window's minutes that is known.
    coverage: f64,
    /// The share of events that were good. Null without traffic.
    sli: Option<f64>,
    /// The error budget.
    budget: BudgetJson,
    /// The same numbers at the midnight nearest to a week before.
    week_ago: WeekAgoJson,
    /// Minutes of the window that corrections exclude.
    excluded_minutes: u32,
    /// The ids of those corrections.
    corrections: Vec<String>,
    /// The same numbers without corrections.
    raw: UncorrectedJson,
    /// The step of the error-budget policy that applies.
    policy: Option<PolicyStep>,
    /// `exhausted`, `exhausted_at`, `lasts` or `unknown`: the forecast of the budget at the burn rate of the last three
    /// days, or of a firing page or outage.
    forecast: &'static str,
    /// The time at which the budget is forecast to be exhausted, if `forecast` is `exhausted_at`.
    exhausted_at: Option<String>,
    /// The alert tiers of the SLO.
    tiers: Vec<TierJson>,
    /// The burn rate of each of the last 30 days in UTC, the newest last: a number, `no_traffic`, `exceeded` where the
    /// objective allows no failure and something failed, or null where no minute is known.
    daily_burn: Vec<Option<DailyBurnJson>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Budget")]
struct BudgetJson {
    /// The share that is used; at 1 or more the budget is exhausted. Null without traffic, and where the objective
    /// allows no failure.
    consumed: Option<f64>,
    /// The share that is left; negative if more events failed than allowed.
    remaining: Option<f64>,
    /// Whether more events failed than allowed.
    exceeded: bool,
    /// How many events are allowed to fail.
    allowed_events: Option<f64>,
    /// Whether the window is not full yet, and the budget is that of its expected events.
    projected: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WeekAgo")]
struct WeekAgoJson {
    /// The time.
    at: String,
    /// Events in the window at that time.
    total: u64,
    /// Bad events among them.
    bad: u64,
    /// The share of the window's minutes that is known.
    coverage: f64,
    /// The error budget at that time, by the current objective.
    budget: BudgetJson,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Uncorrected")]
struct UncorrectedJson {
    /// Events.
    total: u64,
    /// Bad events among them.
    bad: u64,
    /// Known minutes.
    known_minutes: u32,
    /// The error budget without corrections.
    budget: BudgetJson,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tier")]
struct TierJson {
    /// The name of the tier.
    name: String,
    /// `page` or `ticket`.
    urgency: String,
    /// The long window.
    long: String,
    /// The short window.
    short: String,
    /// The burn rate that both windows must exceed.
    factor: f64,
    /// The burn rate in the long window. Null without traffic.
    long_burn: Option<f64>,
    /// The burn rate in the short window. Null without traffic.
    short_burn: Option<f64>,
    /// Whether both windows exceed the factor.
    firing: bool,
    /// Why a firing page is sent as a ticket.
    downgraded: Option<Downgrade>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "DailyBurn")]
enum DailyBurnJson {
    Rate(f64),
    Word(&'static str),
}

/// The JSON Schema of the document.
pub fn schema() -> Value {
    schemars::schema_for!(StatusJson).to_value()
}

/// One JSON document, numbers unrounded, `null` where nothing is known.
pub fn json(status: &FleetStatus) -> Value {
    let slos = status.rows.iter().map(SloJson::new).collect();
    let text = StatusJson { schema: VERSION, at: status.at.to_string(), slos };
    serde_json::to_value(text).unwrap_or(Value::Null)
}

impl SloJson {
    pub(crate) fn new(row: &SloRow) -> Self {
        Self {
            team: row.team.clone(),
            service: row.service.clone(),
            slo: row.slo.clone(),
            class: row.class.clone(),
            objective: row.objective.clone(),
            window: row.window.clone(),
            evaluated_at: row.evaluated_at.to_string(),
            watermark: row.watermark.map(|mark| mark.to_string()),
            status: SloStatus::from_row(row).key(),
            urgency: row.evaluation.state.urgency().map(|urgency| urgency.to_string()),
            missing_share: missing_share(row),
            unit: row.unit.clone(),
            total: row.sums.total,
            bad: row.sums.bad,
            known_minutes: row.sums.known,
            minutes: row.minutes,
            coverage: row.coverage(),
            sli: row.sli,
            budget: BudgetJson::new(&row.budget),
            week_ago: WeekAgoJson::new(&row.week_ago),
            excluded_minutes: row.excluded_minutes,
            corrections: row.corrections.clone(),
            raw: UncorrectedJson {
                total: row.raw.total,
                bad: row.raw.bad,
                known_minutes: row.raw.known,
                budget: BudgetJson::new(&row.raw_budget),
            },
            policy: row.policy.clone(),
            forecast: forecast_key(row.forecast),
            exhausted_at: exhausted_at(row.forecast),
            tiers: row.tiers.iter().zip(&row.evaluation.tiers).map(TierJson::new).collect(),
            daily_burn: row.daily_burn.iter().copied().map(daily_burn_json).collect(),
        }
    }
}

fn daily_burn_json(burn: DailyBurn) -> Option<DailyBurnJson> {
    match burn {
        DailyBurn::Unknown => None,
        DailyBurn::NoTraffic => Some(DailyBurnJson::Word("no_traffic")),
        DailyBurn::Rate(rate) if rate.is_finite() => Some(DailyBurnJson::Rate(rate)),
        DailyBurn::Rate(_) => Some(DailyBurnJson::Word("exceeded")),
    }
}

impl BudgetJson {
    fn new(budget: &ErrorBudget) -> Self {
        Self {
            consumed: budget.consumed().map(to_f64),
            remaining: budget.remaining().map(to_f64),
            exceeded: budget.is_exceeded(),
            allowed_events: budget.allowed().map(to_f64),
            projected: budget.is_projected(),
        }
    }
}

impl WeekAgoJson {
    fn new(past: &WeekAgo) -> Self {
        let WeekAgo { at, sums, budget, .. } = past;
        let (at, budget) = (at.to_string(), BudgetJson::new(budget));
        Self { at, total: sums.total, bad: sums.bad, coverage: past.coverage(), budget }
    }
}

impl TierJson {
    fn new((tier, evaluation): (&Tier, &TierEvaluation)) -> Self {
        Self {
            name: tier.name.clone(),
            urgency: tier.urgency.to_string(),
            long: format_duration(tier.long_minutes),
            short: format_duration(tier.short_minutes),
            factor: to_f64(tier.factor),
            long_burn: evaluation.long_burn_rate,
            short_burn: evaluation.short_burn_rate,
            firing: evaluation.is_firing,
            downgraded: evaluation.downgrade,
        }
    }
}
