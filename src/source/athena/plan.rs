//! In which pieces the past is asked for: what several series want together once, newest first, in runs of whole days.

use std::collections::BTreeSet;

use crate::fetch_plan::FetchRange;
use crate::series::SeriesKey;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// Days of a query at most. Each reads a day more than it asks for.
const QUERY_DAYS_MAX: i32 = 7;
/// Counts that are held at the same time, if every minute of every series has some: 16 bytes each.
const COUNTS_IN_MEMORY_MAX: i32 = 10_000_000;

/// Spans with all series that want them, newest first, none overlapping another: days that were scanned are not scanned
/// again for another series.
#[must_use]
pub fn plan_ranges(ranges: &[FetchRange], is_wanted: impl Fn(&SeriesKey) -> bool) -> Vec<FetchRange> {
    let requested: Vec<(Span, Vec<&SeriesKey>)> = ranges
        .iter()
        .map(|ask| (ask.span, ask.series.iter().filter(|series| is_wanted(series)).collect()))
        .filter(|(_, series): &(Span, Vec<_>)| !series.is_empty())
        .collect();
    let edges: BTreeSet<Minute> = requested.iter().flat_map(|(span, _)| [span.start, span.end]).collect();
    let edges: Vec<Minute> = edges.into_iter().collect();
    let mut plan = Vec::new();
    for pair in edges.windows(2).rev() {
        let [start, end] = pair else { continue };
        let span = Span::new(*start, *end);
        let overlapping = requested.iter().filter(|(asked, _)| asked.contains(*start));
        let series: BTreeSet<&SeriesKey> = overlapping.flat_map(|(_, series)| series.iter().copied()).collect();
        if !series.is_empty() {
            plan.push(FetchRange { span, series: series.into_iter().cloned().collect() });
        }
    }
    plan
}

/// A span in runs of days, newest first. The first is a single day where nobody knows yet what a day costs.
#[must_use]
pub(super) fn split_by_days(span: Span, series_count: usize, is_day_size_known: bool) -> Vec<Span> {
    let series_count = i32::try_from(series_count.max(1)).unwrap_or(i32::MAX);
    let days = (COUNTS_IN_MEMORY_MAX / MINUTES_PER_DAY / series_count).clamp(1, QUERY_DAYS_MAX);
    let mut runs = Vec::new();
    let mut end = span.end;
    while end > span.start {
        let days = if runs.is_empty() && !is_day_size_known { 1 } else { days };
        let start = end.plus(-1).day().plus(1 - days).start().max(span.start);
        runs.push(Span::new(start, end));
        end = start;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: i32, end: i32, series: &[&str]) -> FetchRange {
        let series = series.iter().map(|name| SeriesKey::new(name)).collect();
        FetchRange { span: Span::new(Minute(start), Minute(end)), series }
    }

    #[test]
    fn range_shared_by_several_series_is_fetched_once() {
        let requested = [
            range(500, 1_000, &["a", "b", "x"]),
            range(200, 1_000, &["c"]),
            range(100, 300, &["b"]),
            range(0, 50, &["x"]),
        ];
        let planned = plan_ranges(&requested, |series| series.as_str() != "x");
        assert_eq!(
            planned,
            [
                range(500, 1_000, &["a", "b", "c"]),
                range(300, 500, &["c"]),
                range(200, 300, &["b", "c"]),
                range(100, 200, &["b"])
            ]
        );
    }

    #[test]
    fn history_is_split_by_days_newest_first() {
        let day = MINUTES_PER_DAY;
        let split = |span: Span, series, known| {
            split_by_days(span, series, known).iter().map(|span| (span.start.0, span.end.0)).collect::<Vec<_>>()
        };
        let span = Span::new(Minute(100), Minute(10 * day + 300));
        assert_eq!(split(span, 5, false), [(10 * day, 10 * day + 300), (3 * day, 10 * day), (100, 3 * day)]);
        assert_eq!(split(span, 5, true), [(4 * day, 10 * day + 300), (100, 4 * day)]);
        assert_eq!(split(Span::new(Minute(0), Minute(2 * day)), 1_000_000, true), [(day, 2 * day), (0, day)]);
        assert_eq!(split(Span::new(Minute(5), Minute(5)), 1, true), []);
    }
}
