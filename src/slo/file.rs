//! The YAML twin: exactly what may be typed in `fleet.yaml` and in the file of a service.
//!
//! Every field is optional here, so that all that is wrong with a file can be said at once; what must be there is
//! checked when promises are made of it. The JSON Schema comes from these same types.

mod balancer;
mod decode;
mod names;
mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{
    Error, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};
use serde::{Deserialize, Deserializer};

pub(super) use balancer::{Destination, HostPattern, LoadBalancer, Method, PathPattern, TargetGroup};
pub(super) use decode::{Page, decode, nearest};
pub(super) use names::{Name, Words};
pub(super) use values::{FromText, Length, OneOrMany, Percent, Threshold, Typed, WindowText, Zone, decimal_text};

/// The files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaKind {
    /// `fleet.yaml`.
    Fleet,
    /// `<team>/<service>.yaml`.
    Service,
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
    /// Tiers of all SLOs that have none of their own.
    pub(super) tiers: Option<TiersText>,
}

/// A source: exactly one of `access_logs` and `counts`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [{ "required": ["access_logs"] }, { "required": ["counts"] }]))]
pub(super) struct SourceText {
    /// A directory with access logs of application load balancers: it holds `AWSLogs/`.
    pub(super) access_logs: Option<Typed<Words>>,
    /// A directory with files of `minute,total,bad`.
    pub(super) counts: Option<Typed<Words>>,
    /// How old a minute must be before its counts are complete. Default: 10m for access logs, 0m for counts.
    pub(super) delay: Option<Typed<Length>>,
    /// The share of lines that may fail to parse before a run is done in part. Default: 0.1%.
    pub(super) unparsed_limit: Option<Typed<Percent>>,
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
    /// When to say what to whom; `none` switches all tiers off.
    pub(super) tiers: Option<TiersText>,
    /// The share of unknown minutes above which nothing is judged. Default: 20%.
    pub(super) blind_above: Option<Typed<Percent>>,
}

/// Where a team is told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TeamText {
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
    /// The application load balancer in front of it, as its access log names it: `app/<name>/<id>`.
    pub(super) load_balancer: Option<Typed<LoadBalancer>>,
    /// Its target groups by name; left out, all requests of the balancer are its own.
    pub(super) target_group: Option<OneOrMany<Typed<TargetGroup>>>,
    /// What to do when it burns.
    pub(super) runbook: Option<Typed<Words>>,
    /// Where to look when it burns.
    pub(super) dashboard: Option<Typed<Words>>,
    /// What budgets are counted over; tiers are derived from the first.
    pub(super) windows: Option<OneOrMany<Typed<WindowText>>>,
    /// Whose calendar the windows `week`, `month`, `quarter` and `year` follow.
    pub(super) time_zone: Option<Typed<Zone>>,
    /// When to say what to whom; `none` switches all tiers off.
    pub(super) tiers: Option<TiersText>,
    /// The share of unknown minutes above which nothing is judged.
    pub(super) blind_above: Option<Typed<Percent>>,
    /// Its promises by name: those of its class, overridden or added to.
    #[schemars(extend("minProperties" = 1))]
    pub(super) slos: Option<BTreeMap<String, SloText>>,
}

/// A promise: an objective alone, `none`, or its fields.
#[derive(Clone, Debug)]
pub(super) enum SloText {
    Objective(Typed<Percent>),
    Off,
    Fields(Box<SloFields>),
}

