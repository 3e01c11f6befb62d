//! The page of a service: its owner, its policy, and each of its SLOs with its budget over each window and everything
//! that explains it.

use std::collections::BTreeSet;

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::definition::{EventWords, definition_values};
use super::figures::{self, Timeline};
use super::{RenderError, Site, row_values};
use crate::alert::{IncidentSubject, SloCheckpoint};
use crate::burn::ErrorBudget;
use crate::counts::Sums;
use crate::evaluation::status::SloRow;
use crate::format::with_thousands_separators;
use crate::rational::{Rational, quotient, to_f64};
use crate::report::history::{History, TIER_HISTORY_MINUTES, TimeBucket, WorstInterval};
use crate::report::slo_status::{SloStatus, status_reason};
use crate::report::status::status_details;
use crate::slo::{Indicator, Service, Slo};
use crate::time::{Span, Window, format_duration};

impl Site<'_> {
    pub(super) fn service_page(&self, service: &Service) -> Result<Value, RenderError> {
        let mut rows = self.rows(service);
        rows.sort_by_key(|row| SloStatus::from_row(row));
        let mut slos: Vec<&Slo> = service.slos.iter().collect();
        slos.sort_by_key(|slo| rows.iter().position(|row| row.slo == slo.name()));
        let (mut sources, mut load_balancers, mut target_groups) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for slo in &service.slos {
            let name = slo.indicator.source();
            sources.insert(match self.context.catalog.sources.get(name) {
                Some(source) => format!("{name} ({})", source.kind.yaml_key()),
                None => name.to_owned(),
            });
            if let Indicator::Requests { traffic, .. } = &slo.indicator {
                load_balancers.insert(&traffic.load_balancer);
                target_groups.extend(&traffic.target_groups);
            }
        }
        let labels: BTreeSet<String> = service.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        let Service { name, team, class, runbook, dashboard, file, .. } = service;
        let slos: Result<Value, RenderError> = slos.into_iter().map(|slo| self.slo_section(service, slo)).collect();
        Ok(context! {
            name, team, class, runbook, dashboard, file,
            sources => Serde(sources),
            load_balancers => Serde(load_balancers),
            target_groups => Serde(target_groups),
            labels => Serde(labels),
            status => Serde(rows.first().map(|row| SloStatus::from_row(row))),
            lead => rows.first().map(|row| format!("{} over {}: {}", row.slo, row.window, status_reason(row))),
            policy => self.policy_rows(|other| other.name == *name),
            overrides => self.override_rows(|other| other == name),
            rows => rows.iter().map(|row| row_values(row)).collect::<Value>(),
            slos => slos?,
        })
    }

    fn slo_section(&self, service: &Service, slo: &Slo) -> Result<Value, RenderError> {
        let history = self.context.histories.get(&slo.id);
        let mut rows = self.rows(service);
        rows.retain(|row| row.slo == slo.name());
        let row_over = |window: &Window| rows.iter().copied().find(|row| row.window == window.to_string());
        let first_row = slo.windows.first().and_then(row_over);
        let evaluated_at = first_row.map_or(self.context.status.at, |row| row.evaluated_at);
        let longest_window = slo.windows.iter().max_by_key(|window| window.max_minutes());
        let span = longest_window.map_or(Span::new(evaluated_at, evaluated_at), |window| window.span_at(evaluated_at));
        let windows = slo.windows.iter().filter_map(|window| {
            let row = row_over(window)?;
            Some(self.window_section(slo, window, row, history))
        });
        let intervals = history.map(History::worst_intervals).unwrap_or_default();
        let recent = Span::ending_at(evaluated_at, TIER_HISTORY_MINUTES);
        let within = Span::new(span.start, evaluated_at.plus(1));
        let subject = IncidentSubject::Slo(slo.id.clone());
        let changes = self.context.alert_state.checkpoints.get(&slo.id).into_iter();
        let words = Value::from(Serde(EventWords::new(slo)));
        let definition = self
            .environment
            .get_template("definition.txt")?
            .render(context! { ..definition_values(slo), ..words.clone() })?;
        Ok(context! {
            name => slo.name(),
            full_name => slo.id.to_string(),
            id => anchor(slo),
            status => Serde(rows.iter().map(|row| SloStatus::from_row(row)).min()),
            windows => windows.collect::<Value>(),
            state => first_row.map_or_else(String::new, status_details),
            tiers => first_row.map(tier_rows),
            tier_figures => history.map(|history| {
                figures::tier_figures(&self.timeline(anchor(slo), slo, recent, history), history)
            }),
            intervals => intervals.iter().map(|interval| interval_row(interval, first_row)).collect::<Value>(),
            incidents => self.incident_rows(within, |key, _| key.subject == subject),
            corrections => self.correction_rows(span, |_, other| other.id == slo.id),
            definition => definition.lines().filter(|line| !line.is_empty()).map(str::trim).collect::<Value>(),
            changes => Serde(changes.flat_map(SloCheckpoint::objective_changes).collect::<Vec<_>>()),
            evaluated_at => Serde(evaluated_at),
            allowed_share => to_f64(slo.objective.budget()),
            ..words
        })
    }

    fn window_section(&self, slo: &Slo, window: &Window, row: &SloRow, history: Option<&History>) -> Value {
        let span = window.span_at(row.evaluated_at);
        let days = history.map(|history| history.daily_buckets(window)).unwrap_or_default();
        context! {
            span => Serde(span),
            allowed => row.budget.allowed().map(format_allowed),
            window_events => row.budget.window_events(),
            raw_allowed => row.raw_budget.allowed().map(format_allowed),
            figures => history.map(|history| {
                let timeline = self.timeline(format!("{}-{window}", anchor(slo)), slo, span, history);
                figures::window_figures(&timeline, window, history)
            }),
            days => days.iter().rev().map(|day| day_row(day, &row.budget)).collect::<Value>(),
            ..row_values(row)
        }
    }

    fn timeline<'a>(&self, id: String, slo: &'a Slo, span: Span, history: &'a History) -> Timeline<'a> {
        Timeline { id, slo, span, excluded: history.excluded(), incidents: self.incident_spans(&slo.id, span) }
    }
}

