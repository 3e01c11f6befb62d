//! The status of all SLOs, which every page, table and document is made from: one row for each SLO and window, worst
//! first. Rows hold exact counts; rounding happens where they are printed.

use std::collections::BTreeSet;

use super::{SloEvaluation, SloState, SloViews, evaluate, required_windows};
use crate::burn::{
    ErrorBudget, ExhaustionForecast, burn_rate, compared_days, minutes_until_exhausted, projected_events,
};
use crate::counts::Sums;
use crate::ledger::{Ledger, NotLoaded, PartialSumsRequest, ViewSums};
use crate::rational::{Rational, quotient, to_f64};
use crate::slo::{Catalog, Exclusions, PolicyStep, Service, Slo, Tier, Urgency};
use crate::time::{Day, MINUTES_PER_DAY, Minute, Span, Window, format_duration};

const DAILY_BURN_DAYS: i32 = 30;

#[derive(Clone, Debug)]
pub struct FleetStatus {
    pub at: Minute,
    /// One row for each SLO and window, worst first.
    pub rows: Vec<SloRow>,
}

/// One SLO over one of its windows.
#[derive(Clone, Debug)]
pub struct SloRow {
    pub team: String,
    pub service: String,
    /// The name of the SLO within the service.
    pub slo: String,
    pub class: String,
    /// As written in the definition: `99.9%`.
    pub objective: String,
    /// `30d` or `month`.
    pub window: String,
    /// The requested time minus the delay of the source.
    pub evaluated_at: Minute,
    /// The end of the newest known minute.
    pub watermark: Option<Minute>,
    /// Counts in the window, without the minutes that corrections exclude.
    pub sums: Sums,
    /// Counts in the window without corrections.
    pub raw: Sums,
    pub raw_budget: ErrorBudget,
    pub excluded_minutes: u32,
    /// The ids of the corrections that exclude minutes of the window.
    pub corrections: Vec<String>,
    /// What the budget counts: `events`, or timeslices such as `timeslices of 5m`.
    pub unit: String,
    /// Minutes of the window, known or not.
    pub minutes: u32,
    /// The share of good events; `None` without traffic.
    pub sli: Option<f64>,
    pub budget: ErrorBudget,
    pub forecast: ExhaustionForecast,
    pub week_ago: WeekAgo,
    pub evaluation: SloEvaluation,
    /// In the order of `evaluation.tiers`.
    pub tiers: Vec<Tier>,
    /// One for each of the last UTC days, oldest first.
    pub daily_burn: Vec<DailyBurn>,
    /// The step of the error-budget policy that applies.
    pub policy: Option<PolicyStep>,
}

/// The same window at the midnight nearest to a week before, from what is known of that time now.
#[derive(Clone, Copy, Debug)]
pub struct WeekAgo {
    pub at: Minute,
    pub sums: Sums,
    pub minutes: u32,
    pub budget: ErrorBudget,
    pub forecast: ExhaustionForecast,
}

impl WeekAgo {
    /// The UTC midnight nearest to a week before, so that the sums of whole days suffice.
    pub fn time_for(at: Minute) -> Minute {
        at.plus(-7 * MINUTES_PER_DAY + MINUTES_PER_DAY / 2).day().start()
    }

    fn new(slo: &Slo, window: &Window, at: Minute, first_day: Option<Day>, sums_over: &dyn Fn(Span) -> Sums) -> Self {
        let span = window.span_at(at);
        let sums = sums_over(span);
        let projected_events = projected_events(window, at, first_day, sums_over);
        let budget = ErrorBudget::projected(sums, projected_events, &slo.objective);
        let forecast = ExhaustionForecast::new(window, at, &budget, sums_over);
        Self { at, sums, minutes: span.minutes(), budget, forecast }
    }

    pub fn coverage(&self) -> f64 {
        coverage(self.sums, self.minutes)
    }
}

/// A window of which a smaller share is known says nothing about its budget.
pub const MIN_COVERAGE: Rational = Rational::new_raw(1, 2);

/// Whether enough of a window is known to speak of its budget.
pub fn is_half_known(sums: Sums, minutes: u32) -> bool {
    sums.known > 0 && Rational::new(i128::from(sums.known), i128::from(minutes.max(1))) >= MIN_COVERAGE
}

/// The share of a window's minutes that is known.
fn coverage(sums: Sums, minutes: u32) -> f64 {
    if minutes == 0 { 0.0 } else { f64::from(sums.known) / f64::from(minutes) }
}

/// The burn rate of one UTC day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DailyBurn {
    /// No minute of the day is known.
    Unknown,
    NoTraffic,
    /// Infinite where the objective allows no failure and something failed.
    Rate(f64),
}

impl SloRow {
    pub fn coverage(&self) -> f64 {
        coverage(self.sums, self.minutes)
    }

    /// Whether enough of the window is known to speak of its budget.
    pub fn is_half_known(&self) -> bool {
        is_half_known(self.sums, self.minutes)
    }

