//! Counts from metrics of CloudWatch: [`answer`] asks for a span of some series, in as few requests as may be.
//!
//! **Invariant:** a minute is known only if every metric that it is made of was answered whole; what was not asked for,
//! not answered, or answered in part is nothing, and never zero. What was answered whole replaces what an earlier
//! answer said.

mod first_datapoint;
mod get_metric_data;
mod plan;
mod to_counts;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use futures_util::stream::{self, StreamExt};

use crate::counts::Counts;
use crate::fetch_plan::billed_metrics;
use crate::series::SeriesKey;
use crate::slo::{MetricStatistic, RatioMetrics};
use crate::time::{Minute, Span};
use get_metric_data::{MetricData, MetricError};
use plan::{PeriodSpan, PlannedRequest};

pub use first_datapoint::{FirstDatapoints, NeverReported};

/// Requests at the same time. An account may send 50 a second to a region.
const CONCURRENT_REQUESTS_MAX: usize = 8;

/// One series to be answered.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// Its key.
    pub series: SeriesKey,
    /// What counts its events.
    pub counts: RatioMetrics,
    /// Whether the ledger has events of it from before the span, so that its metrics exist and silence is no traffic.
    pub had_traffic: bool,
    /// The minutes that its metrics tell of, in order: before and behind there was nothing that could have any.
    pub lifetimes: Vec<Span>,
    /// When its metrics had their first values, as far as that was seen; `None` where nobody could have misspelt them.
    pub first_datapoints: Option<FirstDatapoints>,
}

/// What a span is asked with.
#[derive(Clone, Copy, Debug)]
pub struct MetricFetch<'a> {
    /// CloudWatch of a region, asked as somebody.
    pub client: &'a Client,
    /// In a monitoring account: whose metrics.
    pub account: Option<&'a str>,
    /// The minutes.
    pub span: Span,
    /// Minutes before this no longer change, so that nothing in them means no traffic.
    pub settled: Minute,
    /// Minutes before this have usually been delivered: nothing in them means no traffic where the watermark says that
    /// they have.
    pub expected_until: Minute,
    /// The newest minute that any metric of the source had a value of, as far as this run has asked.
    pub watermark: Option<Minute>,
    /// What time it is: the age of a minute decides how finely CloudWatch still has it.
    pub now: Minute,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct MetricResponse {
    /// The minutes that are known.
    pub counts: Counts,
    /// The spans in which this answer replaces what was known, by series: minutes without a count are unknown.
    pub replaced: BTreeMap<SeriesKey, Vec<Span>>,
    /// The series that were answered whole.
    pub complete_series: Vec<SeriesKey>,
    /// The newest minute that any metric had a value of.
    pub watermark: Option<Minute>,
    /// The first minute from which on silence is no traffic, of series that had no traffic before the span.
    pub first_known: BTreeMap<SeriesKey, Minute>,
    /// What went wrong, each with the number of series that it left unknown.
    pub errors: BTreeMap<String, usize>,
    /// Metrics that were paid for.
    pub billed_metrics: u64,
    /// Requests that were sent, pages included.
    pub requests: u64,
    /// Series whose good or bad events outnumber all, by minutes.
    pub invalid_minutes: BTreeMap<SeriesKey, u32>,
    /// When the metrics of ratios had their first values, what was known before included.
    pub first_datapoints: BTreeMap<SeriesKey, FirstDatapoints>,
    /// Ratios with metrics that never had any.
    pub never_reported: BTreeMap<SeriesKey, NeverReported>,
}

/// How many numbers an answer would hold: what its memory depends on.
#[must_use]
pub fn value_count(counts: &RatioMetrics, span: Span) -> u64 {
    counts.distinct_stats().len() as u64 * u64::from(span.minutes())
}

/// How many metrics a question would be paid as.
#[must_use]
pub fn estimate_billed_metrics(span: Span, now: Minute, series_queries: &[SeriesQuery]) -> u64 {
    let queries: Vec<&MetricStatistic> = metric_queries(series_queries);
    let calls = plan::split_by_period(span, now).into_iter().flat_map(|piece| plan::plan_requests(&queries, &piece));
    calls.map(|call| billed_metrics(&queries[call.queries])).sum()
}

