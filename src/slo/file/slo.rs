//! One SLO, as typed.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::balancer::{HostPattern, Method, PathPattern};
use super::metric::MetricsText;
use super::names::{Name, Words};
use super::tiers::{EvidenceText, HoursText, SevereText, TiersText};
use super::typed::{FromText, OneOrMany, Switch, Typed};
use super::values::{Length, Percent, Percentile, Threshold, WindowText, Zone};
use crate::slo::problem::Refusal;

/// A promise: an objective alone, `none`, or its fields.
#[derive(Clone, Debug)]
pub(in crate::slo) enum SloText {
    Objective(Typed<Percent>),
    Off,
    Fields(Box<SloFields>),
}

/// All that can be said of a promise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::slo) struct SloFields {
    /// What is measured. Default: the SLO's own name, or what its class says.
    pub(in crate::slo) indicator: Option<IndicatorText>,
    /// The share of events that must be good: `99.9%`.
    pub(in crate::slo) objective: Option<Typed<Percent>>,
    /// For latency: an answer is good that took at most this long.
    pub(in crate::slo) under: Option<Typed<Threshold>>,
    /// For `latency_percentile`: which of a slice's answers must be in time: `p99`.
    pub(in crate::slo) percentile: Option<Typed<Percentile>>,
    /// For latency: the target's time alone (default), or with the balancer's own times.
    pub(in crate::slo) measure: Option<MeasureText>,
    /// For latency: what an answer with a 5xx is. Default: counted, by its time.
    pub(in crate::slo) errors: Option<ErrorsText>,
    /// For latency: timeouts without a target time are bad. Default: they are no events.
    pub(in crate::slo) timeouts: Option<TimeoutsText>,
    /// Which requests; all conditions must hold.
    #[serde(rename = "where")]
    pub(in crate::slo) conditions: Option<WhereText>,
    /// Answers that the balancer gave by rule, and that count all the same.
    pub(in crate::slo) include: Option<OneOrMany<Typed<IncludeText>>>,
    /// What spends the budget: single events (default), or slices of time that had too many bad ones.
    pub(in crate::slo) budgeting: Option<BudgetingText>,
    /// For timeslices: how long a slice is; it divides a day. Default: 1m.
    pub(in crate::slo) slice: Option<Typed<Length>>,
    /// For timeslices: the share of a slice's events that must be good.
    pub(in crate::slo) slice_target: Option<Typed<Percent>>,
    /// For timeslices: what a slice without traffic is. Default: excluded, no slice at all.
    pub(in crate::slo) idle: Option<IdleText>,
    /// For a target group in CloudWatch: says that the balancer's own 5xx, which CloudWatch does not tell by target group,
    /// are left out.
    pub(in crate::slo) elb_5xx: Option<ElbErrorsText>,
    /// For `ratio`: the metrics that count all events.
    pub(in crate::slo) total: Option<MetricsText>,
    /// For `ratio`: the metrics that count the good events.
    pub(in crate::slo) good: Option<MetricsText>,
    /// For `ratio`: the metrics that count the bad events.
    pub(in crate::slo) bad: Option<MetricsText>,
    /// For counts: the file below the source's directory. For `query`: the SQL file below the folder of queries.
    pub(in crate::slo) file: Option<Typed<Words>>,
    /// The source that is asked.
    pub(in crate::slo) source: Option<Typed<Name>>,
    /// What budgets are counted over; tiers are derived from the first.
    pub(in crate::slo) windows: Option<OneOrMany<Typed<WindowText>>>,
    /// Whose calendar the windows `week`, `month`, `quarter` and `year` follow.
    pub(in crate::slo) time_zone: Option<Typed<Zone>>,
    /// When to say what: tiers by name, or `none` for no tier at all.
    pub(in crate::slo) tiers: Option<TiersText>,
    /// What a page must be backed by, or it is a ticket; `none` for nothing.
    pub(in crate::slo) evidence: Option<Switch<EvidenceText>>,
    /// What is severe whatever the budget says, or `none`. Unless it is said here, only what is measured as availability has it: slow
    /// is not out, and what a file counts may be anything.
    pub(in crate::slo) severe: Option<Switch<SevereText>>,
    /// What tiers that are `only: working_hours` mean.
    pub(in crate::slo) working_hours: Option<Typed<HoursText>>,
    /// The share of unknown minutes above which nothing is judged.
    pub(in crate::slo) blind_above: Option<Typed<Percent>>,
}