    /// Whether corrections exclude minutes of the window.
    pub fn is_corrected(&self) -> bool {
        self.excluded_minutes > 0
    }

    /// `service/slo`, the id of the SLO.
    pub fn id(&self) -> String {
        format!("{}/{}", self.service, self.slo)
    }

    /// Smaller is worse. Unknown ranks above everything that only spends budget slowly, because it may hide anything.
    fn rank(&self) -> (u8, f64) {
        let rank_without_budget = if self.budget.is_exceeded() { f64::NEG_INFINITY } else { f64::INFINITY };
        let remaining = self.budget.remaining().map_or(rank_without_budget, to_f64);
        let severity = match (self.evaluation.state.urgency(), &self.evaluation.state) {
            (Some(Urgency::Severe), _) => 0,
            (Some(Urgency::Page), _) => 1,
            (Some(Urgency::Ticket), _) => 2,
            (None, SloState::NoData { .. }) => 3,
            (None, _) => 4,
        };
        (severity, remaining)
    }
}

/// The rows of all SLOs. Fails if a day that a window begins or ends within is in the ledger but was not loaded.
pub fn compute_status(catalog: &Catalog, ledger: &Ledger, at: Minute) -> Result<FleetStatus, NotLoaded> {
    let excluded = Exclusions::for_evaluation(catalog, at);
    let mut rows = Vec::new();
    for service in &catalog.services {
        for slo in &service.slos {
            rows.extend(slo_rows(catalog, service, slo, &excluded, ledger, catalog.evaluation_time(slo, at))?);
        }
    }
    let mut ranked_rows: Vec<((u8, f64), SloRow)> = rows.into_iter().map(|row| (row.rank(), row)).collect();
    ranked_rows.sort_by(|((class_a, left_a), a), ((class_b, left_b), b)| {
        class_a
            .cmp(class_b)
            .then(left_a.total_cmp(left_b))
            .then_with(|| (&a.service, &a.slo).cmp(&(&b.service, &b.slo)))
    });
    Ok(FleetStatus { at, rows: ranked_rows.into_iter().map(|(_, row)| row).collect() })
}

/// The rows of one SLO, one for each of its windows.
fn slo_rows(
    catalog: &Catalog,
    service: &Service,
    slo: &Slo,
    excluded: &Exclusions<'_>,
    ledger: &Ledger,
    evaluated_at: Minute,
) -> Result<Vec<SloRow>, NotLoaded> {
    let views = SloViews::new(slo, excluded.spans(service, slo));
    let raw_sums = ViewSums::new(ledger, &views.raw);
    let watermark = ledger.watermark(&views.raw.series, evaluated_at)?;
    let first_day = ledger.first_day(&views.raw.series);
    views.with_counts(ledger, |counts| {
        let sums_over = counts.budget_counts;
        let evaluation = evaluate(slo, evaluated_at, counts);
        let daily_burn = daily_burn(slo, evaluated_at, sums_over);
        let to_row = |window: &Window| {
            let span = window.span_at(evaluated_at);
            let (sums, raw) = (sums_over(span), raw_sums.sum_span(span)?);
            let projected_events = projected_events(window, evaluated_at, first_day, sums_over);
            let budget = ErrorBudget::projected(sums, projected_events, &slo.objective);
            let excluded_minutes_in =
                |spans: &[Span]| spans.iter().map(|out| out.intersect(span).minutes()).sum::<u32>();
            let corrections =
                excluded.corrections_for(service, slo).filter(|(_, spans)| excluded_minutes_in(spans) > 0);
            Ok(SloRow {
                team: service.team.clone(),
                service: service.name.clone(),
                slo: slo.name().to_owned(),
                class: service.class.clone(),
                objective: slo.objective.text.clone(),
                window: window.to_string(),
                evaluated_at,
                watermark,
                sums,
                raw,
                raw_budget: ErrorBudget::projected(raw, projected_events, &slo.objective),
                excluded_minutes: excluded_minutes_in(&views.corrected.excluded),
                corrections: corrections.map(|(correction, _)| correction.id.clone()).collect(),
                unit: budget_unit(slo),
                minutes: span.minutes(),
                sli: sli(sums),
                forecast: match evaluation.state {
                    // Where hardly anything is known of the last hour, nothing can be extrapolated.
                    SloState::NoData { .. } => ExhaustionForecast::Unknown,
                    _ => ExhaustionForecast::new(window, evaluated_at, &budget, sums_over)
                        .or_earlier(exhausted_at_current_rate(slo, &evaluation, &budget, evaluated_at)),
                },
                week_ago: WeekAgo::new(slo, window, WeekAgo::time_for(evaluated_at), first_day, sums_over),
                budget,
                evaluation: evaluation.clone(),
                tiers: slo.tiers.clone(),
                policy: catalog
                    .policies
                    .get(&service.class)
                    .filter(|_| is_half_known(sums, span.minutes()))
                    .and_then(|policy| budget.reached_step(policy))
                    .cloned(),
                daily_burn: daily_burn.clone(),
            })
        };
        slo.windows.iter().map(to_row).collect()
    })?
}

