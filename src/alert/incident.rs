//! An incident: what burns, since when, how urgent it was at which minute, who was told, and why it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::NotificationKind;
use crate::serialization::is_default;
use crate::slo::{SloId, Urgency, lacks_id};
use crate::time::Minute;

/// What an incident is about, and the minute it began: unique, and the same in whatever run it is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentKey {
    /// What it is about.
    #[serde(flatten)]
    pub subject: IncidentSubject,
    /// The evaluation that opened it.
    pub started: Minute,
}

/// What an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "SubjectRecord", into = "SubjectRecord")]
pub enum IncidentSubject {
    /// One promise.
    Slo(SloId),
    /// Many services of one place: a cause that they share.
    Group(SharedScope),
    /// A source that nothing new came from.
    StaleSource(String),
    /// Promises of a team that were judged before and are not any more, because their definitions are faulty.
    InvalidDefinitions(String),
}

/// A subject as it is stored: a group says what its services share.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubjectRecord {
    Slo(SloId),
    SharedLoadBalancer(String),
    SharedSource(String),
    StaleSource(String),
    InvalidDefinitions(String),
}

impl From<IncidentSubject> for SubjectRecord {
    fn from(subject: IncidentSubject) -> Self {
        match subject {
            IncidentSubject::Slo(slo) => Self::Slo(slo),
            IncidentSubject::Group(SharedScope::LoadBalancer(name)) => Self::SharedLoadBalancer(name),
            IncidentSubject::Group(SharedScope::Source(name)) => Self::SharedSource(name),
            IncidentSubject::StaleSource(name) => Self::StaleSource(name),
            IncidentSubject::InvalidDefinitions(team) => Self::InvalidDefinitions(team),
        }
    }
}

impl From<SubjectRecord> for IncidentSubject {
    fn from(record: SubjectRecord) -> Self {
        match record {
            SubjectRecord::Slo(slo) => Self::Slo(slo),
            SubjectRecord::SharedLoadBalancer(name) => Self::Group(SharedScope::LoadBalancer(name)),
            SubjectRecord::SharedSource(name) => Self::Group(SharedScope::Source(name)),
            SubjectRecord::StaleSource(name) => Self::StaleSource(name),
            SubjectRecord::InvalidDefinitions(team) => Self::InvalidDefinitions(team),
        }
    }
}

/// A place that services share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SharedScope {
    /// A load balancer: its name with its id, or with the source where the name alone stands for different ones: see
    /// [`Place::behind`].
    LoadBalancer(String),
    /// A source: an account and a region, as definitions name it.
    Source(String),
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The team that owns what it is about.
    pub team: String,
    /// The service; `slowburn` for what is about the fleet.
    pub service: String,
    /// The class of the service; empty for what is about the fleet.
    pub class: String,
    /// How urgent it is, or was last.
    #[serde(skip)]
    pub urgency: Urgency,
    /// How urgent it was at most.
    #[serde(skip)]
    pub peak: Urgency,
    /// When it became how urgent, the opening first.
    pub urgency_changes: Vec<(Minute, Urgency)>,
    /// When and why it ended.
    pub ended: Option<(Minute, EndReason)>,
    /// It was found in minutes that had been evaluated before, when they were still unknown.
    #[serde(default, rename = "late", skip_serializing_if = "is_default")]
    pub is_late: bool,
    /// Minutes that it was judged by have changed since.
    #[serde(default, rename = "corrected", skip_serializing_if = "is_default")]
    pub is_reevaluated: bool,
    /// Somebody had asked not to be told of it when it would have been.
    #[serde(default, rename = "silenced", skip_serializing_if = "is_default")]
    pub is_silenced: bool,
    /// Where its failures came from when somebody was last told, in words: what stood out in the newest logs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub contributors: Option<String>,
    /// The shared cause that it is part of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub group: Option<IncidentKey>,
    /// Of a shared cause: the incidents that are part of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub members: BTreeSet<IncidentKey>,
    /// How urgent it is to each destination that was told and has not heard the end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notified: BTreeMap<String, Urgency>,
    /// When somebody was last told of it.
    pub last_notified: Option<Minute>,
    /// Number of messages that were decided on.
    #[serde(rename = "notifications")]
    pub notification_count: u32,
    /// What was delivered.
    #[serde(rename = "delivered")]
    pub deliveries: Vec<Delivery>,
}

/// Why an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// No tier fired for long enough.
    Recovered,
    /// There was no event for a day.
    NoTraffic,
    /// The SLO was changed: what it was evaluated by no longer applies.
    SloChanged,
    /// The SLO was removed.
    SloRemoved,
    /// Another team owns the service now.
    OwnerChanged,
}

/// A message that was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its number within the incident.
    pub number: u32,
    /// What it did.
    pub kind: NotificationKind,
    /// How urgent it was.
    pub urgency: Urgency,
    /// Where to, as the definition says.
    pub destination: String,
    /// The run that delivered it.
    pub at: Minute,
}

impl SharedScope {
    /// The load balancer that requests of a source come through. A name with an id stands for one load balancer. A
    /// Classic one and a name without id are unique within an account and region only, so that the same name in two
    /// sources may be two of them.
    #[must_use]
    pub fn for_load_balancer(load_balancer: &str, source: &str) -> Self {
        let is_ambiguous = |name: &str| name.starts_with("classic/") || lacks_id(name);
        Self::LoadBalancer(if load_balancer.split(' ').any(is_ambiguous) {
            format!("{load_balancer} of source {source}")
        } else {
            load_balancer.to_owned()
        })
    }
}

