//! The alert state that is stored between runs: checkpoints of SLOs, incidents, and the outbox.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EndReason, Incident, IncidentKey, IncidentSubject, OutboxEntry, UrgencyState};
use crate::counts::Sums;
use crate::serialization::records;
use crate::slo::SloId;
use crate::time::{MINUTES_PER_DAY, Minute};

/// Ended incidents are kept for as long as reports look back, and some days.
const RETENTION_MINUTES: i32 = 35 * MINUTES_PER_DAY;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertState {
    pub last_run: Option<Minute>,
    pub checkpoints: BTreeMap<SloId, SloCheckpoint>,
    #[serde(with = "records")]
    pub incidents: BTreeMap<IncidentKey, Incident>,
    /// The oldest first.
    pub outbox: Vec<OutboxEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SloCheckpoint {
    #[serde(rename = "evaluated")]
    pub evaluated_at: Minute,
    /// The sums of the minutes before it that may still open an incident: late data changes them.
    pub recent_counts: Sums,
    #[serde(flatten)]
    pub urgency_state: UrgencyState,
    pub fingerprint: String,
    pub objective: String,
    /// Empty in files of earlier versions.
    #[serde(default)]
    pub team: String,
    /// The objectives of earlier definitions as they were written, each with the time of the first run without it; the
    /// oldest first. Definitions with the same objective may differ otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_objectives: Vec<(Minute, String)>,
}

const PREVIOUS_OBJECTIVES_MAX: usize = 50;

impl SloCheckpoint {
    pub(super) fn record_previous_objective(&mut self, at: Minute) {
        self.previous_objectives.push((at, self.objective.clone()));
        let excess = self.previous_objectives.len().saturating_sub(PREVIOUS_OBJECTIVES_MAX);
        self.previous_objectives.drain(..excess);
    }

    /// Time, objective before and objective after each change; the oldest first.
    pub fn objective_changes(&self) -> impl Iterator<Item = (Minute, &str, &str)> {
        let after = self.previous_objectives.iter().skip(1).map(|(_, next)| next).chain([&self.objective]);
        self.previous_objectives.iter().zip(after).map(|((until, before), after)| (*until, &**before, &**after))
    }
}

impl AlertState {
    pub fn open_incident(&self, subject: &IncidentSubject) -> Option<IncidentKey> {
        self.incidents_of(subject).rfind(|(_, incident)| incident.is_open()).map(|(key, _)| key.clone())
    }

    pub(super) fn open_incident_mut(&mut self, subject: &IncidentSubject) -> Option<&mut Incident> {
        self.open_incident(subject).and_then(|key| self.incidents.get_mut(&key))
    }

    pub(super) fn open_incidents(&self, is_selected: impl Fn(&IncidentSubject) -> bool) -> Vec<IncidentKey> {
        let open = self.incidents.iter().filter(|(key, incident)| incident.is_open() && is_selected(&key.subject));
        open.map(|(key, _)| key.clone()).collect()
    }

    /// The oldest first.
    pub fn incidents_of(
        &self,
        subject: &IncidentSubject,
    ) -> impl DoubleEndedIterator<Item = (&IncidentKey, &Incident)> + use<'_> {
        let key = |started| IncidentKey { subject: subject.clone(), started };
        self.incidents.range(key(Minute(i32::MIN))..=key(Minute(i32::MAX)))
    }

    /// Opens an incident. If there was one with the same key, it continues: its SLO was missing for one run, or a run
    /// evaluated an earlier minute.
    pub(super) fn open_or_reopen(&mut self, key: IncidentKey, new: Incident) {
        let incident = match self.incidents.remove(&key) {
            None => new,
            Some(mut existing) => {
                // The member of a group that has ended notifies for itself again.
                existing.group.take_if(|group| !self.incidents.get(group).is_some_and(Incident::is_open));
                existing.reopened(new)
            }
        };
        self.incidents.insert(key, incident);
    }

    pub(super) fn end_incident(&mut self, subject: &IncidentSubject, at: Minute, reason: EndReason) {
        if let Some(incident) = self.open_incident_mut(subject) {
            let last_change = incident.urgency_changes.last().map_or(at, |(changed_at, _)| *changed_at);
            incident.ended = Some((at.max(last_change), reason));
        }
    }

    pub fn drop_expired_incidents(&mut self, now: Minute) {
        self.incidents.retain(|_, incident| match incident.ended {
            Some((at, _)) => at > now.plus(-RETENTION_MINUTES) || !incident.notified.is_empty(),
            None => true,
        });
    }
}

/// Minutes of a rule for the arithmetic of [`Minute`].
pub(super) fn signed_minutes(minutes: u32) -> i32 {
    i32::try_from(minutes).unwrap_or(i32::MAX)
}
