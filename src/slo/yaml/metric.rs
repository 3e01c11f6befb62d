//! Metrics of CloudWatch, as typed in a `ratio`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{MapAccess, value::MapAccessDeserializer};

use super::identifier::TextLine;
use super::scalar::{Forms, FromText, ListItem, OneOrMany, Scalar};
use crate::slo::metric::Statistic;
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
    pub(in crate::slo) statistic: Option<Scalar<Statistic>>,
}

/// One metric, or several whose counts are added up.
pub(in crate::slo) type MetricsYaml = OneOrMany<MetricYaml>;

impl Forms for MetricYaml {
    fn expected() -> String {
        Self::description()
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

impl ListItem for MetricYaml {
    const HAS_SCALARS: bool = false;
    const HAS_FIELDS: bool = true;

    fn description() -> String {
        "a metric such as `{ namespace: Shop/Orders, metric: Placed }`".to_owned()
    }

    fn empty_list_hint() -> String {
        format!("add {}", Self::description())
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

/// Only counts add up over minutes; averages and percentiles do not
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
impl FromText for Statistic {
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
