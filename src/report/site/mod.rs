//! The console: a page of the fleet, one of each team and one of each service, that need nothing but themselves.
//!
//! A page holds its style and, where it has one, its script, and allows no other by their hashes: so it works from a
//! disk, from a bucket and below any prefix, nothing is loaded from anywhere, and what somebody managed to write into a
//! name cannot run.
//!
//! Whatever is shown is escaped where templates are filled in, and what could reorder text is spelt out there too.

mod axis;
mod definition;
mod drawn;
mod fleet;
mod frame;
mod incident;
mod listed;
mod made;
mod names;
mod promise;
mod service;
mod team;
mod when;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::gate::Override;
use super::history::History;
use super::model::{Row, Status};
use super::standing::Standing;
use crate::alert::AlertBook;
use crate::slo::{Catalog, Problem, Service, SloId};

/// Why a page could not be written; it is a fault of a template.
pub type RenderError = minijinja::Error;

/// What pages are made from.
pub struct Facts<'a> {
    /// The promises.
    pub catalog: &'a Catalog,
    /// How they stand.
    pub status: &'a Status,
    /// Their past.
    pub histories: &'a BTreeMap<SloId, History>,
    /// Who was told of what.
    pub book: &'a AlertBook,
    /// Deploys in spite of the policy.
    pub overrides: &'a [Override],
    /// What is wrong with definitions.
    pub problems: &'a [Problem],
}

/// What a page is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// All services.
    Fleet,
    /// Those of a team.
    Team(&'a str),
    /// One of them.
    Service(&'a Service),
}

/// All pages of one moment.
pub struct Site<'a> {
    facts: Facts<'a>,
    environment: Environment<'static>,
    frames: [frame::Frame; 2],
    /// Rows of each service, in the order of the status.
    rows: BTreeMap<&'a str, Vec<&'a Row>>,
    /// Services, the worst first.
    worst_first: Vec<&'a Service>,
}

impl<'a> Site<'a> {
    /// Gets ready to write pages.
    ///
    /// # Errors
    /// When a template is faulty.
    pub fn new(facts: Facts<'a>) -> Result<Self, RenderError> {
        let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        let mut places: BTreeMap<&str, (Standing, usize)> = BTreeMap::new();
        for (place, row) in facts.status.rows.iter().enumerate() {
            rows.entry(&row.service).or_default().push(row);
            let held = places.entry(&row.service).or_insert((Standing::of(row), place));
            *held = (Standing::of(row), place).min(*held);
        }
        let mut worst_first: Vec<&Service> = facts.catalog.services.iter().collect();
        worst_first.sort_by_key(|service| (places.get(service.name.as_str()).copied(), &service.name));
        Ok(Self { environment: frame::environment()?, frames: frame::frames(), facts, rows, worst_first })
    }

    /// What there is a page of.
    #[must_use]
    pub fn subjects(&self) -> Vec<Subject<'_>> {
        let teams: BTreeSet<&str> = self.facts.catalog.services.iter().map(|service| service.team.as_str()).collect();
        let services = self.facts.catalog.services.iter().map(Subject::Service);
        std::iter::once(Subject::Fleet).chain(teams.into_iter().map(Subject::Team)).chain(services).collect()
    }

    /// Writes a page.
    ///
    /// # Errors
    /// When a template is faulty.
    pub fn page(&self, subject: Subject<'_>) -> Result<String, RenderError> {
        match subject {
            Subject::Fleet => self.render("index.html", true, 0, &self.fleet()),
            Subject::Team(team) => self.render("team.html", true, 1, &self.team(team)),
            Subject::Service(service) => self.render("service.html", false, 2, &self.service(service)),
        }
    }

    /// `depth`: how many folders above the page are those of the site.
    fn render(
        &self,
        template: &'static str,
        has_script: bool,
        depth: usize,
        page: &impl Serialize,
    ) -> Result<String, RenderError> {
        let at = when::When::of(self.facts.status.at);
        self.environment.get_template(template)?.render(minijinja::context! {
            frame => Serde(&self.frames[usize::from(has_script)]),
            up => "../".repeat(depth),
            at => Serde(at),
            page => Serde(page),
        })
    }

    fn rows(&self, service: &str) -> &[&'a Row] {
        self.rows.get(service).map_or(&[], Vec::as_slice)
    }
}

impl Subject<'_> {
    /// The name of its page below the site.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Fleet => "index.html".to_owned(),
            Self::Team(team) => names::of_team(team),
            Self::Service(service) => names::of_service(&service.team, &service.name),
        }
    }
}
