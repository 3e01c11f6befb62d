//! Traffic drops: nearly all traffic is missing that the same minutes of earlier weeks had.

use super::{CountsView, SloState, earlier_weeks, spans_around};
use crate::slo::Slo;
use crate::time::Span;

/// A traffic drop has less than one in so many events of the quietest of the earlier weeks.
const TRAFFIC_DROP_DIVISOR: u64 = 10;
/// The events that the quietest of the earlier weeks must have had, so that a drop cannot be chance: with a mean of 100
/// events, 10 or fewer have a probability below 10^-24 (Poisson).
const TRAFFIC_DROP_EVENTS_MIN: u64 = 100;

/// Compares with the quietest of the earlier weeks within an hour around. Only spans count that are fully known and
/// without excluded minutes; one such week is enough.
pub(super) fn evaluate_traffic_drop(slo: &Slo, span: Span, counts: &CountsView<'_>) -> Option<SloState> {
    let events = counts.total_if_known(span)?;
    let is_drop = |expected: u64| expected >= TRAFFIC_DROP_EVENTS_MIN && events * TRAFFIC_DROP_DIVISOR < expected;
    let weeks: Vec<Span> = earlier_weeks(slo, span).collect();
    // The hour around is read only where the same minutes already look like a drop: that is rare.
    let same_minutes = weeks.iter().filter_map(|week| counts.total_if_known(*week)).min()?;
    if !is_drop(same_minutes) {
        return None;
    }
    let around = weeks.into_iter().flat_map(spans_around);
    let expected = around.filter_map(|span| counts.total_if_known(span)).min()?;
    is_drop(expected).then_some(SloState::TrafficDrop { minutes: span.minutes(), events, expected })
}
