//! An incident: its subject, its urgency over time, who was notified, and why it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NotificationKind, Owner};
use crate::serialization::is_default;
use crate::slo::{SloId, Urgency, lacks_id};
use crate::time::Minute;

/// Unique, and the same in whichever run the incident is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentKey {
    #[serde(flatten)]
    pub subject: IncidentSubject,
    /// The evaluation that opened it.
    pub started: Minute,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentSubject {
    Slo(SloId),
    /// A group of services behind one load balancer: its name with its id, or with the source where the name alone is
    /// ambiguous: see [`IncidentSubject::for_load_balancer`].
    SharedLoadBalancer(String),
    /// A group of services of one source: an account and a region, by their name in the definitions.
    SharedSource(String),
    StaleSource(String),
    /// What SLOs of a team read, and the team: it has no events although some are expected.
    MissingTraffic(String),
    /// SLOs of a team that cannot be evaluated any more, because their definitions are invalid.
    InvalidDefinitions(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    #[serde(flatten)]
    pub owner: Owner,
    /// The opening first; never empty.
    pub urgency_changes: Vec<(Minute, Urgency)>,
    pub ended: Option<(Minute, EndReason)>,
    /// Whether it was found in minutes that were unknown when they were first evaluated.
    #[serde(default, rename = "late", skip_serializing_if = "is_default")]
    pub is_late: bool,
    /// Whether minutes that opened or changed it have changed since.
    #[serde(default, rename = "corrected", skip_serializing_if = "is_default")]
    pub is_reevaluated: bool,
    #[serde(default, rename = "silenced", skip_serializing_if = "is_default")]
    pub is_silenced: bool,
    /// What stood out in the newest logs at the last notification, as text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub contributors: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub group: Option<IncidentKey>,
    /// Its name differs from that of the subject beside it.
    #[serde(default, rename = "missing", skip_serializing_if = "is_default")]
    pub missing_traffic: Option<MissingTraffic>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub members: BTreeSet<IncidentKey>,
    /// The incident of the same service that leads its thread, which notifies for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub thread: Option<IncidentKey>,
    /// The highest urgency that each destination was notified of, until the incident is resolved there. It is a ticket
    /// again once the incident stops being a page.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notified: BTreeMap<String, Urgency>,
    pub last_notified: Option<Minute>,
    #[serde(rename = "notifications")]
    pub notification_count: u32,
    #[serde(rename = "delivered")]
    pub deliveries: Vec<Delivery>,
}

/// What has no traffic: see [`IncidentSubject::MissingTraffic`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingTraffic {
    /// The last event before it.
    pub last_event: Minute,
    pub slos: BTreeSet<SloId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// No tier fired for long enough.
    Recovered,
    NoTraffic,
    /// The SLO was changed: what it was evaluated by no longer applies.
    SloChanged,
    SloRemoved,
    OwnerChanged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub number: u32,
    pub kind: NotificationKind,
    pub urgency: Urgency,
    pub destination: String,
    /// The time of the run that delivered it.
    pub at: Minute,
}

impl IncidentSubject {
    /// The group of the load balancer that requests of a source come through. A name with an id is unique. The name of
    /// a Classic Load Balancer and a name without an id are unique within an account and region only, so that the same
    /// name in two sources may mean two load balancers.
    pub fn for_load_balancer(load_balancer: &str, source: &str) -> Self {
        let is_ambiguous = |name: &str| name.starts_with("classic/") || lacks_id(name);
        Self::SharedLoadBalancer(if load_balancer.split(' ').any(is_ambiguous) {
            format!("{load_balancer} of source {source}")
        } else {
            load_balancer.to_owned()
        })
    }

    pub const fn is_group(&self) -> bool {
        matches!(self, Self::SharedLoadBalancer(_) | Self::SharedSource(_))
    }
}

impl Incident {
    pub fn new(owner: Owner, urgency: Urgency, at: Minute) -> Self {
        Self { owner, urgency_changes: vec![(at, urgency)], ..Self::default() }
    }

    /// Continues an incident that ended as `new`. Its deliveries are kept, and its notifications are numbered on:
    /// receivers treat a notification with the same key and number as a duplicate.
    pub(super) fn reopened(self, new: Self) -> Self {
        let mut urgency_changes = self.urgency_changes;
        for (at, urgency) in new.urgency_changes {
            let last = urgency_changes.last().copied();
            if last.is_none_or(|(_, last)| last != urgency) {
                urgency_changes.push((last.map_or(at, |(changed_at, _)| changed_at.max(at)), urgency));
            }
        }
        Self { owner: new.owner, urgency_changes, ended: new.ended, ..self }
    }

    pub fn change_urgency(&mut self, urgency: Urgency, at: Minute) {
        if self.urgency() != urgency {
            self.urgency_changes.push((at, urgency));
        }
    }

    /// The present or last urgency.
    pub fn urgency(&self) -> Urgency {
        self.urgency_changes.last().map_or(Urgency::Ticket, |(_, urgency)| *urgency)
    }

    pub fn peak(&self) -> Urgency {
        self.urgency_changes.iter().map(|(_, urgency)| *urgency).max().unwrap_or(Urgency::Ticket)
    }

    /// The start of its last page.
    pub fn last_paged_at(&self) -> Option<Minute> {
        let newest_first = self.urgency_changes.iter().rev();
        let last_page = newest_first
            .skip_while(|(_, urgency)| *urgency < Urgency::Page)
            .take_while(|(_, urgency)| *urgency >= Urgency::Page);
        last_page.last().map(|(at, _)| *at)
    }

    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }
}

impl fmt::Display for IncidentSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slo(id) => id.fmt(f),
            Self::SharedLoadBalancer(name) => write!(f, "load balancer {name}"),
            Self::SharedSource(name) => write!(f, "source {name}"),
            Self::StaleSource(source) => write!(f, "stale source {source}"),
            Self::MissingTraffic(scope) => write!(f, "missing traffic of {scope}"),
            Self::InvalidDefinitions(team) => write!(f, "invalid definitions of {team}"),
        }
    }
}

impl fmt::Display for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.subject, self.started)
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
            assert_eq!(IncidentSubject::for_load_balancer(names, "east").to_string(), expected);
        }
        assert_eq!(
            IncidentSubject::for_load_balancer("app/mart/0a", "east"),
            IncidentSubject::for_load_balancer("app/mart/0a", "west")
        );
        assert_ne!(
            IncidentSubject::for_load_balancer("classic/mart", "east"),
            IncidentSubject::for_load_balancer("classic/mart", "west")
        );
    }
}
