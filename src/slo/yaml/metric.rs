//! Metrics of CloudWatch, as typed in a `ratio`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{
    Error, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};
use serde::{Deserialize, Deserializer};

use super::identifier::TextLine;
use super::scalar::{FromText, Scalar};
use crate::slo::problem::Explained;

/// A CloudWatch metric that counts events
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Metric.html>).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Metric")]
pub(in crate::slo) struct MetricYaml {
    /// Namespace: `Shop/Orders`.
    pub(in crate::slo) namespace: Scalar<MetricName>,
    /// Metric name.
    pub(in crate::slo) metric: Scalar<MetricName>,
    /// Dimensions, exactly as published. Default: none.
    #[serde(default)]
    pub(in crate::slo) dimensions: BTreeMap<String, Scalar<TextLine>>,
    /// Statistic: `Sum`, `SampleCount`, or `TC(<low>:<high>)`, the number of values between two bounds. Default: Sum.
    pub(in crate::slo) statistic: Option<Scalar<StatisticYaml>>,
}

/// One metric, or several whose counts are added up.
#[derive(Clone, Debug)]
pub(in crate::slo) struct MetricsYaml(pub(in crate::slo) Vec<MetricYaml>);

struct MetricsVisitor;

impl<'de> Visitor<'de> for MetricsVisitor {
    type Value = MetricsYaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a metric such as `{ namespace: Shop/Orders, metric: Placed }`, or a list of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<MetricsYaml, A::Error> {
        let items = Vec::<MetricYaml>::deserialize(SeqAccessDeserializer::new(items))?;
        if items.is_empty() {
            return Err(A::Error::custom(
                "the list is empty\nadd a metric such as `{ namespace: Shop/Orders, metric: Placed }`",
            ));
        }
        Ok(MetricsYaml(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MetricsYaml, A::Error> {
        MetricYaml::deserialize(MapAccessDeserializer::new(map)).map(|one| MetricsYaml(vec![one]))
    }
}

impl<'de> Deserialize<'de> for MetricsYaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MetricsVisitor)
    }
}

impl JsonSchema for MetricsYaml {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Metrics".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<MetricYaml>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

/// The name of a metric or namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct MetricName(pub(in crate::slo) String);

impl FromText for MetricName {
    const PATTERN: &'static str = "^[!-9;-~]([ -~]{0,253}[!-~])?$";
    const NOUN: &'static str = "a metric or namespace name";
    const EXAMPLE: &'static str = "RequestCount";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let is_printable = |byte: u8| (b' '..=b'~').contains(&byte);
        let is_valid = (1..=255).contains(&text.len())
            && text.bytes().all(is_printable)
            && !text.starts_with([' ', ':'])
            && !text.ends_with(' ');
        if is_valid {
            return Ok(Self(text.to_owned()));
        }
        let hint = "use at most 255 ASCII characters, without a leading `:` or space; `aws cloudwatch list-metrics` lists the names";
        Err(Explained::new(format!("`{text}` is not a valid metric or namespace name"), hint))
    }
}

/// What counts of a metric. Only counts add up over minutes; averages and percentiles do not
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) enum StatisticYaml {
    Sum,
    SampleCount,
    /// Values above the first bound, which may be empty, and at most the second.
    TrimmedCount(String, String),
}

impl FromText for StatisticYaml {
    const PATTERN: &'static str =
        r"^(Sum|SampleCount|TC\(([0-9]+(\.[0-9]+)?:([0-9]+(\.[0-9]+)?)?|:[0-9]+(\.[0-9]+)?)\))$";
    const NOUN: &'static str = "a statistic";
    const EXAMPLE: &'static str = "Sum";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let is_number = |text: &str| {
            let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
            [whole, rest].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let bounds =
            text.strip_prefix("TC(").and_then(|rest| rest.strip_suffix(')')).and_then(|rest| rest.split_once(':'));
        match (text, bounds) {
            ("Sum", _) => Ok(Self::Sum),
            ("SampleCount", _) => Ok(Self::SampleCount),
            (_, Some((low, high)))
                if [low, high].iter().all(|bound| bound.is_empty() || is_number(bound))
                    && low.len() + high.len() > 0 =>
            {
                Ok(Self::TrimmedCount(low.to_owned(), high.to_owned()))
            }
            _ => Err(Explained::new(
                format!("unsupported statistic `{text}`"),
                "use `Sum`, `SampleCount`, or `TC(:0.5)` for values up to 0.5; averages and percentiles cannot be added up across minutes",
            )),
        }
    }
}
