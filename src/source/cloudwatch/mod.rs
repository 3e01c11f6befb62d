//! Counts from CloudWatch metrics: [`fetch_metrics`] requests a span of some series with as few requests as possible.
//!
//! **Invariant:** a minute is known only if all of its metrics were returned completely. What was not requested, not
//! returned, or returned in part is unknown, and never zero. A complete result replaces an earlier one.

mod count_source;
mod first_datapoint;
mod get_metric_data;
mod plan_requests;
mod summary;
mod to_counts;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use futures_util::stream::{self, StreamExt};

use crate::counts::Counts;
use crate::fetch_plan::billed_metrics;
use crate::series::SeriesKey;
use crate::slo::{MetricStatistic, RatioMetrics};
use crate::time::{Minute, Span};
use first_datapoint::{first_datapoint, never_reported, record_first_datapoints, zero_from};
use get_metric_data::{MetricError, get_metric_data};
use plan_requests::PeriodSpan;
use to_counts::{MetricValues, NoTrafficBounds, to_counts};

pub use count_source::CloudWatchMetrics;
use first_datapoint::{FirstDatapoints, NeverReported};

/// An account may send 50 requests a second to a region.
const CONCURRENT_REQUESTS_MAX: usize = 8;

#[derive(Clone, Debug)]
pub struct SeriesQuery {
    pub series: SeriesKey,
    pub counts: RatioMetrics,
    /// Whether the ledger has events from before the span, so that the metrics exist and a gap counts as no traffic.
    pub had_traffic: bool,
    /// The minutes in which the metrics existed, in order.
    pub lifetimes: Vec<Span>,
    /// Whether a metric may be unknown to CloudWatch. The names of the metrics of load balancers are ours.
    pub is_custom: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct MetricFetch<'a> {
    pub client: &'a Client,
    /// The account whose metrics are requested, if `client` is of a monitoring account.
    pub account: Option<&'a str>,
    pub span: Span,
    pub bounds: NoTrafficBounds,
    /// The first values of custom metrics that are known already.
    pub first_values: &'a BTreeMap<SeriesKey, FirstDatapoints>,
    /// The age of a minute decides at which resolution CloudWatch still stores it.
    pub now: Minute,
}

#[derive(Debug, Default)]
pub struct MetricResponse {
    /// The minutes that are known.
    pub counts: Counts,
    /// The spans in which this response replaces what was known: their other minutes are unknown.
    pub replaced: BTreeMap<SeriesKey, Vec<Span>>,
    pub complete_series: Vec<SeriesKey>,
    /// The newest minute in which any metric had a value.
    pub watermark: Option<Minute>,
    /// The first minute at which a gap counts as no traffic, for series without traffic before the span.
    pub first_known: BTreeMap<SeriesKey, Minute>,
    /// Errors with the number of series that they left unknown.
    pub errors: BTreeMap<String, usize>,
    pub billed_metrics: u64,
    /// Requests, including those for further pages.
    pub requests: u64,
    /// Minutes in which the good or bad events outnumber all events.
    pub invalid_minutes: BTreeMap<SeriesKey, u32>,
    /// The first values of the metrics of complete ratios, including those that were known before.
    pub first_datapoints: BTreeMap<SeriesKey, FirstDatapoints>,
    pub never_reported: BTreeMap<SeriesKey, NeverReported>,
}

/// How many values a response holds at most.
pub fn value_count(counts: &RatioMetrics, span: Span) -> u64 {
    counts.distinct_stats().len() as u64 * u64::from(span.minutes())
}

pub fn estimate_billed_metrics(span: Span, now: Minute, series_queries: &[SeriesQuery]) -> u64 {
    let metrics = sorted_metrics(series_queries);
    let period_spans = plan_requests::split_by_period(span, now).into_iter();
    period_spans.flat_map(|period_span| plan_requests::plan_requests(&metrics, period_span)).map(billed_metrics).sum()
}

/// The metrics of all series, each once.
fn sorted_metrics(series_queries: &[SeriesQuery]) -> Vec<&MetricStatistic> {
    let metrics = series_queries.iter().flat_map(|series_query| series_query.counts.distinct_stats());
    metrics.collect::<BTreeSet<_>>().into_iter().collect()
}

