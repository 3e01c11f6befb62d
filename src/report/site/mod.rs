//! The console: a page of the fleet, one of each team and one of each service, each complete in itself.
//!
//! A page holds its style and, where it has one, its script, and allows no other by their hashes: so it works from a
//! disk, from a bucket and below any prefix, nothing is loaded from anywhere, and what a user wrote into a
//! name cannot run.
//!
//! Templates escape every text, and spell out characters that could reorder it.

mod definition;
mod environment;
mod figures;
mod incidents;
mod service;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

use super::export::SloJson;
use super::gate::Override;
use super::history::History;
use super::problems::error_lines;
use super::slo_status::{SloStatus, count_statuses, remaining_now_and_week_ago, status_reason, team_coverage};
use super::status::{format_budget_left, format_forecast};
use crate::alert::{AlertState, IncidentSubject};
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::slo::{Catalog, Problem, Service, Slo, SloId};
use crate::time::{MINUTES_PER_DAY, Span};

/// How far back pages of teams show incidents and corrections.
const INCIDENT_HISTORY_MINUTES: i32 = 30 * MINUTES_PER_DAY;
const CORRECTION_LOOKAHEAD_MINUTES: i32 = 14 * MINUTES_PER_DAY;

/// A page could not be rendered: a fault of a template.
pub(crate) type RenderError = minijinja::Error;

pub(crate) struct SiteContext<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) status: &'a FleetStatus,
    pub(crate) histories: &'a BTreeMap<SloId, History>,
    pub(crate) alert_state: &'a AlertState,
    pub(crate) overrides: &'a [Override],
    pub(crate) problems: &'a [Problem],
}

#[derive(Clone, Copy)]
pub(crate) enum SitePage<'a> {
    Fleet,
    Team(&'a str),
    Service(&'a Service),
}

impl SitePage<'_> {
    /// The path of its file below the site.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Fleet => "index.html".to_owned(),
            Self::Team(team) => environment::team_path(team),
            Self::Service(service) => environment::service_path(&service.team, &service.name),
        }
    }
}

pub(crate) struct Site<'a> {
    context: SiteContext<'a>,
    environment: Environment<'static>,
    worst_first: Vec<&'a Service>,
}

impl<'a> Site<'a> {
    pub(crate) fn new(context: SiteContext<'a>) -> Result<Self, RenderError> {
        let rank = |service: &Service| {
            let rows = context.status.rows.iter().enumerate().filter(|(_, row)| row.service == service.name);
            rows.map(|(index, row)| (SloStatus::from_row(row), index)).min()
        };
        let mut worst_first: Vec<&Service> = context.catalog.services.iter().collect();
        worst_first.sort_by_cached_key(|service| (rank(service), &service.name));
        Ok(Self { environment: environment::template_environment()?, context, worst_first })
    }

