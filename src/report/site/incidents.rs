//! Incidents on pages: from when until when, how urgent, and who was notified of what.

use std::cmp::Reverse;

use minijinja::{Value, context};

use super::{Site, environment};
use crate::alert::{Delivery, EndReason, Incident, IncidentKey, IncidentSubject, NotificationKind};
use crate::slo::{SloId, Urgency};
use crate::time::{Minute, Span};

/// Notifications of one incident that are listed; the rest is counted.
const MAX_DELIVERY_LINES: usize = 12;

/// The first delivery of a notification and all its destinations.
type DeliveryGroup<'a> = (&'a Delivery, Vec<&'a str>);

impl Site<'_> {
    pub(super) fn open_incident_count(&self, service: &str) -> usize {
        let is_counted = |(key, incident): &(&IncidentKey, &Incident)| {
            incident.is_open() && incident.owner.service == service && matches!(key.subject, IncidentSubject::Slo(_))
        };
        self.context.alert_state.incidents.iter().filter(is_counted).count()
    }

    /// Incidents that were open in a span: the open ones first, then the newest.
    pub(super) fn incident_rows(&self, within: Span, is_wanted: impl Fn(&IncidentKey, &Incident) -> bool) -> Value {
        let overlaps = |key: &IncidentKey, incident: &Incident| {
            key.started < within.end && incident.ended.is_none_or(|(ended, _)| ended > within.start)
        };
        let all = self.context.alert_state.incidents.iter();
        let mut incidents: Vec<(&IncidentKey, &Incident)> =
            all.filter(|(key, incident)| overlaps(key, incident) && is_wanted(key, incident)).collect();
        incidents.sort_by_key(|(key, incident)| {
            let urgency = incident.is_open().then_some(incident.urgency());
            (Reverse(urgency), Reverse(key.started), *key)
        });
        incidents.into_iter().map(|(key, incident)| self.incident_row(key, incident)).collect()
    }

    pub(super) fn incident_spans(&self, id: &SloId, within: Span) -> Vec<(Span, Urgency)> {
        let mut spans = Vec::new();
        for (key, incident) in self.context.alert_state.incidents_of(&IncidentSubject::Slo(id.clone())) {
            let end = incident.ended.map_or(within.end, |(ended, _)| ended);
            let ends = incident.urgency_changes.iter().skip(1).map(|(next, _)| *next).chain([end]);
            let changes = incident.urgency_changes.iter().zip(ends);
            spans
                .extend(changes.map(|((from, urgency), until)| (Span::new((*from).max(key.started), until), *urgency)));
        }
        spans.retain(|(span, _)| !span.intersect(within).is_empty());
        spans
    }

    fn incident_row(&self, key: &IncidentKey, incident: &Incident) -> Value {
        let ended: Option<Minute> = incident.ended.map(|(ended, _)| ended);
        let end = ended.unwrap_or(self.context.status.at);
        let service = self.context.catalog.services.iter().find(|service| service.name == incident.owner.service);
        let deliveries = group_deliveries(&incident.deliveries);
        let shown = deliveries.iter().take(MAX_DELIVERY_LINES);
        context! {
            about => key.subject.to_string(),
            href => service.map(|service| environment::service_path(&service.team, &service.name)),
            urgency => incident.peak().to_string(),
            since => key.started.0,
            until => ended.map(|ended| ended.0),
            minutes => Span::new(key.started, end).minutes(),
            contributors => &incident.contributors,
            notes => incident_notes(incident).into_iter().collect::<Value>(),
            deliveries => shown.map(|group| self.delivery_line(&incident.owner.team, group)).collect::<Value>(),
            more => deliveries.len().saturating_sub(MAX_DELIVERY_LINES),
        }
    }

    fn delivery_line(&self, team: &str, group: &DeliveryGroup<'_>) -> Value {
        let (Delivery { at, kind, urgency, .. }, destinations) = group;
        let event = match kind {
            NotificationKind::Opened => format!("opened ({urgency})"),
            NotificationKind::Changed => format!("changed to {urgency}"),
            NotificationKind::Reminder => format!("reminder ({urgency})"),
            NotificationKind::Resolved => "resolved".to_owned(),
            NotificationKind::Note | NotificationKind::Test => "note".to_owned(),
        };
        let describe = |to: &&str| self.context.catalog.describe_destination(team, to);
        let destinations: Vec<String> = destinations.iter().map(describe).collect();
        context! { at => at.0, text => format!("{event}: {}", destinations.join("; ")) }
    }
}

/// Groups deliveries of one time, kind and urgency, oldest first.
fn group_deliveries(deliveries: &[Delivery]) -> Vec<DeliveryGroup<'_>> {
    let mut groups: Vec<DeliveryGroup<'_>> = Vec::new();
    let event = |delivery: &Delivery| (delivery.at, delivery.kind, delivery.urgency);
    for delivery in deliveries {
        match groups.iter_mut().find(|(first, _)| event(first) == event(delivery)) {
            Some((_, destinations)) => destinations.push(&delivery.destination),
            None => groups.push((delivery, vec![&delivery.destination])),
        }
    }
    groups.sort_by_key(|(first, _)| first.at);
    groups
}

fn incident_notes(incident: &Incident) -> Vec<String> {
    let end = incident.ended.and_then(|(_, reason)| match reason {
        EndReason::Recovered => None,
        EndReason::NoTraffic => Some("ended after a day without traffic"),
        EndReason::SloChanged => Some("ended because the SLO was changed"),
        EndReason::SloRemoved => Some("ended because the SLO was removed"),
        EndReason::OwnerChanged => Some("ended because the service has a new owner"),
    });
    let late = incident.is_late.then_some("detected late");
    let reevaluated = incident.is_reevaluated.then_some("its data has changed since");
    let silenced = incident.is_silenced.then_some("silenced");
    let group = incident.group.as_ref().map(|group| format!("part of {}", group.subject));
    let notes = [end, late, reevaluated, silenced].into_iter().flatten().map(str::to_owned);
    notes.chain(group).collect()
}
