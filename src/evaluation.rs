//! Numbers against promises: calm, burning, severe, or too much unknown to say.
//!
//! **Invariant:** not enough data is never fine. Unknown minutes make no condition hold; too many of them make the SLO
//! blind. A page that is not backed by evidence, or comes outside its hours, is a ticket: it is never dropped.

mod views;

use crate::burn::{Condition, burn_rate, is_significant, p_value};
use crate::counts::Sums;
use crate::rational::{Rational, to_f64};
use crate::slo::{Slo, Tier, Urgency};
use crate::time::{Minute, Span};

pub use views::SloViews;

/// A total outage: of the events of its minutes, at least so many in ten are bad. Probes and cached pages still succeed
/// when nothing else does.
const OUTAGE_BAD_TENTHS: u64 = 9;

/// A collapse of traffic: less than one in so many events of the quietest of the earlier weeks.
const TRAFFIC_DROP_DIVISOR: u64 = 10;

/// What the quietest of the earlier weeks must have had, so that a collapse cannot be chance: with a mean of 100
/// events, 10 or fewer have a probability below 10^-24 (Poisson).
const TRAFFIC_DROP_EVENTS_MIN: u64 = 100;

/// How many earlier weeks are looked at, and how many of them must be known whole.
const EARLIER_WEEKS: i32 = 4;
const KNOWN_WEEKS_MIN: usize = 2;
const WEEK_MINUTES: i32 = 7 * 1_440;

/// How an SLO stands at one moment, with every number that led there.
#[derive(Clone, Debug, PartialEq)]
pub struct SloEvaluation {
    /// What it comes to.
    pub state: SloState,
    /// One for each tier, in the SLO's order.
    pub tiers: Vec<TierEvaluation>,
}

/// What a verdict comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SloState {
    /// No tier holds, and enough is known to say so.
    Ok,
    /// A tier holds.
    Firing {
        /// The most urgent one, as an index into the SLO's tiers; of equals the first.
        tier: usize,
        /// How urgent it is now: a page may have become a ticket.
        urgency: Urgency,
    },
    /// Nearly every event of the newest minutes is bad.
    Outage {
        /// How many minutes that are.
        minutes: u32,
        /// Their events.
        sums: Sums,
    },
    /// Nearly all of the traffic is missing that the same minutes of earlier weeks had.
    TrafficDrop {
        /// How many minutes that are.
        minutes: u32,
        /// Their events.
        events: u64,
        /// The events of the quietest of the earlier weeks.
        expected: u64,
    },
    /// No tier holds, but too many minutes are unknown to call that calm.
    NoData {
        /// The share of the shortest long window that is unknown.
        unknown_share: Rational,
        /// The length of that window in minutes.
        minutes: u32,
    },
}

impl SloState {
    /// How urgently it speaks; `None` where it says nothing to the team.
    #[must_use]
    pub const fn urgency(&self) -> Option<Urgency> {
        match self {
            Self::Outage { .. } | Self::TrafficDrop { .. } => Some(Urgency::Severe),
            Self::Firing { urgency, .. } => Some(*urgency),
            Self::Ok | Self::NoData { .. } => None,
        }
    }
}

/// What one tier sees.
#[derive(Clone, Debug, PartialEq)]
pub struct TierEvaluation {
    /// Sums over the long window.
    pub long: Sums,
    /// Sums over the short window.
    pub short: Sums,
    /// Burn rate in the long window; `None` without traffic.
    pub long_burn_rate: Option<f64>,
    /// Burn rate in the short window; `None` without traffic.
    pub short_burn_rate: Option<f64>,
    /// Whether the short window alone exceeds the tier's factor, compared exactly.
    pub is_short_firing: bool,
    /// Whether both exceed it.
    pub is_firing: bool,
    /// Why a page that holds is only a ticket.
    pub downgrade: Option<Downgrade>,
}

/// Why a page is only a ticket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Downgrade {
    /// It is outside the tier's hours.
    OutsideHours,
    /// Fewer bad events than a page must be backed by.
    FewBadEvents {
        /// Bad events in the long window.
        bad_events: u64,
        /// How many there must be.
        min_bad_events: u32,
    },
    /// The bad events may be chance.
    NotSignificant {
        /// The probability of at least as many if the true burn were just the factor.
        p_value: f64,
        /// What it may be at most.
        max_p_value: f64,
    },
}