fn anchor(slo: &Slo) -> String {
    format!("slo-{}", slo.name())
}

fn day_row(day: &TimeBucket, budget: &ErrorBudget) -> Value {
    let Sums { total, bad, known } = day.sums;
    let coverage = f64::from(known) / f64::from(day.span.minutes().max(1));
    context! { start => Serde(day.span.start), total, bad, used => budget_used(budget, day.sums), coverage }
}

fn interval_row(interval: &WorstInterval, row: Option<&SloRow>) -> Value {
    let (Sums { total, bad, .. }, minutes) = (interval.sums, interval.span.minutes());
    let used = row.and_then(|row| budget_used(&row.budget, interval.sums));
    context! { span => Serde(interval.span), minutes, total, bad, used }
}

fn budget_used(budget: &ErrorBudget, sums: Sums) -> Option<f64> {
    let allowed = budget.allowed().map(to_f64).filter(|allowed| *allowed > 0.0)?;
    Some(quotient(sums.bad.into(), 1) / allowed)
}

fn tier_rows(row: &SloRow) -> Value {
    let window = |minutes: u32, sums: Sums, burn_rate: Option<f64>| {
        context! { length => format_duration(minutes), bad => sums.bad, total => sums.total, burn_rate }
    };
    let tiers = row.tiers.iter().zip(&row.evaluation.tiers).map(|(tier, evaluation)| {
        context! {
            name => &tier.name,
            urgency => tier.urgency.to_string(),
            factor => to_f64(tier.factor),
            long => window(tier.long_minutes, evaluation.long, evaluation.long_burn_rate),
            short => window(tier.short_minutes, evaluation.short, evaluation.short_burn_rate),
            is_firing => evaluation.is_firing,
        }
    });
    tiers.collect()
}

/// How many events may fail: a whole number, or one decimal more than the eye needs.
fn format_allowed(number: Rational) -> String {
    if number.is_integer() {
        return u64::try_from(number.to_integer()).map_or_else(|_| number.to_string(), with_thousands_separators);
    }
    let tenths = (number * Rational::from_integer(10)).round().to_integer();
    let whole = u64::try_from(tenths / 10).map_or_else(|_| String::new(), with_thousands_separators);
    format!("{whole}.{}", tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_counts_have_at_most_one_decimal() {
        assert_eq!(format_allowed(Rational::from_integer(1_204)), "1,204");
        assert_eq!(format_allowed(Rational::new(12_043_312, 10_000)), "1,204.3");
        assert_eq!(format_allowed(Rational::new(1, 3)), "0.3");
    }
}
