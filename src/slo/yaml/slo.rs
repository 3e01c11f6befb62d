//! One SLO, as typed.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Error, MapAccess, Unexpected, value::MapAccessDeserializer};

use super::identifier::{Name, TextLine};
use super::load_balancer::{HostPattern, Method, PathPattern};
use super::metric::MetricsYaml;
use super::scalar::{Forms, FromText, OneOrMany, OrNone, Scalar, impl_serde_by_forms, invalid_type, scalar_text};
use super::scalars::{Minutes, Percent, Percentile, Threshold, TimeZoneName, WindowYaml};
use super::tiers::{SevereYaml, SignificanceYaml, TiersYaml, WorkingHoursYaml};
use crate::slo::indicator::{LatencyBasis, LatencyErrors};
use crate::slo::problem::Explained;

/// An SLO: its fields, `none`, or an objective alone, which stands for fields with nothing else.
#[derive(Clone, Debug)]
pub(in crate::slo) enum SloYaml {
    Disabled,
    Fields(Box<SloFields>),
}

/// The settings of an SLO.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SloSettings")]
pub(in crate::slo) struct SloFields {
    /// Indicator to measure. Default: the indicator that the SLO is named after, or that of the class.
    pub(in crate::slo) indicator: Option<IndicatorYaml>,
    /// Share of events that must be good: `99.9%`.
    pub(in crate::slo) objective: Option<Scalar<Percent>>,
    /// For latency: the longest time in which a request is good.
    pub(in crate::slo) under: Option<Scalar<Threshold>>,
    /// For `latency_percentile`: the percentile of each timeslice that must be within `under`: `p99`.
    pub(in crate::slo) percentile: Option<Scalar<Percentile>>,
    /// For latency: the processing time of the target alone, or including the load balancer. Default: target.
    pub(in crate::slo) measure: Option<LatencyBasis>,
    /// For latency: how 5xx responses count. Default: counted, by their time.
    pub(in crate::slo) errors: Option<LatencyErrors>,
    /// For latency: count timeouts without a target time as bad. Default: they are not counted.
    pub(in crate::slo) timeouts: Option<LatencyTimeoutsYaml>,
    /// Which requests count. All conditions must match.
    #[serde(rename = "where")]
    pub(in crate::slo) conditions: Option<RequestFilterYaml>,
    /// Responses of listener rules that count anyway.
    pub(in crate::slo) include: Option<OneOrMany<Scalar<IncludeYaml>>>,
    /// Budgeting method: the error budget is used by bad events, or by timeslices with too many of them. Default:
    /// occurrences.
    pub(in crate::slo) budgeting: Option<BudgetingYaml>,
    /// For timeslices: length of a timeslice, which must divide a day. Default: 1m.
    pub(in crate::slo) slice: Option<Scalar<Minutes>>,
    /// For timeslices: share of events that must be good in a good timeslice.
    pub(in crate::slo) slice_target: Option<Scalar<Percent>>,
    /// For timeslices: how a timeslice without traffic counts. Default: excluded.
    pub(in crate::slo) idle: Option<IdleTimeslicesYaml>,
    /// For a target group in CloudWatch: confirms that 5xx responses of the load balancer itself are excluded, because
    /// CloudWatch does not report them by target group.
    pub(in crate::slo) elb_5xx: Option<LoadBalancerErrorsYaml>,
    /// For `ratio`: metrics that count all events.
    pub(in crate::slo) total: Option<MetricsYaml>,
    /// For `ratio`: metrics that count good events.
    pub(in crate::slo) good: Option<MetricsYaml>,
    /// For `ratio`: metrics that count bad events.
    pub(in crate::slo) bad: Option<MetricsYaml>,
    /// For `counts`: path of the counts file in the folder of the source. For `query`: path of the SQL file in the
    /// queries folder.
    pub(in crate::slo) file: Option<Scalar<TextLine>>,
    /// Source of the event counts.
    pub(in crate::slo) source: Option<Scalar<Name>>,
    /// Windows of the error budgets; alert tiers use the first.
    pub(in crate::slo) windows: Option<OneOrMany<Scalar<WindowYaml>>>,
    /// Time zone of the windows `week`, `month`, `quarter` and `year`.
    pub(in crate::slo) time_zone: Option<Scalar<TimeZoneName>>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(in crate::slo) tiers: Option<TiersYaml>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(in crate::slo) significance: Option<OrNone<SignificanceYaml>>,
    /// Severe conditions, independent of the error budget: outages and traffic drops. `none` disables them. Default:
    /// only availability SLOs have them.
    pub(in crate::slo) severe: Option<OrNone<SevereYaml>>,
    /// Working hours for tiers with `only: working_hours`.
    pub(in crate::slo) working_hours: Option<Scalar<WorkingHoursYaml>>,
    /// Share of the newest minutes that may be unknown; above it the status is `no data`.
    pub(in crate::slo) max_unknown: Option<Scalar<Percent>>,
}

/// Indicator of an SLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Indicator")]
pub(in crate::slo) enum IndicatorYaml {
    /// Requests that were not answered with a 5xx.
    Availability,
    /// Requests that were answered within `under`.
    Latency,
    /// Timeslices whose percentile was within `under`.
    LatencyPercentile,
    /// Events counted by CloudWatch metrics.
    Ratio,
    /// Events counted by an SQL query.
    Query,
    /// Events counted in a file.
    Counts,
}