pub async fn fetch_metrics(fetch: &MetricFetch<'_>, series_queries: &[SeriesQuery]) -> MetricResponse {
    let metrics = sorted_metrics(series_queries);
    let custom_series = series_queries.iter().filter(|query| query.is_custom).map(|query| query.series.clone());
    let known_first = |series| {
        let first_values = fetch.first_values.get(&series).cloned().unwrap_or_default();
        (series, first_values)
    };
    let mut response = MetricResponse {
        watermark: fetch.bounds.watermark,
        first_datapoints: custom_series.map(known_first).collect(),
        ..MetricResponse::default()
    };
    let mut failed: BTreeMap<&MetricStatistic, MetricError> = BTreeMap::new();
    for period_span in plan_requests::split_by_period(fetch.span, fetch.now) {
        let requests = plan_requests::plan_requests(&metrics, period_span).into_iter();
        let results: Vec<_> = stream::iter(requests)
            .map(async |metrics| (metrics, get_metric_data(fetch.client, fetch.account, metrics, period_span).await))
            .buffer_unordered(CONCURRENT_REQUESTS_MAX)
            .collect()
            .await;
        let mut values = MetricValues::new();
        for (metrics, result) in results {
            response.requests += result.requests;
            response.billed_metrics += if result.is_paid { billed_metrics(metrics) } else { 0 };
            for (metric, data) in metrics.iter().zip(result.data) {
                match data {
                    Ok(metric_values) => drop(values.insert(*metric, metric_values)),
                    Err(error) => drop(failed.insert(*metric, error)),
                }
            }
        }
        let newest = values.values().filter_map(|values| values.last()).map(|(minute, _)| *minute).max();
        response.watermark = response.watermark.max(newest);
        for series_query in series_queries {
            response.add_counts(fetch, series_query, period_span, &values);
        }
    }
    for SeriesQuery { series, counts, .. } in series_queries {
        let first_error = counts.distinct_stats().into_iter().filter_map(|metric| failed.get(metric)).min();
        if let Some(error) = first_error {
            *response.errors.entry(error.to_string()).or_default() += 1;
            response.first_datapoints.remove(series);
            continue;
        }
        response.complete_series.push(series.clone());
        let first_datapoints = response.first_datapoints.get(series);
        if let Some(missing) = first_datapoints.and_then(|first_datapoints| never_reported(first_datapoints, counts)) {
            response.never_reported.insert(series.clone(), missing);
        }
    }
    response
}

impl MetricResponse {
    /// Adds the counts of a series if all of its metrics were returned. Period spans come from the oldest to the
    /// newest.
    fn add_counts(
        &mut self,
        fetch: &MetricFetch<'_>,
        series_query: &SeriesQuery,
        period_span: PeriodSpan,
        values: &MetricValues<'_>,
    ) {
        let SeriesQuery { series, counts, .. } = series_query;
        if counts.distinct_stats().iter().any(|metric| !values.contains_key(metric)) {
            return;
        }
        self.replaced.entry(series.clone()).or_default().push(period_span.span);
        let known_from = if let Some(first_datapoints) = self.first_datapoints.get_mut(series) {
            record_first_datapoints(first_datapoints, counts, values);
            zero_from(first_datapoints, counts)
        } else if series_query.had_traffic {
            Some(Minute(i32::MIN))
        } else {
            self.first_known.get(series).copied().or_else(|| first_datapoint(counts, values))
        };
        // Without a value of the required metrics, no minute is known, not even to have no traffic.
        let Some(known_from) = known_from else { return };
        if known_from >= fetch.span.start {
            self.first_known.insert(series.clone(), known_from);
        }
        let bounds = NoTrafficBounds { known_from, watermark: self.watermark, ..fetch.bounds };
        let converted = to_counts(counts, &series_query.lifetimes, bounds, period_span, values);
        if converted.invalid_minutes > 0 {
            *self.invalid_minutes.entry(series.clone()).or_default() += converted.invalid_minutes;
        }
        for (day, counts) in converted.days {
            let day_counts = self.counts.entry((series.clone(), day)).or_default();
            for (slot, count) in day_counts.0.iter_mut().zip(&counts.0) {
                *slot = count.or(*slot);
            }
        }
    }
}
