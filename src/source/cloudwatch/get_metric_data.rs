//! `GetMetricData`: one request with all of its pages, and the result for each metric.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, MessageData, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};
use tracing::debug;

use super::plan_requests::PeriodSpan;
use crate::aws::AwsError;
use crate::slo::MetricStatistic;
use crate::time::Minute;

/// All values of a metric in order of time, or why some may be missing.
pub(super) type MetricData = Result<Vec<(Minute, f64)>, MetricError>;

pub(super) struct RequestResult {
    /// In the order of the request's metrics.
    pub(super) data: Vec<MetricData>,
    /// Pages that were requested.
    pub(super) requests: u64,
    /// Whether any page was received: a request that fails costs nothing.
    pub(super) is_paid: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum MetricError {
    #[error("cannot query CloudWatch: {0}\nhint: {1}")]
    Refused(String, &'static str),
    #[error(
        "CloudWatch refuses access to the metrics: Forbidden\nhint: link the account to the monitoring account, and \
         check `account` for the source"
    )]
    Forbidden,
    #[error("CloudWatch returned incomplete data: {0}\nhint: run again to fetch the data again")]
    Incomplete(String),
    /// A message about the whole request: "as much of the operation as possible is still executed". It does not say how
    /// much, so a missing value may not be zero.
    #[error(
        "CloudWatch returned incomplete data: {0}\nhint: run again; if it persists, check the `GetMetricData` quotas of \
         the account and region"
    )]
    Message(String),
}

/// Requests the values of some metrics. `account` is set if a monitoring account is asked for another account's
/// metrics.
pub(super) async fn get_metric_data(
    client: &Client,
    account: Option<&str>,
    metrics: &[&MetricStatistic],
    PeriodSpan { span, period_minutes }: PeriodSpan,
) -> RequestResult {
    let queries = (0..).zip(metrics).map(|(index, metric)| data_query(index, metric, period_minutes, account));
    let mut pages = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time(date_time(span.start))
        .end_time(date_time(span.end))
        .scan_by(ScanBy::TimestampAscending)
        .into_paginator()
        // The SDK would take a repeated token for the end, and missing pages for complete data.
        .stop_on_duplicate_token(false)
        .send();
    let mut partials: Vec<PartialMetricData> = metrics.iter().map(|_| PartialMetricData::default()).collect();
    let (mut requests, mut message) = (0, None);
    while let Some(page) = pages.next().await {
        requests += 1;
        let page = match page.map_err(AwsError::from) {
            Ok(page) => page,
            Err(error) => {
                // The pages before are incomplete without this one.
                let error = MetricError::Refused(error.message.clone(), error.hint());
                return RequestResult { data: vec![Err(error); metrics.len()], requests, is_paid: requests > 1 };
            }
        };
        message = message.or_else(|| page.messages().first().map(message_text));
        for result in page.metric_data_results() {
            if let Some(partial) = result.id().and_then(query_index).and_then(|index| partials.get_mut(index)) {
                partial.add_page(result);
            }
        }
    }
    debug!(%span, period = period_minutes, queries = metrics.len(), pages = requests, "GetMetricData");
    let data = match message {
        Some(text) => vec![Err(MetricError::Message(text)); metrics.len()],
        None => partials.into_iter().map(PartialMetricData::finish).collect(),
    };
    RequestResult { data, requests, is_paid: true }
}

/// The pages so far for one metric.
#[derive(Default)]
struct PartialMetricData {
    values: Vec<(Minute, f64)>,
    status: Option<StatusCode>,
}

impl PartialMetricData {
    fn add_page(&mut self, result: &MetricDataResult) {
        let minutes = result.timestamps().iter().map(|time| Minute::from_unix_seconds(time.secs()));
        self.values.extend(minutes.zip(result.values().iter().copied()));
        // `PartialData` means that more pages follow. A later page may complete it, but an error remains.
        if !matches!(self.status, Some(StatusCode::InternalError | StatusCode::Forbidden)) {
            self.status = result.status_code().cloned();
        }
    }

    fn finish(mut self) -> MetricData {
        match self.status {
            Some(StatusCode::Complete) => {
                self.values.sort_unstable_by_key(|(minute, _)| *minute);
                Ok(self.values)
            }
            Some(StatusCode::Forbidden) => Err(MetricError::Forbidden),
            Some(status) => Err(MetricError::Incomplete(status.as_str().to_owned())),
            None => Err(MetricError::Incomplete("no result".to_owned())),
        }
    }
}

fn message_text(message: &MessageData) -> String {
    let text = format!("{}: {}", message.code().unwrap_or_default(), message.value().unwrap_or_default());
    crate::text::escape_non_printing(&text)
}

/// IDs must begin with a lower-case letter.
fn query_index(id: &str) -> Option<usize> {
    id.strip_prefix('q')?.parse().ok()
}

fn date_time(minute: Minute) -> DateTime {
    DateTime::from_secs(minute.timestamp().as_second())
}

fn data_query(index: usize, query: &MetricStatistic, period_minutes: i32, account: Option<&str>) -> MetricDataQuery {
    let dimensions = query.metric.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let metric = Metric::builder()
        .namespace(&query.metric.namespace)
        .metric_name(&query.metric.name)
        .set_dimensions(Some(dimensions.collect()));
    let statistic =
        MetricStat::builder().metric(metric.build()).period(period_minutes * 60).stat(query.statistic.to_string());
    MetricDataQuery::builder()
        .id(format!("q{index}"))
        .metric_stat(statistic.build())
        .return_data(true)
        .set_account_id(account.map(str::to_owned))
        .build()
}
