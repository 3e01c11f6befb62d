//! Incidents as pages tell them: since when and until when, how urgent, and who was told what.

use std::cmp::Reverse;

use serde::Serialize;

use super::time::{TimeText, format_duration_abbreviated};
use super::{Site, paths};
use crate::alert::{Delivery, EndReason, Incident, IncidentKey, IncidentSubject, NotificationKind};
use crate::slo::{SloId, Urgency};
use crate::text::escape_non_printing;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// How far back the incidents of a team are told.
pub(super) const INCIDENT_HISTORY_MINUTES: i32 = 30 * MINUTES_PER_DAY;

/// Messages of one incident that are told one by one.
const MAX_DELIVERY_LINES: usize = 12;

/// An incident.
#[derive(Clone, Debug, Serialize)]
pub(super) struct IncidentRow {
    about: String,
    /// The page that says more, if there is one.
    href: Option<String>,
    urgency: String,
    since: TimeText,
    until: Option<TimeText>,
    lasted: String,
    /// Where its failures came from, if that is known.
    came_from: Option<String>,
    /// What else there is to know of it.
    notes: Vec<String>,
    /// What was told when, to whom.
    sayings: Vec<DeliveryLine>,
    /// Messages that are left out.
    more: usize,
}

/// What was told at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DeliveryGroup {
    at: Minute,
    phase: NotificationKind,
    urgency: Urgency,
    destinations: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct DeliveryLine {
    at: TimeText,
    text: String,
}

impl Site<'_> {
    pub(super) fn open_incident_count(&self, service: &str) -> usize {
        let is_of = |(key, one): &(&IncidentKey, &Incident)| {
            one.is_open() && one.service == service && matches!(key.subject, IncidentSubject::Slo(_))
        };
        self.context.alert_state.incidents.iter().filter(is_of).count()
    }

    /// Incidents that were open in a span: those that go on first, then the newest.
    pub(super) fn incident_rows(
        &self,
        within: Span,
        is_wanted: impl Fn(&IncidentKey, &Incident) -> bool,
    ) -> Vec<IncidentRow> {
        let overlaps = |key: &IncidentKey, one: &Incident| {
            key.started < within.end && one.ended.is_none_or(|(ended, _)| ended > within.start)
        };
        let mut found: Vec<(&IncidentKey, &Incident)> = self
            .context
            .alert_state
            .incidents
            .iter()
            .filter(|(key, one)| overlaps(key, one) && is_wanted(key, one))
            .collect();
        found.sort_by_key(|(key, one)| {
            let urgency = one.is_open().then_some(one.urgency);
            (Reverse(urgency), Reverse(key.started), (*key).clone())
        });
        found.into_iter().map(|(key, one)| self.incident_row(key, one)).collect()
    }

    /// The incidents of a promise as bands of a picture.
    pub(super) fn incident_spans(&self, id: &SloId, within: Span) -> Vec<(Span, Urgency)> {
        let mut bands = Vec::new();
        for (key, one) in self.context.alert_state.incidents_of(&IncidentSubject::Slo(id.clone())) {
            let end = one.ended.map_or(within.end, |(ended, _)| ended);
            for (place, (from, urgency)) in one.urgency_changes.iter().enumerate() {
                let until = one.urgency_changes.get(place + 1).map_or(end, |(next, _)| *next);
                bands.push((Span::new((*from).max(key.started), until), *urgency));
            }
        }
        bands.retain(|(span, _)| !span.intersect(within).is_empty());
        bands
    }

    fn incident_row(&self, key: &IncidentKey, incident: &Incident) -> IncidentRow {
        let end = incident.ended.map_or(self.context.status.at, |(ended, _)| ended);
        let service = self.context.catalog.services.iter().find(|service| service.name == incident.service);
        let deliveries = group_deliveries(&incident.deliveries);
        IncidentRow {
            about: key.subject.to_string(),
            href: service.map(|service| paths::service_path(&service.team, &service.name)),
            urgency: incident.peak.to_string(),
            since: TimeText::new(key.started),
            until: incident.ended.map(|(ended, _)| TimeText::new(ended)),
            lasted: format_duration_abbreviated(Span::new(key.started, end).minutes()),
            came_from: incident.contributors.as_deref().map(escape_non_printing),
            notes: incident_notes(incident),
            more: deliveries.len().saturating_sub(MAX_DELIVERY_LINES),
            sayings: deliveries
                .iter()
                .take(MAX_DELIVERY_LINES)
                .map(|saying| self.delivery_line(&incident.team, saying))
                .collect(),
        }
    }

    fn delivery_line(&self, team: &str, delivery: &DeliveryGroup) -> DeliveryLine {
        let event = match delivery.phase {
            NotificationKind::Opened => format!("opened ({})", delivery.urgency),
            NotificationKind::Changed => format!("changed to {}", delivery.urgency),
            NotificationKind::Reminder => format!("reminder ({})", delivery.urgency),
            NotificationKind::Resolved => "resolved".to_owned(),
            NotificationKind::Note | NotificationKind::Test => "note".to_owned(),
        };
        let destinations = delivery.destinations.iter().map(|to| self.context.catalog.describe_destination(team, to));
        let destinations: Vec<String> = destinations.collect();
        DeliveryLine { at: TimeText::new(delivery.at), text: format!("{event}: {}", destinations.join("; ")) }
    }
}

/// The notifications of an incident; those of one time and kind are one entry with all their destinations.
fn group_deliveries(sent: &[Delivery]) -> Vec<DeliveryGroup> {
    let mut groups: Vec<DeliveryGroup> = Vec::new();
    for one in sent {
        let is_same_event =
            |other: &&mut DeliveryGroup| (other.at, other.phase, other.urgency) == (one.at, one.kind, one.urgency);
        match groups.iter_mut().find(is_same_event) {
            Some(saying) => saying.destinations.push(one.destination.clone()),
            None => {
                groups.push(DeliveryGroup {
                    at: one.at,
                    phase: one.kind,
                    urgency: one.urgency,
                    destinations: vec![one.destination.clone()],
                });
            }
        }
    }
    groups.sort_by_key(|saying| saying.at);
    groups
}

fn incident_notes(incident: &Incident) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    notes.extend(incident.ended.and_then(|(_, why)| match why {
        EndReason::Recovered => None,
        EndReason::NoTraffic => Some("ended after a day without traffic".to_owned()),
        EndReason::SloChanged => Some("ended because the SLO was changed".to_owned()),
        EndReason::SloRemoved => Some("ended because the SLO was removed".to_owned()),
        EndReason::OwnerChanged => Some("ended because the service has a new owner".to_owned()),
    }));
    notes.extend(incident.is_late.then(|| "detected late".to_owned()));
    notes.extend(incident.is_reevaluated.then(|| "its data has changed since".to_owned()));
    notes.extend(incident.is_silenced.then(|| "silenced".to_owned()));
    notes.extend(incident.group.as_ref().map(|group| format!("part of {}", group.subject)));
    notes
}
