//! CloudWatch metrics about a completed run and the status of SLOs.
//!
//! Limits: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};

use crate::aws::{Aws, AwsError};
use crate::hinted_error::HintedError;
use crate::report::export::Datum;
use crate::time::Minute;

/// Metrics per request.
const METRICS_MAX: usize = 1_000;

/// Writes metrics with the time `at`. The error is the first of all requests.
pub async fn put_metric_data(namespace: &str, data: &[Datum], at: Minute) -> Result<(), HintedError> {
    let client = Aws::shared().await.cloudwatch();
    let (mut failed, mut first_error) = (0, None);
    for batch in data.chunks(METRICS_MAX) {
        let batch: Vec<MetricDatum> = batch.iter().map(|metric| metric_datum(metric, at)).collect();
        let count = batch.len();
        if let Err(error) = client.put_metric_data().namespace(namespace).set_metric_data(Some(batch)).send().await {
            failed += count;
            first_error.get_or_insert_with(|| AwsError::from_sdk_error(&error));
        }
    }
    match first_error {
        None => Ok(()),
        Some(error) => HintedError::err(
            format!(
                "cannot write {failed} of {} metrics to the CloudWatch namespace `{namespace}`: {}",
                data.len(),
                error.message
            ),
            error.hint(),
        ),
    }
}

fn metric_datum(metric: &Datum, at: Minute) -> MetricDatum {
    let dimension = |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
    MetricDatum::builder()
        .metric_name(metric.name)
        .set_dimensions(Some(metric.dimensions.iter().map(dimension).collect()))
        .timestamp(DateTime::from_secs(at.timestamp().as_second()))
        .value(metric.value)
        .unit(if metric.is_percent { StandardUnit::Percent } else { StandardUnit::Count })
        .build()
}
