//! The YAML types: exactly what `fleet.yaml`, service files and corrections may contain.
//!
//! Every field is optional here, so that all problems of a file can be reported at once; required fields are checked
//! when the SLOs are built. The JSON Schema comes from these same types.

mod alerts;
mod balancer;
mod correction;
mod decode;
mod doubts;
mod foreign;
mod location;
mod metric;
mod names;
mod policy;
mod region;
mod selected;
mod slo;
mod source;
mod syntax;
mod tiers;
mod typed;
mod values;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

pub(super) use alerts::{AlertsText, Pause};
pub(super) use balancer::{Destination, LoadBalancer, TargetGroup};
pub(super) use correction::{CategoryText, CorrectionFile, Moment, ScopeText};
pub(super) use decode::{Page, decode};
pub(super) use location::LocationText;
pub(super) use metric::{MetricsText, StatisticText};
pub(super) use names::{Name, Words};
pub(super) use policy::{PolicyText, StepText, Used};
pub(super) use region::Region;
pub(super) use selected::Selected;
pub(super) use slo::{
    BudgetingText, ElbErrorsText, ErrorsText, IdleText, IncludeText, IndicatorText, MeasureText, SloFields, SloText,
};
pub(super) use source::{AccountId, DayText, IntervalText, RoleArn, SourceText, TableName, Workgroup};
pub(super) use syntax::explain;
pub(super) use tiers::{HoursText, OnlyText, SevereText, SignificanceText, TierText, TiersText, UrgencyText};
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

/// A field may be missing but not null: `class:` without a value is a mistake.
fn not_null(schema: &mut Schema) {
    if let Some(serde_json::Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
    }
    if let Some(serde_json::Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    }
    schema.remove("default");
}

/// `fleet.yaml`: configuration that all services share.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Fleet")]
pub(super) struct FleetFile {
    /// Sources of event counts, by name.
    pub(super) sources: Option<BTreeMap<String, SourceText>>,
    /// Source of services that set no `source`. Required only if several sources fit.
    pub(super) default_source: Option<Typed<Name>>,
    /// Named sets of defaults for services, such as `critical`.
    pub(super) classes: Option<BTreeMap<String, ClassText>>,
    /// Class of services that set no `class`.
    pub(super) default_class: Option<Typed<Name>>,
    /// Destinations of each team, by the name of its folder.
    pub(super) teams: Option<BTreeMap<String, TeamText>>,
    /// How incidents are opened, resolved and notified.
    pub(super) alerts: Option<AlertsText>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(super) tiers: Option<TiersText>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(super) significance: Option<Switch<SignificanceText>>,
    /// Severe conditions of availability SLOs, independent of the error budget: outages and traffic drops. `none`
    /// disables them.
    pub(super) severe: Option<Switch<SevereText>>,
    /// Working hours for tiers with `only: working_hours`: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Typed<HoursText>>,
}

/// A class: defaults for services.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Class")]
pub(super) struct ClassText {
    /// SLOs by name.
    pub(super) slos: Option<BTreeMap<String, SloText>>,
    /// Windows of the error budgets; alert tiers use the first. Default: 30d.
    pub(super) windows: Option<OneOrMany<Typed<WindowText>>>,
    /// Time zone of the windows `week`, `month`, `quarter` and `year`. Default: UTC.
    pub(super) time_zone: Option<Typed<Zone>>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(super) tiers: Option<TiersText>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(super) significance: Option<Switch<SignificanceText>>,
    /// Severe conditions of availability SLOs, independent of the error budget: outages and traffic drops. `none`
    /// disables them.
    pub(super) severe: Option<Switch<SevereText>>,
    /// Working hours for tiers with `only: working_hours`: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Typed<HoursText>>,
    /// Share of the newest minutes that may be unknown; above it the status is `no data`. Default: 20%.
    pub(super) max_unknown: Option<Typed<Percent>>,
    /// Destinations that are notified in addition to the team.
    pub(super) notify_also: Option<TeamText>,
    /// Error-budget policy: steps by the share of the error budget used, `75%: ...` or `100%: { then: ..., blocks:
    /// deploys }`.
    #[schemars(extend("minProperties" = 1, "propertyNames" = { "pattern": r"^[0-9]+(\.[0-9]+)? *%$" }))]
    pub(super) policy: Option<PolicyText>,
}

/// Destinations of a team.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Team")]
pub(super) struct TeamText {
    /// Destinations of severe pages: outages and traffic drops. Default: `pages`.
    pub(super) severe: Option<OneOrMany<Typed<Destination>>>,
    /// Destinations of pages.
    pub(super) pages: Option<OneOrMany<Typed<Destination>>>,
    /// Destinations of tickets.
    pub(super) tickets: Option<OneOrMany<Typed<Destination>>>,
    /// Destinations of weekly reports.
    pub(super) reports: Option<OneOrMany<Typed<Destination>>>,
}

/// A service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["service"]))]
#[schemars(rename = "Service")]
pub(super) struct ServiceFile {
    /// Name of the service, unique in the fleet.
    pub(super) service: Option<Typed<Name>>,
    /// Class that supplies the defaults.
    pub(super) class: Option<Typed<Name>>,
    /// Source of the event counts.
    pub(super) source: Option<Typed<Name>>,
    /// Load balancer of the service: `app/<name>`, `app/<name>/<id>`, `classic/<name>`, or `{ tags: { <key>: <value> }
    /// }`.
    pub(super) load_balancer: Option<Selected<LoadBalancer>>,
    /// Target groups by name or tags. Default: all requests of the load balancer.
    pub(super) target_group: Option<OneOrMany<Selected<TargetGroup>>>,
    /// Labels, which corrections can select services by.
    pub(super) labels: Option<BTreeMap<String, Typed<Words>>>,
    /// URL of the runbook, linked in notifications.
    #[schemars(extend("examples" = ["https://wiki.example.com/checkout"]))]
    pub(super) runbook: Option<Typed<Words>>,
    /// URL of the dashboard, linked in notifications.
    #[schemars(extend("examples" = ["https://grafana.example.com/d/checkout"]))]
    pub(super) dashboard: Option<Typed<Words>>,
    /// Windows of the error budgets; alert tiers use the first.
    pub(super) windows: Option<OneOrMany<Typed<WindowText>>>,
    /// Time zone of the windows `week`, `month`, `quarter` and `year`.
    pub(super) time_zone: Option<Typed<Zone>>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(super) tiers: Option<TiersText>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(super) significance: Option<Switch<SignificanceText>>,
    /// Severe conditions of availability SLOs, independent of the error budget: outages and traffic drops. `none`
    /// disables them.
    pub(super) severe: Option<Switch<SevereText>>,
    /// Working hours for tiers with `only: working_hours`: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Typed<HoursText>>,
    /// Share of the newest minutes that may be unknown; above it the status is `no data`.
    pub(super) max_unknown: Option<Typed<Percent>>,
    /// SLOs by name. They override or extend the SLOs of the class.
    #[schemars(extend("minProperties" = 1))]
    pub(super) slos: Option<BTreeMap<String, SloText>>,
}
