//! Notifications about more than one SLO: a shared cause, a stale source, invalid definitions.

use super::counted;
use super::message::Facts;
use super::words::{between, clock};
use crate::alert::{Incident, IncidentKey, Message, Why};
use crate::slo::SloId;

impl Facts<'_> {
    pub(super) fn shared(&self, place: &str, incident: &Incident, key: &IncidentKey, message: &mut Message) {
        let mut services: Vec<&str> = incident
            .parts
            .iter()
            .filter_map(|key| self.book.incidents.get(key))
            .map(|part| part.service.as_str())
            .collect();
        services.sort_unstable();
        services.dedup();
        let many = counted(services.len(), "service");
        message.title = match incident.ended {
            Some((ended, Why::Recovered)) => {
                format!("resolved: {many} on {place} recovered after {}", between(key.started, ended))
            }
            Some(_) => format!("resolved: incidents of {many} on {place} are no longer grouped"),
            None => format!("{many} on {place} failing together since {}", clock(key.started)),
        };
        message.paragraphs.push(format!(
            "These services started failing within minutes of {}: {}.",
            clock(key.started),
            services.join(", ")
        ));
        message.paragraphs.push(
            "They most likely share one cause. Their teams are notified by ticket, unless they were already paged."
                .to_owned(),
        );
        message.facts.push(("Detected".to_owned(), clock(key.started)));
        message.facts.push(("Services".to_owned(), services.len().to_string()));
    }

    pub(super) fn stale(&self, source: &str, incident: &Incident, key: &IncidentKey, message: &mut Message) {
        let after = self.catalog.alerts.stale_after.unwrap_or(0);
        let since = key.started.plus(-i32::try_from(after).unwrap_or(0));
        let blind = self.catalog.services.iter().flat_map(|service| &service.slos);
        let blind = blind.filter(|slo| slo.indicator.source() == source).count();
        message.title = match incident.ended {
            Some((_, Why::Recovered)) => format!("resolved: source {source} delivers data again"),
            Some(_) => format!("resolved: no SLO uses source {source} anymore"),
            None => format!("source {source} has delivered no data since {}", clock(since)),
        };
        message.paragraphs.push(format!("SLOs that use this source: {blind}."));
        if incident.is_open() {
            message.paragraphs.push("None of them can alert until new data arrives.".to_owned());
            message.paragraphs.push(
                "Check the output of `slowburn run` for this source, whether its logs or metrics are still written, and whether slowburn \
                 is allowed to read them."
                    .to_owned(),
            );
        }
    }

    pub(super) fn unread(&self, team: &str, incident: &Incident, message: &mut Message) {
        if incident.ended.is_some() {
            message.title = format!("resolved: all SLOs of team {team} are evaluated again");
            return;
        }
        let promised = |id: &SloId| self.catalog.slos().any(|(_, slo)| slo.id == *id);
        let missing = self.book.watches.iter().filter(|(id, watch)| watch.team == team && !promised(id));
        let missing: Vec<String> = missing.map(|(id, _)| id.to_string()).collect();
        let many = counted(missing.len(), "SLO");
        message.title = format!("{many} of team {team} cannot be evaluated: invalid definitions");
        message.paragraphs.push(format!(
            "Until the definitions are fixed, these SLOs cannot alert, and their open incidents stay open: {}.",
            missing.join(", ")
        ));
        message.paragraphs.push(
            "`slowburn check` reports every problem with its file, line and a hint. The incident of an SLO that was removed on purpose is \
             resolved as soon as the definitions of its team are valid."
                .to_owned(),
        );
    }
}
