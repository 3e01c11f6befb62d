//! A service as one line of a table: how its worst promise stands.

use serde::Serialize;

use super::{Site, drawn, names};
use crate::report::model::Row;
use crate::report::standing::{Standing, in_a_week, why};
use crate::report::status::{forecast, left, percent};
use crate::slo::{Service, Slo};

/// How something stands, as a sign and a word.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Shown {
    key: &'static str,
    word: &'static str,
    sign: char,
}

impl Shown {
    pub(super) const fn of(standing: Standing) -> Self {
        Self { key: standing.key(), word: standing.word(), sign: standing.sign() }
    }
}

/// An entry of the legend of statuses.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Meaning {
    status: Shown,
    meaning: &'static str,
}

/// The legend of statuses, worst first.
pub(super) fn meanings() -> Vec<Meaning> {
    let meaning = |standing| match standing {
        Standing::Exhausted => "The error budget is fully used.",
        Standing::AtRisk => {
            "An alert is firing, the budget is forecast to run out within one window length from now, or less than a quarter is left."
        }
        Standing::NoData => "Too many of the newest minutes are unknown, or less than half of the window is known.",
        Standing::NoTraffic => "The minutes are known, but there were no events to count.",
        Standing::Recovered => "Exhausted or at risk a week ago, but not now.",
        Standing::Ok => "None of the above.",
    };
    Standing::ALL.into_iter().map(|one| Meaning { status: Shown::of(one), meaning: meaning(one) }).collect()
}

/// How much more or less of a budget is left than a week ago.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Trend {
    /// `better`, `worse`, `same` or `unknown`.
    key: &'static str,
    sign: &'static str,
    text: String,
    /// The same in words.
    said: String,
}

impl Trend {
    pub(super) fn of(row: &Row) -> Self {
        let Some((now, then)) = in_a_week(row) else {
            let said = String::new();
            return Self { key: "unknown", sign: "?", text: "unknown".to_owned(), said };
        };
        let points = (now - then) * 100.0;
        let (key, sign, word) = match points {
            points if points >= 0.05 => ("better", "▲", "more"),
            points if points <= -0.05 => ("worse", "▼", "less"),
            _ => ("same", "±", ""),
        };
        let said = if key == "same" {
            "unchanged from 7 days ago".to_owned()
        } else {
            format!("{:.1} percentage points {word} than 7 days ago, when {} was left", points.abs(), percent(then, 1))
        };
        Self { key, sign, text: format!("{:.1}", points.abs()), said }
    }
}

/// A line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Listed {
    standing: Shown,
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
    trend: Trend,
    forecast: String,
    incidents: usize,
    coverage: String,
}

/// How many services stand how.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tally {
    standing: Shown,
    count: usize,
}

impl Site<'_> {
    /// The row that a service is judged by.
    pub(super) fn worst(&self, service: &str) -> Option<&Row> {
        // Of rows that stand alike, the status has the worst first.
        self.rows(service).iter().copied().min_by_key(|row| Standing::of(row))
    }

    /// Services as lines, the worst first.
    pub(super) fn listed(&self, team: Option<&str>) -> Vec<Listed> {
        let wanted = self.worst_first.iter().filter(|service| team.is_none_or(|team| service.team == team));
        wanted.filter_map(|service| self.line(service)).collect()
    }

    fn line(&self, service: &Service) -> Option<Listed> {
        let row = self.worst(&service.name)?;
        let slo = service.slos.iter().find(|slo| slo.name() == row.slo)?;
        Some(Listed {
            standing: Shown::of(Standing::of(row)),
            service: service.name.clone(),
            href: names::of_service(&service.team, &service.name),
            team: service.team.clone(),
            team_href: names::of_team(&service.team),
            class: service.class.clone(),
            promise: row.slo.clone(),
            over: format!("{} over {}", row.objective, row.window),
            why: why(row),
            left: left(&row.budget),
            is_below: row.budget.is_exceeded(),
            spark: self.spark(slo, row),
            trend: Trend::of(row),
            forecast: forecast(row),
            incidents: self.open_incidents(&service.name),
            coverage: percent(row.coverage(), 1),
        })
    }

    fn spark(&self, slo: &Slo, row: &Row) -> Option<String> {
        let history = self.facts.histories.get(&slo.id)?;
        let window = slo.windows.iter().find(|window| window.to_string() == row.window)?;
        let span = window.span_at(row.judged_at);
        drawn::spark(span, &history.pieces(window), &slo.objective)
    }

    /// How many services stand how, of those that any do.
    pub(super) fn tally(&self, team: Option<&str>) -> Vec<Tally> {
        let standings: Vec<Standing> = self
            .worst_first
            .iter()
            .filter(|service| team.is_none_or(|team| service.team == team))
            .filter_map(|service| self.worst(&service.name))
            .map(Standing::of)
            .collect();
        let count = |standing: Standing| standings.iter().filter(|one| **one == standing).count();
        Standing::ALL.into_iter().map(|one| Tally { standing: Shown::of(one), count: count(one) }).collect()
    }

    /// The share of the minutes of all windows that was observed.
    pub(super) fn coverage(&self, team: Option<&str>) -> String {
        let rows = self.facts.status.rows.iter().filter(|row| team.is_none_or(|team| row.team == team));
        let (known, minutes) = rows.fold((0_u64, 0_u64), |(known, minutes), row| {
            (known + u64::from(row.sums.known), minutes + u64::from(row.minutes))
        });
        #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
        let share = if minutes == 0 { 0.0 } else { known as f64 / minutes as f64 };
        percent(share, 1)
    }
}