/// The kinds of indicators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::slo) enum IndicatorText {
    /// Requests without a 5xx that the client saw.
    Availability,
    /// Requests that were answered in time.
    Latency,
    /// Minutes whose percentile was in time.
    LatencyPercentile,
    /// Events that metrics of CloudWatch count.
    Ratio,
    /// Events that an SQL query counts.
    Query,
    /// Good and bad as a file counts them.
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

    /// The indicator that an SLO of this name has unless it says otherwise. The others need to be told what they count, so
    /// that no name is enough for them.
    pub(in crate::slo) fn named(slo: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == slo && kind.is_of_requests())
    }

    /// Whether a stretch in which nearly every event is bad means that nothing works, and a lack of events that nobody gets
    /// through. Slow is not out, and what a file counts may be anything.
    pub(in crate::slo) const fn can_be_out(self) -> bool {
        match self {
            Self::Availability => true,
            Self::Latency | Self::LatencyPercentile | Self::Ratio | Self::Query | Self::Counts => false,
        }
    }
}

/// Which times make up a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::slo) enum MeasureText {
    /// The target's own time.
    Target,
    /// Request, target and response processing time together.
    Total,
}

/// What an answer with a 5xx is to a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::slo) enum ErrorsText {
    /// Judged by its time.
    Counted,
    /// Bad, however fast.
    Bad,
    /// No event.
    Excluded,
}

/// What a timeout is to a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::slo) enum TimeoutsText {
    /// An event, judged by the time it really took.
    Bad,
}

/// What becomes of the errors that a balancer makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::slo) enum ElbErrorsText {
    /// They are no events.
    Excluded,
}

/// What spends a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::slo) enum BudgetingText {
    /// Every bad event.
    Occurrences,
    /// Every slice of time with too many bad events.
    Timeslices,
}

/// What a slice without traffic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::slo) enum IdleText {
    /// A good slice.
    Good,
    /// No slice.
    Excluded,
}

/// Answers that a balancer gives by rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) enum IncludeText {
    FixedResponse,
    Redirect,
}

impl FromText for IncludeText {
    const PATTERN: &'static str = "^(fixed-response|redirect)$";
    const NOUN: &'static str = "an answer by rule";
    const EXAMPLE: &'static str = "fixed-response";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        match text {
            "fixed-response" => Ok(Self::FixedResponse),
            "redirect" => Ok(Self::Redirect),
            _ => Err(Refusal::new(
                format!("`{text}` cannot be included"),
                "write `fixed-response`, `redirect`, or both in a list",
            )),
        }
    }
}

/// Which requests belong to an SLO.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub(in crate::slo) struct WhereText {
    /// Request methods.
    pub(in crate::slo) method: Option<OneOrMany<Typed<Method>>>,
    /// Host patterns, with `*` and `?`; case does not matter.
    pub(in crate::slo) host: Option<OneOrMany<Typed<HostPattern>>>,
    /// Path patterns, with `*` and `?`; case matters, the query string does not belong to it.
    pub(in crate::slo) path: Option<OneOrMany<Typed<PathPattern>>>,
}

struct SloVisitor;

impl<'de> Visitor<'de> for SloVisitor {
    type Value = SloText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an objective such as `99.9%`, `none`, or a map such as `{ objective: 99%, under: 300ms }`")
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
