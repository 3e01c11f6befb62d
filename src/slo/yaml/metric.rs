//! CloudWatch metrics of a `ratio`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{FromText, ListItem, OneOrMany, Scalar, pattern_texts};
use super::scalars::TextLine;
use crate::hinted_error::HintedError;
use crate::slo::metric::Statistic;

/// A CloudWatch metric that counts events
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Metric.html>).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "Metric", deny_unknown_fields)]
pub(crate) struct MetricYaml {
    /// Namespace: `Shop/Orders`.
    pub(crate) namespace: Scalar<MetricName>,
    /// Metric name.
    pub(crate) metric: Scalar<MetricName>,
    /// Dimensions, exactly as published. Default: none.
    #[serde(default)]
    pub(crate) dimensions: BTreeMap<String, Scalar<TextLine>>,
    /// Statistic: `Sum`, `SampleCount`, or `TC(<low>:<high>)`, the number of values between two bounds. Default: Sum.
    pub(crate) statistic: Option<Scalar<Statistic>>,
}

/// One metric, or several whose counts are added up.
pub(crate) type MetricsYaml = OneOrMany<MetricYaml>;

impl ListItem for MetricYaml {
    const HAS_FIELDS: bool = true;

    fn description() -> String {
        "a metric such as `{ namespace: Shop/Orders, metric: Placed }`".to_owned()
    }

    fn empty_list_hint() -> String {
        format!("add {}", Self::description())
    }
}

pattern_texts! {
    /// The name of a metric or namespace.
    MetricName("a metric or namespace name", "RequestCount", "^[!-9;-~]([ -~]{0,253}[!-~])?$"),
    "`{}` is not a valid metric or namespace name",
    "use at most 255 ASCII characters, without a leading `:` or space; `aws cloudwatch list-metrics` lists the names";
}

/// Only counts add up over minutes; averages and percentiles do not
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
impl FromText for Statistic {
    const PATTERN: &'static str =
        r"^(Sum|SampleCount|TC\(([0-9]+(\.[0-9]+)?:([0-9]+(\.[0-9]+)?)?|:[0-9]+(\.[0-9]+)?)\))$";
    const NOUN: &'static str = "a statistic";
    const EXAMPLE: &'static str = "Sum";

    fn from_text(text: &str) -> Result<Self, HintedError> {
        let bounds =
            text.strip_prefix("TC(").and_then(|rest| rest.strip_suffix(')')).and_then(|rest| rest.split_once(':'));
        match (text, bounds) {
            ("Sum", _) => Ok(Self::Sum),
            ("SampleCount", _) => Ok(Self::SampleCount),
            (_, Some((low, high))) if Self::matches(text) => Ok(Self::TrimmedCount(low.to_owned(), high.to_owned())),
            _ => HintedError::err(
                format!("unsupported statistic `{text}`"),
                "use `Sum`, `SampleCount`, or `TC(:0.5)` for values up to 0.5; averages and percentiles cannot be added up across minutes",
            ),
        }
    }
}
