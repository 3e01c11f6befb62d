//! CloudWatch metrics of a `ratio`, and the bad statuses of `availability`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Error, MapAccess, Unexpected, value::MapAccessDeserializer};

use super::forms::{
    Forms, FromText, OneOrMany, Scalar, check_pattern, impl_from_text, impl_serde_by_forms, read_scalar, text_types,
};
use super::scalars::TextLine;
use crate::hinted_error::HintedError;
use crate::slo::indicator::StatusClass;
use crate::slo::metric::Statistic;

text_types!(MetricName);

/// What is bad: a status or class of statuses for `availability`, a metric for `ratio`.
#[derive(Clone, Debug)]
pub(crate) enum BadYaml {
    Status(StatusClass),
    Metric(Box<MetricYaml>),
}

impl_from_text! {
    MetricName: "a metric or namespace name", "RequestCount", "^[!-9;-~]([ -~]{0,253}[!-~])?$", read_metric_name;
    Statistic: "a statistic", "Sum",
        r"^(Sum|SampleCount|TC\(([0-9]+(\.[0-9]+)?:([0-9]+(\.[0-9]+)?)?|:[0-9]+(\.[0-9]+)?)\))$", read_statistic;
}

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

impl Forms for MetricYaml {
    fn forms() -> Vec<String> {
        vec!["a metric such as `{ namespace: Shop/Orders, metric: Placed }`".to_owned()]
    }

    fn empty_list_hint() -> String {
        format!("add {}", Self::forms().swap_remove(0))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Option<Result<Self, A::Error>> {
        Some(Self::deserialize(MapAccessDeserializer::new(map)))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![Self::json_schema(generator)]
    }
}

impl FromText for StatusClass {
    const NOUN: &'static str = "a status or a class of statuses";
    const EXAMPLE: &'static str = "5xx";
    const PATTERN: &'static str = "^[1-5]([0-9][0-9]|xx)$";
    const IS_INTEGER: bool = true;

    fn from_text(text: &str) -> Result<Self, HintedError> {
        let class = || text.strip_suffix("xx")?.parse().ok().map(Self::Class);
        let status = || text.parse().ok().map(Self::Status);
        class().or_else(status).filter(|_| Self::matches(text)).ok_or_else(|| {
            let hint = "write a status such as `429`, or a class of statuses such as `5xx`";
            HintedError::new(format!("`{text}` is not an HTTP status"), hint)
        })
    }
}

impl Forms for BadYaml {
    fn forms() -> Vec<String> {
        [Scalar::<StatusClass>::forms(), MetricYaml::forms()].concat()
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Option<Result<Self, E>> {
        Some(read_scalar(scalar).map(Self::Status))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Option<Result<Self, A::Error>> {
        MetricYaml::from_map(map).map(|metric| metric.map(|metric| Self::Metric(Box::new(metric))))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Scalar<StatusClass>>(), generator.subschema_for::<MetricYaml>()]
    }
}
impl_serde_by_forms!(BadYaml);

fn read_metric_name(text: &str) -> Result<MetricName, HintedError> {
    let message = format!("`{text}` is not a valid metric or namespace name");
    let hint = "use at most 255 ASCII characters, without a leading `:` or space; `aws cloudwatch list-metrics` lists the names";
    check_pattern::<MetricName>(text, message, hint).map(MetricName)
}

/// Only counts add up over minutes; averages and percentiles do not
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
fn read_statistic(text: &str) -> Result<Statistic, HintedError> {
    let bounds = text.strip_prefix("TC(").and_then(|rest| rest.strip_suffix(')')).and_then(|rest| rest.split_once(':'));
    match (text, bounds) {
        ("Sum", _) => Ok(Statistic::Sum),
        ("SampleCount", _) => Ok(Statistic::SampleCount),
        (_, Some((low, high))) if Statistic::matches(text) => {
            Ok(Statistic::TrimmedCount(low.to_owned(), high.to_owned()))
        }
        _ => HintedError::err(
            format!("unsupported statistic `{text}`"),
            "use `Sum`, `SampleCount`, or `TC(:0.5)` for values up to 0.5; averages and percentiles cannot be added up across minutes",
        ),
    }
}
