//! Incidents as pages tell them: since when and until when, how urgent, and who was told what.

use std::cmp::Reverse;

use serde::Serialize;

use super::when::{When, lasted};
use super::{Site, names};
use crate::alert::{Incident, IncidentKey, Phase, Sent, Subject, Why};
use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::slo::{SloId, Urgency};
use crate::visible::visible;

/// How far back the incidents of a team are told.
pub(super) const BACK_MINUTES: i32 = 30 * MINUTES_PER_DAY;

/// Messages of one incident that are told one by one.
const TOLD_MAX: usize = 12;

/// An incident.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Told {
    about: String,
    /// The page that says more, if there is one.
    href: Option<String>,
    urgency: String,
    since: When,
    until: Option<When>,
    lasted: String,
    /// Where its failures came from, if that is known.
    came_from: Option<String>,
    /// What else there is to know of it.
    notes: Vec<String>,
    /// What was told when, to whom.
    sayings: Vec<Line>,
    /// Messages that are left out.
    more: usize,
}

/// What was told at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Saying {
    at: Minute,
    phase: Phase,
    urgency: Urgency,
    to: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Line {
    at: When,
    text: String,
}

impl Site<'_> {
    pub(super) fn open_incidents(&self, service: &str) -> usize {
        let is_of = |(key, one): &(&IncidentKey, &Incident)| {
            one.is_open() && one.service == service && matches!(key.subject, Subject::Slo(_))
        };
        self.facts.book.incidents.iter().filter(is_of).count()
    }

    /// Incidents that were open in a span: those that go on first, then the newest.
    pub(super) fn incidents(&self, within: Span, wanted: impl Fn(&IncidentKey, &Incident) -> bool) -> Vec<Told> {
        let is_inside = |key: &IncidentKey, one: &Incident| {
            key.started < within.end && one.ended.is_none_or(|(ended, _)| ended > within.start)
        };
        let mut found: Vec<(&IncidentKey, &Incident)> =
            self.facts.book.incidents.iter().filter(|(key, one)| is_inside(key, one) && wanted(key, one)).collect();
        found.sort_by_key(|(key, one)| {
            let urgency = one.is_open().then_some(one.urgency);
            (Reverse(urgency), Reverse(key.started), (*key).clone())
        });
        found.into_iter().map(|(key, one)| self.told(key, one)).collect()
    }

    /// The incidents of a promise as bands of a picture.
    pub(super) fn bands(&self, id: &SloId, within: Span) -> Vec<(Span, Urgency)> {
        let mut bands = Vec::new();
        for (key, one) in self.facts.book.of(&Subject::Slo(id.clone())) {
            let end = one.ended.map_or(within.end, |(ended, _)| ended);
            for (place, (from, urgency)) in one.turns.iter().enumerate() {
                let until = one.turns.get(place + 1).map_or(end, |(next, _)| *next);
                bands.push((Span::new((*from).max(key.started), until), *urgency));
            }
        }
        bands.retain(|(span, _)| !span.intersect(within).is_empty());
        bands
    }

    fn told(&self, key: &IncidentKey, one: &Incident) -> Told {
        let end = one.ended.map_or(self.facts.status.at, |(ended, _)| ended);
        let service = self.facts.catalog.services.iter().find(|service| service.name == one.service);
        let lines = sayings(&one.sent);
        Told {
            about: key.subject.to_string(),
            href: service.map(|service| names::of_service(&service.team, &service.name)),
            urgency: one.peak.to_string(),
            since: When::of(key.started),
            until: one.ended.map(|(ended, _)| When::of(ended)),
            lasted: lasted(Span::new(key.started, end).minutes()),
            came_from: one.came_from.as_deref().map(visible),
            notes: notes(one),
            more: lines.len().saturating_sub(TOLD_MAX),
            sayings: lines.iter().take(TOLD_MAX).map(|saying| self.line_of(&one.team, saying)).collect(),
        }
    }

    fn line_of(&self, team: &str, saying: &Saying) -> Line {
        let what = match saying.phase {
            Phase::Opened => format!("opened ({})", saying.urgency),
            Phase::Changed => format!("changed to {}", saying.urgency),
            Phase::Reminder => format!("reminder ({})", saying.urgency),
            Phase::Resolved => "resolved".to_owned(),
            Phase::Note | Phase::Test => "note".to_owned(),
        };
        let destinations = saying.to.iter().map(|to| self.facts.catalog.describe_destination(team, to));
        let destinations: Vec<String> = destinations.collect();
        Line { at: When::of(saying.at), text: format!("{what}: {}", destinations.join("; ")) }
    }
}

/// The notifications of an incident; those of one time and kind are one entry with all their destinations.
fn sayings(sent: &[Sent]) -> Vec<Saying> {
    let mut found: Vec<Saying> = Vec::new();
    for one in sent {
        let same = |other: &&mut Saying| (other.at, other.phase, other.urgency) == (one.at, one.phase, one.urgency);
        match found.iter_mut().find(same) {
            Some(saying) => saying.to.push(one.to.clone()),
            None => {
                found.push(Saying { at: one.at, phase: one.phase, urgency: one.urgency, to: vec![one.to.clone()] });
            }
        }
    }
    found.sort_by_key(|saying| saying.at);
    found
}

fn notes(one: &Incident) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    notes.extend(one.ended.and_then(|(_, why)| match why {
        Why::Recovered => None,
        Why::NoTraffic => Some("ended after a day without traffic".to_owned()),
        Why::SloChanged => Some("ended because the SLO was changed".to_owned()),
        Why::SloRemoved => Some("ended because the SLO was removed".to_owned()),
        Why::OwnerChanged => Some("ended because the service has a new owner".to_owned()),
    }));
    notes.extend(one.late.then(|| "detected late".to_owned()));
    notes.extend(one.corrected.then(|| "its data has changed since".to_owned()));
    notes.extend(one.hushed.then(|| "silenced".to_owned()));
    notes.extend(one.part_of.as_ref().map(|group| format!("part of {}", group.subject)));
    notes
}
