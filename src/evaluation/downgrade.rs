//! Why a firing page is sent as a ticket: bad events that are too few, too close together, or chance.
//!
//! Events are counted, also where the budget counts timeslices: a timeslice says nothing about how many requests
//! failed.

use schemars::JsonSchema;
use serde::Serialize;

use super::bad_minutes::{bad_stretches, first_bad_minute, last_bad_minute};
use super::{CountsView, earlier_weeks};
use crate::burn::{Condition, is_significant, p_value, poisson_cdf};
use crate::counts::Sums;
use crate::rational::{Rational, to_f64};
use crate::slo::{Slo, Tier};
use crate::time::{Minute, Span};

/// From so many bad events on it does not matter when they happened.
const ANY_BURST_BAD_EVENTS: u64 = 30;
/// Fewer bad events must be in so many different minutes.
const BAD_MINUTES_MIN: usize = 3;
/// The retries of one client are over after so many minutes. Two such bursts that are apart are no failure that lasts.
const BURST_MINUTES: i32 = 4;

/// A service that had no event for this long starts cold: its containers, connections and caches are new.
const IDLE_MINUTES: i32 = 45;
/// What fails within so many minutes of a cold start, and less than so often, belongs to the start if good events
/// follow within as many minutes.
const COLD_START_MINUTES: i32 = 15;
const COLD_START_BAD_EVENTS: u64 = 20;

/// Failures on top of the usual traffic are those of a broken client: so many times the usual events, of which at least
/// half failed, fewer failures than this, and as many good events as usual.
const EXTRA_TRAFFIC_FACTOR: f64 = 3.0;
const EXTRA_TRAFFIC_BAD_EVENTS: u64 = 300;
/// The events of an hour that each of the earlier weeks must have had to say what is usual.
const USUAL_EVENTS_MIN: u64 = 10;
/// Good events are missing if so few have at most this probability with the usual traffic.
const MISSING_GOOD_P_VALUE: f64 = 0.01;

const HOUR: i32 = 60;

/// Why a firing page is sent as a ticket. The comments are part of the JSON schema of the status.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Downgrade {
    /// It fired outside the working hours of the tier.
    OutsideHours,
    /// The long window has fewer bad events than a page needs.
    FewBadEvents { bad_events: u64, min_bad_events: u32 },
    /// The few bad events of the long window happened within a few minutes.
    Burst { bad_events: u64, min_bad_events: u64 },
    /// The few bad events of the long window happened just after times without events.
    ColdStart { bad_events: u64 },
    /// The bad events came on top of the usual traffic, all of which was good.
    ExtraTraffic { bad_events: u64, usual_events: u64 },
    /// The bad events are not statistically significant.
    NotSignificant { p_value: f64, max_p_value: f64 },
}

pub(super) fn find_downgrade(slo: &Slo, tier: &Tier, at: Minute, counts: &CountsView<'_>) -> Option<Downgrade> {
    if tier.working_hours.as_ref().is_some_and(|hours| !hours.contains(at)) {
        return Some(Downgrade::OutsideHours);
    }
    let significance = slo.significance.as_ref()?;
    let (long_span, short_span) = Condition::new(tier, &slo.objective).windows(at);
    let (long, short) = ((counts.event_counts)(long_span), (counts.event_counts)(short_span));
    let bad_events = long.bad;
    if bad_events < u64::from(significance.min_bad_events) {
        return Some(Downgrade::FewBadEvents { bad_events, min_bad_events: significance.min_bad_events });
    }
    if bad_events < ANY_BURST_BAD_EVENTS && is_burst(counts, long_span) {
        return Some(Downgrade::Burst { bad_events, min_bad_events: ANY_BURST_BAD_EVENTS });
    }
    let null_share = null_share(slo, tier);
    let max_p_value = to_f64(significance.p_value_max);
    let long_p_value = p_value(long, null_share);
    // An outage of one minute can lift a whole hour just above the threshold: the hour alone is not significant, the
    // minutes since it began are. A long window has that many short ones, and each could be chance (Bonferroni).
    let short_windows = f64::from(tier.long_minutes) / f64::from(tier.short_minutes.max(1));
    let is_short_significant = short.bad >= u64::from(significance.min_bad_events)
        && is_significant(p_value(short, null_share) * short_windows, max_p_value);
    if !is_short_significant && !is_significant(long_p_value, max_p_value) {
        return Some(Downgrade::NotSignificant { p_value: long_p_value, max_p_value });
    }
    find_cold_start(long_span, counts).or_else(|| find_extra_traffic(slo, at, counts))
}

