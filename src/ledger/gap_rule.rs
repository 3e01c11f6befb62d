//! Where silence is plausible: the rule by which a minute without lines is no traffic and not a gap in delivery.
//!
//! It is the same wherever log lines are counted, by us or by Athena.

use crate::time::{Minute, Span};

/// Where a balancer has at least this many lines in five minutes, silence is not believed: with a mean of 8 requests
/// the chance of none is e^-8 = 0.03% (Poisson), and a silence that lasts is less likely still.
const QUIET_LINES: u64 = 8;

/// The lines of how many minutes on each side tell how busy a balancer is around a silence. One interval alone would be
/// too uneven, and a whole day would miss the evening in which an office falls silent.
const RATE_WINDOW_MINUTES: i32 = 60;

/// Runs of minutes that are known, traffic or not, by intervals in order with their lines. None lies beyond the newest
/// minute that anything was heard of.
pub fn known_spans(intervals: &[(Span, u64)], newest_delivery: Option<Minute>) -> Vec<Span> {
    let mut spans: Vec<Span> = intervals.iter().map(|(span, _)| *span).collect();
    for pair in intervals.windows(2) {
        if let [(left, _), (right, _)] = pair
            && left.end < right.start
            && [
                Span::ending_at(left.end, RATE_WINDOW_MINUTES),
                Span::new(right.start, right.start.plus(RATE_WINDOW_MINUTES)),
            ]
            .into_iter()
            .any(|span| is_quiet(intervals, span))
        {
            spans.push(Span::new(left.end, right.start));
        }
    }
    if let (Some((last, _)), Some(newest)) = (intervals.last(), newest_delivery)
        && is_quiet(intervals, Span::ending_at(last.end, RATE_WINDOW_MINUTES))
    {
        spans.push(Span::new(last.end, newest));
    }
    spans
}

/// Whether the intervals within a span have, on average over the whole of it, fewer than [`QUIET_LINES`] in five
/// minutes.
fn is_quiet(intervals: &[(Span, u64)], span: Span) -> bool {
    let first = intervals.partition_point(|(interval, _)| interval.start < span.start);
    let inside = intervals[first..].iter().take_while(|(interval, _)| interval.end <= span.end);
    inside.map(|(_, lines)| lines * 5).sum::<u64>() < QUIET_LINES * u64::from(span.minutes())
}
