//! The urgency of an SLO from minute to minute: it rises at once, and falls only after a while.
//!
//! An SLO has the highest urgency that held within its newest minutes of recovery, of which `resolve_after` are needed,
//! and for a ticket as many as the short window of its tiers has. A minute of recovery was observed, had traffic, and
//! no short window burned. An unobserved minute proves nothing, and neither does one without traffic: a service that
//! failed before the night and had no requests since has not recovered. Only after a whole day without events is there
//! nothing left to alert about. A ticket that never was a page also stays open while a long window of its tiers burns
//! near the factor.
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
    /// Whether it fires because traffic is missing.
    pub is_traffic_drop: bool,
    pub ticket_tiers: TicketTiers,
}

/// What the tickets of an SLO did at one minute, all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TicketTiers {
    /// One fired.
    Firing,
    /// None fired, but the long window of one burned at [`TICKET_RESOLVE_SHARE`] of its factor or more.
    Burning,
    #[default]
    Quiet,
}

impl MinuteEvaluation {
    pub const fn unobserved(at: Minute) -> Self {
        Self {
            at,
            is_observed: false,
            firing: None,
            short_window_firing: None,
            has_no_traffic: false,
            is_traffic_drop: false,
            ticket_tiers: TicketTiers::Quiet,
        }
    }
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
    /// A ticket tier fired, and the long window of one has burned since.
    #[serde(rename = "ticket_held", skip_serializing_if = "is_default")]
    pub is_ticket_held: bool,
    /// It was a page since it began to fire: its failures stay in the long windows for days, and it has been looked at.
    #[serde(skip_serializing_if = "is_default")]
    pub has_paged: bool,
    /// It fires because traffic is missing, and for no other reason.
    #[serde(rename = "traffic_drop", skip_serializing_if = "is_default")]
    pub is_traffic_drop: bool,
}

