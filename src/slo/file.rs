//! The YAML twin: exactly what may be typed in `fleet.yaml` and in the file of a service.
//!
//! Every field is optional here, so that all that is wrong with a file can be said at once; what must be there is
//! checked when promises are made of it. The JSON Schema comes from these same types.

mod alerts;
mod balancer;
mod correction;
mod decode;
mod metric;
mod names;
mod policy;
mod selected;
mod slo;
mod source;
mod tiers;
mod typed;
mod values;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

pub(super) use alerts::{AlertsText, Pause};
pub(super) use balancer::{Destination, LoadBalancer, TargetGroup};
pub(super) use correction::{CategoryText, CorrectionFile, Moment, ScopeText};
pub(super) use decode::{Page, decode, nearest};
pub(super) use metric::{MetricsText, StatisticText};
pub(super) use names::{Name, Words};
pub(super) use policy::{PolicyText, StepText, Used};
pub(super) use selected::Selected;
pub(super) use slo::{
    BudgetingText, ElbErrorsText, ErrorsText, IdleText, IncludeText, IndicatorText, MeasureText, SloFields, SloText,
};
pub(super) use source::{AccountId, DayText, IntervalText, Region, RoleArn, SourceText, TableName, Workgroup};
pub(super) use tiers::{EvidenceText, HoursText, OnlyText, SevereText, TierText, TiersText, UrgencyText};
pub(super) use typed::{FromText, OneOrMany, Switch, Typed};
pub(super) use values::{Length, Percent, WindowText, Zone, decimal_text};

/// The files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaKind {
    /// `fleet.yaml`.
    Fleet,
    /// `<team>/<service>.yaml`.
    Service,
    /// `corrections/<name>.yaml`.
    Correction,
}

/// The JSON Schema (draft 2020-12) of a file.
#[must_use]
pub fn schema(kind: SchemaKind) -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with_transform(schemars::transform::RecursiveTransform(not_null))
        .into_generator();
    match kind {
        SchemaKind::Fleet => generator.into_root_schema_for::<FleetFile>(),
        SchemaKind::Service => generator.into_root_schema_for::<ServiceFile>(),
        SchemaKind::Correction => generator.into_root_schema_for::<CorrectionFile>(),
    }
    .to_value()
}

/// A field may be left out but not be null: `class:` with nothing behind it is a mistake.
fn not_null(schema: &mut Schema) {
    if let Some(serde_json::Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
    }
    if let Some(serde_json::Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    }
    schema.remove("default");
}

/// `fleet.yaml`: what is common to all services.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FleetFile {
    /// Where counts come from, by name.
    pub(super) sources: Option<BTreeMap<String, SourceText>>,
    /// The source of services that name none; not needed while there is one of its kind.
    pub(super) default_source: Option<Typed<Name>>,
    /// What services of an importance promise unless their file says otherwise.
    pub(super) classes: Option<BTreeMap<String, ClassText>>,
    /// The class of services that name none.
    pub(super) default_class: Option<Typed<Name>>,
    /// Where pages, tickets and reports of a team go, by the name of its folder.
    pub(super) teams: Option<BTreeMap<String, TeamText>>,
    /// How incidents are told of.
    pub(super) alerts: Option<AlertsText>,
    /// When to say what: tiers by name, or `none` for no tier at all.
    pub(super) tiers: Option<TiersText>,
    /// What a page must be backed by, or it is a ticket; `none` for nothing.
    pub(super) evidence: Option<Switch<EvidenceText>>,
    /// What is severe whatever the budget says, or `none`: of SLOs that are measured as availability.
    pub(super) severe: Option<Switch<SevereText>>,
    /// What tiers that are `only: working_hours` mean: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Typed<HoursText>>,
}

