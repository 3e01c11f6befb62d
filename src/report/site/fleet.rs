//! The page of all services, the worst first.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Site;
use super::incident::{INCIDENT_HISTORY_MINUTES, IncidentRow};
use super::service_row::{ServiceRow, StatusCount};
use crate::alert::IncidentSubject;
use crate::report::problems::error_lines;
use crate::text::escape_non_printing;
use crate::time::Span;

#[derive(Debug, Serialize)]
pub(super) struct FleetPage {
    tally: Vec<StatusCount>,
    services: Vec<ServiceRow>,
    teams: Vec<String>,
    classes: Vec<String>,
    coverage: String,
    /// What leaves out promises.
    faults: Vec<String>,
    /// What is the matter with the fleet and not with one service.
    shared: Vec<IncidentRow>,
}

impl Site<'_> {
    /// What leaves out promises of a team, or of all.
    pub(super) fn definition_errors(&self, team: Option<&str>) -> Vec<String> {
        error_lines(self.context.problems, team).iter().map(|line| escape_non_printing(line)).collect()
    }

    pub(super) fn fleet_page(&self) -> FleetPage {
        let services = &self.context.catalog.services;
        let names = |field: fn(&crate::slo::Service) -> &String| -> Vec<String> {
            services.iter().map(field).collect::<BTreeSet<_>>().into_iter().cloned().collect()
        };
        let at = self.context.status.at;
        let shared = self.incident_rows(Span::ending_at(at.plus(1), INCIDENT_HISTORY_MINUTES), |key, one| {
            one.is_open() && !matches!(key.subject, IncidentSubject::Slo(_))
        });
        FleetPage {
            tally: self.status_counts(None),
            services: self.service_rows(None),
            teams: names(|service| &service.team),
            classes: names(|service| &service.class),
            coverage: self.coverage(None),
            shared,
            faults: self.definition_errors(None),
        }
    }
}
