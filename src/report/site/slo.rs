//! One promise of a service: its budget over each window, and all that says how it came to be what it is.

use serde::Serialize;

use super::calculation::{self, Calculation};
use super::charts::{self, Backdrop, Canvas, ChartFigure};
use super::incident::IncidentRow;
use super::service_row::{BudgetTrend, StatusBadge};
use super::team::CorrectionRow;
use super::time::{TimeText, format_duration_abbreviated};
use super::{Site, definition};
use crate::alert::IncidentSubject;
use crate::burn::ErrorBudget;
use crate::counts::Sums;
use crate::evaluation::TierEvaluation;
use crate::format::{format_fraction, format_percent, with_thousands_separators};
use crate::rational::to_f64;
use crate::report::history::{History, TIER_HISTORY_MINUTES, TimeBucket, WorstInterval};
use crate::report::model::SloRow;
use crate::report::slo_status::{SloStatus, status_reason};
use crate::report::status::{format_budget_left, format_forecast, status_details};
use crate::slo::{Service, Slo};
use crate::time::{Span, Window};

/// Stretches that are shown before somebody asks for more.
const INTERVALS_SHOWN: usize = 8;

#[derive(Debug, Serialize)]
pub(super) struct SloSection {
    slo: String,
    id: String,
    standing: Option<StatusBadge>,
    budgets: Vec<WindowSection>,
    /// What the tiers say now.
    state: String,
    tiers: Vec<TierRow>,
    looks: Vec<ChartFigure>,
    spent: Vec<IntervalRow>,
    spent_more: Vec<IntervalRow>,
    incidents: Vec<IncidentRow>,
    corrections: Vec<CorrectionRow>,
    definition: Vec<String>,
    changes: Vec<definition::ChangeRow>,
    explain: String,
    events: &'static str,
    /// `failed requests`, `slower than 300 ms`.
    bad: String,
    /// `failed`, `took longer than 300 ms`.
    were: String,
}

/// A promise over one of its windows.
#[derive(Debug, Serialize)]
struct WindowSection {
    standing: StatusBadge,
    objective: String,
    window: String,
    from: TimeText,
    to: TimeText,
    why: String,
    left: String,
    /// What would be left without corrections, where there are any.
    raw: Option<String>,
    is_below: bool,
    sli: String,
    forecast: String,
    trend: BudgetTrend,
    coverage: String,
    counted: String,
    figures: Vec<ChartFigure>,
    days: Vec<DayRow>,
    made: Vec<Calculation>,
}

#[derive(Debug, Serialize)]
struct DayRow {
    day: String,
    total: String,
    bad: String,
    used: String,
    coverage: String,
}

#[derive(Debug, Serialize)]
struct TierRow {
    name: String,
    urgency: String,
    long: String,
    short: String,
    long_sums: String,
    short_sums: String,
    long_burn: String,
    short_burn: String,
    factor: String,
    holds: bool,
}

/// A stretch that a budget went into.
#[derive(Debug, Serialize)]
struct IntervalRow {
    from: TimeText,
    to: TimeText,
    lasted: String,
    bad: String,
    total: String,
    share: String,
    used: String,
}

