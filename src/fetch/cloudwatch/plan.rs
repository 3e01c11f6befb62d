//! Which requests ask for some metrics: as few as their limits allow, and none that is paid for twice.
//!
//! Limits of a request: 500 queries, and 100,800 values an answer, beyond which it comes in pages
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>).

use std::ops::Range;

use crate::demand::STATISTICS_OF_ONE;
use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::slo::MetricCount;

const QUERIES_MAX: usize = 500;
const VALUES_MAX: usize = 100_800;

/// Minutes of which each has its own value: 15 days. Older ones come by five minutes for 63 days, then by the hour:
/// with a shorter period there is no answer, and no error either (same page, `Period`). An hour is left for clocks and
/// slow answers.
const BY_MINUTE: i32 = 15 * MINUTES_PER_DAY - 60;
const BY_FIVE: i32 = 63 * MINUTES_PER_DAY - 60;

/// A span that is asked with one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) span: Span,
    /// Minutes of a value.
    pub(super) period: i32,
}

/// One request: queries by their places in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) piece: Piece,
    pub(super) queries: Range<usize>,
}

/// A span in pieces by the age of their minutes. Older ones begin and end on the hour, where a value of an hour does.
pub(super) fn pieces(span: Span, now: Minute) -> Vec<Piece> {
    let on_the_hour = |minute: Minute| minute.plus(-minute.0.rem_euclid(60));
    let [fives, minutes] = [BY_FIVE, BY_MINUTE].map(|age| on_the_hour(now.plus(-age)).plus(60));
    let start = if span.start < minutes { on_the_hour(span.start) } else { span.start };
    [
        (60, Span::new(start, fives)),
        (5, Span::new(start.max(fives), minutes)),
        (1, Span::new(start.max(minutes), span.end)),
    ]
    .into_iter()
    .map(|(period, piece)| Piece { span: Span::new(piece.start, piece.end.min(span.end)), period })
    .filter(|piece| !piece.span.is_empty())
    .collect()
}

/// Requests for sorted queries, so that the answer to each fits one page and the statistics of a metric stay together.
pub(super) fn calls(queries: &[&MetricCount], piece: &Piece) -> Vec<Call> {
    let values = usize::try_from(piece.span.minutes()).unwrap_or(usize::MAX) / piece.period.unsigned_abs() as usize + 1;
    let room = (VALUES_MAX / values).clamp(1, QUERIES_MAX);
    let mut calls: Vec<Call> = Vec::new();
    let mut start = 0;
    for metric in queries.chunk_by(|one, other| one.metric == other.metric) {
        for some in metric.chunks(STATISTICS_OF_ONE) {
            let end = start + some.len();
            match calls.last_mut() {
                Some(call) if end - call.queries.start <= room => call.queries.end = end,
                _ => calls.push(Call { piece: *piece, queries: start..end }),
            }
            start = end;
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::demand::billed;
    use crate::slo::{Metric, Statistic};

    fn queries(metrics: usize, statistics: usize) -> Vec<MetricCount> {
        let metric = |number: usize| Metric {
            namespace: "Shop".to_owned(),
            name: format!("{number:05}"),
            dimensions: BTreeMap::new(),
        };
        let all = (0..metrics).flat_map(|number| {
            (0..statistics).map(move |bound| MetricCount {
                metric: metric(number),
                statistic: Statistic::Within(String::new(), bound.to_string()),
            })
        });
        all.collect()
    }

    /// Queries of each request, and metrics that are paid for.
    fn planned(metrics: usize, statistics: usize, minutes: i32) -> (Vec<usize>, u64) {
        let queries = queries(metrics, statistics);
        let queries: Vec<&MetricCount> = queries.iter().collect();
        let piece = Piece { span: Span::before(Minute(1_000_000), minutes), period: 1 };
        let calls = calls(&queries, &piece);
        let paid = calls.iter().map(|call| billed(&queries[call.queries.clone()])).sum();
        (calls.iter().map(|call| call.queries.len()).collect(), paid)
    }

    #[test]
    fn a_tick_takes_as_few_requests_as_there_are_five_hundreds_of_queries() {
        assert_eq!(planned(1_122, 4, 122), ([vec![500; 8], vec![488]].concat(), 1_122));
        // Five statistics cost as one metric, a sixth as another; and they are not torn apart.
        assert_eq!(planned(166, 3, 122), (vec![498], 166));
        assert_eq!(planned(2, 6, 122), (vec![12], 4));
        assert_eq!(planned(167, 3, 122), (vec![498, 3], 167));
    }

    #[test]
    fn fifteen_days_of_a_metric_are_asked_at_once_since_each_request_is_paid_for() {
        assert_eq!(planned(8, 1, 15 * 1_440 - 60), (vec![4, 4], 8));
        assert_eq!(planned(1, 5, 15 * 1_440 - 60), (vec![5], 1));
    }

    #[test]
    fn old_minutes_are_asked_for_as_finely_as_they_are_kept() {
        let now = Minute(1_000_017);
        let ages = |days: i32| {
            let pieces = pieces(Span::before(now.plus(-3), days * 1_440), now);
            for pair in pieces.windows(2) {
                assert_eq!(pair[0].span.end, pair[1].span.start);
                assert_eq!((pair[1].span.start.0 % 60, pair[0].span.start.0 % 60), (0, 0));
            }
            assert_eq!(pieces.last().unwrap().span.end, now.plus(-3));
            pieces.iter().map(|piece| (piece.period, (now.0 - piece.span.start.0) / 1_440)).collect::<Vec<_>>()
        };
        assert_eq!(ages(1), [(1, 1)]);
        assert_eq!(ages(30), [(5, 30), (1, 14)]);
        assert_eq!(ages(90), [(60, 90), (5, 62), (1, 14)]);
    }
}
