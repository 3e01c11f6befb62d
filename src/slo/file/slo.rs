//! One SLO, as typed.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::balancer::{HostPattern, Method, PathPattern};
use super::metric::MetricsText;
use super::names::{Name, Words};
use super::tiers::{HoursText, SevereText, SignificanceText, TiersText};
use super::typed::{FromText, OneOrMany, Switch, Typed};
use super::values::{Length, Percent, Percentile, Threshold, WindowText, Zone};
use crate::slo::problem::Refusal;

/// An SLO: an objective alone, `none`, or its fields.
#[derive(Clone, Debug)]
pub(in crate::slo) enum SloText {
    Objective(Typed<Percent>),
    Off,
    Fields(Box<SloFields>),
}

/// The settings of an SLO.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SloSettings")]
pub(in crate::slo) struct SloFields {
    /// Indicator to measure. Default: the indicator that the SLO is named after, or that of the class.
    pub(in crate::slo) indicator: Option<IndicatorText>,
    /// Share of events that must be good: `99.9%`.
    pub(in crate::slo) objective: Option<Typed<Percent>>,
    /// For latency: the longest time in which a request is good.
    pub(in crate::slo) under: Option<Typed<Threshold>>,
    /// For `latency_percentile`: the percentile of each timeslice that must be within `under`: `p99`.
    pub(in crate::slo) percentile: Option<Typed<Percentile>>,
    /// For latency: the processing time of the target alone, or including the load balancer. Default: target.
    pub(in crate::slo) measure: Option<MeasureText>,
    /// For latency: how 5xx responses count. Default: counted, by their time.
    pub(in crate::slo) errors: Option<ErrorsText>,
    /// For latency: count timeouts without a target time as bad. Default: they are not counted.
    pub(in crate::slo) timeouts: Option<TimeoutsText>,
    /// Which requests count. All conditions must match.
    #[serde(rename = "where")]
    pub(in crate::slo) conditions: Option<WhereText>,
    /// Responses of listener rules that count anyway.
    pub(in crate::slo) include: Option<OneOrMany<Typed<IncludeText>>>,
    /// Budgeting method: the error budget is used by bad events, or by timeslices with too many of them. Default:
    /// occurrences.
    pub(in crate::slo) budgeting: Option<BudgetingText>,
    /// For timeslices: length of a timeslice, which must divide a day. Default: 1m.
    pub(in crate::slo) slice: Option<Typed<Length>>,
    /// For timeslices: share of events that must be good in a good timeslice.
    pub(in crate::slo) slice_target: Option<Typed<Percent>>,
    /// For timeslices: how a timeslice without traffic counts. Default: excluded.
    pub(in crate::slo) idle: Option<IdleText>,
    /// For a target group in CloudWatch: confirms that 5xx responses of the load balancer itself are excluded, because
    /// CloudWatch does not report them by target group.
    pub(in crate::slo) elb_5xx: Option<ElbErrorsText>,
    /// For `ratio`: metrics that count all events.
    pub(in crate::slo) total: Option<MetricsText>,
    /// For `ratio`: metrics that count good events.
    pub(in crate::slo) good: Option<MetricsText>,
    /// For `ratio`: metrics that count bad events.
    pub(in crate::slo) bad: Option<MetricsText>,
    /// For `counts`: path of the counts file in the folder of the source. For `query`: path of the SQL file in the
    /// queries folder.
    pub(in crate::slo) file: Option<Typed<Words>>,
    /// Source of the event counts.
    pub(in crate::slo) source: Option<Typed<Name>>,
    /// Windows of the error budgets; alert tiers use the first.
    pub(in crate::slo) windows: Option<OneOrMany<Typed<WindowText>>>,
    /// Time zone of the windows `week`, `month`, `quarter` and `year`.
    pub(in crate::slo) time_zone: Option<Typed<Zone>>,
    /// Alert tiers by name, or `none` for no alerts.
    pub(in crate::slo) tiers: Option<TiersText>,
    /// Minimum statistical significance of a page; pages below it are sent as tickets. `none` disables the test.
    pub(in crate::slo) significance: Option<Switch<SignificanceText>>,
    /// Severe conditions, independent of the error budget: outages and traffic drops. `none` disables them. Default:
    /// only availability SLOs have them.
    pub(in crate::slo) severe: Option<Switch<SevereText>>,
    /// Working hours for tiers with `only: working_hours`.
    pub(in crate::slo) working_hours: Option<Typed<HoursText>>,
    /// Share of the newest minutes that may be unknown; above it the status is `no data`.
    pub(in crate::slo) max_unknown: Option<Typed<Percent>>,
}

