//! Notifications: of an incident of one SLO or of several, of a changed objective, and of a failed delivery.

use std::collections::BTreeSet;

use super::slo_notification::SloMessage;
use crate::alert::{
    EndReason, Incident, IncidentKey, IncidentSubject, Notification, NotificationKind, ObjectiveChange, OutboxEntry,
    Owner, PlannedNotification,
};
use crate::format::{format_elapsed, format_time, pluralize};
use crate::slo::{Catalog, SloId, Urgency};
use crate::time::Minute;

pub use super::slo_notification::NotificationContext;

/// The beginning of the keys of notifications about another notification; no incident has such a key.
const UNDELIVERED_KEY_PREFIX: &str = "undelivered ";

impl NotificationContext<'_> {
    pub fn build_message(&self, planned: &PlannedNotification) -> Notification {
        let key = &planned.key;
        let incident = self.alert_state.incidents.get(key);
        let owner = incident.map(|incident| incident.owner.clone()).unwrap_or_default();
        let mut message = Notification {
            number: planned.number,
            kind: planned.kind,
            urgency: planned.urgency,
            title: key.subject.to_string(),
            ..Notification::note(key.to_string(), owner, self.status.at)
        };
        let Some(incident) = incident else { return message };
        match &key.subject {
            IncidentSubject::Slo(id) => match self.catalog.slos().find(|(_, slo)| slo.id == *id) {
                Some((service, slo)) => {
                    let row = self.status.rows.iter().find(|row| row.service == service.name && row.slo == slo.name());
                    SloMessage { context: self, key, incident, service, slo, row }.fill(&mut message);
                }
                None => message.title = format!("resolved: {id} was removed"),
            },
            IncidentSubject::SharedLoadBalancer(_) | IncidentSubject::SharedSource(_) => {
                self.fill_group(key, incident, &mut message);
            }
            IncidentSubject::StaleSource(source) => {
                self.fill_stale_source(source, incident, key.started, &mut message);
            }
            IncidentSubject::InvalidDefinitions(team) => self.fill_invalid_definitions(team, incident, &mut message),
        }
        message
    }

    fn fill_group(&self, key: &IncidentKey, incident: &Incident, message: &mut Notification) {
        let members = incident.members.iter().filter_map(|key| self.alert_state.incidents.get(key));
        let services: BTreeSet<&str> = members.map(|member| member.owner.service.as_str()).collect();
        let services: Vec<&str> = services.into_iter().collect();
        let service_count = pluralize(services.len(), "service");
        let IncidentKey { subject: scope, started } = key;
        let since = format_time(*started);
        message.title = match incident.ended {
            Some((ended, EndReason::Recovered)) => {
                format!("resolved: {service_count} on {scope} recovered after {}", format_elapsed(*started, ended))
            }
            Some(_) => format!("resolved: incidents of {service_count} on {scope} are no longer grouped"),
            None => format!("{service_count} on {scope} failing together since {since}"),
        };
        message.paragraphs = vec![
            format!("These services started failing within minutes of {since}: {}.", services.join(", ")),
            "They most likely share one cause. Their teams are notified by ticket, unless they were already paged."
                .to_owned(),
        ];
        message.facts = vec![("Detected".to_owned(), since), ("Services".to_owned(), services.len().to_string())];
    }

    fn fill_stale_source(&self, source: &str, incident: &Incident, started: Minute, message: &mut Notification) {
        let stale_after = self.catalog.alerts.stale_after_minutes.unwrap_or(0);
        let since = started.plus(-i32::try_from(stale_after).unwrap_or(0));
        let slo_count = self.catalog.slos().filter(|(_, slo)| slo.indicator.source() == source).count();
        message.title = match incident.ended {
            Some((_, EndReason::Recovered)) => format!("resolved: source {source} delivers data again"),
            Some(_) => format!("resolved: no SLO uses source {source} anymore"),
            None => format!("source {source} has delivered no data since {}", format_time(since)),
        };
        message.paragraphs.push(format!("SLOs that use this source: {slo_count}."));
        if incident.is_open() {
            let advice = [
                "None of them can alert until new data arrives.",
                "Check the output of `slowburn run` for this source, whether its logs or metrics are still written, and whether slowburn \
                 is allowed to read them.",
            ];
            message.paragraphs.extend(advice.map(str::to_owned));
        }
    }

    fn fill_invalid_definitions(&self, team: &str, incident: &Incident, message: &mut Notification) {
        if incident.ended.is_some() {
            message.title = format!("resolved: all SLOs of team {team} are evaluated again");
            return;
        }
        let is_defined = |id: &SloId| self.catalog.slos().any(|(_, slo)| slo.id == *id);
        let checkpoints = self.alert_state.checkpoints.iter();
        let missing = checkpoints.filter(|(id, checkpoint)| checkpoint.team == team && !is_defined(id));
        let missing: Vec<&str> = missing.map(|(id, _)| id.as_str()).collect();
        let missing_count = pluralize(missing.len(), "SLO");
        message.title = format!("{missing_count} of team {team} cannot be evaluated: invalid definitions");
        message.paragraphs = vec![
            format!(
                "Until the definitions are fixed, these SLOs cannot alert, and their open incidents stay open: {}.",
                missing.join(", ")
            ),
            "`slowburn check` reports every problem with its file, line and a hint. The incident of an SLO that was removed on purpose is \
             resolved as soon as the definitions of its team are valid."
                .to_owned(),
        ];
    }

    pub fn objective_change_message(&self, change: &ObjectiveChange) -> Notification {
        let ObjectiveChange { slo, owner, before, after } = change;
        Notification {
            title: format!("{slo}: objective changed from {before} to {after}"),
            paragraphs: vec!["Error budgets and alerts use the new objective from now on.".to_owned()],
            ..Notification::note(format!("{slo}@objective {after} {}", self.status.at), owner.clone(), self.status.at)
        }
    }

    pub fn undelivered_message(catalog: &Catalog, entry: &OutboxEntry, at: Minute) -> Notification {
        let (message, urgency) = (&entry.notification, entry.delivery_urgency());
        Notification {
            kind: if urgency >= Urgency::Page { NotificationKind::Opened } else { NotificationKind::Note },
            number: if entry.is_abandoned { 2 } else { 1 },
            urgency,
            title: format!("could not notify team {}: {}", message.team, message.title),
            paragraphs: vec![
                format!(
                    "The notification to {} was not delivered in {}{}.",
                    catalog.describe_destination(&message.team, &entry.destination),
                    pluralize(entry.attempts, "attempt"),
                    if entry.is_abandoned { ", and will not be retried" } else { "; it will be retried for a day" }
                ),
                entry.last_error.clone().unwrap_or_default(),
                "Its content:".to_owned(),
                message.paragraphs.join(" "),
            ],
            ..delivery_note(entry, at)
        }
    }

    /// The notification that another one was delivered after it was reported as undelivered.
    pub fn late_delivery_message(catalog: &Catalog, entry: &OutboxEntry, urgency: Urgency, at: Minute) -> Notification {
        let message = &entry.notification;
        Notification {
            kind: NotificationKind::Resolved,
            number: 2,
            urgency,
            title: format!("resolved: team {} was notified: {}", message.team, message.title),
            paragraphs: vec![format!(
                "The notification to {} was delivered after {}.",
                catalog.describe_destination(&message.team, &entry.destination),
                pluralize(entry.attempts, "failed attempt")
            )],
            ..delivery_note(entry, at)
        }
    }

    pub fn is_undelivered_message(message: &Notification) -> bool {
        message.key.starts_with(UNDELIVERED_KEY_PREFIX)
    }
}

fn delivery_note(entry: &OutboxEntry, at: Minute) -> Notification {
    let Notification { key, team, .. } = &entry.notification;
    let key = format!("{UNDELIVERED_KEY_PREFIX}{key} to {}", entry.destination);
    Notification::note(key, Owner::fleet(team), at)
}