/// A class.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClassText {
    /// Its promises, by name.
    pub(super) slos: Option<BTreeMap<String, SloText>>,
    /// What budgets are counted over; tiers are derived from the first. Default: 30d.
    pub(super) windows: Option<OneOrMany<Typed<WindowText>>>,
    /// Whose calendar the windows `week`, `month`, `quarter` and `year` follow. Default: UTC.
    pub(super) time_zone: Option<Typed<Zone>>,
    /// When to say what: tiers by name, or `none` for no tier at all.
    pub(super) tiers: Option<TiersText>,
    /// What a page must be backed by, or it is a ticket; `none` for nothing.
    pub(super) evidence: Option<Switch<EvidenceText>>,
    /// What is severe whatever the budget says, or `none`: of SLOs that are measured as availability.
    pub(super) severe: Option<Switch<SevereText>>,
    /// What tiers that are `only: working_hours` mean: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Typed<HoursText>>,
    /// The share of unknown minutes above which nothing is judged. Default: 20%.
    pub(super) blind_above: Option<Typed<Percent>>,
    /// Who is told besides the team.
    pub(super) also: Option<TeamText>,
    /// What follows when so much of a budget is used: `75%: ...`, or `100%: { then: ..., blocks: deploys }`.
    #[schemars(extend("minProperties" = 1, "propertyNames" = { "pattern": r"^[0-9]+(\.[0-9]+)? *%$" }))]
    pub(super) policy: Option<PolicyText>,
}

/// Where a team is told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TeamText {
    /// Where pages go that are severe: nothing works, or nobody gets through. Default: `pages`.
    pub(super) severe: Option<OneOrMany<Typed<Destination>>>,
    /// Where its pages go.
    pub(super) pages: Option<OneOrMany<Typed<Destination>>>,
    /// Where its tickets go.
    pub(super) tickets: Option<OneOrMany<Typed<Destination>>>,
    /// Where its reports go.
    pub(super) reports: Option<OneOrMany<Typed<Destination>>>,
}

/// A service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["service"]))]
pub(super) struct ServiceFile {
    /// Its name, unique in the fleet.
    pub(super) service: Option<Typed<Name>>,
    /// The class that supplies what this file leaves out.
    pub(super) class: Option<Typed<Name>>,
    /// The source that is asked.
    pub(super) source: Option<Typed<Name>>,
    /// The load balancer in front of it: `app/<name>`, whatever its id is, `app/<name>/<id>`, `classic/<name>`, or
    /// `{ tags: { <key>: <value> } }`.
    pub(super) load_balancer: Option<Selected<LoadBalancer>>,
    /// Its target groups by name or tags; left out, all requests of the balancer are its own.
    pub(super) target_group: Option<OneOrMany<Selected<TargetGroup>>>,
    /// Any words to find it by; corrections can be scoped by them.
    pub(super) labels: Option<BTreeMap<String, Typed<Words>>>,
    /// What to do when it burns.
    pub(super) runbook: Option<Typed<Words>>,
    /// Where to look when it burns.
    pub(super) dashboard: Option<Typed<Words>>,
    /// What budgets are counted over; tiers are derived from the first.
    pub(super) windows: Option<OneOrMany<Typed<WindowText>>>,
    /// Whose calendar the windows `week`, `month`, `quarter` and `year` follow.
    pub(super) time_zone: Option<Typed<Zone>>,
    /// When to say what: tiers by name, or `none` for no tier at all.
    pub(super) tiers: Option<TiersText>,
    /// What a page must be backed by, or it is a ticket; `none` for nothing.
    pub(super) evidence: Option<Switch<EvidenceText>>,
    /// What is severe whatever the budget says, or `none`: of SLOs that are measured as availability.
    pub(super) severe: Option<Switch<SevereText>>,
    /// What tiers that are `only: working_hours` mean: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Typed<HoursText>>,
    /// The share of unknown minutes above which nothing is judged.
    pub(super) blind_above: Option<Typed<Percent>>,
    /// Its promises by name: those of its class, overridden or added to.
    #[schemars(extend("minProperties" = 1))]
    pub(super) slos: Option<BTreeMap<String, SloText>>,
}
