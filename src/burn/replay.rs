//! The tiers of an SLO over minutes of the past: at which of them each condition held.

use super::{Condition, PrefixSums};
use crate::slo::{Slo, Tier, Urgency};
use crate::time::Span;

/// When the conditions of an SLO's tiers held.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    /// One for each tier, in the SLO's order.
    pub tiers: Vec<TierFiring<'a>>,
}

/// When a tier's condition held: spans of evaluation minutes, in order, none touching the next.
#[derive(Clone, Debug)]
pub struct TierFiring<'a> {
    /// The tier.
    pub tier: &'a Tier,
    /// The evaluation minutes.
    pub spans: Vec<Span>,
}

/// Evaluates every tier at every minute of `span`.
pub fn replay<'a>(slo: &'a Slo, prefix_sums: &PrefixSums<'_>, span: Span) -> Replay<'a> {
    let tier_firing = |tier: &'a Tier| TierFiring {
        tier,
        spans: Condition::new(tier, &slo.objective).firing_spans(prefix_sums, span),
    };
    Replay { tiers: slo.tiers.iter().map(tier_firing).collect() }
}

impl Replay<'_> {
    /// The evaluation minutes at which any tier of this urgency held.
    pub fn firing_spans(&self, urgency: Urgency) -> Vec<Span> {
        let matching = self.tiers.iter().filter(|tier_firing| tier_firing.tier.urgency == urgency);
        Span::merged(matching.flat_map(|tier_firing| tier_firing.spans.iter().copied()).collect())
    }
}
