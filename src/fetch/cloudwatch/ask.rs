//! `GetMetricData`: one request with all of its pages, and what it says of each metric.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use std::fmt;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, MessageData, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};

use super::Question;
use super::plan::{Call, Piece};
use tracing::debug;

use crate::aws::Refusal;
use crate::minute::Minute;
use crate::slo::MetricCount;

/// What one request came to.
pub(super) struct Result {
    /// In the order of the call's queries.
    pub(super) answers: Vec<Answered>,
    pub(super) requests: u64,
    /// Whether any page came: a request that is refused costs nothing.
    pub(super) is_paid: bool,
}

/// What was said of one query.
pub(super) enum Answered {
    /// All values there are, in order of time.
    Whole(Vec<(Minute, f64)>),
    /// Not all of them.
    Not(Unanswered),
}

/// Why a metric was not answered whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unanswered {
    /// The request was refused: what was said, and a remedy.
    Refused(String, &'static str),
    /// CloudWatch says so of the metric.
    Status(String),
    /// CloudWatch says so of the whole request: "as much of the operation as possible is still executed", and nobody
    /// knows how much, so that a value that is missing may be no zero.
    Message(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(said, remedy) => write!(f, "cannot query CloudWatch: {said}\nhint: {remedy}"),
            Self::Status(code) if code == "Forbidden" => f.write_str(
                "CloudWatch refuses access to the metrics: Forbidden\nhint: link the account to the monitoring \
                 account, and check `account` for the source",
            ),
            Self::Status(code) => {
                write!(f, "CloudWatch returned incomplete data: {code}\nhint: run again to fetch the data again")
            }
            Self::Message(said) => write!(
                f,
                "CloudWatch returned incomplete data: {said}\nhint: run again; if it persists, check the `GetMetricData` quotas of the account and region"
            ),
        }
    }
}

/// Sends a request and reads all pages of its answer.
pub(super) async fn ask(question: &Question<'_>, queries: &[&MetricCount], call: &Call) -> Result {
    let queries = &queries[call.queries.clone()];
    let mut answers: Vec<Partial> = queries.iter().map(|_| Partial::default()).collect();
    let asked: Vec<MetricDataQuery> = queries
        .iter()
        .enumerate()
        .map(|(place, query)| data_query(place, query, &call.piece, question.account))
        .collect();
    let (mut token, mut requests, mut message) = (None, 0, None);
    loop {
        let request = question
            .client
            .get_metric_data()
            .set_metric_data_queries(Some(asked.clone()))
            .start_time(date_time(call.piece.span.start))
            .end_time(date_time(call.piece.span.end))
            .scan_by(ScanBy::TimestampAscending)
            .set_next_token(token);
        requests += 1;
        let page = match request.send().await {
            Ok(page) => page,
            Err(error) => {
                // What came before is not whole without it.
                let refusal = Refusal::of(&error);
                let fault = Unanswered::Refused(refusal.said.clone(), refusal.remedy());
                let answers = queries.iter().map(|_| Answered::Not(fault.clone())).collect();
                return Result { answers, requests, is_paid: requests > 1 };
            }
        };
        message = message.or_else(|| page.messages().first().map(said));
        for result in page.metric_data_results() {
            if let Some(answer) = result.id().and_then(place).and_then(|place| answers.get_mut(place)) {
                answer.add(result);
            }
        }
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    let Piece { span, period } = call.piece;
    debug!(%span, period, queries = queries.len(), pages = requests, "GetMetricData");
    let answers = answers.into_iter().map(|partial| match &message {
        Some(said) => Answered::Not(Unanswered::Message(said.clone())),
        None => partial.end(),
    });
    Result { answers: answers.collect(), requests, is_paid: true }
}

/// What the pages so far say of one query.
#[derive(Default)]
struct Partial {
    values: Vec<(Minute, f64)>,
    status: Option<StatusCode>,
}

impl Partial {
    fn add(&mut self, result: &MetricDataResult) {
        let minutes = result.timestamps().iter().map(|time| Minute::of_unix_seconds(time.secs()));
        self.values.extend(minutes.zip(result.values().iter().copied()));
        // `PartialData` means that more pages follow; a later page may complete it, but nothing mends an error.
        if !matches!(self.status, Some(StatusCode::InternalError | StatusCode::Forbidden)) {
            self.status = result.status_code().cloned();
        }
    }

    fn end(self) -> Answered {
        match self.status {
            Some(StatusCode::Complete) => {
                let mut values = self.values;
                values.sort_unstable_by_key(|(minute, _)| *minute);
                Answered::Whole(values)
            }
            Some(status) => Answered::Not(Unanswered::Status(status.as_str().to_owned())),
            None => Answered::Not(Unanswered::Status("no result".to_owned())),
        }
    }
}

fn said(message: &MessageData) -> String {
    let text = format!("{}: {}", message.code().unwrap_or_default(), message.value().unwrap_or_default());
    crate::visible::visible(&text)
}

/// Ids must begin with a lower-case letter.
fn place(id: &str) -> Option<usize> {
    id.strip_prefix('q')?.parse().ok()
}

fn date_time(minute: Minute) -> DateTime {
    DateTime::from_secs(minute.timestamp().as_second())
}

fn data_query(place: usize, query: &MetricCount, piece: &Piece, account: Option<&str>) -> MetricDataQuery {
    let dimensions = query.metric.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let metric = Metric::builder()
        .namespace(&query.metric.namespace)
        .metric_name(&query.metric.name)
        .set_dimensions(Some(dimensions.collect()));
    let statistic = MetricStat::builder()
        .metric(metric.build())
        .period(piece.period * 60)
        .stat(query.statistic.to_string())
        .build();
    let asked = MetricDataQuery::builder().id(format!("q{place}")).metric_stat(statistic).return_data(true);
    asked.set_account_id(account.map(str::to_owned)).build()
}
