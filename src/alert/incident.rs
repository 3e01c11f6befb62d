//! An incident: its subject, its urgency over time, who was notified, and why it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::NotificationKind;
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

/// What an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentSubject {
    Slo(SloId),
    /// A group of services behind one load balancer: its name with its id, or with the source where the name alone is
    /// ambiguous: see [`IncidentSubject::for_load_balancer`].
    SharedLoadBalancer(String),
    /// A group of services of one source: an account and a region, by their name in the definitions.
    SharedSource(String),
    /// A source without new minutes.
    StaleSource(String),
    /// SLOs of a team that cannot be evaluated any more, because their definitions are invalid.
    InvalidDefinitions(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub team: String,
    /// `slowburn` if the subject is the fleet.
    pub service: String,
    /// The class of the service; empty if the subject is the fleet.
    pub class: String,
    /// The opening first; never empty.
    pub urgency_changes: Vec<(Minute, Urgency)>,
    pub ended: Option<(Minute, EndReason)>,
    /// Whether it was found in minutes that were unknown when they were first evaluated.
    #[serde(default, rename = "late", skip_serializing_if = "is_default")]
    pub is_late: bool,
    /// Whether minutes that opened or changed it have changed since.
    #[serde(default, rename = "corrected", skip_serializing_if = "is_default")]
    pub is_reevaluated: bool,
    /// Whether a silence suppressed a notification.
    #[serde(default, rename = "silenced", skip_serializing_if = "is_default")]
    pub is_silenced: bool,
    /// What stood out in the newest logs at the last notification, as text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub contributors: Option<String>,
    /// The group that it is a member of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub group: Option<IncidentKey>,
    /// Of a group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub members: BTreeSet<IncidentKey>,
    /// The urgency of the last notification by destination, until the incident is reported as resolved there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notified: BTreeMap<String, Urgency>,
    pub last_notified: Option<Minute>,
    /// Notifications that were planned.
    #[serde(rename = "notifications")]
    pub notification_count: u32,
    #[serde(rename = "delivered")]
    pub deliveries: Vec<Delivery>,
}

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

/// A delivered notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub number: u32,
    pub kind: NotificationKind,
    pub urgency: Urgency,
    /// As the definition says.
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

    pub(super) const fn is_group(&self) -> bool {
        matches!(self, Self::SharedLoadBalancer(_) | Self::SharedSource(_))
    }
}

impl Incident {
    pub fn new(owner: &Owner, urgency: Urgency, at: Minute) -> Self {
        Self {
            team: owner.team.clone(),
            service: owner.service.clone(),
            class: owner.class.clone(),
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

    /// Continues an incident that ended as `new`. Its deliveries are kept, and its notifications are numbered on:
    /// receivers treat a notification with the same key and number as a duplicate.
    pub(super) fn reopened(self, new: Self) -> Self {
        let mut urgency_changes = self.urgency_changes;
        for (at, urgency) in new.urgency_changes {
            match urgency_changes.last().copied() {
                Some((_, last)) if last == urgency => {}
                Some((turned, _)) => urgency_changes.push((at.max(turned), urgency)),
                None => urgency_changes.push((at, urgency)),
            }
        }
        Self { team: new.team, service: new.service, class: new.class, urgency_changes, ended: new.ended, ..self }
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

    /// The highest urgency.
    pub fn peak(&self) -> Urgency {
        self.urgency_changes.iter().map(|(_, urgency)| *urgency).max().unwrap_or(Urgency::Ticket)
    }

    /// The urgency of the newest notification that a destination has received.
    pub fn last_delivered_urgency(&self, destination: &str) -> Option<Urgency> {
        self.deliveries
            .iter()
            .filter(|delivery| delivery.destination == destination)
            .max_by_key(|delivery| delivery.number)
            .map(|delivery| delivery.urgency)
    }

    /// The start of its last page.
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

    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub team: String,
    pub service: String,
    /// The class of the service.
    pub class: String,
}

impl Owner {
    /// The owner of what concerns the whole fleet.
    pub fn fleet(team: &str) -> Self {
        Self { team: team.to_owned(), service: "slowburn".to_owned(), class: String::new() }
    }
}

impl fmt::Display for IncidentSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slo(id) => id.fmt(f),
            Self::SharedLoadBalancer(name) => write!(f, "load balancer {name}"),
            Self::SharedSource(name) => write!(f, "source {name}"),
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
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NoTraffic => "no_traffic",
            Self::SloChanged => "slo_changed",
            Self::SloRemoved => "slo_removed",
            Self::OwnerChanged => "owner_changed",
        }
    }

    /// For reports: `no traffic for a day`.
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
