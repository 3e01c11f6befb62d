//! The page of all services, the worst first.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Site;
use super::incident::{BACK_MINUTES, Told};
use super::listed::{Listed, Tally};
use crate::alert::Subject;
use crate::minute::Span;
use crate::report::problems::leaving_out;
use crate::visible::visible;

#[derive(Debug, Serialize)]
pub(super) struct Fleet {
    tally: Vec<Tally>,
    services: Vec<Listed>,
    teams: Vec<String>,
    classes: Vec<String>,
    coverage: String,
    /// What leaves out promises.
    faults: Vec<String>,
    /// What is the matter with the fleet and not with one service.
    shared: Vec<Told>,
}

impl Site<'_> {
    /// What leaves out promises of a team, or of all.
    pub(super) fn faults(&self, team: Option<&str>) -> Vec<String> {
        leaving_out(self.facts.problems, team).iter().map(|line| visible(line)).collect()
    }

    pub(super) fn fleet(&self) -> Fleet {
        let services = &self.facts.catalog.services;
        let names = |of: fn(&crate::slo::Service) -> &String| -> Vec<String> {
            services.iter().map(of).collect::<BTreeSet<_>>().into_iter().cloned().collect()
        };
        let at = self.facts.status.at;
        let shared = self.incidents(Span::before(at.plus(1), BACK_MINUTES), |key, one| {
            one.is_open() && !matches!(key.subject, Subject::Slo(_))
        });
        Fleet {
            tally: self.tally(None),
            services: self.listed(None),
            teams: names(|service| &service.team),
            classes: names(|service| &service.class),
            coverage: self.coverage(None),
            shared,
            faults: self.faults(None),
        }
    }
}
