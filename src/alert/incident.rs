//! An incident: what burns, since when, how urgent it was at which minute, who was told, and why it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Phase;
use crate::minute::Minute;
use crate::slo::{SloId, Urgency, lacks_id};

/// What an incident is about, and the minute it began: unique, and the same in whatever run it is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentKey {
    /// What it is about.
    pub subject: Subject,
    /// The evaluation that opened it.
    pub started: Minute,
}

/// What an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One promise.
    Slo(SloId),
    /// Many services of one place: a cause that they share.
    Shared(Place),
    /// A source that nothing new came from.
    Stale(String),
    /// Promises of a team that were judged before and are not any more, because their definitions are faulty.
    Unread(String),
}

/// A place that services share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A load balancer: its name with its id, or with the source where the name alone stands for different ones: see
    /// [`Place::behind`].
    LoadBalancer(String),
    /// A source: an account and a region, as definitions name it.
    Source(String),
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The team that owns what it is about.
    pub team: String,
    /// The service; `slowburn` for what is about the fleet.
    pub service: String,
    /// The class of the service; empty for what is about the fleet.
    pub class: String,
    /// How urgent it is, or was last.
    pub urgency: Urgency,
    /// How urgent it was at most.
    pub peak: Urgency,
    /// When it became how urgent, the opening first.
    pub turns: Vec<(Minute, Urgency)>,
    /// When and why it ended.
    pub ended: Option<(Minute, Why)>,
    /// It was found in minutes that had been evaluated before, when they were still unknown.
    pub late: bool,
    /// Minutes that it was judged by have changed since.
    pub corrected: bool,
    /// Somebody had asked not to be told of it when it would have been.
    pub hushed: bool,
    /// Where its failures came from when somebody was last told, in words: what stood out in the newest logs.
    pub came_from: Option<String>,
    /// The shared cause that it is part of.
    pub part_of: Option<IncidentKey>,
    /// Of a shared cause: the incidents that are part of it.
    pub parts: BTreeSet<IncidentKey>,
    /// How urgent it is to each destination that was told and has not heard the end.
    pub told: BTreeMap<String, Urgency>,
    /// When somebody was last told of it.
    pub told_at: Option<Minute>,
    /// Number of messages that were decided on.
    pub messages: u32,
    /// What was delivered.
    pub sent: Vec<Sent>,
}

/// Why an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number within the incident.
    pub number: u32,
    /// What it did.
    pub phase: Phase,
    /// How urgent it was.
    pub urgency: Urgency,
    /// Where to, as the definition says.
    pub to: String,
    /// The run that delivered it.
    pub at: Minute,
}

impl Place {
    /// The load balancer that requests of a source come through. A name with an id stands for one load balancer. A
    /// Classic one and a name without id are unique within an account and region only, so that the same name in two
    /// sources may be two of them.
    #[must_use]
    pub fn behind(load_balancer: &str, source: &str) -> Self {
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
    pub fn open(owner: &Owner, urgency: Urgency, at: Minute) -> Self {
        Self {
            team: owner.team.clone(),
            service: owner.service.clone(),
            class: owner.class.clone(),
            urgency,
            peak: urgency,
            turns: vec![(at, urgency)],
            ended: None,
            late: false,
            corrected: false,
            hushed: false,
            came_from: None,
            part_of: None,
            parts: BTreeSet::new(),
            told: BTreeMap::new(),
            told_at: None,
            messages: 0,
            sent: Vec::new(),
        }
    }

    /// Goes on with an incident that ended, as `new` says. What was sent of it stays, and its messages are counted on:
    /// receivers take a message of the same incident and number for a copy.
    #[must_use]
    pub(super) fn reopened(self, new: Self) -> Self {
        let mut turns = self.turns;
        for (at, urgency) in new.turns {
            match turns.last().copied() {
                Some((_, last)) if last == urgency => {}
                Some((turned, _)) => turns.push((at.max(turned), urgency)),
                None => turns.push((at, urgency)),
            }
        }
        Self {
            turns,
            peak: self.peak.max(new.peak),
            late: self.late,
            corrected: self.corrected,
            hushed: self.hushed,
            came_from: self.came_from,
            part_of: self.part_of,
            parts: self.parts,
            told: self.told,
            told_at: self.told_at,
            messages: self.messages,
            sent: self.sent,
            ..new
        }
    }

    /// Notes how urgent it has become.
    pub fn turn(&mut self, urgency: Urgency, at: Minute) {
        if self.urgency != urgency {
            self.urgency = urgency;
            self.peak = self.peak.max(urgency);
            self.turns.push((at, urgency));
        }
    }

    /// How urgent it was in what a destination got last.
    #[must_use]
    pub fn last_sent(&self, to: &str) -> Option<Urgency> {
        self.sent.iter().filter(|sent| sent.to == to).max_by_key(|sent| sent.number).map(|sent| sent.urgency)
    }

    /// When it last began to page.
    #[must_use]
    pub fn paged(&self) -> Option<Minute> {
        let pages = |place: usize| self.turns.get(place).is_some_and(|(_, urgency)| *urgency >= Urgency::Page);
        let rises = |place: &usize| pages(*place) && (*place == 0 || !pages(place - 1));
        let place = (0..self.turns.len()).rfind(rises)?;
        self.turns.get(place).map(|(at, _)| *at)
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoadBalancer(name) => write!(f, "load balancer {name}"),
            Self::Source(name) => write!(f, "source {name}"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slo(id) => id.fmt(f),
            Self::Shared(place) => place.fmt(f),
            Self::Stale(source) => write!(f, "stale source {source}"),
            Self::Unread(team) => write!(f, "invalid definitions of {team}"),
        }
    }
}

impl fmt::Display for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.subject, self.started)
    }
}

impl Why {
    /// The word that stands for it in files.
    #[must_use]
    pub const fn word(self) -> &'static str {
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
    pub const fn text(self) -> &'static str {
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
    fn a_name_that_may_be_that_of_another_load_balancer_is_one_of_its_source() {
        for (names, expected) in [
            ("app/mart/50dc6c495c0c9188", "load balancer app/mart/50dc6c495c0c9188"),
            ("app/mart/0a net/mart/0b", "load balancer app/mart/0a net/mart/0b"),
            ("classic/mart", "load balancer classic/mart of source east"),
            ("app/mart", "load balancer app/mart of source east"),
            ("app/mart/0a classic/mart", "load balancer app/mart/0a classic/mart of source east"),
            ("{service=mart}", "load balancer {service=mart} of source east"),
        ] {
            assert_eq!(Place::behind(names, "east").to_string(), expected);
        }
        assert_eq!(Place::behind("app/mart/0a", "east"), Place::behind("app/mart/0a", "west"));
        assert_ne!(Place::behind("classic/mart", "east"), Place::behind("classic/mart", "west"));
    }
}
