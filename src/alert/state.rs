//! What is remembered from run to run: how far each SLO was evaluated, its incidents, and what is still to be
//! delivered.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{EndReason, Incident, IncidentKey, IncidentSubject, OutboxEntry, UrgencyState};
use crate::counts::Sums;
use crate::serialization::records;
use crate::slo::SloId;
use crate::time::{MINUTES_PER_DAY, Minute};

/// How long ended incidents stay: as long as reports look back, and some days.
const RETENTION_MINUTES: i32 = 35 * MINUTES_PER_DAY;

/// The memory of all alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertState {
    /// The minute that the newest run was about.
    pub last_run: Option<Minute>,
    /// How far each SLO was evaluated.
    pub checkpoints: BTreeMap<SloId, SloCheckpoint>,
    /// Open incidents, and those that ended in the last weeks.
    #[serde(serialize_with = "records::serialize", deserialize_with = "deserialize_incidents")]
    pub incidents: BTreeMap<IncidentKey, Incident>,
    /// Messages that were decided and not yet delivered, oldest first.
    pub outbox: Vec<OutboxEntry>,
}

/// How far an SLO was evaluated, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SloCheckpoint {
    /// The newest evaluation.
    #[serde(rename = "evaluated")]
    pub evaluated_at: Minute,
    /// What the minutes before it summed up to then, as far back as late data may open an incident.
    pub recent_counts: Sums,
    /// How urgent it is, and for how long still.
    #[serde(flatten)]
    pub urgency_state: UrgencyState,
    /// The promise it was evaluated by, as its hash.
    pub fingerprint: String,
    /// The objective as it was written.
    pub objective: String,
    /// The team that owns it; empty in books of before that was kept.
    #[serde(default)]
    pub team: String,
    /// What was promised before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_objectives: Vec<PreviousObjective>,
}

/// A promise as it was until somebody changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Minute, String)", into = "(Minute, String)")]
pub struct PreviousObjective {
    /// The minute that the first run with the next one was about.
    pub until: Minute,
    /// Its objective as it was written. The next one may have the same, and other requests, windows or tiers.
    pub objective: String,
}

impl From<(Minute, String)> for PreviousObjective {
    fn from((until, objective): (Minute, String)) -> Self {
        Self { until, objective }
    }
}

impl From<PreviousObjective> for (Minute, String) {
    fn from(PreviousObjective { until, objective }: PreviousObjective) -> Self {
        (until, objective)
    }
}

/// How many changes of a promise are remembered.
const PREVIOUS_OBJECTIVES_MAX: usize = 50;

impl SloCheckpoint {
    /// Remembers what was promised until now.
    pub(super) fn record_previous_objective(&mut self, at: Minute) {
        self.previous_objectives.push(PreviousObjective { until: at, objective: self.objective.clone() });
        let excess = self.previous_objectives.len().saturating_sub(PREVIOUS_OBJECTIVES_MAX);
        self.previous_objectives.drain(..excess);
    }

    /// What was promised up to each change, and from it on: when, before, after; oldest first.
    pub fn objective_changes(&self) -> impl Iterator<Item = (Minute, &str, &str)> {
        let after = self.previous_objectives.iter().skip(1).map(|next| &next.objective).chain([&self.objective]);
        self.previous_objectives
            .iter()
            .zip(after)
            .map(|(before, after)| (before.until, before.objective.as_str(), after.as_str()))
    }
}

impl AlertState {
    /// The open incident of a subject.
    #[must_use]
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

    /// The incidents of a subject, oldest first.
    #[must_use]
    pub fn incidents_of(
        &self,
        subject: &IncidentSubject,
    ) -> impl DoubleEndedIterator<Item = (&IncidentKey, &Incident)> + use<'_> {
        let key = |started| IncidentKey { subject: subject.clone(), started };
        self.incidents.range(key(Minute(i32::MIN))..=key(Minute(i32::MAX)))
    }

    /// Opens an incident. One of the same key may have been held before: the promise was gone for one run, or a run
    /// looked at an earlier minute. Then it goes on.
    pub(super) fn open_or_reopen(&mut self, key: IncidentKey, new: Incident) {
        let incident = match self.incidents.remove(&key) {
            None => new,
            Some(mut existing) => {
                // What was part of a cause that is over speaks for itself again.
                existing.group.take_if(|group| !self.incidents.get(group).is_some_and(Incident::is_open));
                existing.reopened(new)
            }
        };
        self.incidents.insert(key, incident);
    }

    /// Ends the open incident of a subject, if there is one.
    pub(super) fn end_incident(&mut self, subject: &IncidentSubject, at: Minute, reason: EndReason) {
        if let Some(incident) = self.open_incident_mut(subject) {
            let last_change = incident.urgency_changes.last().map_or(at, |(changed_at, _)| *changed_at);
            incident.ended = Some((at.max(last_change), reason));
        }
    }

    /// Forgets incidents that ended long ago.
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

/// Reads incidents, of which only the changes of urgency are stored.
fn deserialize_incidents<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<IncidentKey, Incident>, D::Error> {
    let mut incidents: BTreeMap<IncidentKey, Incident> = records::deserialize(deserializer)?;
    for incident in incidents.values_mut() {
        let urgencies = incident.urgency_changes.iter().map(|(_, urgency)| *urgency);
        incident.urgency = urgencies.clone().next_back().unwrap_or_default();
        incident.peak = urgencies.max().unwrap_or_default();
    }
    Ok(incidents)
}
