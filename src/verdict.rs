//! Numbers against promises: calm, burning, severe, or too much unknown to say.
//!
//! **Invariant:** not enough data is never fine. Unknown minutes make no condition hold; too many of them make the SLO
//! blind. A page that is not backed by evidence, or comes outside its hours, is a ticket: it is never dropped.

use crate::burn::{Condition, burn_rate, chance, is_at_most};
use crate::counts::Sums;
use crate::exact::{Exact, to_f64};
use crate::minute::{Minute, Span};
use crate::slo::{Slo, Tier, Urgency};

/// A total outage: of the events of its minutes, at least so many in ten are bad. Probes and cached pages still succeed
/// when nothing else does.
const OUTAGE_TENTHS: u64 = 9;

/// A collapse of traffic: less than one in so many events of the quietest of the earlier weeks.
const COLLAPSE_DIVISOR: u64 = 10;

/// What the quietest of the earlier weeks must have had, so that a collapse cannot be chance: with a mean of 100
/// events, 10 or fewer have a probability below 10^-24 (Poisson).
const COLLAPSE_EVENTS_MIN: u64 = 100;

/// How many earlier weeks are looked at, and how many of them must be known whole.
const WEEKS: i32 = 4;
const WEEKS_KNOWN_MIN: usize = 2;
const WEEK_MINUTES: i32 = 7 * 1_440;

/// How an SLO stands at one moment, with every number that led there.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What it comes to.
    pub state: State,
    /// One for each tier, in the SLO's order.
    pub tiers: Vec<TierReading>,
}

/// What a verdict comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No tier holds, and enough is known to say so.
    Calm,
    /// A tier holds.
    Burning {
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
    Collapse {
        /// How many minutes that are.
        minutes: u32,
        /// Their events.
        seen: u64,
        /// The events of the quietest of the earlier weeks.
        expected: u64,
    },
    /// No tier holds, but too many minutes are unknown to call that calm.
    Blind {
        /// The share of the shortest long window that is unknown.
        unknown_share: Exact,
        /// The length of that window in minutes.
        minutes: u32,
    },
}

impl State {
    /// How urgently it speaks; `None` where it says nothing to the team.
    #[must_use]
    pub const fn urgency(&self) -> Option<Urgency> {
        match self {
            Self::Outage { .. } | Self::Collapse { .. } => Some(Urgency::Severe),
            Self::Burning { urgency, .. } => Some(*urgency),
            Self::Calm | Self::Blind { .. } => None,
        }
    }
}

/// What one tier sees.
#[derive(Clone, Debug, PartialEq)]
pub struct TierReading {
    /// Sums over the long window.
    pub long: Sums,
    /// Sums over the short window.
    pub short: Sums,
    /// Burn rate in the long window; `None` without traffic.
    pub long_burn: Option<f64>,
    /// Burn rate in the short window; `None` without traffic.
    pub short_burn: Option<f64>,
    /// Whether the short window alone exceeds the tier's factor, compared exactly.
    pub short_holds: bool,
    /// Whether both exceed it.
    pub holds: bool,
    /// Why a page that holds is only a ticket.
    pub demoted: Option<Demotion>,
}

/// Why a page is only a ticket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Demotion {
    /// It is outside the tier's hours.
    OutsideHours,
    /// Fewer bad events than a page must be backed by.
    FewBad {
        /// Bad events in the long window.
        bad: u64,
        /// How many there must be.
        bad_min: u32,
    },
    /// The bad events may be chance.
    Chance {
        /// The probability of at least as many if the true burn were just the factor.
        chance: f64,
        /// What it may be at most.
        chance_max: f64,
    },
}

/// What an SLO is judged by.
pub struct Seen<'a> {
    /// Sums over any span of what spends the budget: events, or slices.
    pub over: &'a dyn Fn(Span) -> Sums,
    /// Sums over any span of single events.
    pub events: &'a dyn Fn(Span) -> Sums,
    /// Minutes that do not count; both sums are without them.
    pub excluded: &'a [Span],
}

/// What [`judge`] looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Spans whose sums of what spends the budget it asks for.
    pub spent: Vec<Span>,
    /// Spans whose sums of single events it asks for.
    pub events: Vec<Span>,
}

/// The spans that [`judge`] looks at.
#[must_use]
pub fn looks_at(slo: &Slo, at: Minute) -> Looks {
    let before = |minutes: u32| Span::before(at, i32::try_from(minutes).unwrap_or(i32::MAX));
    let tiers = slo.tiers.iter().flat_map(|tier| [tier.long_minutes, tier.short_minutes]);
    let collapse = slo.severe.traffic_drop_minutes.map(before);
    let weeks = collapse.into_iter().flat_map(weeks_before);
    Looks {
        spent: tiers.chain([blind_minutes(slo)]).map(before).collect(),
        events: weeks.chain(collapse).chain(slo.severe.outage_minutes.map(before)).collect(),
    }
}