/// Indicator of an SLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Indicator")]
pub(in crate::slo) enum IndicatorText {
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

impl IndicatorText {
    /// All of them, in the order in which messages name them.
    pub(in crate::slo) const ALL: [Self; 6] =
        [Self::Availability, Self::Latency, Self::LatencyPercentile, Self::Ratio, Self::Query, Self::Counts];

    /// The word that is typed.
    pub(in crate::slo) const fn word(self) -> &'static str {
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
    pub(in crate::slo) const fn is_of_requests(self) -> bool {
        match self {
            Self::Availability | Self::Latency | Self::LatencyPercentile => true,
            Self::Ratio | Self::Query | Self::Counts => false,
        }
    }

    /// The indicator that an SLO of this name has unless it says otherwise. The others need to be told what they count,
    /// so that no name is enough for them.
    pub(in crate::slo) fn named(slo: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == slo && kind.is_of_requests())
    }

    /// Whether a stretch in which nearly every event is bad means that nothing works, and a lack of events that nobody
    /// gets through. Slow is not out, and what a file counts may be anything.
    pub(in crate::slo) const fn can_be_out(self) -> bool {
        match self {
            Self::Availability => true,
            Self::Latency | Self::LatencyPercentile | Self::Ratio | Self::Query | Self::Counts => false,
        }
    }
}

/// Which processing times a latency includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LatencyMeasure")]
pub(in crate::slo) enum MeasureText {
    /// Target processing time.
    Target,
    /// Request, target and response processing time together.
    Total,
}

/// How a latency SLO counts 5xx responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LatencyErrors")]
pub(in crate::slo) enum ErrorsText {
    /// Good or bad by their time.
    Counted,
    /// Always bad.
    Bad,
    /// Not counted.
    Excluded,
}

/// How a latency SLO counts timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LatencyTimeouts")]
pub(in crate::slo) enum TimeoutsText {
    /// Good or bad by the time they took.
    Bad,
}

/// How 5xx responses of the load balancer itself count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LoadBalancerErrors")]
pub(in crate::slo) enum ElbErrorsText {
    /// Not counted.
    Excluded,
}

/// Budgeting method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Budgeting")]
pub(in crate::slo) enum BudgetingText {
    /// Every bad event.
    Occurrences,
    /// Every timeslice with too many bad events.
    Timeslices,
}

/// How a timeslice without traffic counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "IdleTimeslices")]
pub(in crate::slo) enum IdleText {
    /// As a good timeslice.
    Good,
    /// Not counted.
    Excluded,
}

/// Responses of listener rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) enum IncludeText {
    FixedResponse,
    Redirect,
}

impl FromText for IncludeText {
    const PATTERN: &'static str = "^(fixed-response|redirect)$";
    const NOUN: &'static str = "a listener rule response";
    const EXAMPLE: &'static str = "fixed-response";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        match text {
            "fixed-response" => Ok(Self::FixedResponse),
            "redirect" => Ok(Self::Redirect),
            _ => Err(Refusal::new(
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
pub(in crate::slo) struct WhereText {
    /// HTTP methods.
    pub(in crate::slo) method: Option<OneOrMany<Typed<Method>>>,
    /// Host patterns with `*` and `?`, case-insensitive.
    pub(in crate::slo) host: Option<OneOrMany<Typed<HostPattern>>>,
    /// Path patterns with `*` and `?`, case-sensitive, without the query string.
    pub(in crate::slo) path: Option<OneOrMany<Typed<PathPattern>>>,
}

struct SloVisitor;

impl<'de> Visitor<'de> for SloVisitor {
    type Value = SloText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an objective such as `99.9%`, fields such as `{ objective: 99%, under: 300ms }`, or `none`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SloText, E> {
        if text == "none" {
            return Ok(SloText::Off);
        }
        Typed::<Percent>::deserialize(serde::de::value::StrDeserializer::new(text)).map(SloText::Objective)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<SloText, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<SloText, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<SloText, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SloText, A::Error> {
        SloFields::deserialize(MapAccessDeserializer::new(map)).map(|fields| SloText::Fields(Box::new(fields)))
    }
}

impl<'de> Deserialize<'de> for SloText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SloVisitor)
    }
}

impl JsonSchema for SloText {
    fn schema_name() -> Cow<'static, str> {
        "Slo".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let objective = generator.subschema_for::<Typed<Percent>>();
        let fields = generator.subschema_for::<SloFields>();
        json_schema!({ "anyOf": [objective, { "const": "none" }, fields] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_the_one_that_is_read() {
        for kind in IndicatorText::ALL {
            assert_eq!(serde_json::from_value::<IndicatorText>(kind.word().into()).unwrap(), kind);
        }
    }
}
