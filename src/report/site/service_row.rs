//! A service as one line of a table: how its worst promise stands.

use serde::Serialize;

use super::{Site, charts, paths};
use crate::format::format_percent;
use crate::report::model::SloRow;
use crate::report::slo_status::{SloStatus, remaining_now_and_week_ago, status_reason};
use crate::report::status::{format_budget_left, format_forecast};
use crate::slo::{Service, Slo};

/// How something stands, as a sign and a word.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct StatusBadge {
    key: &'static str,
    word: &'static str,
    sign: char,
}

impl StatusBadge {
    pub(super) const fn new(status: SloStatus) -> Self {
        Self { key: status.key(), word: status.label(), sign: status.sign() }
    }
}

/// An entry of the legend of statuses.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct StatusMeaning {
    status: StatusBadge,
    meaning: &'static str,
}

/// The legend of statuses, worst first.
pub(super) fn status_legend() -> Vec<StatusMeaning> {
    let meaning_of = |status| match status {
        SloStatus::Exhausted => "The error budget is fully used.",
        SloStatus::AtRisk => {
            "An alert is firing, the budget is forecast to run out within one window length from now, or less than a quarter is left."
        }
        SloStatus::NoData => "Too many of the newest minutes are unknown, or less than half of the window is known.",
        SloStatus::NoTraffic => "The minutes are known, but there were no events to count.",
        SloStatus::Recovered => "Exhausted or at risk a week ago, but not now.",
        SloStatus::Ok => "None of the above.",
    };
    SloStatus::ALL
        .into_iter()
        .map(|one| StatusMeaning { status: StatusBadge::new(one), meaning: meaning_of(one) })
        .collect()
}

/// How much more or less of a budget is left than a week ago.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BudgetTrend {
    /// `better`, `worse`, `same` or `unknown`.
    key: &'static str,
    sign: &'static str,
    text: String,
    /// The same in words.
    said: String,
}

impl BudgetTrend {
    pub(super) fn from_row(row: &SloRow) -> Self {
        let Some((now, week_ago)) = remaining_now_and_week_ago(row) else {
            let said = String::new();
            return Self { key: "unknown", sign: "?", text: "unknown".to_owned(), said };
        };
        let points = (now - week_ago) * 100.0;
        let (key, sign, word) = match points {
            points if points >= 0.05 => ("better", "▲", "more"),
            points if points <= -0.05 => ("worse", "▼", "less"),
            _ => ("same", "±", ""),
        };
        let said = if key == "same" {
            "unchanged from 7 days ago".to_owned()
        } else {
            format!(
                "{:.1} percentage points {word} than 7 days ago, when {} was left",
                points.abs(),
                format_percent(week_ago, 1)
            )
        };
        Self { key, sign, text: format!("{:.1}", points.abs()), said }
    }
}

/// A line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ServiceRow {
    standing: StatusBadge,
    service: String,
    href: String,
    team: String,
    team_href: String,
    class: String,
    /// Its worst promise.
    promise: String,
    over: String,
    why: String,
    left: String,
    is_below: bool,
    spark: Option<String>,
    trend: BudgetTrend,
    forecast: String,
    incidents: usize,
    coverage: String,
}

/// How many services stand how.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StatusCount {
    standing: StatusBadge,
    count: usize,
}

impl Site<'_> {
    /// The row that a service is judged by.
    pub(super) fn worst_row(&self, service: &str) -> Option<&SloRow> {
        // Of rows that stand alike, the status has the worst first.
        self.rows(service).iter().copied().min_by_key(|row| SloStatus::from_row(row))
    }

    /// Services as lines, the worst first.
    pub(super) fn service_rows(&self, team: Option<&str>) -> Vec<ServiceRow> {
        let wanted = self.worst_first.iter().filter(|service| team.is_none_or(|team| service.team == team));
        wanted.filter_map(|service| self.service_row(service)).collect()
    }

    fn service_row(&self, service: &Service) -> Option<ServiceRow> {
        let row = self.worst_row(&service.name)?;
        let slo = service.slos.iter().find(|slo| slo.name() == row.slo)?;
        Some(ServiceRow {
            standing: StatusBadge::new(SloStatus::from_row(row)),
            service: service.name.clone(),
            href: paths::service_path(&service.team, &service.name),
            team: service.team.clone(),
            team_href: paths::team_path(&service.team),
            class: service.class.clone(),
            promise: row.slo.clone(),
            over: format!("{} over {}", row.objective, row.window),
            why: status_reason(row),
            left: format_budget_left(&row.budget),
            is_below: row.budget.is_exceeded(),
            spark: self.sparkline(slo, row),
            trend: BudgetTrend::from_row(row),
            forecast: format_forecast(row),
            incidents: self.open_incident_count(&service.name),
            coverage: format_percent(row.coverage(), 1),
        })
    }

    fn sparkline(&self, slo: &Slo, row: &SloRow) -> Option<String> {
        let history = self.context.histories.get(&slo.id)?;
        let window = slo.windows.iter().find(|window| window.to_string() == row.window)?;
        let span = window.span_at(row.evaluated_at);
        charts::sparkline(span, &history.buckets(window), &slo.objective)
    }

    /// How many services stand how, of those that any do.
    pub(super) fn status_counts(&self, team: Option<&str>) -> Vec<StatusCount> {
        let statuses: Vec<SloStatus> = self
            .worst_first
            .iter()
            .filter(|service| team.is_none_or(|team| service.team == team))
            .filter_map(|service| self.worst_row(&service.name))
            .map(SloStatus::from_row)
            .collect();
        let count_of = |status: SloStatus| statuses.iter().filter(|one| **one == status).count();
        SloStatus::ALL
            .into_iter()
            .map(|one| StatusCount { standing: StatusBadge::new(one), count: count_of(one) })
            .collect()
    }

    /// The share of the minutes of all windows that was observed.
    pub(super) fn coverage(&self, team: Option<&str>) -> String {
        let rows = self.context.status.rows.iter().filter(|row| team.is_none_or(|team| row.team == team));
        let (known, minutes) = rows.fold((0_u64, 0_u64), |(known, minutes), row| {
            (known + u64::from(row.sums.known), minutes + u64::from(row.minutes))
        });
        #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
        let share = if minutes == 0 { 0.0 } else { known as f64 / minutes as f64 };
        format_percent(share, 1)
    }
}
