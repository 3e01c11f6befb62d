//! When bad events happened within a span: failures of one moment are seldom what a page is for.

use super::CountsView;
use crate::time::{Minute, Span};

/// The first minute of a span with a bad event.
pub(super) fn first_bad_minute(counts: &CountsView<'_>, span: Span) -> Option<Minute> {
    find_bad_minute(counts, span, |[first, second]| [first, second])
}

/// The last minute of a span with a bad event.
pub(super) fn last_bad_minute(counts: &CountsView<'_>, span: Span) -> Option<Minute> {
    find_bad_minute(counts, span, |[first, second]| [second, first])
}

/// Halves a span until one minute is left, and continues with the first half in the given order that has a bad event.
fn find_bad_minute(counts: &CountsView<'_>, mut span: Span, order: impl Fn([Span; 2]) -> [Span; 2]) -> Option<Minute> {
    let has_bad = |span: Span| !span.is_empty() && (counts.event_counts)(span).bad > 0;
    if !has_bad(span) {
        return None;
    }
    while span.minutes() > 1 {
        let middle = span.start.plus((span.end.0 - span.start.0) / 2);
        let [preferred, other] = order([Span::new(span.start, middle), Span::new(middle, span.end)]);
        span = if has_bad(preferred) { preferred } else { other };
    }
    Some(span.start)
}

/// The fewest stretches of so many minutes that cover all minutes with a bad event, by their starts, in order.
pub(super) fn bad_stretches<'a>(
    counts: &'a CountsView<'_>,
    span: Span,
    minutes: i32,
) -> impl Iterator<Item = Minute> + use<'a> {
    let mut rest = span;
    std::iter::from_fn(move || {
        let first = first_bad_minute(counts, rest)?;
        rest = Span::new(first.plus(minutes).min(span.end), span.end);
        Some(first)
    })
}