    pub(crate) fn pages(&self) -> Vec<SitePage<'_>> {
        let teams: BTreeSet<&str> = self.context.catalog.services.iter().map(|service| service.team.as_str()).collect();
        let services = self.context.catalog.services.iter().map(SitePage::Service);
        std::iter::once(SitePage::Fleet).chain(teams.into_iter().map(SitePage::Team)).chain(services).collect()
    }

    pub(crate) fn render_page(&self, page: SitePage<'_>) -> Result<String, RenderError> {
        // `up` leads from the folder of the page to that of the site.
        let (template, script, up, page) = match page {
            SitePage::Fleet => ("index.html", Some(environment::SCRIPT), "", self.fleet_page()),
            SitePage::Team(team) => ("team.html", Some(environment::SCRIPT), "../", self.team_page(team)),
            SitePage::Service(service) => ("service.html", None, "../../", self.service_page(service)?),
        };
        let (layout, at) = (environment::layout(script), Serde(self.context.status.at));
        let statuses = Serde(SloStatus::ALL);
        self.environment.get_template(template)?.render(context! { layout, up, at, statuses, page })
    }

    fn fleet_page(&self) -> Value {
        let services = &self.context.catalog.services;
        let at = self.context.status.at;
        let shared = self.incident_rows(Span::ending_at(at.plus(1), INCIDENT_HISTORY_MINUTES), |key, incident| {
            incident.is_open() && !matches!(key.subject, IncidentSubject::Slo(_))
        });
        context! {
            teams => Serde(services.iter().map(|service| &service.team).collect::<BTreeSet<_>>()),
            classes => Serde(services.iter().map(|service| &service.class).collect::<BTreeSet<_>>()),
            shared,
            ..self.overview(None)
        }
    }

    fn team_page(&self, team: &str) -> Value {
        let at = self.context.status.at;
        let recent = Span::ending_at(at.plus(1), INCIDENT_HISTORY_MINUTES);
        let around = Span::new(at.plus(-INCIDENT_HISTORY_MINUTES), at.plus(CORRECTION_LOOKAHEAD_MINUTES));
        let owns = |name: &str| self.services(Some(team)).any(|service| service.name == name);
        context! {
            name => team,
            incidents => self.incident_rows(recent, |_, incident| incident.owner.team == team),
            policy => self.policy_rows(|service| service.team == team),
            corrections => self.correction_rows(around, |service, _| service.team == team),
            overrides => self.override_rows(owns),
            ..self.overview(Some(team))
        }
    }

    fn overview(&self, team: Option<&str>) -> Value {
        let worst_rows: Vec<(&Service, &SloRow)> =
            self.services(team).filter_map(|service| Some((service, self.worst_row(service)?))).collect();
        context! {
            tally => Serde(count_statuses(worst_rows.iter().map(|(_, row)| *row))),
            faults => error_lines(self.context.problems, team),
            services => worst_rows.iter().map(|(service, row)| self.service_row(service, row)).collect::<Value>(),
            coverage => team_coverage(self.context.status, team).unwrap_or(0.0),
        }
    }

    fn services(&self, team: Option<&str>) -> impl Iterator<Item = &'a Service> {
        self.worst_first.iter().copied().filter(move |service| team.is_none_or(|team| service.team == team))
    }

    fn rows(&self, service: &Service) -> Vec<&'a SloRow> {
        self.context.status.rows.iter().filter(|row| row.service == service.name).collect()
    }

    /// The row that decides the status of a service: the first of the worst status.
    fn worst_row(&self, service: &Service) -> Option<&'a SloRow> {
        self.rows(service).into_iter().min_by_key(|row| SloStatus::from_row(row))
    }

    fn service_row(&self, service: &Service, row: &SloRow) -> Value {
        let slo = service.slos.iter().find(|slo| slo.name() == row.slo);
        context! {
            sparkline => slo.and_then(|slo| self.sparkline(slo, row)),
            incidents => self.open_incident_count(&service.name),
            ..row_values(row)
        }
    }

    fn sparkline(&self, slo: &Slo, row: &SloRow) -> Option<String> {
        let history = self.context.histories.get(&slo.id)?;
        let window = slo.windows.iter().find(|window| window.to_string() == row.window)?;
        figures::sparkline(slo, window.span_at(row.evaluated_at), &history.buckets(window))
    }

    fn policy_rows(&self, is_wanted: impl Fn(&Service) -> bool) -> Value {
        let rows = self.worst_first.iter().filter(|service| is_wanted(service)).flat_map(|service| self.rows(service));
        rows.filter(|row| row.policy.is_some()).map(row_values).collect()
    }

    fn correction_rows(&self, span: Span, is_wanted: impl Fn(&Service, &Slo) -> bool) -> Value {
        let catalog = self.context.catalog;
        let mut rows = Vec::new();
        for correction in &catalog.corrections {
            let covers = |(service, slo)| is_wanted(service, slo) && correction.scope.covers(service, slo);
            let spans = Span::merged(correction.spans(span));
            if spans.is_empty() || !catalog.slos().any(covers) {
                continue;
            }
            rows.push(context! {
                id => &correction.id,
                reason => &correction.reason,
                category => correction.category.to_string(),
                author => &correction.author,
                minutes => spans.iter().map(|span| span.minutes()).sum::<u32>(),
                spans => Serde(spans.iter().rev().collect::<Vec<_>>()),
            });
        }
        rows.into_iter().collect()
    }

    fn override_rows(&self, is_wanted: impl Fn(&str) -> bool) -> Value {
        let overrides = self.context.overrides.iter().rev().filter(|one| is_wanted(&one.service));
        overrides.map(|one| Value::from(Serde(one))).collect()
    }
}

/// An SLO over one of its windows: the numbers of the JSON document, and the words of all tables.
fn row_values(row: &SloRow) -> Value {
    // In percentage points, with what was left a week ago.
    let change = remaining_now_and_week_ago(row)
        .map(|(now, week_ago)| context! { points => (now - week_ago) * 100.0, week_ago });
    context! {
        change,
        why => status_reason(row),
        left => format_budget_left(&row.budget),
        raw_left => row.is_corrected().then(|| format_budget_left(&row.raw_budget)),
        forecast => format_forecast(row),
        ..Serde(SloJson::new(row))
    }
}