/// All that has to be asked, sorted, each once.
fn metric_queries(series_queries: &[SeriesQuery]) -> Vec<&MetricStatistic> {
    series_queries
        .iter()
        .flat_map(|series_query| series_query.counts.distinct_stats())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Asks CloudWatch for a span of some series.
pub async fn fetch_metrics(fetch: &MetricFetch<'_>, series_queries: &[SeriesQuery]) -> MetricResponse {
    let queries = metric_queries(series_queries);
    let mut response = MetricResponse { watermark: fetch.watermark, ..MetricResponse::default() };
    let mut failed: BTreeMap<&MetricStatistic, MetricError> = BTreeMap::new();
    let mut first_datapoints: Vec<Option<FirstDatapoints>> =
        series_queries.iter().map(|series_query| series_query.first_datapoints.clone()).collect();
    for period_span in plan::split_by_period(fetch.span, fetch.now) {
        let requests = plan::plan_requests(&queries, &period_span);
        let responses = requests.iter().map(|call| get_metric_data::get_metric_data(fetch, &queries, call));
        let results: Vec<(&PlannedRequest, get_metric_data::RequestResult)> =
            stream::iter(requests.iter().zip(responses).map(async |(call, response)| (call, response.await)))
                .buffer_unordered(CONCURRENT_REQUESTS_MAX)
                .collect()
                .await;
        let mut points = BTreeMap::new();
        for (request, result) in results {
            response.requests += result.requests;
            response.billed_metrics +=
                if result.is_paid { billed_metrics(&queries[request.queries.clone()]) } else { 0 };
            for (query, data) in queries[request.queries.clone()].iter().zip(result.data) {
                match data {
                    MetricData::Complete(values) => drop(points.insert(*query, values)),
                    MetricData::Incomplete(error) => drop(failed.insert(*query, error)),
                }
            }
        }
        let newest = points.values().filter_map(|values| values.last()).map(|(minute, _)| *minute).max();
        response.watermark = response.watermark.max(newest);
        add_counts(fetch, (series_queries, &mut first_datapoints), &period_span, &points, &mut response);
    }
    for (series_query, first_datapoints) in series_queries.iter().zip(first_datapoints) {
        let errors: BTreeSet<&MetricError> =
            series_query.counts.distinct_stats().into_iter().filter_map(|query| failed.get(query)).collect();
        match errors.first() {
            None => {
                response.complete_series.push(series_query.series.clone());
                if let Some(first_datapoints) = first_datapoints {
                    response.record_first_datapoints(&series_query.series, &series_query.counts, first_datapoints);
                }
            }
            Some(error) => *response.errors.entry(error.to_string()).or_default() += 1,
        }
    }
    response
}

/// Makes counts of the series whose metrics were all answered for a piece.
fn add_counts(
    fetch: &MetricFetch<'_>,
    (series_queries, first_datapoints): (&[SeriesQuery], &mut [Option<FirstDatapoints>]),
    period_span: &PeriodSpan,
    points: &BTreeMap<&MetricStatistic, Vec<(Minute, f64)>>,
    response: &mut MetricResponse,
) {
    for (series_query, series_first) in series_queries.iter().zip(first_datapoints) {
        if series_query.counts.distinct_stats().iter().any(|query| !points.contains_key(query)) {
            continue;
        }
        response.replaced.entry(series_query.series.clone()).or_default().push(period_span.span);
        let values = |query: &MetricStatistic| points.get(query).map_or(&[][..], Vec::as_slice);
        // Pieces come from the oldest to the newest.
        let known_from = match series_first {
            None if series_query.had_traffic => Some(Minute(i32::MIN)),
            None => response
                .first_known
                .get(&series_query.series)
                .copied()
                .or_else(|| first_datapoint::first_datapoint(&series_query.counts, values)),
            Some(series_first) => {
                first_datapoint::record_first_datapoints(series_first, &series_query.counts, values);
                first_datapoint::zero_from(series_first, &series_query.counts)
            }
        };
        // Of something that nothing can be counted of, no minute is known: not even that it had no traffic.
        let Some(known_from) = known_from else { continue };
        if known_from >= fetch.span.start {
            response.first_known.insert(series_query.series.clone(), known_from);
        }
        let MetricFetch { settled, expected_until, .. } = *fetch;
        let bounds = to_counts::NoTrafficBounds { known_from, settled, expected_until, watermark: response.watermark };
        let converted = to_counts::to_counts(series_query, &bounds, period_span, values);
        if converted.invalid_minutes > 0 {
            *response.invalid_minutes.entry(series_query.series.clone()).or_default() += converted.invalid_minutes;
        }
        for (day, counts) in converted.days {
            let day_counts = response.counts.entry((series_query.series.clone(), day)).or_default();
            for (slot, count) in counts.0.iter().enumerate() {
                if count.is_some() {
                    day_counts.0[slot] = *count;
                }
            }
        }
    }
}
