//! The page of a service: whose it is, what the policy says of it, and each of its promises.

use serde::Serialize;

use super::service_row::{BudgetTrend, StatusBadge};
use super::slo::SloSection;
use super::team::{OverrideRow, PolicyStepRow};
use super::{Site, definition, paths};
use crate::format::format_percent;
use crate::report::model::SloRow;
use crate::report::slo_status::{SloStatus, status_reason};
use crate::report::status::{format_budget_left, format_forecast};
use crate::slo::Service;

#[derive(Debug, Serialize)]
pub(super) struct ServicePage {
    name: String,
    team: String,
    team_href: String,
    class: String,
    standing: Option<StatusBadge>,
    /// How its worst promise stands.
    lead: Option<String>,
    links: Vec<ServiceLink>,
    /// Whatever else there is to know, as label and value.
    facts: Vec<(&'static str, String)>,
    policy: Vec<PolicyStepRow>,
    overrides: Vec<OverrideRow>,
    lines: Vec<SloWindowRow>,
    promises: Vec<SloSection>,
}

/// A link, or its text where following it might do harm.
#[derive(Debug, Serialize)]
struct ServiceLink {
    label: &'static str,
    href: Option<String>,
    text: String,
}

/// A promise and window as a line of a table.
#[derive(Debug, Serialize)]
struct SloWindowRow {
    standing: StatusBadge,
    slo: String,
    over: String,
    left: String,
    /// What would be left without corrections, where there are any.
    raw: Option<String>,
    is_below: bool,
    trend: BudgetTrend,
    forecast: String,
    sli: String,
    coverage: String,
}

impl ServiceLink {
    fn new(label: &'static str, url: Option<&String>) -> Option<Self> {
        let url = url?;
        Some(Self { label, href: paths::safe_link(url).map(str::to_owned), text: url.clone() })
    }
}

impl SloWindowRow {
    fn from_row(row: &SloRow) -> Self {
        Self {
            standing: StatusBadge::new(SloStatus::from_row(row)),
            slo: row.slo.clone(),
            over: format!("{} over {}", row.objective, row.window),
            left: format_budget_left(&row.budget),
            raw: row.is_corrected().then(|| format_budget_left(&row.raw_budget)),
            is_below: row.budget.is_exceeded(),
            trend: BudgetTrend::from_row(row),
            forecast: format_forecast(row),
            sli: row.sli.map_or_else(|| "-".to_owned(), |sli| format_percent(sli, 3)),
            coverage: format_percent(row.coverage(), 1),
        }
    }
}

impl Site<'_> {
    pub(super) fn service_page(&self, service: &Service) -> ServicePage {
        let mut rows: Vec<&SloRow> = self.rows(&service.name).to_vec();
        rows.sort_by_key(|row| SloStatus::from_row(row));
        let mut slos: Vec<_> = service.slos.iter().collect();
        slos.sort_by_key(|slo| rows.iter().position(|row| row.slo == slo.name()));
        let worst_row = rows.first().copied();
        ServicePage {
            name: service.name.clone(),
            team: service.team.clone(),
            team_href: paths::team_path(&service.team),
            class: service.class.clone(),
            standing: worst_row.map(|row| StatusBadge::new(SloStatus::from_row(row))),
            lead: worst_row.map(|row| format!("{} over {}: {}", row.slo, row.window, status_reason(row))),
            links: [
                ServiceLink::new("Runbook", service.runbook.as_ref()),
                ServiceLink::new("Dashboard", service.dashboard.as_ref()),
            ]
            .into_iter()
            .flatten()
            .collect(),
            facts: definition::service_facts(service, self.context.catalog),
            policy: self.policy_rows(|other| other.name == service.name),
            overrides: self.override_rows(|name| name == service.name),
            lines: rows.iter().map(|row| SloWindowRow::from_row(row)).collect(),
            promises: slos.into_iter().map(|slo| self.slo_section(service, slo)).collect(),
        }
    }
}
