//! The page of a team: its services, its incidents, what its policy says, and what does not count.

use serde::Serialize;

use super::Site;
use super::incident::{INCIDENT_HISTORY_MINUTES, IncidentRow};
use super::paths;
use super::service_row::{ServiceRow, StatusBadge, StatusCount};
use super::time::{TimeText, format_duration_abbreviated};
use crate::report::slo_status::{SloStatus, status_reason};
use crate::slo::{Correction, Service, Slo};
use crate::time::{MINUTES_PER_DAY, Span};

/// How far ahead corrections are told.
const CORRECTION_LOOKAHEAD_MINUTES: i32 = 14 * MINUTES_PER_DAY;
/// Occurrences of one correction that are told one by one.
const MAX_OCCURRENCES: usize = 4;

#[derive(Debug, Serialize)]
pub(super) struct TeamPage {
    name: String,
    tally: Vec<StatusCount>,
    /// What leaves out promises.
    faults: Vec<String>,
    services: Vec<ServiceRow>,
    coverage: String,
    incidents: Vec<IncidentRow>,
    policy: Vec<PolicyStepRow>,
    corrections: Vec<CorrectionRow>,
    overrides: Vec<OverrideRow>,
}

/// A step of the policy that a promise has come to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PolicyStepRow {
    standing: StatusBadge,
    about: String,
    href: String,
    why: String,
    from: String,
    then: String,
    blocks: bool,
}

/// Minutes that do not count.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CorrectionRow {
    id: String,
    reason: String,
    category: String,
    author: String,
    /// How long it is within what is looked at.
    lasts: String,
    spans: Vec<(TimeText, TimeText)>,
    more: usize,
}

/// A deploy in spite of the policy.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OverrideRow {
    at: TimeText,
    service: String,
    by: String,
    reason: String,
    against: String,
}

impl Site<'_> {
    pub(super) fn team_page(&self, team: &str) -> TeamPage {
        let at = self.context.status.at;
        let around = Span::new(at.plus(-INCIDENT_HISTORY_MINUTES), at.plus(CORRECTION_LOOKAHEAD_MINUTES));
        TeamPage {
            name: team.to_owned(),
            tally: self.status_counts(Some(team)),
            faults: self.definition_errors(Some(team)),
            services: self.service_rows(Some(team)),
            coverage: self.coverage(Some(team)),
            incidents: self
                .incident_rows(Span::ending_at(at.plus(1), INCIDENT_HISTORY_MINUTES), |_, one| one.team == team),
            policy: self.policy_rows(|service| service.team == team),
            corrections: self.correction_rows(around, |service, _| service.team == team),
            overrides: self.override_rows(|name| {
                self.context.catalog.services.iter().any(|service| service.team == team && service.name == name)
            }),
        }
    }

    /// The steps of policies that promises have come to.
    pub(super) fn policy_rows(&self, is_wanted: impl Fn(&Service) -> bool) -> Vec<PolicyStepRow> {
        let mut steps = Vec::new();
        for service in self.worst_first.iter().filter(|service| is_wanted(service)) {
            for row in self.rows(&service.name) {
                let Some(step) = &row.policy else { continue };
                steps.push(PolicyStepRow {
                    standing: StatusBadge::new(SloStatus::from_row(row)),
                    about: format!("{}/{} over {}", row.service, row.slo, row.window),
                    href: paths::service_path(&service.team, &service.name),
                    why: status_reason(row),
                    from: step.text.clone(),
                    then: step.then.clone(),
                    blocks: step.blocks_deploys,
                });
            }
        }
        steps
    }

    /// What corrections take out of a span.
    pub(super) fn correction_rows(&self, span: Span, is_wanted: impl Fn(&Service, &Slo) -> bool) -> Vec<CorrectionRow> {
        let is_relevant = |correction: &&Correction| {
            let mut slos = self.context.catalog.slos();
            slos.any(|(service, slo)| is_wanted(service, slo) && correction.scope.covers(service, slo))
        };
        let mut rows = Vec::new();
        for correction in self.context.catalog.corrections.iter().filter(is_relevant) {
            let spans = Span::merged(correction.spans(span));
            let minutes = spans.iter().map(|span| span.minutes()).sum();
            if spans.is_empty() {
                continue;
            }
            let newest_first = spans.iter().rev().take(MAX_OCCURRENCES);
            rows.push(CorrectionRow {
                id: correction.id.clone(),
                reason: correction.reason.clone(),
                category: correction.category.to_string(),
                author: correction.author.clone(),
                lasts: format_duration_abbreviated(minutes),
                spans: newest_first.map(|span| (TimeText::new(span.start), TimeText::new(span.end))).collect(),
                more: spans.len().saturating_sub(MAX_OCCURRENCES),
            });
        }
        rows
    }

    /// Deploys in spite of the policy, the newest first.
    pub(super) fn override_rows(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<OverrideRow> {
        let all = self.context.overrides.iter().rev().filter(|one| is_wanted(&one.service));
        all.map(|one| OverrideRow {
            at: TimeText::new(one.at),
            service: one.service.clone(),
            by: one.by.clone(),
            reason: one.reason.clone(),
            against: one.gate_reason.clone(),
        })
        .collect()
    }
}
