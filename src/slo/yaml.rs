//! The YAML types: exactly what `fleet.yaml`, service files and corrections may contain.
//!
//! Every field is optional here, so that all problems of a file can be reported at once; required fields are checked
//! when the SLOs are built. The JSON Schema comes from these same types.

mod alerting;
mod correction;
mod decode;
mod destination;
mod foreign;
mod forms;
mod load_balancer;
mod metric;
mod policy;
mod region;
mod request_pattern;
mod scalars;
mod selector;
mod slo;
mod source;
mod syntax;
mod warnings;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::tier::WorkingHours;

pub(super) use alerting::{AlertsYaml, SevereYaml, SignificanceYaml, TierHoursYaml, TierYaml, TiersYaml, UrgencyYaml};
pub(super) use correction::{CorrectionFile, Moment, ScopeYaml};
pub(super) use decode::{YamlFile, decode};
pub(super) use destination::Destination;
pub(super) use forms::{FromText, OneOrMany, OrNone, Scalar};
pub(super) use load_balancer::{LoadBalancer, TargetGroup};
pub(super) use metric::{BadYaml, MetricYaml};
pub(super) use policy::{PolicyStepYaml, PolicyYaml, parse_budget_share};
pub(super) use region::Region;
pub(super) use scalars::{Minutes, Name, Percent, TextLine, WindowYaml, decimal_text};
pub(super) use selector::Selector;
pub(super) use slo::{
    BudgetingYaml, IdleTimeslicesYaml, IndicatorYaml, LoadBalancerErrorsYaml, RequestFilterYaml, SloFields, SloYaml,
};
pub(super) use source::{AccountId, ClassicIntervalYaml, LocationYaml, RoleArn, SourceYaml, Workgroup};
pub(super) use syntax::explain_syntax;

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
pub fn schema(kind: SchemaKind) -> serde_json::Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12()
        .with_transform(schemars::transform::RecursiveTransform(disallow_null))
        .into_generator();
    match kind {
        SchemaKind::Fleet => generator.into_root_schema_for::<FleetFile>(),
        SchemaKind::Service => generator.into_root_schema_for::<ServiceFile>(),
        SchemaKind::Correction => generator.into_root_schema_for::<CorrectionFile>(),
    }
    .to_value()
}

