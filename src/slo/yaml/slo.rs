//! The settings of an SLO.

use std::fmt;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Unexpected, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};

use super::alerting::{SevereYaml, SignificanceYaml, TiersYaml};
use super::forms::{
    Forms, FromText, OneOrMany, OrNone, Scalar, impl_from_text, impl_serde_by_forms, scalar_text, to_serde_error,
};
use super::metric::{BadYaml, MetricsYaml};
use super::request_pattern::{HostPattern, Method, PathPattern};
use super::scalars::{Minutes, Name, Percent, Percentile, TextLine, Threshold, WindowYaml};
use crate::hinted_error::HintedError;
use crate::slo::indicator::{LatencyBasis, LatencyErrors, ListenerResponse};
use crate::slo::tier::WorkingHours;

impl_from_text! {
    ListenerResponse: "a response of a listener", "fixed-response", "^(fixed-response|redirect|waf|authenticate)$",
        read_listener_response;
}

/// An SLO: its fields, `none`, or an objective alone, which stands for fields with nothing else.
#[derive(Clone, Debug)]
pub(crate) struct SloYaml(pub(crate) Option<Box<SloFields>>);

/// The settings of an SLO.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "SloSettings", deny_unknown_fields, default)]
pub(crate) struct SloFields {
    /// Indicator to measure. Default: the indicator that the SLO is named after, or that of the class.
    pub(crate) indicator: Option<IndicatorYaml>,
    /// Share of events that must be good: `99.9%`.
    pub(crate) objective: Option<Scalar<Percent>>,
    /// For latency: the longest time in which a request is good.
    pub(crate) under: Option<Scalar<Threshold>>,
    /// For `latency_percentile`: the percentile of each timeslice that must be within `under`: `p99`.
    pub(crate) percentile: Option<Scalar<Percentile>>,
    /// For latency: the processing time of the target alone, or including the load balancer. Default: target.
    pub(crate) measure: Option<LatencyBasis>,
    /// For latency: how 5xx responses count. Default: counted, by their time.
    pub(crate) errors: Option<LatencyErrors>,
    /// For latency: count timeouts without a target time as bad. Default: they are not counted.
    pub(crate) timeouts: Option<LatencyTimeoutsYaml>,
    /// Time after which a client that closes the connection without an answer has given up, which is bad. Default: 10s.
    pub(crate) gave_up_after: Option<Scalar<Threshold>>,
    /// Which requests count. All conditions must match.
    #[serde(rename = "where")]
    pub(crate) conditions: Option<RequestFilterYaml>,
    /// Responses of listener rules, AWS WAF and authentication that count anyway.
    pub(crate) include: Option<OneOrMany<Scalar<ListenerResponse>>>,
    /// Budgeting method: the error budget is used by bad events, or by timeslices with too many of them. Default:
    /// occurrences.
    pub(crate) budgeting: Option<BudgetingYaml>,
    /// For timeslices: length of a timeslice, which must divide a day. Default: 1m.
    pub(crate) slice: Option<Scalar<Minutes>>,
    /// For timeslices: share of events that must be good in a good timeslice.
    pub(crate) slice_target: Option<Scalar<Percent>>,
    /// For timeslices: how a timeslice without traffic counts. Default: excluded.
    pub(crate) idle: Option<IdleTimeslicesYaml>,
    /// For a target group in CloudWatch: confirms that 5xx responses of the load balancer itself are excluded, because
    /// CloudWatch does not report them by target group.
    pub(crate) elb_5xx: Option<LoadBalancerErrorsYaml>,
    /// For `ratio`: metrics that count all events.
    pub(crate) total: Option<MetricsYaml>,
    /// For `ratio`: metrics that count good events.
    pub(crate) good: Option<MetricsYaml>,
    /// For `availability`: statuses and classes of statuses that are bad: `[5xx, 429]`. Default: 5xx. For `ratio`:
    /// metrics that count bad events.
    pub(crate) bad: Option<OneOrMany<BadYaml>>,
    /// For `counts`: path of the counts file in the folder of the source. For `query`: path of the SQL file in the
    /// queries folder.
    pub(crate) file: Option<Scalar<TextLine>>,
    /// Source of the event counts.
    pub(crate) source: Option<Scalar<Name>>,
    /// Windows of the error budgets; alert tiers use the first.
    pub(crate) windows: Option<OneOrMany<Scalar<WindowYaml>>>,
    /// Time zone of the windows `week`, `month`, `quarter` and `year`.
    pub(crate) time_zone: Option<Scalar<TimeZone>>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(crate) tiers: Option<TiersYaml>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(crate) significance: Option<OrNone<SignificanceYaml>>,
    /// Severe conditions, independent of the error budget: outages and traffic drops. `none` disables them. Default:
    /// only availability SLOs have them.
    pub(crate) severe: Option<OrNone<SevereYaml>>,
    /// Working hours for tiers with `only: working_hours`.
    pub(crate) working_hours: Option<Scalar<WorkingHours>>,
    /// Share of the newest minutes that may be unknown; above it the status is `no data`.
    pub(crate) max_unknown: Option<Scalar<Percent>>,
}

