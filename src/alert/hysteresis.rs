//! The urgency of an SLO from minute to minute: it rises at once, and falls only after a while.
//!
//! An SLO has the highest urgency that held within its newest minutes of recovery, of which `resolve_after` are needed,
//! and for a ticket as many as the short window of its tiers has. A minute of recovery was observed, had traffic, and
//! no short window burned. An unobserved minute proves nothing, and neither does one without traffic: a service that
//! failed before the night and had no requests since has not recovered. Only after a whole day without events is there
//! nothing left to alert about.
//!
//! If an SLO reaches the same urgency again within [`FLAPPING_MINUTES`], it needs as many minutes of recovery before it
//! is downgraded or resolved (flap suppression): it pages twice a night, and not at every change, whether a ticket
//! stays open in between or not.

use serde::{Deserialize, Serialize};

use crate::serialization::is_default;
use crate::slo::{AlertRules, Slo, Urgency};
use crate::time::{MINUTES_PER_DAY, Minute};

/// Minutes without an event after which an incident ends: the service is out of use.
pub const NO_TRAFFIC_MINUTES: u32 = MINUTES_PER_DAY.unsigned_abs();

/// The evaluation of one SLO at one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinuteEvaluation {
    /// It covers the minutes that start before this one.
    pub at: Minute,
    /// Whether the newest minute was observed and is not excluded; otherwise the other fields are ignored.
    pub is_observed: bool,
    pub firing: Option<Urgency>,
    /// The most urgent tier whose short window burns, before downgrades.
    pub short_window_firing: Option<Urgency>,
    pub has_no_traffic: bool,
}

/// How many minutes of recovery end a ticket, page and severe of an SLO: at least those of the shortest short window.
pub fn resolve_after(slo: &Slo, rules: &AlertRules) -> [u32; 3] {
    [Urgency::Ticket, Urgency::Page, Urgency::Severe].map(|urgency| {
        let tiers = slo.tiers.iter().filter(|tier| tier.urgency == urgency);
        tiers.map(|tier| tier.short_minutes).min().unwrap_or(0).max(rules.resolve_after_minutes)
    })
}

/// The state of an SLO between two evaluations. Arrays are for ticket, page and severe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UrgencyState {
    /// The minutes of recovery that are missing until this urgency ends.
    #[serde(skip_serializing_if = "is_default")]
    pub minutes_to_recovery: [u32; 3],
    /// Consecutive observed minutes without an event while an incident is open.
    #[serde(skip_serializing_if = "is_default")]
    pub minutes_without_traffic: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub last_recovered: [Option<Minute>; 3],
    #[serde(rename = "flapping", skip_serializing_if = "is_default")]
    pub is_flapping: [bool; 3],
}

/// An urgency that is reached again within this time is the same problem, and needs as many minutes of recovery.
const FLAPPING_MINUTES: i32 = 60;

const URGENCIES: [Urgency; 3] = [Urgency::Ticket, Urgency::Page, Urgency::Severe];

impl UrgencyState {
    pub fn urgency(&self) -> Option<Urgency> {
        URGENCIES.into_iter().rfind(|urgency| self.minutes_to_recovery[*urgency as usize] > 0)
    }

    /// Whether it ended because there was no traffic for [`NO_TRAFFIC_MINUTES`].
    pub const fn has_lost_traffic(&self) -> bool {
        self.minutes_without_traffic >= NO_TRAFFIC_MINUTES
    }

    /// Applies one minute. `resolve_after`: minutes of recovery that end ticket, page and severe.
    pub fn apply(&mut self, evaluation: MinuteEvaluation, resolve_after: [u32; 3]) {
        if !evaluation.is_observed {
            return;
        }
        let before = self.urgency();
        for urgency in URGENCIES {
            let index = urgency as usize;
            if evaluation.firing >= Some(urgency) {
                if before < Some(urgency) {
                    self.is_flapping[index] = self.last_recovered[index]
                        .is_some_and(|recovered_at| evaluation.at <= recovered_at.plus(FLAPPING_MINUTES));
                }
                self.minutes_to_recovery[index] = recovery_minutes(resolve_after[index], self.is_flapping[index]);
            } else if !evaluation.has_no_traffic && evaluation.short_window_firing < Some(urgency) {
                self.minutes_to_recovery[index] = self.minutes_to_recovery[index].saturating_sub(1);
            }
        }
        let is_without_traffic = evaluation.has_no_traffic && evaluation.firing.is_none() && self.urgency().is_some();
        self.minutes_without_traffic =
            if is_without_traffic { self.minutes_without_traffic.saturating_add(1) } else { 0 };
        if self.has_lost_traffic() {
            self.minutes_to_recovery = [0; 3];
        }
        let after = self.urgency();
        for urgency in URGENCIES.into_iter().filter(|urgency| before >= Some(*urgency) && after < Some(*urgency)) {
            (self.last_recovered[urgency as usize], self.is_flapping[urgency as usize]) = (Some(evaluation.at), false);
        }
    }
}

