//! In which pieces the past is asked for: what several series want together once, newest first, in runs of whole days.

use std::collections::BTreeSet;

use crate::demand::Ask;
use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::series::SeriesKey;

/// Days of a query at most. Each reads a day more than it asks for.
const DAYS_MAX: i32 = 7;
/// Counts that are held at the same time, if every minute of every series has some: 16 bytes each.
const COUNTS_MAX: i32 = 10_000_000;

/// Spans with all series that want them, newest first, none overlapping another: days that were scanned are not scanned
/// again for another series.
#[must_use]
pub fn pieces(asks: &[Ask], is_wanted: impl Fn(&SeriesKey) -> bool) -> Vec<Ask> {
    let asks: Vec<(Span, Vec<&SeriesKey>)> = asks
        .iter()
        .map(|ask| (ask.span, ask.series.iter().filter(|series| is_wanted(series)).collect()))
        .filter(|(_, series): &(Span, Vec<_>)| !series.is_empty())
        .collect();
    let edges: BTreeSet<Minute> = asks.iter().flat_map(|(span, _)| [span.start, span.end]).collect();
    let edges: Vec<Minute> = edges.into_iter().collect();
    let mut pieces = Vec::new();
    for pair in edges.windows(2).rev() {
        let [start, end] = pair else { continue };
        let span = Span::new(*start, *end);
        let wanting = asks.iter().filter(|(asked, _)| asked.contains(*start));
        let series: BTreeSet<&SeriesKey> = wanting.flat_map(|(_, series)| series.iter().copied()).collect();
        if !series.is_empty() {
            pieces.push(Ask { span, series: series.into_iter().cloned().collect() });
        }
    }
    pieces
}

/// A span in runs of days, newest first. The first is a single day where nobody knows yet what a day costs.
#[must_use]
pub(super) fn runs(span: Span, series: usize, is_known: bool) -> Vec<Span> {
    let series = i32::try_from(series.max(1)).unwrap_or(i32::MAX);
    let days = (COUNTS_MAX / MINUTES_PER_DAY / series).clamp(1, DAYS_MAX);
    let mut runs = Vec::new();
    let mut end = span.end;
    while end > span.start {
        let days = if runs.is_empty() && !is_known { 1 } else { days };
        let start = end.plus(-1).day().plus(1 - days).start().max(span.start);
        runs.push(Span::new(start, end));
        end = start;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(start: i32, end: i32, series: &[&str]) -> Ask {
        let series = series.iter().map(|name| SeriesKey::new(name)).collect();
        Ask { span: Span::new(Minute(start), Minute(end)), series }
    }

    #[test]
    fn what_several_want_is_asked_for_once() {
        let asks =
            [ask(500, 1_000, &["a", "b", "x"]), ask(200, 1_000, &["c"]), ask(100, 300, &["b"]), ask(0, 50, &["x"])];
        let found = pieces(&asks, |series| series.as_str() != "x");
        assert_eq!(
            found,
            [
                ask(500, 1_000, &["a", "b", "c"]),
                ask(300, 500, &["c"]),
                ask(200, 300, &["b", "c"]),
                ask(100, 200, &["b"])
            ]
        );
    }

    #[test]
    fn the_past_is_read_day_by_day_from_the_newest() {
        let day = MINUTES_PER_DAY;
        let made = |span: Span, series, known| {
            runs(span, series, known).iter().map(|span| (span.start.0, span.end.0)).collect::<Vec<_>>()
        };
        let span = Span::new(Minute(100), Minute(10 * day + 300));
        assert_eq!(made(span, 5, false), [(10 * day, 10 * day + 300), (3 * day, 10 * day), (100, 3 * day)]);
        assert_eq!(made(span, 5, true), [(4 * day, 10 * day + 300), (100, 4 * day)]);
        assert_eq!(made(Span::new(Minute(0), Minute(2 * day)), 1_000_000, true), [(day, 2 * day), (0, day)]);
        assert_eq!(made(Span::new(Minute(5), Minute(5)), 1, true), []);
    }
}
