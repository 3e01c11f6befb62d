//! Evaluates SLOs against their objectives: ok, firing, severe, or too little data.
//!
//! **Invariant:** too little data is never ok. Unknown minutes make no tier fire; too many of them are the state no
//! data. A page that is not significant, or outside its working hours, becomes a ticket: it is never dropped.

mod bad_minutes;
mod downgrade;
mod missing_traffic;
mod outage;
pub mod status;
mod traffic_drop;
mod views;

use crate::burn::{Condition, burn_rate};
use crate::counts::Sums;
use crate::rational::Rational;
use crate::slo::{Slo, Tier, Urgency};
use crate::time::{Minute, Span};

pub use downgrade::Downgrade;
use downgrade::find_downgrade;
pub use missing_traffic::{EXPECTED_EVENTS_MIN, expected_events};
use outage::evaluate_outage;
use traffic_drop::evaluate_traffic_drop;
pub use views::SloViews;

/// How many earlier weeks are compared.
const EARLIER_WEEKS: i32 = 4;
/// Earlier weeks are compared within an hour around, in steps of so many minutes: offices open late, and batches move.
const AROUND_MINUTES: i32 = 60;
const AROUND_STEP_MINUTES: usize = 5;

/// An SLO whose significance is tested does not fire with fewer bad events in its long window: in a quiet service one
/// exceeds any burn rate.
const FIRING_BAD_EVENTS_MIN: u64 = 2;

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

pub struct CountsView<'a> {
    /// Sums of what the budget counts, events or timeslices, without excluded minutes.
    pub budget_counts: &'a dyn Fn(Span) -> Sums,
    /// Sums of events, without excluded minutes.
    pub event_counts: &'a dyn Fn(Span) -> Sums,
    pub excluded: &'a [Span],
}

impl CountsView<'_> {
    /// The events of a span that is fully known and without excluded minutes.
    fn total_if_known(&self, span: Span) -> Option<u64> {
        let is_included = self.excluded.iter().all(|excluded| excluded.intersect(span).is_empty());
        let sums = (self.event_counts)(span);
        (is_included && sums.known == span.minutes()).then_some(sums.total)
    }
}

/// A span in earlier weeks, by the clock of the time zone of the SLO: offices and batch jobs follow it.
fn earlier_weeks(slo: &Slo, span: Span) -> impl Iterator<Item = Span> + use<> {
    let zone = slo.time_zone.clone();
    (1..=EARLIER_WEEKS).map(move |weeks| {
        let end = span.end.weeks_earlier(weeks, &zone);
        Span::new(end.plus(span.start.0 - span.end.0), end)
    })
}

/// A span and those within an hour around it.
fn spans_around(span: Span) -> impl Iterator<Item = Span> {
    let shifts = (-AROUND_MINUTES..=AROUND_MINUTES).step_by(AROUND_STEP_MINUTES);
    shifts.map(move |minutes| Span::new(span.start.plus(minutes), span.end.plus(minutes)))
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
    let earlier_windows = traffic_drop_window.into_iter().flat_map(|window| earlier_weeks(slo, window));
    RequiredWindows {
        budget_windows: tier_windows.clone().chain([no_data_minutes(slo)]).map(window).collect(),
        event_windows: if slo.timeslices.is_some() { tier_windows.map(window).collect() } else { Vec::new() }
            .into_iter()
            .chain(earlier_windows)
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
    let (long_span, short_span) = condition.windows(at);
    let (long, short) = ((counts.budget_counts)(long_span), (counts.budget_counts)(short_span));
    let is_short_firing = condition.threshold.is_exceeded(short.total, short.bad);
    let has_enough_bad_events =
        || slo.significance.is_none() || (counts.event_counts)(long_span).bad >= FIRING_BAD_EVENTS_MIN;
    let is_firing = is_short_firing && condition.threshold.is_exceeded(long.total, long.bad) && has_enough_bad_events();
    let is_page = is_firing && tier.urgency == Urgency::Page;
    TierEvaluation {
        long,
        short,
        long_burn_rate: burn_rate(long, &slo.objective),
        short_burn_rate: burn_rate(short, &slo.objective),
        is_short_firing,
        is_firing,
        downgrade: is_page.then(|| find_downgrade(slo, tier, at, counts)).flatten(),
    }
}

fn evaluate_severe(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> Option<SloState> {
    let outage = slo.severe.outage_minutes.and_then(|minutes| evaluate_outage(slo, at, minutes, counts));
    outage.or_else(|| {
        let minutes = slo.severe.traffic_drop_minutes?;
        evaluate_traffic_drop(slo, window_before(at, minutes), counts)
    })
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
