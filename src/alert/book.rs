//! What is remembered from run to run: how far each SLO was evaluated, its incidents, and what is still to be
//! delivered.

use std::collections::BTreeMap;

use super::{Course, Entry, Incident, IncidentKey, Subject};
use crate::counts::Sums;
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::slo::SloId;

/// How long ended incidents stay: as long as reports look back, and some days.
const KEPT_MINUTES: i32 = 35 * MINUTES_PER_DAY;

/// The memory of all alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertBook {
    /// The minute that the newest run was about.
    pub ran: Option<Minute>,
    /// How far each SLO was evaluated.
    pub watches: BTreeMap<SloId, Watch>,
    /// Open incidents, and those that ended in the last weeks.
    pub incidents: BTreeMap<IncidentKey, Incident>,
    /// Messages that were decided and not yet delivered, oldest first.
    pub outbox: Vec<Entry>,
}

/// How far an SLO was evaluated, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The newest evaluation.
    pub evaluated: Minute,
    /// What the minutes before it summed up to then, as far back as late data may open an incident.
    pub seen: Sums,
    /// How urgent it is, and for how long still.
    pub course: Course,
    /// The promise it was evaluated by, as its hash.
    pub promise: String,
    /// The objective as it was written.
    pub objective: String,
    /// The team that owns it; empty in books of before that was kept.
    pub team: String,
    /// What was promised before, oldest first.
    pub earlier: Vec<Earlier>,
}

/// A promise as it was until somebody changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The minute that the first run with the next one was about.
    pub until: Minute,
    /// Its objective as it was written. The next one may have the same, and other requests, windows or tiers.
    pub objective: String,
}

/// How many changes of a promise are remembered.
const EARLIER_MAX: usize = 50;

impl Watch {
    /// Remembers what was promised until now.
    pub(super) fn supersede(&mut self, at: Minute) {
        self.earlier.push(Earlier { until: at, objective: self.objective.clone() });
        let old = self.earlier.len().saturating_sub(EARLIER_MAX);
        self.earlier.drain(..old);
    }

    /// What was promised up to each change, and from it on: when, before, after; oldest first.
    pub fn changes(&self) -> impl Iterator<Item = (Minute, &str, &str)> {
        let after = self.earlier.iter().skip(1).map(|next| &next.objective).chain([&self.objective]);
        self.earlier.iter().zip(after).map(|(before, after)| (before.until, before.objective.as_str(), after.as_str()))
    }
}

impl AlertBook {
    /// The open incident of a subject.
    #[must_use]
    pub fn open(&self, subject: &Subject) -> Option<IncidentKey> {
        let all = self.of(subject).filter(|(_, incident)| incident.is_open());
        all.map(|(key, _)| key.clone()).next_back()
    }

    /// The incidents of a subject, oldest first.
    #[must_use]
    pub fn of(&self, subject: &Subject) -> impl DoubleEndedIterator<Item = (&IncidentKey, &Incident)> + use<'_> {
        let key = |started| IncidentKey { subject: subject.clone(), started };
        self.incidents.range(key(Minute(i32::MIN))..=key(Minute(i32::MAX)))
    }

    /// Opens an incident. One of the same key may have been held before: the promise was gone for one run, or a run
    /// looked at an earlier minute. Then it goes on.
    pub(super) fn begin(&mut self, key: IncidentKey, new: Incident) {
        let incident = match self.incidents.remove(&key) {
            None => new,
            Some(mut held) => {
                // What was part of a cause that is over speaks for itself again.
                held.part_of.take_if(|cause| !self.incidents.get(cause).is_some_and(Incident::is_open));
                held.reopened(new)
            }
        };
        self.incidents.insert(key, incident);
    }

    /// Forgets incidents that ended long ago.
    pub fn forget(&mut self, now: Minute) {
        self.incidents.retain(|_, incident| match incident.ended {
            Some((at, _)) => at > now.plus(-KEPT_MINUTES) || !incident.told.is_empty(),
            None => true,
        });
    }
}
