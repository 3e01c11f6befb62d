//! Evaluates SLOs against their objectives: ok, firing, severe, or too little data.
//!
//! **Invariant:** too little data is never ok. Unknown minutes make no tier fire; too many of them are the state no
//! data. A page that is not significant, or outside its working hours, becomes a ticket: it is never dropped.

pub mod status;
mod views;

use schemars::JsonSchema;
use serde::Serialize;

use crate::burn::{Condition, burn_rate, is_significant, p_value};
use crate::counts::Sums;
use crate::rational::{Rational, to_f64};
use crate::slo::{Slo, Tier, Urgency};
use crate::time::{Minute, Span};

pub use views::SloViews;

/// Of the events of an outage at least so many in ten are bad. Probes and cached pages still succeed when nothing else
/// does.
const OUTAGE_BAD_TENTHS: u64 = 9;

/// A traffic drop has less than one in so many events of the quietest of the earlier weeks.
const TRAFFIC_DROP_DIVISOR: u64 = 10;

/// The events that the quietest of the earlier weeks must have had, so that a drop cannot be chance: with a mean of 100
/// events, 10 or fewer have a probability below 10^-24 (Poisson).
const TRAFFIC_DROP_EVENTS_MIN: u64 = 100;

/// How many earlier weeks are compared, and how many of them must be fully known.
const EARLIER_WEEKS: i32 = 4;
const KNOWN_WEEKS_MIN: usize = 2;
const WEEK_MINUTES: i32 = 7 * 1_440;

