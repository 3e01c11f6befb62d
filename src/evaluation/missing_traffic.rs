//! Missing traffic: whether events are expected in a span that has none.

use super::{CountsView, earlier_weeks, spans_around};
use crate::slo::Slo;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// So many events must be expected: that there are none then has a probability of 10^-9 (Poisson).
pub const EXPECTED_EVENTS_MIN: u64 = 20;

/// Without an earlier day to compare with, the expected events are those just before the gap, divided by this.
const PRECEDING_EVENTS_DIVISOR: u64 = 5;

/// The events to expect in a span that has had none since the last event: the fewest that earlier weeks had at the same
/// local time, within an hour around. Without such a week those of the day before; without that, a share of those just
/// before. None where minutes of the span are excluded.
pub fn expected_events(slo: &Slo, span: Span, last_event: Minute, counts: &CountsView<'_>) -> u64 {
    if is_excluded(span, counts) {
        return 0;
    }
    let yesterday = Span::new(span.start.plus(-MINUTES_PER_DAY), span.end.plus(-MINUTES_PER_DAY));
    let preceding =
        || (counts.event_counts)(Span::new(last_event.plus(1 - (span.end.0 - span.start.0)), last_event.plus(1))).total;
    quietest(earlier_weeks(slo, span), counts)
        .or_else(|| quietest([yesterday], counts))
        .unwrap_or_else(|| preceding() / PRECEDING_EVENTS_DIVISOR)
}

/// The fewest events of comparable spans and those around them. A span that is mostly unknown only counts if all are:
/// a file may have no rows at night. `None` if there were no events yet.
fn quietest(spans: impl IntoIterator<Item = Span>, counts: &CountsView<'_>) -> Option<u64> {
    let had_events = |span: &Span| {
        let day_before = Span::new(span.start.plus(-MINUTES_PER_DAY), span.end);
        !is_excluded(*span, counts) && (counts.event_counts)(day_before).total > 0
    };
    let is_known = |span: &Span| (counts.event_counts)(*span).known * 2 >= span.minutes();
    let (known, unknown): (Vec<Span>, Vec<Span>) = spans.into_iter().filter(had_events).partition(is_known);
    let compared = if known.is_empty() { unknown } else { known };
    let around = compared.into_iter().flat_map(spans_around);
    around.map(|span| (counts.event_counts)(span).total).min()
}

fn is_excluded(span: Span, counts: &CountsView<'_>) -> bool {
    counts.excluded.iter().any(|excluded| !excluded.intersect(span).is_empty())
}
