//! Incidents on pages: from when until when, how urgent, and who was notified of what.

use std::cmp::Reverse;

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::{Site, environment};
use crate::alert::{Delivery, Incident, IncidentKey, IncidentSubject};
use crate::slo::{SloId, Urgency};
use crate::time::Span;

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
        let (ended, end_reason) = incident.ended.unzip();
        let service = self.context.catalog.services.iter().find(|service| service.name == incident.owner.service);
        let deliveries = group_deliveries(&incident.deliveries);
        let Incident { contributors, is_late, is_reevaluated, is_silenced, .. } = incident;
        context! {
            contributors, is_late, is_reevaluated, is_silenced,
            ended => Serde(ended),
            end_reason => Serde(end_reason),
            subject => key.subject.to_string(),
            href => service.map(|service| environment::service_path(&service.team, &service.name)),
            urgency => Serde(incident.peak()),
            started => Serde(key.started),
            minutes => Span::new(key.started, ended.unwrap_or(self.context.status.at)).minutes(),
            thread => incident.thread.as_ref().map(|leader| leader.subject.to_string()),
            group => incident.group.as_ref().map(|group| group.subject.to_string()),
            deliveries => deliveries.iter().map(|group| self.delivery_line(&incident.owner.team, group)).collect::<Value>(),
        }
    }

    fn delivery_line(&self, team: &str, group: &DeliveryGroup<'_>) -> Value {
        let (Delivery { at, kind, urgency, .. }, destinations) = group;
        let destinations = destinations.iter().map(|to| self.context.catalog.describe_destination(team, to));
        let (at, kind, urgency) = (Serde(at), Serde(kind), Serde(urgency));
        context! { at, kind, urgency, destinations => destinations.collect::<Value>() }
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
