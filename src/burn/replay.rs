//! The tiers of a promise over minutes of the past: at which of them each condition held.

use super::{Condition, Running};
use crate::minute::Span;
use crate::slo::{Slo, Tier, Urgency};

/// When the conditions of an SLO's tiers held.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    /// One for each tier, in the SLO's order.
    pub tiers: Vec<TierSpans<'a>>,
}

/// When a tier's condition held: spans of evaluation minutes, in order, none touching the next.
#[derive(Clone, Debug)]
pub struct TierSpans<'a> {
    /// The tier.
    pub tier: &'a Tier,
    /// The evaluation minutes.
    pub firing: Vec<Span>,
}

/// Evaluates every tier at every minute of `span`.
#[must_use]
pub fn replay<'a>(slo: &'a Slo, running: &Running<'_>, span: Span) -> Replay<'a> {
    let spans = |tier: &'a Tier| TierSpans { tier, firing: Condition::new(tier, &slo.objective).firing(running, span) };
    Replay { tiers: slo.tiers.iter().map(spans).collect() }
}

impl Replay<'_> {
    /// The evaluation minutes at which any tier of this urgency held.
    #[must_use]
    pub fn any_of(&self, urgency: Urgency) -> Vec<Span> {
        let all = self.tiers.iter().filter(|spans| spans.tier.urgency == urgency);
        Span::joined(all.flat_map(|spans| spans.firing.iter().copied()).collect())
    }
}
