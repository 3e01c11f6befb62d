//! The page of a service: whose it is, what the policy says of it, and each of its promises.

use serde::Serialize;

use super::listed::{Shown, Trend};
use super::promise::Promise;
use super::team::{Overridden, Step};
use super::{Site, definition, names};
use crate::report::model::Row;
use crate::report::standing::{Standing, why};
use crate::report::status::{forecast, left, percent};
use crate::slo::Service;

#[derive(Debug, Serialize)]
pub(super) struct ServicePage {
    name: String,
    team: String,
    team_href: String,
    class: String,
    standing: Option<Shown>,
    /// How its worst promise stands.
    lead: Option<String>,
    links: Vec<LinkTo>,
    /// Whatever else there is to know, as label and value.
    facts: Vec<(&'static str, String)>,
    policy: Vec<Step>,
    overrides: Vec<Overridden>,
    lines: Vec<Line>,
    promises: Vec<Promise>,
}

/// A link, or its text where following it might do harm.
#[derive(Debug, Serialize)]
struct LinkTo {
    label: &'static str,
    href: Option<String>,
    text: String,
}

/// A promise and window as a line of a table.
#[derive(Debug, Serialize)]
struct Line {
    standing: Shown,
    slo: String,
    over: String,
    left: String,
    /// What would be left without corrections, where there are any.
    raw: Option<String>,
    is_below: bool,
    trend: Trend,
    forecast: String,
    sli: String,
    coverage: String,
}

impl LinkTo {
    fn of(label: &'static str, url: Option<&String>) -> Option<Self> {
        let url = url?;
        Some(Self { label, href: names::harmless(url).map(str::to_owned), text: url.clone() })
    }
}

impl Line {
    fn of(row: &Row) -> Self {
        Self {
            standing: Shown::of(Standing::of(row)),
            slo: row.slo.clone(),
            over: format!("{} over {}", row.objective, row.window),
            left: left(&row.budget),
            raw: row.is_corrected().then(|| left(&row.raw_budget)),
            is_below: row.budget.is_exceeded(),
            trend: Trend::of(row),
            forecast: forecast(row),
            sli: row.sli.map_or_else(|| "-".to_owned(), |sli| percent(sli, 3)),
            coverage: percent(row.coverage(), 1),
        }
    }
}

impl Site<'_> {
    pub(super) fn service(&self, service: &Service) -> ServicePage {
        let mut rows: Vec<&Row> = self.rows(&service.name).to_vec();
        rows.sort_by_key(|row| Standing::of(row));
        let mut slos: Vec<_> = service.slos.iter().collect();
        slos.sort_by_key(|slo| rows.iter().position(|row| row.slo == slo.name()));
        let worst = rows.first().copied();
        ServicePage {
            name: service.name.clone(),
            team: service.team.clone(),
            team_href: names::of_team(&service.team),
            class: service.class.clone(),
            standing: worst.map(|row| Shown::of(Standing::of(row))),
            lead: worst.map(|row| format!("{} over {}: {}", row.slo, row.window, why(row))),
            links: [
                LinkTo::of("Runbook", service.runbook.as_ref()),
                LinkTo::of("Dashboard", service.dashboard.as_ref()),
            ]
            .into_iter()
            .flatten()
            .collect(),
            facts: definition::facts(service, self.facts.catalog),
            policy: self.policy(|other| other.name == service.name),
            overrides: self.overridden(|name| name == service.name),
            lines: rows.iter().map(|row| Line::of(row)).collect(),
            promises: slos.into_iter().map(|slo| self.promise(service, slo)).collect(),
        }
    }
}