impl Site<'_> {
    pub(super) fn slo_section(&self, service: &Service, slo: &Slo) -> SloSection {
        let history = self.context.histories.get(&slo.id);
        let rows: Vec<&SloRow> = self.rows(&service.name).iter().copied().filter(|row| row.slo == slo.name()).collect();
        let to_window_section = |window: &Window| {
            let row = rows.iter().copied().find(|row| row.window == window.to_string())?;
            Some(self.window_section(slo, window, row, history))
        };
        let first_row =
            rows.iter().copied().find(|row| slo.windows.first().is_some_and(|w| w.to_string() == row.window));
        let longest_window = slo.windows.iter().max_by_key(|window| window.max_minutes());
        let evaluated_at = first_row.map_or(self.context.status.at, |row| row.evaluated_at);
        let span = longest_window.map_or(Span::new(evaluated_at, evaluated_at), |window| window.span_at(evaluated_at));
        let budget = first_row.map(|row| row.budget);
        let stretches =
            history.map_or(&[][..], History::worst_intervals).iter().map(|one| IntervalRow::new(one, budget.as_ref()));
        let mut interval_rows: Vec<IntervalRow> = stretches.collect();
        let more_interval_rows = interval_rows.split_off(interval_rows.len().min(INTERVALS_SHOWN));
        let subject = IncidentSubject::Slo(slo.id.clone());
        SloSection {
            slo: slo.name().to_owned(),
            id: slo_anchor(slo),
            standing: SloStatus::worst(rows.iter().copied()).map(StatusBadge::new),
            budgets: slo.windows.iter().filter_map(to_window_section).collect(),
            state: first_row.map_or_else(String::new, status_details),
            tiers: first_row.map(tier_rows).unwrap_or_default(),
            looks: history.map(|history| self.tier_figures(slo, history, evaluated_at)).unwrap_or_default(),
            spent: interval_rows,
            spent_more: more_interval_rows,
            incidents: self.incident_rows(Span::new(span.start, evaluated_at.plus(1)), |key, _| key.subject == subject),
            corrections: self.correction_rows(span, |_, other| other.id == slo.id),
            definition: definition::sentences(slo),
            changes: definition::change_rows(self.context.alert_state, slo),
            explain: format!("slowburn explain {} --at {evaluated_at}", slo.id),
            events: definition::event_noun(slo),
            bad: definition::bad_label(slo),
            were: definition::bad_event_verb(slo),
        }
    }

    fn window_section(&self, slo: &Slo, window: &Window, row: &SloRow, history: Option<&History>) -> WindowSection {
        let span = window.span_at(row.evaluated_at);
        let days = history.map(|history| history.daily_buckets(window)).unwrap_or_default();
        WindowSection {
            standing: StatusBadge::new(SloStatus::from_row(row)),
            objective: row.objective.clone(),
            window: row.window.clone(),
            from: TimeText::new(span.start),
            to: TimeText::new(span.end),
            why: status_reason(row),
            left: format_budget_left(&row.budget),
            raw: row.is_corrected().then(|| format_budget_left(&row.raw_budget)),
            is_below: row.budget.is_exceeded(),
            sli: row.sli.map_or_else(|| "-".to_owned(), |sli| format_percent(sli, 3)),
            forecast: format_forecast(row),
            trend: BudgetTrend::from_row(row),
            coverage: format_percent(row.coverage(), 1),
            counted: format_fraction(row.sums.bad, row.sums.total),
            figures: history.map(|history| self.window_figures(slo, window, span, history)).unwrap_or_default(),
            days: days.iter().rev().map(|piece| DayRow::new(piece, &row.budget)).collect(),
            made: calculation::calculations(slo, row),
        }
    }

    /// The pictures of a window, on one time axis.
    fn window_figures(&self, slo: &Slo, window: &Window, span: Span, history: &History) -> Vec<ChartFigure> {
        let backdrop = Backdrop { excluded: history.excluded.clone(), incidents: self.incident_spans(&slo.id, span) };
        let canvas =
            |what: &str| Canvas { id: format!("{}-{window}-{what}", slo_anchor(slo)), span, backdrop: &backdrop };
        let mut figures: Vec<ChartFigure> =
            charts::budget_figure(&canvas("budget"), &history.buckets(window), &slo.objective).into_iter().collect();
        // Traffic and failures go up and down all the time, where a budget only ever falls: fewer pieces say as much.
        let wide_buckets = history.wide_buckets(window);
        let (events, were) = (definition::event_noun(slo), definition::bad_event_verb(slo));
        figures.push(charts::failure_figure(
            &canvas("bad"),
            &wide_buckets,
            &slo.objective,
            format!("Share of {events} that {were}"),
        ));
        figures.push(charts::traffic_figure(&canvas("traffic"), &wide_buckets, events));
        figures
    }

    /// What the long window of each tier saw in the last days.
    fn tier_figures(&self, slo: &Slo, history: &History, evaluated_at: crate::time::Minute) -> Vec<ChartFigure> {
        let span = Span::ending_at(evaluated_at, TIER_HISTORY_MINUTES);
        let backdrop = Backdrop { excluded: history.excluded.clone(), incidents: self.incident_spans(&slo.id, span) };
        let look = |tier: &crate::slo::Tier| {
            let canvas = Canvas { id: format!("{}-{}", slo_anchor(slo), tier.name), span, backdrop: &backdrop };
            let title = format!("{}: burn rate over {}", tier.name, crate::time::format_duration(tier.long_minutes));
            charts::tier_figure(
                &canvas,
                &history.tier_samples(tier.long_minutes),
                &slo.objective,
                (to_f64(tier.factor), tier.long_minutes, title),
            )
        };
        slo.tiers.iter().filter_map(look).collect()
    }
}

/// What a promise is called within its page.
fn slo_anchor(slo: &Slo) -> String {
    format!("slo-{}", slo.name())
}

impl DayRow {
    fn new(bucket: &TimeBucket, budget: &ErrorBudget) -> Self {
        let coverage = f64::from(bucket.sums.known) / f64::from(bucket.span.minutes().max(1));
        Self {
            day: bucket.span.start.timestamp().strftime("%a %-d %b").to_string(),
            total: with_thousands_separators(bucket.sums.total),
            bad: with_thousands_separators(bucket.sums.bad),
            used: format_budget_used(budget, bucket.sums),
            coverage: format_percent(coverage, 0),
        }
    }
}

impl IntervalRow {
    fn new(interval: &WorstInterval, budget: Option<&ErrorBudget>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
        let share = interval.sums.bad as f64 / interval.sums.total.max(1) as f64;
        Self {
            from: TimeText::new(interval.span.start),
            to: TimeText::new(interval.span.end),
            lasted: format_duration_abbreviated(interval.span.minutes()),
            bad: with_thousands_separators(interval.sums.bad),
            total: with_thousands_separators(interval.sums.total),
            share: format_percent(share, 1),
            used: budget.map_or_else(String::new, |budget| format_budget_used(budget, interval.sums)),
        }
    }
}

/// How much of a budget some bad events are.
#[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
fn format_budget_used(budget: &ErrorBudget, sums: Sums) -> String {
    match budget.allowed().map(to_f64).filter(|allowed| *allowed > 0.0) {
        Some(allowed) => format_percent(sums.bad as f64 / allowed, 1),
        None => "-".to_owned(),
    }
}

fn tier_rows(row: &SloRow) -> Vec<TierRow> {
    let line = |(text, reading): (&crate::report::model::TierSummary, &TierEvaluation)| {
        let sums = |sums: Sums| format_fraction(sums.bad, sums.total);
        let format_burn_rate = |burn: Option<f64>| burn.map_or_else(|| "-".to_owned(), |burn| format!("{burn:.1}x"));
        TierRow {
            name: text.name.clone(),
            urgency: text.urgency.to_string(),
            long: text.long.clone(),
            short: text.short.clone(),
            long_sums: sums(reading.long),
            short_sums: sums(reading.short),
            long_burn: format_burn_rate(reading.long_burn_rate),
            short_burn: format_burn_rate(reading.short_burn_rate),
            factor: format!("{:.1}x", text.factor),
            holds: reading.is_firing,
        }
    };
    row.tiers.iter().zip(&row.evaluation.tiers).map(line).collect()
}