/// Indicator of an SLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "Indicator", rename_all = "snake_case")]
pub(crate) enum IndicatorYaml {
    /// Requests that were not answered with a bad status.
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
    /// All indicators in the order of messages.
    pub(crate) const ALL: [Self; 6] =
        [Self::Availability, Self::Latency, Self::LatencyPercentile, Self::Ratio, Self::Query, Self::Counts];

    /// Whether it counts requests at a load balancer.
    pub(crate) const fn is_request_based(self) -> bool {
        matches!(self, Self::Availability | Self::Latency | Self::LatencyPercentile)
    }

    /// The default indicator of an SLO with this name. The other indicators need settings, so a name is not enough.
    pub(crate) fn from_slo_name(slo: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_string() == slo && kind.is_request_based())
    }

    /// Whether bad events only, or no events at all, mean an outage. Slow responses do not, and other counts may mean
    /// anything.
    pub(crate) const fn supports_severe(self) -> bool {
        matches!(self, Self::Availability)
    }
}

impl fmt::Display for IndicatorYaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// How a latency SLO counts timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "LatencyTimeouts", rename_all = "lowercase")]
pub(crate) enum LatencyTimeoutsYaml {
    /// Good or bad by the time they took.
    Bad,
}

/// How 5xx responses of the load balancer itself count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "LoadBalancerErrors", rename_all = "lowercase")]
pub(crate) enum LoadBalancerErrorsYaml {
    /// Not counted.
    Excluded,
}

/// Budgeting method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "Budgeting", rename_all = "lowercase")]
pub(crate) enum BudgetingYaml {
    /// Every bad event.
    Occurrences,
    /// Every timeslice with too many bad events.
    Timeslices,
}

/// How a timeslice without traffic counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "IdleTimeslices", rename_all = "lowercase")]
pub(crate) enum IdleTimeslicesYaml {
    /// As a good timeslice.
    Good,
    /// Not counted.
    Excluded,
}

fn read_listener_response(text: &str) -> Result<ListenerResponse, HintedError> {
    ListenerResponse::ALL.into_iter().find(|response| response.to_string() == text).ok_or_else(|| {
        HintedError::new(
            format!("`{text}` is not a valid value for `include`"),
            "write `fixed-response`, `redirect`, `waf`, `authenticate`, or several in a list",
        )
    })
}

/// Which requests count for an SLO.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "RequestFilter", deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct RequestFilterYaml {
    /// HTTP methods.
    pub(crate) method: Option<OneOrMany<Scalar<Method>>>,
    /// Host patterns with `*` and `?`, case-insensitive.
    pub(crate) host: Option<OneOrMany<Scalar<HostPattern>>>,
    /// Path patterns with `*` and `?`, case-sensitive, without the query string.
    pub(crate) path: Option<OneOrMany<Scalar<PathPattern>>>,
    /// Requests that do not count: those that match all of these conditions.
    pub(crate) not: Option<ExcludedRequestsYaml>,
}

/// Which of the requests do not count for an SLO.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "ExcludedRequests", deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct ExcludedRequestsYaml {
    /// HTTP methods.
    pub(crate) method: Option<OneOrMany<Scalar<Method>>>,
    /// Host patterns with `*` and `?`, case-insensitive.
    pub(crate) host: Option<OneOrMany<Scalar<HostPattern>>>,
    /// Path patterns with `*` and `?`, case-sensitive, without the query string.
    pub(crate) path: Option<OneOrMany<Scalar<PathPattern>>>,
}

impl Forms for SloYaml {
    const SCHEMA_NAME: Option<&'static str> = Some("Slo");

    fn forms() -> Vec<String> {
        let forms = ["an objective such as `99.9%`", "fields such as `{ objective: 99%, under: 300ms }`", "`none`"];
        forms.map(str::to_owned).into()
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Option<Result<Self, E>> {
        if scalar == Unexpected::Str("none") {
            return Some(Ok(Self(None)));
        }
        // A number without its `%` is explained as that text is.
        let objective = Percent::from_text(&scalar_text(scalar)).map_err(to_serde_error);
        let to_fields = |objective| SloFields { objective: Some(Scalar(objective)), ..SloFields::default() };
        let is_bool = matches!(scalar, Unexpected::Bool(_));
        (!is_bool).then(|| Ok(Self(Some(Box::new(to_fields(objective?))))))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Option<Result<Self, A::Error>> {
        Some(SloFields::deserialize(MapAccessDeserializer::new(map)).map(|fields| Self(Some(Box::new(fields)))))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        let objective = generator.subschema_for::<Scalar<Percent>>();
        vec![objective, json_schema!({ "const": "none" }), generator.subschema_for::<SloFields>()]
    }
}
impl_serde_by_forms!(SloYaml);
