//! CloudWatch metrics about a completed run and the status of SLOs.
//!
//! Limits: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};

use crate::aws::{Aws, Refusal};
use crate::minute::Minute;
use crate::report::data::Datum;

/// Metrics of one request.
const METRICS_MAX: usize = 1_000;

/// CloudWatch did not take metrics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write {left} of {all} metrics to the CloudWatch namespace `{namespace}`: {said}\nhint: {hint}")]
pub struct PutError {
    left: usize,
    all: usize,
    namespace: String,
    said: String,
    hint: &'static str,
}

/// Puts metrics of a moment.
///
/// # Errors
/// With what CloudWatch said first, if it did not take all of them.
pub async fn put(namespace: &str, data: &[Datum], at: Minute) -> Result<(), PutError> {
    let client = Aws::reach().await.cloudwatch();
    let (mut left, mut first) = (0, None);
    for some in data.chunks(METRICS_MAX) {
        let some: Vec<MetricDatum> = some.iter().map(|one| datum(one, at)).collect();
        let count = some.len();
        if let Err(error) = client.put_metric_data().namespace(namespace).set_metric_data(Some(some)).send().await {
            left += count;
            first.get_or_insert_with(|| Refusal::of(&error));
        }
    }
    match first {
        None => Ok(()),
        Some(refusal) => Err(PutError {
            left,
            all: data.len(),
            namespace: namespace.to_owned(),
            hint: refusal.remedy(),
            said: refusal.said,
        }),
    }
}

fn datum(one: &Datum, at: Minute) -> MetricDatum {
    let dimension = |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
    MetricDatum::builder()
        .metric_name(one.name)
        .set_dimensions(Some(one.dimensions.iter().map(dimension).collect()))
        .timestamp(DateTime::from_secs(at.timestamp().as_second()))
        .value(one.value)
        .unit(if one.is_percent { StandardUnit::Percent } else { StandardUnit::Count })
        .build()
}