impl Incident {
    /// Opens an incident of a subject that belongs to somebody.
    #[must_use]
    pub fn new(owner: &Owner, urgency: Urgency, at: Minute) -> Self {
        Self {
            team: owner.team.clone(),
            service: owner.service.clone(),
            class: owner.class.clone(),
            urgency,
            peak: urgency,
            urgency_changes: vec![(at, urgency)],
            ended: None,
            is_late: false,
            is_reevaluated: false,
            is_silenced: false,
            contributors: None,
            group: None,
            members: BTreeSet::new(),
            notified: BTreeMap::new(),
            last_notified: None,
            notification_count: 0,
            deliveries: Vec::new(),
        }
    }

    /// Goes on with an incident that ended, as `new` says. What was sent of it stays, and its messages are counted on:
    /// receivers take a message of the same incident and number for a copy.
    #[must_use]
    pub(super) fn reopened(self, new: Self) -> Self {
        let mut urgency_changes = self.urgency_changes;
        for (at, urgency) in new.urgency_changes {
            match urgency_changes.last().copied() {
                Some((_, last)) if last == urgency => {}
                Some((turned, _)) => urgency_changes.push((at.max(turned), urgency)),
                None => urgency_changes.push((at, urgency)),
            }
        }
        Self {
            team: new.team,
            service: new.service,
            class: new.class,
            urgency: new.urgency,
            peak: self.peak.max(new.peak),
            urgency_changes,
            ended: new.ended,
            ..self
        }
    }

    /// Notes how urgent it has become.
    pub fn change_urgency(&mut self, urgency: Urgency, at: Minute) {
        if self.urgency != urgency {
            self.urgency = urgency;
            self.peak = self.peak.max(urgency);
            self.urgency_changes.push((at, urgency));
        }
    }

    /// How urgent it was in what a destination got last.
    #[must_use]
    pub fn last_delivered_urgency(&self, destination: &str) -> Option<Urgency> {
        self.deliveries
            .iter()
            .filter(|delivery| delivery.destination == destination)
            .max_by_key(|delivery| delivery.number)
            .map(|delivery| delivery.urgency)
    }

    /// When it last began to page.
    #[must_use]
    pub fn last_paged_at(&self) -> Option<Minute> {
        let (mut paged_at, mut was_page) = (None, false);
        for (at, urgency) in &self.urgency_changes {
            let is_page = *urgency >= Urgency::Page;
            if is_page && !was_page {
                paged_at = Some(*at);
            }
            was_page = is_page;
        }
        paged_at
    }

    /// Whether it goes on.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }
}

/// Whom something belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The team.
    pub team: String,
    /// The service.
    pub service: String,
    /// Its class.
    pub class: String,
}

impl Owner {
    /// The owner of what concerns the whole fleet.
    #[must_use]
    pub fn fleet(team: &str) -> Self {
        Self { team: team.to_owned(), service: "slowburn".to_owned(), class: String::new() }
    }
}

impl fmt::Display for SharedScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoadBalancer(name) => write!(f, "load balancer {name}"),
            Self::Source(name) => write!(f, "source {name}"),
        }
    }
}

impl fmt::Display for IncidentSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slo(id) => id.fmt(f),
            Self::Group(scope) => scope.fmt(f),
            Self::StaleSource(source) => write!(f, "stale source {source}"),
            Self::InvalidDefinitions(team) => write!(f, "invalid definitions of {team}"),
        }
    }
}

impl fmt::Display for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.subject, self.started)
    }
}

impl EndReason {
    /// The word that stands for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NoTraffic => "no_traffic",
            Self::SloChanged => "slo_changed",
            Self::SloRemoved => "slo_removed",
            Self::OwnerChanged => "owner_changed",
        }
    }

    /// The reason for people: `recovered`, `no traffic for a day`.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NoTraffic => "no traffic for a day",
            Self::SloChanged => "the SLO was changed",
            Self::SloRemoved => "the SLO was removed",
            Self::OwnerChanged => "the service has a new owner",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_load_balancer_name_is_scoped_to_its_source() {
        for (names, expected) in [
            ("app/mart/50dc6c495c0c9188", "load balancer app/mart/50dc6c495c0c9188"),
            ("app/mart/0a net/mart/0b", "load balancer app/mart/0a net/mart/0b"),
            ("classic/mart", "load balancer classic/mart of source east"),
            ("app/mart", "load balancer app/mart of source east"),
            ("app/mart/0a classic/mart", "load balancer app/mart/0a classic/mart of source east"),
            ("{service=mart}", "load balancer {service=mart} of source east"),
        ] {
            assert_eq!(SharedScope::for_load_balancer(names, "east").to_string(), expected);
        }
        assert_eq!(
            SharedScope::for_load_balancer("app/mart/0a", "east"),
            SharedScope::for_load_balancer("app/mart/0a", "west")
        );
        assert_ne!(
            SharedScope::for_load_balancer("classic/mart", "east"),
            SharedScope::for_load_balancer("classic/mart", "west")
        );
    }
}