/// What an SLO is judged by.
pub struct CountsView<'a> {
    /// Sums over any span of what spends the budget: events, or slices.
    pub budget_counts: &'a dyn Fn(Span) -> Sums,
    /// Sums over any span of single events.
    pub event_counts: &'a dyn Fn(Span) -> Sums,
    /// Minutes that do not count; both sums are without them.
    pub excluded: &'a [Span],
}

/// What [`judge`] looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredWindows {
    /// Spans whose sums of what spends the budget it asks for.
    pub budget_windows: Vec<Span>,
    /// Spans whose sums of single events it asks for.
    pub event_windows: Vec<Span>,
}

/// The spans that [`judge`] looks at.
#[must_use]
pub fn required_windows(slo: &Slo, at: Minute) -> RequiredWindows {
    let window = |minutes: u32| Span::ending_at(at, i32::try_from(minutes).unwrap_or(i32::MAX));
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

/// Judges an SLO at `at`, which sees the minutes that start before it.
///
/// Blindness is measured in the shortest long window of the tiers, an hour by default: it is what the quickest tier
/// goes by. An SLO without tiers is judged over its last hour.
#[must_use]
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
    let is_firing = condition.is_firing(long, short);
    TierEvaluation {
        long,
        short,
        long_burn_rate: burn_rate(long, &slo.objective),
        short_burn_rate: burn_rate(short, &slo.objective),
        is_short_firing,
        is_firing,
        downgrade: if is_firing && tier.urgency == Urgency::Page {
            downgrade(slo, tier, at, long, short)
        } else {
            None
        },
    }
}

/// Why a page that holds is only a ticket, if it is.
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
    // An outage of one minute can lift a whole hour just above the threshold, where the hour alone proves nothing, and
    // the minutes since it began everything. There are so many short windows in a long one, and each could be chance
    // (Bonferroni).
    let short_windows = f64::from(tier.long_minutes) / f64::from(tier.short_minutes.max(1));
    let is_short_significant = short.bad >= u64::from(significance.min_bad_events)
        && is_significant(p_value(short, threshold_share) * short_windows, max_p_value);
    (!is_short_significant && !is_significant(long_p_value, max_p_value))
        .then_some(Downgrade::NotSignificant { p_value: long_p_value, max_p_value })
}

/// What is severe whatever the budget says.
fn evaluate_severe(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> Option<SloState> {
    let window = |minutes: u32| Span::ending_at(at, i32::try_from(minutes).unwrap_or(i32::MAX));
    let outage = slo.severe.outage_minutes.and_then(|minutes| {
        let sums = (counts.event_counts)(window(minutes));
        let min_bad_events = slo.significance.as_ref().map_or(1, |significance| significance.min_bad_events.max(1));
        let is_outage = sums.bad >= u64::from(min_bad_events) && sums.bad * 10 >= sums.total * OUTAGE_BAD_TENTHS;
        is_outage.then_some(SloState::Outage { minutes, sums })
    });
    outage
        .or_else(|| slo.severe.traffic_drop_minutes.and_then(|minutes| evaluate_traffic_drop(window(minutes), counts)))
}

/// Whether the traffic of a span has collapsed. It must be known whole, and every earlier week that counts too.
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
    is_drop.then_some(SloState::TrafficDrop { minutes: span.minutes(), events: events, expected })
}

/// The same minutes of the week in the weeks that a collapse is measured by.
fn earlier_weeks(span: Span) -> impl Iterator<Item = Span> {
    (1..=EARLIER_WEEKS)
        .map(move |week| Span::new(span.start.plus(-week * WEEK_MINUTES), span.end.plus(-week * WEEK_MINUTES)))
}

/// The minutes that blindness is measured in.
fn no_data_minutes(slo: &Slo) -> u32 {
    slo.tiers.iter().map(|tier| tier.long_minutes).min().unwrap_or(60).max(1)
}

/// What an SLO is when no tier holds: calm, or too much unknown to say so.
fn ok_or_no_data(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> SloState {
    let minutes = no_data_minutes(slo);
    let known = (counts.budget_counts)(Span::ending_at(at, i32::try_from(minutes).unwrap_or(i32::MAX))).known;
    let unknown_share = Rational::new(i128::from(minutes - known.min(minutes)), i128::from(minutes));
    if unknown_share > slo.max_unknown { SloState::NoData { unknown_share, minutes } } else { SloState::Ok }
}