/// All that can be said of a promise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SloFields {
    /// What is measured. Default: the SLO's own name, or what its class says.
    pub(super) indicator: Option<IndicatorText>,
    /// The share of events that must be good: `99.9%`.
    pub(super) objective: Option<Typed<Percent>>,
    /// For latency: an answer is good that took at most this long.
    pub(super) under: Option<Typed<Threshold>>,
    /// For latency: the target's time alone (default), or with the balancer's own times.
    pub(super) measure: Option<MeasureText>,
    /// For latency: what an answer with a 5xx is. Default: counted, by its time.
    pub(super) errors: Option<ErrorsText>,
    /// For latency: timeouts without a target time are bad. Default: they are no events.
    pub(super) timeouts: Option<TimeoutsText>,
    /// Which requests; all conditions must hold.
    #[serde(rename = "where")]
    pub(super) conditions: Option<WhereText>,
    /// Answers that the balancer gave by rule, and that count all the same.
    pub(super) include: Option<OneOrMany<Typed<IncludeText>>>,
    /// For counts: the file below the source's directory.
    pub(super) file: Option<Typed<Words>>,
    /// The source that is asked.
    pub(super) source: Option<Typed<Name>>,
    /// What budgets are counted over; tiers are derived from the first.
    pub(super) windows: Option<OneOrMany<Typed<WindowText>>>,
    /// Whose calendar the windows `week`, `month`, `quarter` and `year` follow.
    pub(super) time_zone: Option<Typed<Zone>>,
    /// When to say what to whom; `none` switches all tiers off.
    pub(super) tiers: Option<TiersText>,
    /// The share of unknown minutes above which nothing is judged.
    pub(super) blind_above: Option<Typed<Percent>>,
}

/// The kinds of indicators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum IndicatorText {
    /// Requests without a 5xx that the client saw.
    Availability,
    /// Requests that were answered in time.
    Latency,
    /// Good and bad as a file counts them.
    Counts,
}

/// Which times make up a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MeasureText {
    /// The target's own time.
    Target,
    /// Request, target and response processing time together.
    Total,
}

/// What an answer with a 5xx is to a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ErrorsText {
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
pub(super) enum TimeoutsText {
    /// An event, judged by the time it really took.
    Bad,
}

/// Answers that a balancer gives by rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IncludeText {
    FixedResponse,
    Redirect,
}

impl FromText for IncludeText {
    const PATTERN: &'static str = "^(fixed-response|redirect)$";
    const NOUN: &'static str = "an answer by rule";
    const EXAMPLE: &'static str = "fixed-response";

    fn from_text(text: &str) -> Result<Self, super::problem::Refusal> {
        match text {
            "fixed-response" => Ok(Self::FixedResponse),
            "redirect" => Ok(Self::Redirect),
            _ => Err(super::problem::Refusal::new(
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
pub(super) struct WhereText {
    /// Request methods.
    pub(super) method: Option<OneOrMany<Typed<Method>>>,
    /// Host patterns, with `*` and `?`; case does not matter.
    pub(super) host: Option<OneOrMany<Typed<HostPattern>>>,
    /// Path patterns, with `*` and `?`; case matters, the query string does not belong to it.
    pub(super) path: Option<OneOrMany<Typed<PathPattern>>>,
}

/// Tiers: a list, or `none`.
#[derive(Clone, Debug)]
pub(super) struct TiersText(pub(super) Vec<TierText>);

/// When to say what.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TierText {
    /// How urgent it is.
    pub(super) urgency: UrgencyText,
    /// The share of the budget that is gone when the burn has lasted for the long window.
    pub(super) budget: Typed<Percent>,
    /// The long window: it gives significance.
    pub(super) long: Typed<Length>,
    /// The short window: it ends the alert soon after the trouble.
    pub(super) short: Typed<Length>,
}

/// How urgent a tier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum UrgencyText {
    /// Somebody is woken.
    Page,
    /// Somebody looks on the next business day.
    Ticket,
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

struct TiersVisitor;

impl<'de> Visitor<'de> for TiersVisitor {
    type Value = TiersText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`none`, or a list of tiers such as `{ urgency: page, budget: 2%, long: 1h, short: 5m }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TiersText, E> {
        if text == "none" {
            return Ok(TiersText(Vec::new()));
        }
        Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<TiersText, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(TiersText)
    }
}

impl<'de> Deserialize<'de> for TiersText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TiersVisitor)
    }
}

impl JsonSchema for TiersText {
    fn schema_name() -> Cow<'static, str> {
        "Tiers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let tier = generator.subschema_for::<TierText>();
        json_schema!({ "anyOf": [{ "const": "none" }, { "type": "array", "items": tier }] })
    }
}
