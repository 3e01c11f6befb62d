//! `GetMetricData`: one request with all of its pages, and what it says of each metric.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use std::fmt;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, MessageData, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};

use super::MetricFetch;
use super::plan::{PeriodSpan, PlannedRequest};
use tracing::debug;

use crate::aws::AwsError;
use crate::slo::MetricStatistic;
use crate::time::Minute;

/// What one request came to.
pub(super) struct RequestResult {
    /// In the order of the call's queries.
    pub(super) data: Vec<MetricData>,
    pub(super) requests: u64,
    /// Whether any page came: a request that is refused costs nothing.
    pub(super) is_paid: bool,
}

/// What was said of one query.
pub(super) enum MetricData {
    /// All values there are, in order of time.
    Complete(Vec<(Minute, f64)>),
    /// Not all of them.
    Incomplete(MetricError),
}

/// Why a metric was not answered whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MetricError {
    /// The request was refused: what was said, and a remedy.
    Refused(String, &'static str),
    /// CloudWatch says so of the metric.
    Status(String),
    /// CloudWatch says so of the whole request: "as much of the operation as possible is still executed", and nobody
    /// knows how much, so that a value that is missing may be no zero.
    Message(String),
}

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(message, hint) => write!(f, "cannot query CloudWatch: {message}\nhint: {hint}"),
            Self::Status(code) if code == "Forbidden" => f.write_str(
                "CloudWatch refuses access to the metrics: Forbidden\nhint: link the account to the monitoring \
                 account, and check `account` for the source",
            ),
            Self::Status(code) => {
                write!(f, "CloudWatch returned incomplete data: {code}\nhint: run again to fetch the data again")
            }
            Self::Message(message) => write!(
                f,
                "CloudWatch returned incomplete data: {message}\nhint: run again; if it persists, check the `GetMetricData` quotas of the account and region"
            ),
        }
    }
}

/// Sends a request and reads all pages of its answer.
pub(super) async fn get_metric_data(
    fetch: &MetricFetch<'_>,
    queries: &[&MetricStatistic],
    planned: &PlannedRequest,
) -> RequestResult {
    let queries = &queries[planned.queries.clone()];
    let mut partials: Vec<PartialMetricData> = queries.iter().map(|_| PartialMetricData::default()).collect();
    let data_queries: Vec<MetricDataQuery> = queries
        .iter()
        .enumerate()
        .map(|(index, query)| data_query(index, query, &planned.span, fetch.account))
        .collect();
    let (mut token, mut requests, mut message) = (None, 0, None);
    loop {
        let page_request = fetch
            .client
            .get_metric_data()
            .set_metric_data_queries(Some(data_queries.clone()))
            .start_time(date_time(planned.span.span.start))
            .end_time(date_time(planned.span.span.end))
            .scan_by(ScanBy::TimestampAscending)
            .set_next_token(token);
        requests += 1;
        let page = match page_request.send().await {
            Ok(page) => page,
            Err(error) => {
                // What came before is not whole without it.
                let aws_error = AwsError::from_sdk_error(&error);
                let metric_error = MetricError::Refused(aws_error.message.clone(), aws_error.hint());
                let data = queries.iter().map(|_| MetricData::Incomplete(metric_error.clone())).collect();
                return RequestResult { data, requests, is_paid: requests > 1 };
            }
        };
        message = message.or_else(|| page.messages().first().map(message_text));
        for result in page.metric_data_results() {
            if let Some(partial) = result.id().and_then(query_index).and_then(|index| partials.get_mut(index)) {
                partial.add_page(result);
            }
        }
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    let PeriodSpan { span, period_minutes: period } = planned.span;
    debug!(%span, period, queries = queries.len(), pages = requests, "GetMetricData");
    let data = partials.into_iter().map(|partial| match &message {
        Some(text) => MetricData::Incomplete(MetricError::Message(text.clone())),
        None => partial.finish(),
    });
    RequestResult { data: data.collect(), requests, is_paid: true }
}

/// What the pages so far say of one query.
#[derive(Default)]
struct PartialMetricData {
    values: Vec<(Minute, f64)>,
    status: Option<StatusCode>,
}

impl PartialMetricData {
    fn add_page(&mut self, result: &MetricDataResult) {
        let minutes = result.timestamps().iter().map(|time| Minute::from_unix_seconds(time.secs()));
        self.values.extend(minutes.zip(result.values().iter().copied()));
        // `PartialData` means that more pages follow; a later page may complete it, but nothing mends an error.
        if !matches!(self.status, Some(StatusCode::InternalError | StatusCode::Forbidden)) {
            self.status = result.status_code().cloned();
        }
    }

    fn finish(self) -> MetricData {
        match self.status {
            Some(StatusCode::Complete) => {
                let mut values = self.values;
                values.sort_unstable_by_key(|(minute, _)| *minute);
                MetricData::Complete(values)
            }
            Some(status) => MetricData::Incomplete(MetricError::Status(status.as_str().to_owned())),
            None => MetricData::Incomplete(MetricError::Status("no result".to_owned())),
        }
    }
}

fn message_text(message: &MessageData) -> String {
    let text = format!("{}: {}", message.code().unwrap_or_default(), message.value().unwrap_or_default());
    crate::text::escape_non_printing(&text)
}

/// Ids must begin with a lower-case letter.
fn query_index(id: &str) -> Option<usize> {
    id.strip_prefix('q')?.parse().ok()
}

fn date_time(minute: Minute) -> DateTime {
    DateTime::from_secs(minute.timestamp().as_second())
}

fn data_query(
    index: usize,
    query: &MetricStatistic,
    period_span: &PeriodSpan,
    account: Option<&str>,
) -> MetricDataQuery {
    let dimensions = query.metric.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let metric = Metric::builder()
        .namespace(&query.metric.namespace)
        .metric_name(&query.metric.name)
        .set_dimensions(Some(dimensions.collect()));
    let statistic = MetricStat::builder()
        .metric(metric.build())
        .period(period_span.period_minutes * 60)
        .stat(query.statistic.to_string())
        .build();
    let data_query = MetricDataQuery::builder().id(format!("q{index}")).metric_stat(statistic).return_data(true);
    data_query.set_account_id(account.map(str::to_owned)).build()
}
