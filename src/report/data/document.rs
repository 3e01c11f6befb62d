//! The status as a JSON document, and the schema of it.
//!
//! Within a version fields may be added; none is removed, renamed or given another meaning.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{exhausted_at, forecast_word, state_word};
use crate::burn::Budget;
use crate::exact::to_f64;
use crate::report::model::{Bar, Past, Row, Status, TierText};
use crate::report::standing::Standing;
use crate::slo::PolicyStep;
use crate::verdict::{Demotion, State, TierReading};

/// The version of this form.
const VERSION: u32 = 1;

/// How every promise stands. Times are in UTC, `2026-10-31T08:05Z`; numbers are not rounded; what is not known is null.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Status")]
struct StatusText {
    /// The version of this form: 1. Fields may be added within a version; a reader passes over what it does not know.
    schema: u32,
    /// The moment that was looked at.
    at: String,
    /// A row for each window of each promise, the most urgent first.
    slos: Vec<RowText>,
}

/// A promise over one of its windows.
#[derive(Serialize, JsonSchema)]
struct RowText {
    /// Whose it is.
    team: String,
    /// The service.
    service: String,
    /// The name of the promise within the service.
    slo: String,
    /// How important the service is.
    class: String,
    /// The objective as it was written.
    objective: String,
    /// The window: `30d`, `month`.
    window: String,
    /// Up to when it was judged: the moment, less the delay of its source.
    judged_at: String,
    /// The end of the newest known minute.
    watermark: Option<String>,
    /// `exhausted`, `at_risk`, `unknown`, `recovered` or `fine`: how it stands by its budget, its forecast and its tiers.
    standing: &'static str,
    /// `severe`, `page`, `ticket`, `blind`, `no_traffic` or `calm`: what its tiers say.
    state: &'static str,
    /// If it is blind: the share of its newest minutes that are unknown.
    unknown_share: Option<f64>,
    /// What is counted: `events`, or slices of some length.
    counted: String,
    /// Events of the window.
    total: u64,
    /// Bad ones among them.
    bad: u64,
    /// Minutes of the window that were observed.
    known_minutes: u32,
    /// Minutes of the window.
    minutes: u32,
    /// The share of them that was observed.
    coverage: f64,
    /// The share of events that were good.
    sli: Option<f64>,
    /// The error budget.
    budget: BudgetText,
    /// The same at the midnight nearest to a week ago.
    week_ago: PastText,
    /// Minutes of the window that do not count because of corrections.
    excluded_minutes: u32,
    /// The ids of those corrections.
    corrections: Vec<String>,
    /// What was counted, with the minutes that do not count.
    raw: RawText,
    /// The step of the error-budget policy that is reached.
    policy: Option<StepText>,
    /// `exhausted`, `exhausted_at`, `lasts` or `unknown`: what becomes of the budget if it goes on like the last three days.
    forecast: &'static str,
    /// If it is `exhausted_at`: when.
    exhausted_at: Option<String>,
    /// The tiers that tell of it.
    tiers: Vec<TierDocument>,
    /// The burn rate of each of the last 30 days in UTC, the newest last: a number, `no traffic`, `exceeded` where nothing may fail and
    /// something did, or null where nothing is known.
    daily_burn: Vec<Option<DayText>>,
}

