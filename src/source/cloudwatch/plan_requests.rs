//! The requests for some metrics: as few as the limits allow, and no metric is billed twice.
//!
//! Limits: 500 queries per request, and 100,800 values per page of the response
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>).

use crate::fetch_plan::STATISTICS_PER_BILLED_METRIC;
use crate::slo::MetricStatistic;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

const QUERIES_MAX: usize = 500;
const VALUES_MAX: usize = 100_800;

/// CloudWatch stores values of one minute for 15 days, of five minutes for 63 days, and then of one hour. A request
/// with a shorter period returns nothing, and no error either (same page, `Period`). An hour is left for clock
/// differences and slow responses.
const MINUTE_PERIOD_AGE_MAX: i32 = 15 * MINUTES_PER_DAY - 60;
const FIVE_MINUTE_PERIOD_AGE_MAX: i32 = 63 * MINUTES_PER_DAY - 60;

/// A span that is requested with one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeriodSpan {
    pub(super) span: Span,
    pub(super) period_minutes: i32,
}

/// Splits a span by the age of its minutes. Older parts begin and end on the hour, as hourly values do.
pub(super) fn split_by_period(span: Span, now: Minute) -> Vec<PeriodSpan> {
    let on_the_hour = |minute: Minute| minute.plus(-minute.0.rem_euclid(60));
    let [five_minute_start, minute_start] =
        [FIVE_MINUTE_PERIOD_AGE_MAX, MINUTE_PERIOD_AGE_MAX].map(|age| on_the_hour(now.plus(-age)).plus(60));
    let start = if span.start < minute_start { on_the_hour(span.start) } else { span.start };
    [
        (60, Span::new(start, five_minute_start)),
        (5, Span::new(start.max(five_minute_start), minute_start)),
        (1, Span::new(start.max(minute_start), span.end)),
    ]
    .into_iter()
    .map(|(period, part)| PeriodSpan { span: Span::new(part.start, part.end.min(span.end)), period_minutes: period })
    .filter(|part| !part.span.is_empty())
    .collect()
}

/// Splits sorted metrics into requests with one page each, and keeps the statistics of a metric together.
pub(super) fn plan_requests<'m, 'a>(
    metrics: &'m [&'a MetricStatistic],
    period_span: PeriodSpan,
) -> Vec<&'m [&'a MetricStatistic]> {
    let periods = period_span.span.minutes() / period_span.period_minutes.unsigned_abs() + 1;
    let metrics_max = (VALUES_MAX / periods as usize).clamp(1, QUERIES_MAX);
    let (mut requests, mut start, mut end) = (Vec::new(), 0, 0);
    let by_metric = metrics.chunk_by(|one, other| one.metric == other.metric);
    for chunk in by_metric.flat_map(|statistics| statistics.chunks(STATISTICS_PER_BILLED_METRIC)) {
        if end > start && end + chunk.len() - start > metrics_max {
            requests.push(&metrics[start..end]);
            start = end;
        }
        end += chunk.len();
    }
    requests.extend((end > start).then(|| &metrics[start..end]));
    requests
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fetch_plan::billed_metrics;
    use crate::slo::{Metric, Statistic};

    fn queries(metrics: usize, statistics: usize) -> Vec<MetricStatistic> {
        let metric = |number: usize| Metric {
            namespace: "Shop".to_owned(),
            name: format!("{number:05}"),
            dimensions: BTreeMap::new(),
        };
        let all = (0..metrics).flat_map(|number| {
            (0..statistics).map(move |bound| MetricStatistic {
                metric: metric(number),
                statistic: Statistic::TrimmedCount(String::new(), bound.to_string()),
            })
        });
        all.collect()
    }

    /// Queries of each request, and metrics that are paid for.
    fn planned(metrics: usize, statistics: usize, minutes: i32) -> (Vec<usize>, u64) {
        let queries = queries(metrics, statistics);
        let queries: Vec<&MetricStatistic> = queries.iter().collect();
        let period_span = PeriodSpan { span: Span::ending_at(Minute(1_000_000), minutes), period_minutes: 1 };
        let requests = plan_requests(&queries, period_span);
        let paid = requests.iter().map(|metrics| billed_metrics(metrics)).sum();
        (requests.iter().map(|metrics| metrics.len()).collect(), paid)
    }

    #[test]
    fn requests_hold_500_queries_and_keep_statistics_of_a_metric_together() {
        assert_eq!(planned(1_122, 4, 122), ([vec![500; 8], vec![488]].concat(), 1_122));
        // Five statistics cost as one metric, a sixth as another; and they are not torn apart.
        assert_eq!(planned(166, 3, 122), (vec![498], 166));
        assert_eq!(planned(2, 6, 122), (vec![12], 4));
        assert_eq!(planned(167, 3, 122), (vec![498, 3], 167));
    }

    #[test]
    fn fifteen_days_of_a_metric_fit_into_one_request() {
        assert_eq!(planned(8, 1, 15 * 1_440 - 60), (vec![4, 4], 8));
        assert_eq!(planned(1, 5, 15 * 1_440 - 60), (vec![5], 1));
    }

    #[test]
    fn old_minutes_are_requested_with_the_finest_period_still_stored() {
        let now = Minute(1_000_017);
        let ages = |days: i32| {
            let pieces = split_by_period(Span::ending_at(now.plus(-3), days * 1_440), now);
            for pair in pieces.windows(2) {
                assert_eq!(pair[0].span.end, pair[1].span.start);
                assert_eq!((pair[1].span.start.0 % 60, pair[0].span.start.0 % 60), (0, 0));
            }
            assert_eq!(pieces.last().unwrap().span.end, now.plus(-3));
            pieces.iter().map(|piece| (piece.period_minutes, (now.0 - piece.span.start.0) / 1_440)).collect::<Vec<_>>()
        };
        assert_eq!(ages(1), [(1, 1)]);
        assert_eq!(ages(30), [(5, 30), (1, 14)]);
        assert_eq!(ages(90), [(60, 90), (5, 62), (1, 14)]);
    }
}