/// What [`compute_status`] needs to be loaded: partial sums of the days that a window or a correction begins or ends
/// within, and days whose timeslices are not cached yet. It does not grow with the length of the windows.
pub fn load_request(catalog: &Catalog, partial_sums: &Ledger, at: Minute) -> PartialSumsRequest {
    let excluded = Exclusions::for_evaluation(catalog, at);
    // Most SLOs need the same spans.
    let (mut plain_spans, mut request) = (BTreeSet::new(), PartialSumsRequest::default());
    for service in &catalog.services {
        for slo in &service.slos {
            let evaluated_at = catalog.evaluation_time(slo, at);
            let required = required_windows(slo, evaluated_at);
            let SloViews { corrected, raw, events } = SloViews::new(slo, excluded.spans(service, slo));
            let windows: BTreeSet<Span> = slo.windows.iter().map(|window| window.span_at(evaluated_at)).collect();
            let today = Span::new(evaluated_at.plus(-1).day().start(), evaluated_at);
            let daily_burn_span =
                Span::new(evaluated_at.plus(-1).day().plus(1 - DAILY_BURN_DAYS).start(), evaluated_at);
            let week_ago = WeekAgo::time_for(evaluated_at);
            let week_ago_spans = slo.windows.iter().map(|window| window.span_at(week_ago));
            let compared = slo.windows.iter().flat_map(|window| {
                compared_days(window, evaluated_at)
                    .chain(compared_days(window, week_ago))
                    .map(Day::span)
                    .collect::<Vec<_>>()
            });
            let recent = [
                today,
                daily_burn_span,
                ExhaustionForecast::recent_span(evaluated_at),
                ExhaustionForecast::recent_span(week_ago),
            ];
            let budget_spans: BTreeSet<Span> = windows
                .iter()
                .copied()
                .chain(required.budget_windows)
                .chain(recent)
                .chain(week_ago_spans)
                .chain(compared)
                .collect();
            let event_spans = required.event_windows.into_iter().collect();
            request.watermark_spans.insert(partial_sums.watermark_span(&raw.series, evaluated_at));
            // Without corrections the raw view equals the corrected one.
            let views = [
                Some((&corrected, budget_spans)),
                Some((&events, event_spans)),
                (raw != corrected).then_some((&raw, windows)),
            ];
            for (view, mut spans) in views.into_iter().flatten() {
                if view.is_plain() {
                    plain_spans.append(&mut spans);
                } else {
                    partial_sums.request_sums(view, &spans, &mut request);
                }
            }
        }
    }
    request.sum_spans.extend(plain_spans.into_iter().flat_map(Ledger::partial_days));
    request
}

/// When the budget is exhausted at the rate of a firing page or outage: three days even out an outage that has just
/// started.
fn exhausted_at_current_rate(
    slo: &Slo,
    evaluation: &SloEvaluation,
    budget: &ErrorBudget,
    evaluated_at: Minute,
) -> Option<Minute> {
    let (bad, minutes) = match evaluation.state {
        SloState::Firing { tier, urgency } if urgency >= Urgency::Page => {
            (evaluation.tiers.get(tier)?.short.bad, slo.tiers.get(tier)?.short_minutes)
        }
        SloState::Outage { minutes, sums } => (sums.bad, minutes),
        _ => return None,
    };
    let events_left = to_f64(budget.allowed()?) * to_f64(budget.remaining()?);
    Some(evaluated_at.plus(minutes_until_exhausted(events_left, bad, minutes)?))
}

/// The burn rate of each of the last UTC days, oldest first, up to the evaluated minute.
fn daily_burn(slo: &Slo, evaluated_at: Minute, sums_over: &dyn Fn(Span) -> Sums) -> Vec<DailyBurn> {
    let today = evaluated_at.plus(-1).day();
    let burn_of_day = |day: Day| {
        let sums = sums_over(Span::new(day.start(), day.span().end.min(evaluated_at)));
        match (sums.known, burn_rate(sums, &slo.objective)) {
            (0, _) => DailyBurn::Unknown,
            (_, None) if sums.total == 0 => DailyBurn::NoTraffic,
            // An objective of 100% has no burn rate: a day keeps it or not.
            (_, None) => DailyBurn::Rate(if sums.bad > 0 { f64::INFINITY } else { 0.0 }),
            (_, Some(rate)) => DailyBurn::Rate(rate),
        }
    };
    (0..DAILY_BURN_DAYS).rev().map(|back| burn_of_day(today.plus(-back))).collect()
}

fn budget_unit(slo: &Slo) -> String {
    let timeslices = slo.timeslices.as_ref().map(|slices| slices.minutes);
    timeslices.map_or_else(|| "events".to_owned(), |minutes| format!("timeslices of {}", format_duration(minutes)))
}

fn sli(sums: Sums) -> Option<f64> {
    (sums.total > 0).then(|| quotient((sums.total - sums.bad).into(), sums.total.into()))
}