/// An SLO at one minute, with every number that led there.
#[derive(Clone, Debug, PartialEq)]
pub struct SloEvaluation {
    pub state: SloState,
    /// In the order of the SLO's tiers.
    pub tiers: Vec<TierEvaluation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SloState {
    /// No tier fires, and enough is known to say so.
    Ok,
    Firing {
        /// The most urgent tier as an index into the SLO's tiers; of equals the first.
        tier: usize,
        /// Its current urgency: a page may be downgraded to a ticket.
        urgency: Urgency,
    },
    /// Nearly every event of the newest minutes is bad.
    Outage { minutes: u32, sums: Sums },
    /// Nearly all traffic is missing that the same minutes of earlier weeks had.
    TrafficDrop {
        minutes: u32,
        events: u64,
        /// The events of the quietest of the earlier weeks.
        expected: u64,
    },
    /// No tier fires, but too many minutes are unknown to call that ok.
    NoData {
        /// The share of the shortest long window that is unknown.
        unknown_share: Rational,
        minutes: u32,
    },
}

impl SloState {
    /// `None` where the team is not alerted.
    pub const fn urgency(&self) -> Option<Urgency> {
        match self {
            Self::Outage { .. } | Self::TrafficDrop { .. } => Some(Urgency::Severe),
            Self::Firing { urgency, .. } => Some(*urgency),
            Self::Ok | Self::NoData { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TierEvaluation {
    pub long: Sums,
    pub short: Sums,
    /// `None` without traffic, like the other one.
    pub long_burn_rate: Option<f64>,
    pub short_burn_rate: Option<f64>,
    /// Whether the short window alone exceeds the tier's factor, compared exactly.
    pub is_short_firing: bool,
    /// Whether both windows exceed it.
    pub is_firing: bool,
    /// Why a firing page is sent as a ticket.
    pub downgrade: Option<Downgrade>,
}

/// Why a firing page is sent as a ticket. The comments are part of the JSON schema of the status.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Downgrade {
    /// It fired outside the working hours of the tier.
    OutsideHours,
    /// The long window has fewer bad events than a page needs.
    FewBadEvents { bad_events: u64, min_bad_events: u32 },
    /// The bad events are not statistically significant.
    NotSignificant { p_value: f64, max_p_value: f64 },
}

pub struct CountsView<'a> {
    /// Sums of what the budget counts, events or timeslices, without excluded minutes.
    pub budget_counts: &'a dyn Fn(Span) -> Sums,
    /// Sums of events, without excluded minutes.
    pub event_counts: &'a dyn Fn(Span) -> Sums,
    pub excluded: &'a [Span],
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredWindows {
    pub budget_windows: Vec<Span>,
    pub event_windows: Vec<Span>,
}

pub fn required_windows(slo: &Slo, at: Minute) -> RequiredWindows {
    let window = |minutes: u32| window_before(at, minutes);
    let tier_windows = slo.tiers.iter().flat_map(|tier| [tier.long_minutes, tier.short_minutes]);
    let traffic_drop_window = slo.severe.traffic_drop_minutes.map(window);
    let earlier_windows = traffic_drop_window.into_iter().flat_map(earlier_weeks);
    RequiredWindows {
        budget_windows: tier_windows.chain([no_data_minutes(slo)]).map(window).collect(),
        event_windows: earlier_windows
            .chain(traffic_drop_window)
            .chain(slo.severe.outage_minutes.map(window))
            .collect(),
    }
}

fn window_before(at: Minute, minutes: u32) -> Span {
    Span::ending_at(at, i32::try_from(minutes).unwrap_or(i32::MAX))
}

/// Evaluates an SLO from the minutes that start before `at`.
///
/// Unknown minutes are counted in the shortest long window of the tiers, an hour by default, because the quickest tier
/// depends on it. An SLO without tiers is evaluated over its last hour.
pub fn evaluate(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> SloEvaluation {
    let tiers: Vec<TierEvaluation> = slo.tiers.iter().map(|tier| evaluate_tier(slo, tier, at, counts)).collect();
    let urgency = |index: usize| match tiers[index].downgrade {
        Some(_) => Urgency::Ticket,
        None => slo.tiers[index].urgency,
    };
    let most_urgent = (0..tiers.len())
        .filter(|index| tiers[*index].is_firing)
        .max_by_key(|index| (urgency(*index), std::cmp::Reverse(*index)));
    let state = match (evaluate_severe(slo, at, counts), most_urgent) {
        (Some(severe), _) => severe,
        (None, Some(tier)) => SloState::Firing { tier, urgency: urgency(tier) },
        (None, None) => ok_or_no_data(slo, at, counts),
    };
    SloEvaluation { state, tiers }
}

fn evaluate_tier(slo: &Slo, tier: &Tier, at: Minute, counts: &CountsView<'_>) -> TierEvaluation {
    let condition = Condition::new(tier, &slo.objective);
    let (long, short) = condition.windows(at);
    let (long, short) = ((counts.budget_counts)(long), (counts.budget_counts)(short));
    let is_short_firing = condition.threshold.is_exceeded(short.total, short.bad);
    let is_firing = is_short_firing && condition.threshold.is_exceeded(long.total, long.bad);
    let is_page = is_firing && tier.urgency == Urgency::Page;
    TierEvaluation {
        long,
        short,
        long_burn_rate: burn_rate(long, &slo.objective),
        short_burn_rate: burn_rate(short, &slo.objective),
        is_short_firing,
        is_firing,
        downgrade: is_page.then(|| downgrade(slo, tier, at, long, short)).flatten(),
    }
}

fn downgrade(slo: &Slo, tier: &Tier, at: Minute, long: Sums, short: Sums) -> Option<Downgrade> {
    if tier.working_hours.as_ref().is_some_and(|hours| !hours.contains(at)) {
        return Some(Downgrade::OutsideHours);
    }
    let significance = slo.significance.as_ref()?;
    if long.bad < u64::from(significance.min_bad_events) {
        return Some(Downgrade::FewBadEvents { bad_events: long.bad, min_bad_events: significance.min_bad_events });
    }
    let (threshold_share, max_p_value) = (tier.factor * slo.objective.budget(), to_f64(significance.p_value_max));
    let long_p_value = p_value(long, threshold_share);
    // An outage of one minute can lift a whole hour just above the threshold: the hour alone is not significant, the
    // minutes since it began are. A long window has that many short ones, and each could be chance (Bonferroni).
    let short_windows = f64::from(tier.long_minutes) / f64::from(tier.short_minutes.max(1));
    let is_short_significant = short.bad >= u64::from(significance.min_bad_events)
        && is_significant(p_value(short, threshold_share) * short_windows, max_p_value);
    (!is_short_significant && !is_significant(long_p_value, max_p_value))
        .then_some(Downgrade::NotSignificant { p_value: long_p_value, max_p_value })
}

fn evaluate_severe(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> Option<SloState> {
    let window = |minutes: u32| window_before(at, minutes);
    let outage = slo.severe.outage_minutes.and_then(|minutes| {
        let sums = (counts.event_counts)(window(minutes));
        let min_bad_events = slo.significance.as_ref().map_or(1, |significance| significance.min_bad_events.max(1));
        let is_outage = sums.bad >= u64::from(min_bad_events) && sums.bad * 10 >= sums.total * OUTAGE_BAD_TENTHS;
        is_outage.then_some(SloState::Outage { minutes, sums })
    });
    outage
        .or_else(|| slo.severe.traffic_drop_minutes.and_then(|minutes| evaluate_traffic_drop(window(minutes), counts)))
}

/// Compares only spans that are fully known and without excluded minutes.
fn evaluate_traffic_drop(span: Span, counts: &CountsView<'_>) -> Option<SloState> {
    let total_if_known = |span: Span| {
        let is_included = counts.excluded.iter().all(|excluded| excluded.intersect(span).is_empty());
        Some((counts.event_counts)(span))
            .filter(|sums| is_included && sums.known == span.minutes())
            .map(|sums| sums.total)
    };
    let events = total_if_known(span)?;
    let earlier_totals: Vec<u64> = earlier_weeks(span).filter_map(total_if_known).collect();
    let expected = earlier_totals.iter().copied().min().filter(|_| earlier_totals.len() >= KNOWN_WEEKS_MIN)?;
    let is_drop = expected >= TRAFFIC_DROP_EVENTS_MIN && events * TRAFFIC_DROP_DIVISOR < expected;
    is_drop.then_some(SloState::TrafficDrop { minutes: span.minutes(), events, expected })
}

fn earlier_weeks(span: Span) -> impl Iterator<Item = Span> {
    (1..=EARLIER_WEEKS)
        .map(move |week| Span::new(span.start.plus(-week * WEEK_MINUTES), span.end.plus(-week * WEEK_MINUTES)))
}

fn no_data_minutes(slo: &Slo) -> u32 {
    slo.tiers.iter().map(|tier| tier.long_minutes).min().unwrap_or(60).max(1)
}

fn ok_or_no_data(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> SloState {
    let minutes = no_data_minutes(slo);
    let known = (counts.budget_counts)(window_before(at, minutes)).known;
    let unknown_share = Rational::new(i128::from(minutes - known.min(minutes)), i128::from(minutes));
    if unknown_share > slo.max_unknown { SloState::NoData { unknown_share, minutes } } else { SloState::Ok }
}