#[derive(Serialize, JsonSchema)]
struct BudgetText {
    /// The share that is used; above 1 the promise is broken. Null without traffic, and where nothing may fail.
    consumed: Option<f64>,
    /// The share that is left.
    remaining: Option<f64>,
    /// Whether more failed than may fail.
    exceeded: bool,
    /// How many events may fail.
    allowed_events: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
struct PastText {
    /// The moment.
    at: String,
    /// Events of the window then.
    total: u64,
    /// Bad ones among them.
    bad: u64,
    /// The share of the window's minutes that was observed.
    coverage: f64,
    /// The error budget then, by the objective of now.
    budget: BudgetText,
}

#[derive(Serialize, JsonSchema)]
struct RawText {
    /// Events.
    total: u64,
    /// Bad ones among them.
    bad: u64,
    /// Observed minutes.
    known_minutes: u32,
    /// The error budget as it would be.
    budget: BudgetText,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::report) struct StepText {
    /// From what use of the budget on, as it was written: `75%`.
    used: String,
    /// What follows, in the words of the organisation.
    then: String,
    /// What it blocks: `deploys`, or nothing.
    blocks: Vec<&'static str>,
}

#[derive(Serialize, JsonSchema)]
struct TierDocument {
    /// Its name.
    name: String,
    /// `page` or `ticket`.
    urgency: String,
    /// The long window.
    long: String,
    /// The short window.
    short: String,
    /// The burn rate that both have to exceed.
    factor: f64,
    /// The burn rate in the long window. Null without traffic.
    long_burn: Option<f64>,
    /// The burn rate in the short window. Null without traffic.
    short_burn: Option<f64>,
    /// Whether both exceed it.
    holds: bool,
    /// Why a page that holds is only a ticket.
    demoted: Option<DemotionText>,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
enum DemotionText {
    /// It is outside the tier's hours.
    OutsideHours,
    /// Fewer bad events than a page must be backed by.
    FewBad { bad: u64, bad_min: u32 },
    /// It may be chance.
    Chance { chance: f64, chance_max: f64 },
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum DayText {
    Rate(f64),
    Word(&'static str),
}

/// The JSON Schema of the document.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(StatusText).to_value()
}

/// One JSON document, numbers unrounded, `null` where nothing is known.
#[must_use]
pub fn json(status: &Status) -> Value {
    let slos = status.rows.iter().map(RowText::of).collect();
    let text = StatusText { schema: VERSION, at: status.at.to_string(), slos };
    serde_json::to_value(text).unwrap_or(Value::Null)
}

impl RowText {
    fn of(row: &Row) -> Self {
        Self {
            team: row.team.clone(),
            service: row.service.clone(),
            slo: row.slo.clone(),
            class: row.class.clone(),
            objective: row.objective.clone(),
            window: row.window.clone(),
            judged_at: row.judged_at.to_string(),
            watermark: row.watermark.map(|mark| mark.to_string()),
            standing: Standing::of(row).key(),
            state: state_word(row),
            unknown_share: match &row.verdict.state {
                State::Blind { unknown_share, .. } => Some(to_f64(*unknown_share)),
                _ => None,
            },
            counted: row.counted.clone(),
            total: row.sums.total,
            bad: row.sums.bad,
            known_minutes: row.sums.known,
            minutes: row.minutes,
            coverage: row.coverage(),
            sli: row.sli,
            budget: BudgetText::of(&row.budget),
            week_ago: PastText::of(&row.week_ago),
            excluded_minutes: row.excluded_minutes,
            corrections: row.corrections.clone(),
            raw: RawText {
                total: row.raw.total,
                bad: row.raw.bad,
                known_minutes: row.raw.known,
                budget: BudgetText::of(&row.raw_budget),
            },
            policy: row.policy.as_ref().map(StepText::of),
            forecast: forecast_word(row.forecast),
            exhausted_at: exhausted_at(row.forecast),
            tiers: row
                .tiers
                .iter()
                .zip(&row.verdict.tiers)
                .map(|(tier, reading)| TierDocument::of(tier, reading))
                .collect(),
            daily_burn: row.bars.iter().map(|bar| day(*bar)).collect(),
        }
    }
}

fn day(bar: Bar) -> Option<DayText> {
    match bar {
        Bar::Unknown => None,
        Bar::Silent => Some(DayText::Word("no traffic")),
        Bar::Burn(rate) if rate.is_finite() => Some(DayText::Rate(rate)),
        Bar::Burn(_) => Some(DayText::Word("exceeded")),
    }
}

impl BudgetText {
    fn of(budget: &Budget) -> Self {
        Self {
            consumed: budget.consumed().map(to_f64),
            remaining: budget.remaining().map(to_f64),
            exceeded: budget.is_exceeded(),
            allowed_events: budget.allowed().map(to_f64),
        }
    }
}

impl PastText {
    fn of(past: &Past) -> Self {
        Self {
            at: past.at.to_string(),
            total: past.sums.total,
            bad: past.sums.bad,
            coverage: past.coverage(),
            budget: BudgetText::of(&past.budget),
        }
    }
}

impl StepText {
    pub(in crate::report) fn of(step: &PolicyStep) -> Self {
        let blocks = if step.blocks_deploys { vec!["deploys"] } else { Vec::new() };
        Self { used: step.text.clone(), then: step.then.clone(), blocks }
    }
}

impl TierDocument {
    fn of(tier: &TierText, reading: &TierReading) -> Self {
        Self {
            name: tier.name.clone(),
            urgency: tier.urgency.to_string(),
            long: tier.long.clone(),
            short: tier.short.clone(),
            factor: tier.factor,
            long_burn: reading.long_burn,
            short_burn: reading.short_burn,
            holds: reading.holds,
            demoted: reading.demoted.map(|demotion| match demotion {
                Demotion::OutsideHours => DemotionText::OutsideHours,
                Demotion::FewBad { bad, bad_min } => DemotionText::FewBad { bad, bad_min },
                Demotion::Chance { chance, chance_max } => DemotionText::Chance { chance, chance_max },
            }),
        }
    }
}
