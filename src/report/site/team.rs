//! The page of a team: its services, its incidents, what its policy says, and what does not count.

use serde::Serialize;

use super::Site;
use super::incident::{BACK_MINUTES, Told};
use super::listed::{Listed, Shown, Tally};
use super::names;
use super::when::{When, lasted};
use crate::minute::{MINUTES_PER_DAY, Span};
use crate::report::standing::{Standing, why};
use crate::slo::{Correction, Service, Slo};

/// How far ahead corrections are told.
const AHEAD_MINUTES: i32 = 14 * MINUTES_PER_DAY;
/// Occurrences of one correction that are told one by one.
const OCCURRENCES_MAX: usize = 4;

#[derive(Debug, Serialize)]
pub(super) struct Team {
    name: String,
    tally: Vec<Tally>,
    /// What leaves out promises.
    faults: Vec<String>,
    services: Vec<Listed>,
    coverage: String,
    incidents: Vec<Told>,
    policy: Vec<Step>,
    corrections: Vec<Corrected>,
    overrides: Vec<Overridden>,
}

/// A step of the policy that a promise has come to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    standing: Shown,
    about: String,
    href: String,
    why: String,
    from: String,
    then: String,
    blocks: bool,
}

/// Minutes that do not count.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Corrected {
    id: String,
    reason: String,
    category: String,
    author: String,
    /// How long it is within what is looked at.
    lasts: String,
    spans: Vec<(When, When)>,
    more: usize,
}

/// A deploy in spite of the policy.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Overridden {
    at: When,
    service: String,
    by: String,
    reason: String,
    against: String,
}

impl Site<'_> {
    pub(super) fn team(&self, team: &str) -> Team {
        let at = self.facts.status.at;
        let around = Span::new(at.plus(-BACK_MINUTES), at.plus(AHEAD_MINUTES));
        Team {
            name: team.to_owned(),
            tally: self.tally(Some(team)),
            faults: self.faults(Some(team)),
            services: self.listed(Some(team)),
            coverage: self.coverage(Some(team)),
            incidents: self.incidents(Span::before(at.plus(1), BACK_MINUTES), |_, one| one.team == team),
            policy: self.policy(|service| service.team == team),
            corrections: self.corrections(around, |service, _| service.team == team),
            overrides: self.overridden(|name| {
                self.facts.catalog.services.iter().any(|service| service.team == team && service.name == name)
            }),
        }
    }

    /// The steps of policies that promises have come to.
    pub(super) fn policy(&self, wanted: impl Fn(&Service) -> bool) -> Vec<Step> {
        let mut steps = Vec::new();
        for service in self.worst_first.iter().filter(|service| wanted(service)) {
            for row in self.rows(&service.name) {
                let Some(step) = &row.policy else { continue };
                steps.push(Step {
                    standing: Shown::of(Standing::of(row)),
                    about: format!("{}/{} over {}", row.service, row.slo, row.window),
                    href: names::of_service(&service.team, &service.name),
                    why: why(row),
                    from: step.text.clone(),
                    then: step.then.clone(),
                    blocks: step.blocks_deploys,
                });
            }
        }
        steps
    }

    /// What corrections take out of a span.
    pub(super) fn corrections(&self, span: Span, wanted: impl Fn(&Service, &Slo) -> bool) -> Vec<Corrected> {
        let concerns = |correction: &&Correction| {
            let mut slos = self.facts.catalog.slos();
            slos.any(|(service, slo)| wanted(service, slo) && correction.scope.covers(service, slo))
        };
        let mut found = Vec::new();
        for correction in self.facts.catalog.corrections.iter().filter(concerns) {
            let spans = Span::joined(correction.spans(span));
            let minutes = spans.iter().map(|span| span.minutes()).sum();
            if spans.is_empty() {
                continue;
            }
            let newest = spans.iter().rev().take(OCCURRENCES_MAX);
            found.push(Corrected {
                id: correction.id.clone(),
                reason: correction.reason.clone(),
                category: correction.category.to_string(),
                author: correction.author.clone(),
                lasts: lasted(minutes),
                spans: newest.map(|span| (When::of(span.start), When::of(span.end))).collect(),
                more: spans.len().saturating_sub(OCCURRENCES_MAX),
            });
        }
        found
    }

    /// Deploys in spite of the policy, the newest first.
    pub(super) fn overridden(&self, wanted: impl Fn(&str) -> bool) -> Vec<Overridden> {
        let all = self.facts.overrides.iter().rev().filter(|one| wanted(&one.service));
        all.map(|one| Overridden {
            at: When::of(one.at),
            service: one.service.clone(),
            by: one.by.clone(),
            reason: one.reason.clone(),
            against: one.against.clone(),
        })
        .collect()
    }
}