/// A field may be missing but not null: `class:` without a value is a mistake.
fn disallow_null(schema: &mut Schema) {
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
#[serde(rename = "Fleet", deny_unknown_fields, default)]
pub(super) struct FleetFile {
    /// Sources of event counts, by name.
    pub(super) sources: Option<BTreeMap<String, SourceYaml>>,
    /// Source of services that set no `source`. Required only if several sources fit.
    pub(super) default_source: Option<Scalar<Name>>,
    /// Named sets of defaults for services, such as `critical`.
    pub(super) classes: Option<BTreeMap<String, ClassYaml>>,
    /// Class of services that set no `class`.
    pub(super) default_class: Option<Scalar<Name>>,
    /// Destinations of each team, by the name of its folder.
    pub(super) teams: Option<BTreeMap<String, TeamYaml>>,
    /// How incidents are opened, resolved and notified.
    pub(super) alerts: Option<AlertsYaml>,
    /// Time zone of the fleet: of the windows `week`, `month`, `quarter` and `year`, and of the hours at which traffic
    /// is compared with earlier weeks where a service has no working hours. Default: UTC.
    pub(super) time_zone: Option<Scalar<TimeZone>>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(super) tiers: Option<TiersYaml>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(super) significance: Option<OrNone<SignificanceYaml>>,
    /// Severe conditions of availability SLOs, independent of the error budget: outages and traffic drops. `none`
    /// disables them.
    pub(super) severe: Option<OrNone<SevereYaml>>,
    /// Working hours for tiers with `only: working_hours`: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Scalar<WorkingHours>>,
}

/// A class: defaults for services.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Class", deny_unknown_fields, default)]
pub(super) struct ClassYaml {
    /// SLOs by name.
    pub(super) slos: Option<BTreeMap<String, SloYaml>>,
    /// Windows of the error budgets; alert tiers use the first. Default: 30d.
    pub(super) windows: Option<OneOrMany<Scalar<WindowYaml>>>,
    /// Time zone of the windows `week`, `month`, `quarter` and `year`. Default: that of the fleet.
    pub(super) time_zone: Option<Scalar<TimeZone>>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(super) tiers: Option<TiersYaml>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(super) significance: Option<OrNone<SignificanceYaml>>,
    /// Severe conditions of availability SLOs, independent of the error budget: outages and traffic drops. `none`
    /// disables them.
    pub(super) severe: Option<OrNone<SevereYaml>>,
    /// Working hours for tiers with `only: working_hours`: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Scalar<WorkingHours>>,
    /// Share of the newest minutes that may be unknown; above it the status is `no data`. Default: 20%.
    pub(super) max_unknown: Option<Scalar<Percent>>,
    /// Destinations that are notified in addition to the team.
    pub(super) notify_also: Option<TeamYaml>,
    /// Error-budget policy: steps by the share of the error budget used, `75%: ...` or `100%: { then: ..., blocks:
    /// deploys }`.
    #[schemars(extend("minProperties" = 1, "propertyNames" = { "pattern": r"^[0-9]+(\.[0-9]+)? *%$" }))]
    pub(super) policy: Option<PolicyYaml>,
}

/// Destinations of a team.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Team", deny_unknown_fields, default)]
pub(super) struct TeamYaml {
    /// Destinations of severe pages: outages and traffic drops. Default: `pages`.
    pub(super) severe: Option<OneOrMany<Scalar<Destination>>>,
    /// Destinations of pages.
    pub(super) pages: Option<OneOrMany<Scalar<Destination>>>,
    /// Destinations of tickets.
    pub(super) tickets: Option<OneOrMany<Scalar<Destination>>>,
    /// Destinations of weekly reports.
    pub(super) reports: Option<OneOrMany<Scalar<Destination>>>,
}

/// A service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Service", deny_unknown_fields, default)]
#[schemars(extend("required" = ["service"]))]
pub(super) struct ServiceFile {
    /// Name of the service, unique in the fleet.
    pub(super) service: Option<Scalar<Name>>,
    /// Class that supplies the defaults.
    pub(super) class: Option<Scalar<Name>>,
    /// Source of the event counts.
    pub(super) source: Option<Scalar<Name>>,
    /// Load balancer of the service: `app/<name>`, `app/<name>/<id>`, `classic/<name>`, or `{ tags: { <key>: <value> }
    /// }`.
    pub(super) load_balancer: Option<OneOrMany<Selector<LoadBalancer>>>,
    /// Target groups by name or tags. Default: all requests of the load balancer.
    pub(super) target_group: Option<OneOrMany<Selector<TargetGroup>>>,
    /// Labels, which corrections can select services by.
    pub(super) labels: Option<BTreeMap<String, Scalar<TextLine>>>,
    /// URL of the runbook, linked in notifications.
    #[schemars(extend("examples" = ["https://wiki.example.com/checkout"]))]
    pub(super) runbook: Option<Scalar<TextLine>>,
    /// URL of the dashboard, linked in notifications.
    #[schemars(extend("examples" = ["https://grafana.example.com/d/checkout"]))]
    pub(super) dashboard: Option<Scalar<TextLine>>,
    /// Windows of the error budgets; alert tiers use the first.
    pub(super) windows: Option<OneOrMany<Scalar<WindowYaml>>>,
    /// Time zone of the windows `week`, `month`, `quarter` and `year`.
    pub(super) time_zone: Option<Scalar<TimeZone>>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(super) tiers: Option<TiersYaml>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(super) significance: Option<OrNone<SignificanceYaml>>,
    /// Severe conditions of availability SLOs, independent of the error budget: outages and traffic drops. `none`
    /// disables them.
    pub(super) severe: Option<OrNone<SevereYaml>>,
    /// Working hours for tiers with `only: working_hours`: `Mon-Fri 09:00-18:00 Europe/Berlin`.
    pub(super) working_hours: Option<Scalar<WorkingHours>>,
    /// Share of the newest minutes that may be unknown; above it the status is `no data`.
    pub(super) max_unknown: Option<Scalar<Percent>>,
    /// SLOs by name. They override or extend the SLOs of the class.
    #[schemars(extend("minProperties" = 1))]
    pub(super) slos: Option<BTreeMap<String, SloYaml>>,
}
