//! Outages: nearly every event of the newest minutes is bad.

use super::bad_minutes::bad_stretches;
use super::downgrade::{find_cold_start, find_extra_traffic};
use super::{CountsView, SloState, window_before};
use crate::slo::Slo;
use crate::time::{Minute, Span};

/// Of the events of an outage at least so many in ten are bad. Probes and cached pages still succeed when nothing else
/// does.
const OUTAGE_BAD_TENTHS: u64 = 9;
/// An outage has so many events, or so many minutes that each have a bad one.
const OUTAGE_EVENTS_MIN: u64 = 20;
const OUTAGE_BAD_MINUTES_MIN: usize = 5;

pub(super) fn evaluate_outage(slo: &Slo, at: Minute, minutes: u32, counts: &CountsView<'_>) -> Option<SloState> {
    let span = window_before(at, minutes);
    let sums = (counts.event_counts)(span);
    let min_bad_events = slo.significance.as_ref().map_or(1, |significance| significance.min_bad_events.max(1));
    if sums.bad < u64::from(min_bad_events) || sums.bad * 10 < sums.total * OUTAGE_BAD_TENTHS {
        return None;
    }
    let is_long_enough =
        || sums.total >= OUTAGE_EVENTS_MIN || bad_stretches(counts, span, 1).nth(OUTAGE_BAD_MINUTES_MIN - 1).is_some();
    let is_outage = slo.significance.is_none()
        || (is_long_enough()
            && find_cold_start(Span::ending_at(at, 60), counts).is_none()
            && find_extra_traffic(slo, at, counts).is_none());
    is_outage.then_some(SloState::Outage { minutes, sums })
}