pub fn recovery_minutes(resolve_after: u32, is_flapping: bool) -> u32 {
    resolve_after.max(if is_flapping { FLAPPING_MINUTES.unsigned_abs() } else { 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule applied to a whole history, without a state: looks back from the newest evaluation. `before` are the
    /// urgencies at the earlier ones.
    fn urgency_by_definition(
        evaluations: &[MinuteEvaluation],
        before: &[Option<Urgency>],
        resolve_after: [u32; 3],
    ) -> Option<Urgency> {
        URGENCIES.into_iter().rev().find(|urgency| {
            let below_since =
                before.iter().rposition(|urgency_before| *urgency_before < Some(*urgency)).map_or(0, |index| index + 1);
            let last_at_urgency =
                before[..below_since].iter().rposition(|urgency_before| *urgency_before >= Some(*urgency));
            let recovered_at = last_at_urgency.map(|index| evaluations[index + 1].at);
            let is_flapping = recovered_at
                .is_some_and(|recovered_at| evaluations[below_since].at.0 - recovered_at.0 <= FLAPPING_MINUTES);
            let resolve_after = resolve_after[*urgency as usize].max(if is_flapping { 60 } else { 1 });
            let observed: Vec<&MinuteEvaluation> =
                evaluations[below_since..].iter().filter(|evaluation| evaluation.is_observed).collect();
            let Some(last_firing) = observed.iter().rposition(|evaluation| evaluation.firing >= Some(*urgency)) else {
                return false;
            };
            let since = &observed[last_firing + 1..];
            let recovery = since
                .iter()
                .filter(|evaluation| !evaluation.has_no_traffic && evaluation.short_window_firing < Some(*urgency))
                .count();
            let mut without_traffic = 0;
            let has_lost_traffic = since.iter().any(|evaluation| {
                without_traffic =
                    if evaluation.has_no_traffic && evaluation.firing.is_none() { without_traffic + 1 } else { 0 };
                without_traffic >= NO_TRAFFIC_MINUTES
            });
            recovery < resolve_after as usize && !has_lost_traffic
        })
    }

    proptest! {
        #[test]
        fn urgency_is_highest_that_fired_within_recovery_minutes(
            resolve_after in proptest::array::uniform3(1_u32..20),
            drawn in proptest::collection::vec((0_u8..5, 0_usize..20, 0_usize..12, 0_u8..4), 1..300),
        ) {
            let mut state = UrgencyState::default();
            let (mut evaluations, mut urgencies) = (Vec::new(), Vec::new());
            for (minute, (observed, firing, short_window, traffic)) in (0..).zip(drawn) {
                let firing = URGENCIES.get(firing).copied();
                let short_window_firing = URGENCIES[..2].get(short_window).copied();
                evaluations.push(MinuteEvaluation { at: Minute(minute), is_observed: observed > 0, firing, short_window_firing, has_no_traffic: traffic == 0 });
                state.apply(evaluations[evaluations.len() - 1], resolve_after);
                prop_assert_eq!(state.urgency(), urgency_by_definition(&evaluations, &urgencies, resolve_after), "{:?}", evaluations);
                urgencies.push(state.urgency());
            }
        }
    }

    #[test]
    fn flapping_slo_opens_two_incidents() {
        let (mut state, mut incidents) = (UrgencyState::default(), 0);
        for minute in 0..600 {
            let firing = (minute % 30 < 5).then_some(Urgency::Page);
            let before = state.urgency();
            state.apply(
                MinuteEvaluation {
                    at: Minute(minute),
                    is_observed: true,
                    firing,
                    short_window_firing: firing,
                    has_no_traffic: false,
                },
                [15; 3],
            );
            incidents += u32::from(before.is_none() && state.urgency().is_some());
        }
        assert_eq!(incidents, 2);
    }

    #[test]
    fn flapping_page_pages_twice_while_its_ticket_stays_open() {
        let (mut state, mut pages) = (UrgencyState::default(), 0);
        for minute in 0..600 {
            let firing = if minute % 50 < 5 { Urgency::Page } else { Urgency::Ticket };
            let before = state.urgency();
            state.apply(
                MinuteEvaluation {
                    at: Minute(minute),
                    is_observed: true,
                    firing: Some(firing),
                    short_window_firing: Some(firing),
                    has_no_traffic: false,
                },
                [15; 3],
            );
            pages += u32::from(before < Some(Urgency::Page) && state.urgency() == Some(Urgency::Page));
        }
        assert_eq!(pages, 2);
    }

    #[test]
    fn day_without_traffic_ends_incident_and_unknown_day_does_not() {
        let evaluation = |is_observed, has_no_traffic, firing| MinuteEvaluation {
            at: Minute(0),
            is_observed,
            firing,
            short_window_firing: None,
            has_no_traffic,
        };
        let mut state = UrgencyState::default();
        state.apply(evaluation(true, false, Some(Urgency::Page)), [15; 3]);
        (0..5_000).for_each(|_| state.apply(evaluation(false, true, None), [15; 3]));
        assert_eq!(state.urgency(), Some(Urgency::Page));
        (0..NO_TRAFFIC_MINUTES - 1).for_each(|_| state.apply(evaluation(true, true, None), [15; 3]));
        assert_eq!(state.urgency(), Some(Urgency::Page));
        state.apply(evaluation(true, true, None), [15; 3]);
        assert_eq!(state.urgency(), None);
        assert!(state.has_lost_traffic());
    }
}