impl IndicatorYaml {
    /// All of them, in the order in which messages name them.
    pub(in crate::slo) const ALL: [Self; 6] =
        [Self::Availability, Self::Latency, Self::LatencyPercentile, Self::Ratio, Self::Query, Self::Counts];

    /// The word that is typed.
    pub(in crate::slo) const fn as_str(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Latency => "latency",
            Self::LatencyPercentile => "latency_percentile",
            Self::Ratio => "ratio",
            Self::Query => "query",
            Self::Counts => "counts",
        }
    }

    /// Whether it is about requests at a load balancer.
    pub(in crate::slo) const fn is_request_based(self) -> bool {
        match self {
            Self::Availability | Self::Latency | Self::LatencyPercentile => true,
            Self::Ratio | Self::Query | Self::Counts => false,
        }
    }

    /// The indicator that an SLO of this name has unless it says otherwise. The others need to be told what they count,
    /// so that no name is enough for them.
    pub(in crate::slo) fn from_slo_name(slo: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == slo && kind.is_request_based())
    }

    /// Whether a stretch in which nearly every event is bad means that nothing works, and a lack of events that nobody
    /// gets through. Slow is not out, and what a file counts may be anything.
    pub(in crate::slo) const fn supports_severe(self) -> bool {
        match self {
            Self::Availability => true,
            Self::Latency | Self::LatencyPercentile | Self::Ratio | Self::Query | Self::Counts => false,
        }
    }
}

/// How a latency SLO counts timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LatencyTimeouts")]
pub(in crate::slo) enum LatencyTimeoutsYaml {
    /// Good or bad by the time they took.
    Bad,
}

/// How 5xx responses of the load balancer itself count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LoadBalancerErrors")]
pub(in crate::slo) enum LoadBalancerErrorsYaml {
    /// Not counted.
    Excluded,
}

/// Budgeting method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Budgeting")]
pub(in crate::slo) enum BudgetingYaml {
    /// Every bad event.
    Occurrences,
    /// Every timeslice with too many bad events.
    Timeslices,
}

/// How a timeslice without traffic counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "IdleTimeslices")]
pub(in crate::slo) enum IdleTimeslicesYaml {
    /// As a good timeslice.
    Good,
    /// Not counted.
    Excluded,
}

/// Responses of listener rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) enum IncludeYaml {
    FixedResponse,
    Redirect,
}

impl FromText for IncludeYaml {
    const PATTERN: &'static str = "^(fixed-response|redirect)$";
    const NOUN: &'static str = "a listener rule response";
    const EXAMPLE: &'static str = "fixed-response";

    fn from_text(text: &str) -> Result<Self, Explained> {
        match text {
            "fixed-response" => Ok(Self::FixedResponse),
            "redirect" => Ok(Self::Redirect),
            _ => Err(Explained::new(
                format!("`{text}` is not a valid value for `include`"),
                "write `fixed-response`, `redirect`, or both in a list",
            )),
        }
    }
}

/// Which requests count for an SLO.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
#[schemars(rename = "RequestFilter")]
pub(in crate::slo) struct RequestFilterYaml {
    /// HTTP methods.
    pub(in crate::slo) method: Option<OneOrMany<Scalar<Method>>>,
    /// Host patterns with `*` and `?`, case-insensitive.
    pub(in crate::slo) host: Option<OneOrMany<Scalar<HostPattern>>>,
    /// Path patterns with `*` and `?`, case-sensitive, without the query string.
    pub(in crate::slo) path: Option<OneOrMany<Scalar<PathPattern>>>,
}

impl SloYaml {
    fn from_objective(objective: Scalar<Percent>) -> Self {
        Self::Fields(Box::new(SloFields { objective: Some(objective), ..SloFields::default() }))
    }
}

impl Forms for SloYaml {
    const SCHEMA_NAME: Option<&'static str> = Some("Slo");

    fn expected() -> String {
        "an objective such as `99.9%`, fields such as `{ objective: 99%, under: 300ms }`, or `none`".to_owned()
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        match scalar {
            Unexpected::Str("none") => Ok(Self::Disabled),
            Unexpected::Str(_) => Scalar::from_scalar(scalar).map(Self::from_objective),
            Unexpected::Bool(_) => Err(invalid_type::<Self, E>(scalar)),
            number => Scalar::from_scalar(Unexpected::Str(&scalar_text(number))).map(Self::from_objective),
        }
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        SloFields::deserialize(MapAccessDeserializer::new(map)).map(|fields| Self::Fields(Box::new(fields)))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let objective = generator.subschema_for::<Scalar<Percent>>();
        let fields = generator.subschema_for::<SloFields>();
        json_schema!({ "anyOf": [objective, { "const": "none" }, fields] })
    }
}
impl_serde_by_forms!(SloYaml);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indicator_names_deserialize_to_their_variants() {
        for kind in IndicatorYaml::ALL {
            assert_eq!(serde_json::from_value::<IndicatorYaml>(kind.as_str().into()).unwrap(), kind);
        }
    }
}