/// Judges an SLO at `at`, which sees the minutes that start before it.
///
/// Blindness is measured in the shortest long window of the tiers, an hour by default: it is what the quickest tier
/// goes by. An SLO without tiers is judged over its last hour.
#[must_use]
pub fn judge(slo: &Slo, at: Minute, seen: &Seen<'_>) -> Verdict {
    let tiers: Vec<TierReading> = slo.tiers.iter().map(|tier| reading(slo, tier, at, seen)).collect();
    let urgency = |index: usize| match tiers[index].demoted {
        Some(_) => Urgency::Ticket,
        None => slo.tiers[index].urgency,
    };
    let burning = (0..tiers.len())
        .filter(|index| tiers[*index].holds)
        .max_by_key(|index| (urgency(*index), std::cmp::Reverse(*index)));
    let state = match (severe(slo, at, seen), burning) {
        (Some(severe), _) => severe,
        (None, Some(tier)) => State::Burning { tier, urgency: urgency(tier) },
        (None, None) => unlit(slo, at, seen),
    };
    Verdict { state, tiers }
}

fn reading(slo: &Slo, tier: &Tier, at: Minute, seen: &Seen<'_>) -> TierReading {
    let condition = Condition::new(tier, &slo.objective);
    let (long, short) = condition.windows(at);
    let (long, short) = ((seen.over)(long), (seen.over)(short));
    let short_holds = condition.threshold.exceeded(short.total, short.bad);
    let holds = condition.holds(long, short);
    TierReading {
        long,
        short,
        long_burn: burn_rate(long, &slo.objective),
        short_burn: burn_rate(short, &slo.objective),
        short_holds,
        holds,
        demoted: if holds && tier.urgency == Urgency::Page { demotion(slo, tier, at, long, short) } else { None },
    }
}

/// Why a page that holds is only a ticket, if it is.
fn demotion(slo: &Slo, tier: &Tier, at: Minute, long: Sums, short: Sums) -> Option<Demotion> {
    if tier.hours.as_ref().is_some_and(|hours| !hours.contains(at)) {
        return Some(Demotion::OutsideHours);
    }
    let evidence = slo.significance.as_ref()?;
    if long.bad < u64::from(evidence.min_bad_events) {
        return Some(Demotion::FewBad { bad: long.bad, bad_min: evidence.min_bad_events });
    }
    let (share, chance_max) = (tier.factor * slo.objective.budget(), to_f64(evidence.chance_max));
    let chance_long = chance(long, share);
    // An outage of one minute can lift a whole hour just above the threshold, where the hour alone proves nothing, and
    // the minutes since it began everything. There are so many short windows in a long one, and each could be chance
    // (Bonferroni).
    let looks = f64::from(tier.long_minutes) / f64::from(tier.short_minutes.max(1));
    let proves =
        short.bad >= u64::from(evidence.min_bad_events) && is_at_most(chance(short, share) * looks, chance_max);
    (!proves && !is_at_most(chance_long, chance_max)).then_some(Demotion::Chance { chance: chance_long, chance_max })
}

/// What is severe whatever the budget says.
fn severe(slo: &Slo, at: Minute, seen: &Seen<'_>) -> Option<State> {
    let before = |minutes: u32| Span::before(at, i32::try_from(minutes).unwrap_or(i32::MAX));
    let outage = slo.severe.outage_minutes.and_then(|minutes| {
        let sums = (seen.events)(before(minutes));
        let bad_min = slo.significance.as_ref().map_or(1, |evidence| evidence.min_bad_events.max(1));
        let out = sums.bad >= u64::from(bad_min) && sums.bad * 10 >= sums.total * OUTAGE_TENTHS;
        out.then_some(State::Outage { minutes, sums })
    });
    outage.or_else(|| slo.severe.traffic_drop_minutes.and_then(|minutes| collapse(before(minutes), seen)))
}

/// Whether the traffic of a span has collapsed. It must be known whole, and every earlier week that counts too.
fn collapse(span: Span, seen: &Seen<'_>) -> Option<State> {
    let whole = |span: Span| {
        let counts = seen.excluded.iter().all(|out| out.intersect(span).is_empty());
        Some((seen.events)(span)).filter(|sums| counts && sums.known == span.minutes()).map(|sums| sums.total)
    };
    let now = whole(span)?;
    let earlier: Vec<u64> = weeks_before(span).filter_map(whole).collect();
    let expected = earlier.iter().copied().min().filter(|_| earlier.len() >= WEEKS_KNOWN_MIN)?;
    let collapsed = expected >= COLLAPSE_EVENTS_MIN && now * COLLAPSE_DIVISOR < expected;
    collapsed.then_some(State::Collapse { minutes: span.minutes(), seen: now, expected })
}

/// The same minutes of the week in the weeks that a collapse is measured by.
fn weeks_before(span: Span) -> impl Iterator<Item = Span> {
    (1..=WEEKS).map(move |week| Span::new(span.start.plus(-week * WEEK_MINUTES), span.end.plus(-week * WEEK_MINUTES)))
}

/// The minutes that blindness is measured in.
fn blind_minutes(slo: &Slo) -> u32 {
    slo.tiers.iter().map(|tier| tier.long_minutes).min().unwrap_or(60).max(1)
}

/// What an SLO is when no tier holds: calm, or too much unknown to say so.
fn unlit(slo: &Slo, at: Minute, seen: &Seen<'_>) -> State {
    let minutes = blind_minutes(slo);
    let known = (seen.over)(Span::before(at, i32::try_from(minutes).unwrap_or(i32::MAX))).known;
    let unknown_share = Exact::new(i128::from(minutes - known.min(minutes)), i128::from(minutes));
    if unknown_share > slo.max_unknown { State::Blind { unknown_share, minutes } } else { State::Calm }
}
