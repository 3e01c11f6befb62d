//! Notifications: of an incident of one SLO or of several, of a changed objective, and of a failed delivery.

use std::collections::BTreeSet;

use super::slo_notification::SloMessage;
use crate::alert::{
    EndReason, Incident, IncidentKey, IncidentSubject, MissingTraffic, Notification, NotificationKind, ObjectiveChange,
    OutboxEntry, Owner, PlannedNotification,
};
use crate::format::{format_elapsed, format_time, pluralize};
use crate::slo::{Catalog, Indicator, SloId, SourceKind, Urgency};
use crate::time::Minute;

pub use super::slo_notification::NotificationContext;

/// The beginning of the keys of notifications about another notification; no incident has such a key.
const UNDELIVERED_KEY_PREFIX: &str = "undelivered ";

impl NotificationContext<'_> {
    pub fn build_message(&self, planned: &PlannedNotification) -> Notification {
        let key = &planned.subject;
        let incident = self.alert_state.incidents.get(key);
        let owner = incident.map(|incident| incident.owner.clone()).unwrap_or_default();
        let mut message = Notification {
            number: planned.number,
            kind: planned.kind,
            urgency: planned.urgency,
            title: key.subject.to_string(),
            ..Notification::note(planned.key.to_string(), owner, self.status.at)
        };
        let Some(incident) = incident else { return message };
        match &key.subject {
            IncidentSubject::Slo(id) => match self.catalog.slos().find(|(_, slo)| slo.id == *id) {
                Some((service, slo)) => {
                    let row = self.status.rows.iter().find(|row| row.service == service.name && row.slo == slo.name());
                    SloMessage { context: self, key, incident, service, slo, row }.fill(&mut message);
                    message.paragraphs.extend(self.describe_thread(planned));
                }
                None => message.title = format!("resolved: {id} was removed"),
            },
            IncidentSubject::SharedLoadBalancer(_) | IncidentSubject::SharedSource(_) => {
                self.fill_group(key, incident, &mut message);
            }
            IncidentSubject::StaleSource(source) => {
                self.fill_stale_source(source, incident, key.started, &mut message);
            }
            IncidentSubject::MissingTraffic(scope) => {
                self.fill_missing_traffic(scope, incident, key.started, &mut message);
            }
            IncidentSubject::InvalidDefinitions(team) => self.fill_invalid_definitions(team, incident, &mut message),
        }
        message
    }

    /// The other SLOs of the service in the same thread.
    fn describe_thread(&self, planned: &PlannedNotification) -> Option<String> {
        let describe = |key: &IncidentKey| {
            let incident = self.alert_state.incidents.get(key)?;
            Some(match incident.ended {
                None => format!("{} ({} since {})", key.subject, incident.urgency(), format_time(key.started)),
                Some(_) => key.subject.to_string(),
            })
        };
        let others: Vec<String> = planned.others.iter().filter_map(describe).collect();
        // A page that becomes a ticket is resolved where it paged, while the thread goes on.
        let has_ended = self.alert_state.incidents.get(&planned.subject).is_some_and(|incident| !incident.is_open());
        let label = if has_ended { "Also resolved" } else { "Also failing in this service" };
        (!others.is_empty()).then(|| format!("{label}: {}.", others.join(", ")))
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

    fn fill_missing_traffic(&self, scope: &str, incident: &Incident, started: Minute, message: &mut Notification) {
        let team = &incident.owner.team;
        let name = scope.strip_suffix(&format!(" of team {team}")).unwrap_or(scope);
        let (last_event, slos) = match &incident.missing_traffic {
            Some(MissingTraffic { last_event, slos }) => (*last_event, slos.iter().map(SloId::as_str).collect()),
            None => (started, Vec::new()),
        };
        message.title = match incident.ended {
            Some((ended, EndReason::Recovered)) => {
                format!("resolved: {name} has traffic again after {}", format_elapsed(last_event, ended))
            }
            Some((_, EndReason::NoTraffic)) => format!("resolved: {name} has had no traffic for more than a week"),
            Some(_) => format!("resolved: no SLO of team {team} uses {name} anymore"),
            None => format!("no traffic on {name} since {}", format_time(last_event.plus(1))),
        };
        message.facts = vec![("Last event".to_owned(), format_time(last_event)), ("SLOs".to_owned(), slos.join(", "))];
        if incident.ended.is_some() {
            return;
        }
        let slo = self.catalog.slos().map(|(_, slo)| slo).find(|slo| slos.contains(&slo.id.as_str()));
        let indicator = slo.map(|slo| &slo.indicator);
        let source = indicator.and_then(|indicator| self.catalog.sources.get(indicator.source()));
        let [ambiguity, advice] = describe_missing_traffic(indicator, source.map(|source| &source.kind));
        message.paragraphs = vec![
            "At this time of day there usually is traffic. Until there is some again, these SLOs cannot alert."
                .to_owned(),
            ambiguity.to_owned(),
            advice.to_owned(),
        ];
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

/// Which causes of missing traffic look the same, and what to check.
const fn describe_missing_traffic(indicator: Option<&Indicator>, source: Option<&SourceKind>) -> [&'static str; 2] {
    match (indicator, source) {
        (Some(Indicator::Query { .. }), _) => {
            ["The query returns no newer rows with events.", "Check the query, and what writes its tables."]
        }
        (Some(Indicator::Ratio { .. }), _) => [
            "CloudWatch has no datapoints without events: missing events and missing metrics look the same.",
            "Check whether the application runs and still publishes these metrics.",
        ],
        (_, Some(SourceKind::CloudWatch { .. })) => [
            "CloudWatch has no datapoints without requests: missing requests and missing metrics look the same.",
            "Check whether clients reach it (DNS, listeners, deployments), and whether it still exists under this name.",
        ],
        (_, Some(SourceKind::Counts { .. })) => {
            ["The file has no newer rows with events.", "Check the job that writes the file."]
        }
        _ => [
            "A load balancer without requests writes no logs: missing requests and missing logs look the same.",
            "Check whether clients reach it (DNS, listeners, deployments), and whether its access logs are still enabled \
             and delivered.",
        ],
    }
}
