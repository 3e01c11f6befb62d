//! Numbers against promises: calm, burning, or too much unknown to say.
//!
//! **Invariant:** not enough data is never fine. Unknown minutes make no condition hold; too many of them make the SLO blind.

use crate::burn::{Condition, burn_rate};
use crate::counts::Sums;
use crate::exact::Exact;
use crate::minute::{Minute, Span};
use crate::slo::{Slo, Urgency};

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
        /// How urgent it is.
        urgency: Urgency,
    },
    /// No tier holds, but too many minutes are unknown to call that calm.
    Blind {
        /// The share of the shortest long window that is unknown.
        unknown_share: Exact,
        /// The length of that window in minutes.
        minutes: u32,
    },
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
    /// Whether both exceed the tier's factor, compared exactly.
    pub holds: bool,
}

/// Judges an SLO at `at`, which sees the minutes that start before it. `over` gives the sums of any span.
///
/// Blindness is measured in the shortest long window of the tiers, an hour by default: it is what the quickest tier
/// goes by. An SLO without tiers is judged over its last hour.
#[must_use]
pub fn judge(slo: &Slo, at: Minute, over: &dyn Fn(Span) -> Sums) -> Verdict {
    let tiers: Vec<TierReading> = slo
        .tiers
        .iter()
        .map(|tier| {
            let condition = Condition::new(tier, &slo.objective);
            let (long, short) = condition.windows(at);
            let (long, short) = (over(long), over(short));
            TierReading {
                long,
                short,
                long_burn: burn_rate(long, &slo.objective),
                short_burn: burn_rate(short, &slo.objective),
                holds: condition.holds(long, short),
            }
        })
        .collect();
    let burning = (0..tiers.len())
        .filter(|index| tiers[*index].holds)
        .max_by_key(|index| (slo.tiers[*index].urgency, std::cmp::Reverse(*index)));
    let state = match burning {
        Some(tier) => State::Burning { tier, urgency: slo.tiers[tier].urgency },
        None => unlit(slo, at, over),
    };
    Verdict { state, tiers }
}

/// What an SLO is when no tier holds: calm, or too much unknown to say so.
fn unlit(slo: &Slo, at: Minute, over: &dyn Fn(Span) -> Sums) -> State {
    let minutes = slo.tiers.iter().map(|tier| tier.long_minutes).min().unwrap_or(60).max(1);
    let known = over(Span::before(at, i32::try_from(minutes).unwrap_or(i32::MAX))).known;
    let unknown_share = Exact::new(i128::from(minutes - known.min(minutes)), i128::from(minutes));
    if unknown_share > slo.blind_above { State::Blind { unknown_share, minutes } } else { State::Calm }
}