/// A ticket ends when no long window burns at this share of its factor: a service that burns at about the factor would
/// open and resolve hundreds a year.
pub const TICKET_RESOLVE_SHARE: (i128, i128) = (4, 5);

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
        self.has_paged |= evaluation.firing >= Some(Urgency::Page);
        self.is_ticket_held = match evaluation.ticket_tiers {
            TicketTiers::Firing => true,
            TicketTiers::Burning => self.is_ticket_held,
            TicketTiers::Quiet => false,
        };
        if evaluation.firing.is_some() {
            self.is_traffic_drop = evaluation.is_traffic_drop && (self.is_traffic_drop || before.is_none());
        }
        let is_ticket_held = self.is_ticket_held && !self.has_paged;
        // A traffic drop is over when no traffic is expected.
        let can_recover = !evaluation.has_no_traffic || self.is_traffic_drop;
        for urgency in URGENCIES {
            let index = urgency as usize;
            if evaluation.firing >= Some(urgency) {
                if before < Some(urgency) {
                    self.is_flapping[index] = self.last_recovered[index]
                        .is_some_and(|recovered_at| evaluation.at <= recovered_at.plus(FLAPPING_MINUTES));
                }
                self.minutes_to_recovery[index] = recovery_minutes(resolve_after[index], self.is_flapping[index]);
            } else if can_recover
                && evaluation.short_window_firing < Some(urgency)
                && !(urgency == Urgency::Ticket && is_ticket_held)
            {
                self.minutes_to_recovery[index] = self.minutes_to_recovery[index].saturating_sub(1);
            }
        }
        let is_without_traffic = evaluation.has_no_traffic && evaluation.firing.is_none() && self.urgency().is_some();
        self.minutes_without_traffic =
            if is_without_traffic { self.minutes_without_traffic.saturating_add(1) } else { 0 };
        if self.has_lost_traffic() {
            self.minutes_to_recovery = [0; 3];
            self.is_ticket_held = false;
        }
        let after = self.urgency();
        self.has_paged &= after.is_some();
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
            let observed_from_start: Vec<&MinuteEvaluation> =
                evaluations.iter().filter(|evaluation| evaluation.is_observed).collect();
            let Some(last_firing) = observed.iter().rposition(|evaluation| evaluation.firing >= Some(*urgency)) else {
                return false;
            };
            let since = &observed[last_firing + 1..];
            // A ticket does not recover while it is held: since a ticket tier fired, without a quiet minute after it.
            let is_held = |index: usize| {
                let until = &observed_from_start[..=index];
                let newest = until.iter().rposition(|evaluation| evaluation.ticket_tiers != TicketTiers::Burning);
                let has_paged = before[below_since..].contains(&Some(Urgency::Page))
                    || before[below_since..].contains(&Some(Urgency::Severe));
                !has_paged && newest.is_some_and(|newest| until[newest].ticket_tiers == TicketTiers::Firing)
            };
            let first_since = observed_from_start.len() - since.len();
            let recovery = (first_since..observed_from_start.len())
                .filter(|index| {
                    let evaluation = observed_from_start[*index];
                    !evaluation.has_no_traffic
                        && evaluation.short_window_firing < Some(*urgency)
                        && !(*urgency == Urgency::Ticket && is_held(*index))
                })
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
            drawn in proptest::collection::vec((0_u8..5, 0_usize..20, 0_usize..12, 0_u8..4, 0_usize..9), 1..300),
        ) {
            let mut state = UrgencyState::default();
            let (mut evaluations, mut urgencies) = (Vec::new(), Vec::new());
            for (minute, (observed, firing, short_window, traffic, tickets)) in (0..).zip(drawn) {
                let ticket_tiers = [TicketTiers::Firing, TicketTiers::Burning, TicketTiers::Burning].get(tickets).copied().unwrap_or_default();
                let firing = URGENCIES.get(firing).copied();
                let short_window_firing = URGENCIES[..2].get(short_window).copied();
                evaluations.push(MinuteEvaluation { at: Minute(minute), is_observed: observed > 0, firing, short_window_firing, has_no_traffic: traffic == 0, is_traffic_drop: false, ticket_tiers});
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
                    is_traffic_drop: false,
                    ticket_tiers: TicketTiers::Quiet,
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
                    is_traffic_drop: false,
                    ticket_tiers: TicketTiers::Quiet,
                },
                [15; 3],
            );
            pages += u32::from(before < Some(Urgency::Page) && state.urgency() == Some(Urgency::Page));
        }
        assert_eq!(pages, 2);
    }

    #[test]
    fn ticket_ends_once_no_long_window_burns_near_its_factor() {
        let mut state = UrgencyState::default();
        let mut apply = |minutes: u32, firing, ticket_tiers| {
            for minute in 0..minutes {
                state.apply(
                    MinuteEvaluation {
                        is_observed: true,
                        firing,
                        ticket_tiers,
                        ..MinuteEvaluation::unobserved(Minute(minute.cast_signed()))
                    },
                    [120, 15, 15],
                );
            }
            state.urgency()
        };
        let ticket = Some(Urgency::Ticket);
        assert_eq!(apply(1, ticket, TicketTiers::Firing), ticket);
        assert_eq!(apply(5_000, None, TicketTiers::Burning), ticket);
        assert_eq!(apply(119, None, TicketTiers::Quiet), ticket);
        assert_eq!(apply(1, None, TicketTiers::Quiet), None);
        // A page that is sent as a ticket is none of the ticket tiers.
        assert_eq!(apply(1, ticket, TicketTiers::Burning), ticket);
        assert_eq!(apply(120, None, TicketTiers::Burning), None);
    }

    #[test]
    fn traffic_drop_ends_without_traffic_once_none_is_expected_and_outage_does_not() {
        let evaluate = |is_traffic_drop| {
            let mut state = UrgencyState::default();
            let observed = MinuteEvaluation {
                is_observed: true,
                has_no_traffic: true,
                is_traffic_drop,
                ..MinuteEvaluation::unobserved(Minute(0))
            };
            state.apply(MinuteEvaluation { firing: Some(Urgency::Severe), ..observed }, [15; 3]);
            (0..15).for_each(|_| state.apply(MinuteEvaluation { is_traffic_drop: false, ..observed }, [15; 3]));
            state.urgency()
        };
        assert_eq!([evaluate(true), evaluate(false)], [None, Some(Urgency::Severe)]);
    }

    #[test]
    fn day_without_traffic_ends_incident_and_unknown_day_does_not() {
        let evaluation = |is_observed, has_no_traffic, firing| MinuteEvaluation {
            at: Minute(0),
            is_observed,
            firing,
            short_window_firing: None,
            has_no_traffic,
            is_traffic_drop: false,
            ticket_tiers: TicketTiers::Quiet,
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
