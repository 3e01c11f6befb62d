//! Notifications about more than one SLO: a shared cause, a stale source, invalid definitions.

use super::slo_notification::NotificationContext;
use crate::alert::{EndReason, Incident, IncidentKey, Notification};
use crate::format::{format_elapsed, format_time, pluralize};
use crate::slo::SloId;

impl NotificationContext<'_> {
    pub(super) fn fill_group(&self, scope: &str, incident: &Incident, key: &IncidentKey, message: &mut Notification) {
        let mut services: Vec<&str> = incident
            .members
            .iter()
            .filter_map(|key| self.alert_state.incidents.get(key))
            .map(|member| member.service.as_str())
            .collect();
        services.sort_unstable();
        services.dedup();
        let service_count = pluralize(services.len(), "service");
        message.title = match incident.ended {
            Some((ended, EndReason::Recovered)) => {
                format!("resolved: {service_count} on {scope} recovered after {}", format_elapsed(key.started, ended))
            }
            Some(_) => format!("resolved: incidents of {service_count} on {scope} are no longer grouped"),
            None => format!("{service_count} on {scope} failing together since {}", format_time(key.started)),
        };
        message.paragraphs.push(format!(
            "These services started failing within minutes of {}: {}.",
            format_time(key.started),
            services.join(", ")
        ));
        message.paragraphs.push(
            "They most likely share one cause. Their teams are notified by ticket, unless they were already paged."
                .to_owned(),
        );
        message.facts.push(("Detected".to_owned(), format_time(key.started)));
        message.facts.push(("Services".to_owned(), services.len().to_string()));
    }

    pub(super) fn fill_stale_source(
        &self,
        source: &str,
        incident: &Incident,
        key: &IncidentKey,
        message: &mut Notification,
    ) {
        let stale_after = self.catalog.alerts.stale_after_minutes.unwrap_or(0);
        let since = key.started.plus(-i32::try_from(stale_after).unwrap_or(0));
        let slos = self.catalog.services.iter().flat_map(|service| &service.slos);
        let slo_count = slos.filter(|slo| slo.indicator.source() == source).count();
        message.title = match incident.ended {
            Some((_, EndReason::Recovered)) => format!("resolved: source {source} delivers data again"),
            Some(_) => format!("resolved: no SLO uses source {source} anymore"),
            None => format!("source {source} has delivered no data since {}", format_time(since)),
        };
        message.paragraphs.push(format!("SLOs that use this source: {slo_count}."));
        if incident.is_open() {
            message.paragraphs.push("None of them can alert until new data arrives.".to_owned());
            message.paragraphs.push(
                "Check the output of `slowburn run` for this source, whether its logs or metrics are still written, and whether slowburn \
                 is allowed to read them."
                    .to_owned(),
            );
        }
    }

    pub(super) fn fill_invalid_definitions(&self, team: &str, incident: &Incident, message: &mut Notification) {
        if incident.ended.is_some() {
            message.title = format!("resolved: all SLOs of team {team} are evaluated again");
            return;
        }
        let is_defined = |id: &SloId| self.catalog.slos().any(|(_, slo)| slo.id == *id);
        let missing = self.alert_state.checkpoints.iter().filter(|(id, watch)| watch.team == team && !is_defined(id));
        let missing: Vec<String> = missing.map(|(id, _)| id.to_string()).collect();
        let missing_count = pluralize(missing.len(), "SLO");
        message.title = format!("{missing_count} of team {team} cannot be evaluated: invalid definitions");
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
