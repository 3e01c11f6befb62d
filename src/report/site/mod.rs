//! The console: a page of the fleet, one of each team and one of each service, that need nothing but themselves.
//!
//! A page holds its style and, where it has one, its script, and allows no other by their hashes: so it works from a
//! disk, from a bucket and below any prefix, nothing is loaded from anywhere, and what somebody managed to write into a
//! name cannot run.
//!
//! Whatever is shown is escaped where templates are filled in, and what could reorder text is spelt out there too.

mod axis;
mod calculation;
mod charts;
mod definition;
mod fleet;
mod incident;
mod layout;
mod paths;
mod service;
mod service_row;
mod slo;
mod team;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::gate::Override;
use super::history::History;
use super::model::{FleetStatus, SloRow};
use super::slo_status::SloStatus;
use crate::alert::AlertState;
use crate::slo::{Catalog, Problem, Service, SloId};

/// Why a page could not be written; it is a fault of a template.
pub type RenderError = minijinja::Error;

/// What pages are made from.
pub struct SiteContext<'a> {
    /// The promises.
    pub catalog: &'a Catalog,
    /// How they stand.
    pub status: &'a FleetStatus,
    /// Their past.
    pub histories: &'a BTreeMap<SloId, History>,
    /// Who was told of what.
    pub alert_state: &'a AlertState,
    /// Deploys in spite of the policy.
    pub overrides: &'a [Override],
    /// What is wrong with definitions.
    pub problems: &'a [Problem],
}

/// What a page is about.
#[derive(Clone, Copy, Debug)]
pub enum SitePage<'a> {
    /// All services.
    Fleet,
    /// Those of a team.
    Team(&'a str),
    /// One of them.
    Service(&'a Service),
}

/// All pages of one moment.
pub struct Site<'a> {
    context: SiteContext<'a>,
    environment: Environment<'static>,
    layouts: [layout::PageLayout; 2],
    /// Rows of each service, in the order of the status.
    rows: BTreeMap<&'a str, Vec<&'a SloRow>>,
    /// Services, the worst first.
    worst_first: Vec<&'a Service>,
}

impl<'a> Site<'a> {
    /// Gets ready to write pages.
    ///
    /// # Errors
    /// When a template is faulty.
    pub fn new(context: SiteContext<'a>) -> Result<Self, RenderError> {
        let mut rows: BTreeMap<&str, Vec<&SloRow>> = BTreeMap::new();
        let mut ranks: BTreeMap<&str, (SloStatus, usize)> = BTreeMap::new();
        for (index, row) in context.status.rows.iter().enumerate() {
            rows.entry(&row.service).or_default().push(row);
            let rank = ranks.entry(&row.service).or_insert((SloStatus::from_row(row), index));
            *rank = (SloStatus::from_row(row), index).min(*rank);
        }
        let mut worst_first: Vec<&Service> = context.catalog.services.iter().collect();
        worst_first.sort_by_key(|service| (ranks.get(service.name.as_str()).copied(), &service.name));
        Ok(Self {
            environment: layout::template_environment()?,
            layouts: layout::page_layouts(),
            context,
            rows,
            worst_first,
        })
    }

    /// What there is a page of.
    #[must_use]
    pub fn pages(&self) -> Vec<SitePage<'_>> {
        let teams: BTreeSet<&str> = self.context.catalog.services.iter().map(|service| service.team.as_str()).collect();
        let services = self.context.catalog.services.iter().map(SitePage::Service);
        std::iter::once(SitePage::Fleet).chain(teams.into_iter().map(SitePage::Team)).chain(services).collect()
    }

    /// Writes a page.
    ///
    /// # Errors
    /// When a template is faulty.
    pub fn render_page(&self, page: SitePage<'_>) -> Result<String, RenderError> {
        match page {
            SitePage::Fleet => self.render("index.html", true, 0, &self.fleet_page()),
            SitePage::Team(team) => self.render("team.html", true, 1, &self.team_page(team)),
            SitePage::Service(service) => self.render("service.html", false, 2, &self.service_page(service)),
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
        let at = time::TimeText::new(self.context.status.at);
        self.environment.get_template(template)?.render(minijinja::context! {
            frame => Serde(&self.layouts[usize::from(has_script)]),
            up => "../".repeat(depth),
            at => Serde(at),
            page => Serde(page),
        })
    }

    fn rows(&self, service: &str) -> &[&'a SloRow] {
        self.rows.get(service).map_or(&[], Vec::as_slice)
    }
}

impl SitePage<'_> {
    /// The name of its page below the site.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Fleet => "index.html".to_owned(),
            Self::Team(team) => paths::team_path(team),
            Self::Service(service) => paths::service_path(&service.team, &service.name),
        }
    }
}