/// Whether all bad events of a span are in one burst, or in two that are apart.
fn is_burst(counts: &CountsView<'_>, span: Span) -> bool {
    if bad_stretches(counts, span, 1).nth(BAD_MINUTES_MIN - 1).is_none() {
        return true;
    }
    let starts: Vec<Minute> = bad_stretches(counts, span, BURST_MINUTES).take(3).collect();
    match *starts {
        [first, second] => second.0 - first.0 >= 2 * BURST_MINUTES,
        _ => starts.len() < 2,
    }
}

/// The share of bad events that a page must significantly exceed: that of half the tier's factor. The factor itself is
/// the decision of the tier, and only noise has to be excluded: tested against the factor, burn rates just above it
/// would take hours to page.
///
/// Of an SLO over timeslices, the share of a bad timeslice in so many of them.
fn null_share(slo: &Slo, tier: &Tier) -> Rational {
    let share_of_bad_timeslice = slo.timeslices.as_ref().map_or(Rational::from_integer(1), |slices| slices.budget);
    tier.factor * slo.objective.budget() * share_of_bad_timeslice / Rational::from_integer(2)
}

/// Whether all bad events of a window belong to cold starts. A service that fails after each of many idle hours has no
/// cold starts: no good events follow.
pub(super) fn find_cold_start(window: Span, counts: &CountsView<'_>) -> Option<Downgrade> {
    let is_cold_start = |first_bad: Minute| {
        let idle_end = first_bad.plus(-COLD_START_MINUTES);
        let idle = Span::new(idle_end.plus(-IDLE_MINUTES), idle_end);
        let idle_sums = (counts.event_counts)(idle);
        let start = Span::new(first_bad, first_bad.plus(COLD_START_MINUTES).min(window.end));
        let has_recovered = || {
            let sums = (counts.event_counts)(Span::new(first_bad, start.end.plus(COLD_START_MINUTES).min(window.end)));
            sums.total > sums.bad
        };
        idle_sums.total == 0
            && idle_sums.known == idle.minutes()
            && (counts.event_counts)(start).bad < COLD_START_BAD_EVENTS
            && (start.end == window.end || has_recovered())
    };
    let mut starts = bad_stretches(counts, window, COLD_START_MINUTES).peekable();
    starts.peek()?;
    starts.all(is_cold_start).then(|| Downgrade::ColdStart { bad_events: (counts.event_counts)(window).bad })
}

/// Whether the bad events of the newest hour, from the first to the last, came on top of the usual traffic.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]
pub(super) fn find_extra_traffic(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> Option<Downgrade> {
    let hour = Span::ending_at(at, HOUR);
    let span = Span::new(first_bad_minute(counts, hour)?, last_bad_minute(counts, hour)?.plus(1));
    let Sums { total, bad: bad_events, .. } = (counts.event_counts)(span);
    if bad_events >= EXTRA_TRAFFIC_BAD_EVENTS {
        return None;
    }
    let usual_hours: Vec<u64> = earlier_weeks(slo, hour).filter_map(|week| counts.total_if_known(week)).collect();
    let usual_hour = *usual_hours.iter().max()?;
    if usual_hours.iter().any(|events| *events < USUAL_EVENTS_MIN) {
        return None;
    }
    let usual = usual_hour as f64 * f64::from(span.minutes()) / f64::from(HOUR);
    let is_extra = total as f64 >= usual * EXTRA_TRAFFIC_FACTOR
        && bad_events as f64 >= (total as f64 - usual) / 2.0
        && poisson_cdf(total - bad_events, usual) > MISSING_GOOD_P_VALUE;
    is_extra.then_some(Downgrade::ExtraTraffic { bad_events, usual_events: usual.round() as u64 })
}
