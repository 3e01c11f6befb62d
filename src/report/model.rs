//! What every page, table and document is made from: one row for each promise and window, worst first.
//!
//! **Invariant:** rows carry exact counts; what is rounded is rounded where it is printed.

use std::collections::BTreeSet;

use crate::burn::{ErrorBudget, ExhaustionForecast, burn_rate, minutes_until_exhausted};
use crate::counts::Sums;
use crate::evaluation::{SloEvaluation, SloState, SloViews, evaluate, required_windows};
use crate::ledger::{Ledger, NotLoaded, PartialSumsRequest, ViewSums};
use crate::rational::to_f64;
use crate::slo::{Catalog, Exclusions, PolicyStep, Service, Slo, Tier, Urgency};
use crate::time::{Day, MINUTES_PER_DAY, Minute, Span, Window, format_duration};

/// Days that the bars of a row show.
const DAILY_BURN_DAYS: i32 = 30;

/// How every promise stands at one moment.
#[derive(Clone, Debug)]
pub struct FleetStatus {
    /// The moment that was asked for.
    pub at: Minute,
    /// One row for each SLO and window, worst first.
    pub rows: Vec<SloRow>,
}

/// How one promise stands over one of its windows.
#[derive(Clone, Debug)]
pub struct SloRow {
    /// Who owns it.
    pub team: String,
    /// Whose promise it is.
    pub service: String,
    /// Its name within the service.
    pub slo: String,
    /// The class of the service.
    pub class: String,
    /// As it was written: `99.9%`.
    pub objective: String,
    /// `30d`, or `month` with its time zone.
    pub window: String,
    /// The moment it was judged at: the one asked for, less the delay of the source.
    pub evaluated_at: Minute,
    /// The end of the newest minute that is known, if any is.
    pub watermark: Option<Minute>,
    /// Sums over the window, without the minutes that corrections exclude.
    pub sums: Sums,
    /// Sums over the window as they were counted.
    pub raw: Sums,
    /// The budget over the window if nothing were excluded.
    pub raw_budget: ErrorBudget,
    /// Minutes of the window that corrections exclude.
    pub excluded_minutes: u32,
    /// The corrections that exclude them, by id.
    pub corrections: Vec<String>,
    /// What the budget counts: `events`, or timeslices such as `timeslices of 5m`.
    pub unit: String,
    /// Minutes of the window, known or not.
    pub minutes: u32,
    /// Good events of all events; `None` without traffic.
    pub sli: Option<f64>,
    /// The budget over the window.
    pub budget: ErrorBudget,
    /// When it will run out.
    pub forecast: ExhaustionForecast,
    /// How it stood a week ago.
    pub week_ago: WeekAgo,
    /// What the tiers say.
    pub evaluation: SloEvaluation,
    /// The tiers as text, in the verdict's order.
    pub tiers: Vec<TierSummary>,
    /// The burn rate of each of the newest days, oldest first.
    pub daily_burn: Vec<DailyBurn>,
    /// What the error-budget policy of its class says of such a budget, if anything.
    pub policy: Option<PolicyStep>,
}

/// How a promise stood over the same window at an earlier moment, by what is known of that time now.
#[derive(Clone, Copy, Debug)]
pub struct WeekAgo {
    /// That moment: the UTC midnight nearest to a week before, so that sums of whole days tell it.
    pub at: Minute,
    /// Sums over the window.
    pub sums: Sums,
    /// Minutes of the window, known or not.
    pub minutes: u32,
    /// The budget over the window.
    pub budget: ErrorBudget,
    /// When it would have run out.
    pub forecast: ExhaustionForecast,
}

impl WeekAgo {
    /// The moment that is a week before another.
    #[must_use]
    pub fn time_for(at: Minute) -> Minute {
        at.plus(-7 * MINUTES_PER_DAY + MINUTES_PER_DAY / 2).day().start()
    }

    fn new(slo: &Slo, window: &Window, at: Minute, sums_over: &dyn Fn(Span) -> Sums) -> Self {
        let span = window.span_at(at);
        let sums = sums_over(span);
        let budget = ErrorBudget::new(sums, &slo.objective);
        Self {
            at,
            sums,
            minutes: span.minutes(),
            budget,
            forecast: ExhaustionForecast::new(window, at, &slo.objective, sums_over),
        }
    }

    /// The share of the window's minutes that were observed.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        if self.minutes == 0 { 0.0 } else { f64::from(self.sums.known) / f64::from(self.minutes) }
    }
}

/// A tier in words and numbers.
#[derive(Clone, Debug)]
pub struct TierSummary {
    /// What definitions call it.
    pub name: String,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Long window: `1h`.
    pub long: String,
    /// Short window: `5m`.
    pub short: String,
    /// The burn rate that has to be exceeded.
    pub factor: f64,
}

impl TierSummary {
    fn new(tier: &Tier) -> Self {
        Self {
            name: tier.name.clone(),
            urgency: tier.urgency,
            long: format_duration(tier.long_minutes),
            short: format_duration(tier.short_minutes),
            factor: to_f64(tier.factor),
        }
    }
}

/// One day of a row's bars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DailyBurn {
    /// No minute of the day is known.
    Unknown,
    /// Known, without traffic.
    NoTraffic,
    /// The burn rate of the day; infinite where nothing may fail and something did.
    Rate(f64),
}

impl SloRow {
    /// The share of the window's minutes that were observed.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        if self.minutes == 0 { 0.0 } else { f64::from(self.sums.known) / f64::from(self.minutes) }
    }

    /// Whether more failed than may fail.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.budget.is_exceeded()
    }

    /// Whether corrections change what the budget comes to.
    #[must_use]
    pub fn is_corrected(&self) -> bool {
        self.excluded_minutes > 0
    }

    /// Smaller is worse. Unknown ranks above everything that only spends budget slowly, because it may hide anything.
    fn rank(&self) -> (u8, f64) {
        let rank_without_budget = if self.is_exceeded() { f64::NEG_INFINITY } else { f64::INFINITY };
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

/// Takes every number of every promise from the ledger.
///
/// # Errors
/// When a day that a window cuts into is kept in the ledger but was not loaded.
pub fn compute_status(catalog: &Catalog, ledger: &Ledger, at: Minute) -> Result<FleetStatus, NotLoaded> {
    let excluded = Exclusions::for_evaluation(catalog, at);
    let mut rows = Vec::new();
    for service in &catalog.services {
        for slo in &service.slos {
            rows.extend(slo_rows(service, slo, &excluded, ledger, catalog.evaluation_time(slo, at))?);
        }
    }
    for row in &mut rows {
        row.policy = catalog.policies.get(&row.class).and_then(|policy| row.budget.reached_step(policy)).cloned();
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

/// The rows of one promise, one for each of its windows.
fn slo_rows(
    service: &Service,
    slo: &Slo,
    excluded: &Exclusions<'_>,
    ledger: &Ledger,
    evaluated_at: Minute,
) -> Result<Vec<SloRow>, NotLoaded> {
    let views = SloViews::new(slo, excluded.spans(service, slo));
    let raw_sums = ViewSums::new(ledger, &views.raw);
    let watermark = ledger.watermark(&views.raw.series, evaluated_at)?;
    views.with_counts(ledger, |counts| {
        let evaluation = evaluate(slo, evaluated_at, counts);
        let row = |window: &Window| {
            let span = window.span_at(evaluated_at);
            let excluded_minutes_in =
                |spans: &[Span]| spans.iter().map(|out| out.intersect(span).minutes()).sum::<u32>();
            let relevant_corrections =
                excluded.corrections_for(service, slo).filter(|(_, spans)| excluded_minutes_in(spans) > 0);
            let raw = raw_sums.sum_span(span)?;
            Ok(SloRow {
                watermark,
                raw,
                raw_budget: ErrorBudget::new(raw, &slo.objective),
                excluded_minutes: excluded_minutes_in(&views.corrected.excluded),
                corrections: relevant_corrections.map(|(correction, _)| correction.id.clone()).collect(),
                ..base_row(service, slo, window, &evaluation, counts.budget_counts, evaluated_at)
            })
        };
        slo.windows.iter().map(row).collect()
    })?
}

/// What [`status`] needs of minutes: of the days that a window or a correction begins or ends within, the sums of a
/// part of the day; and days that are cut into slices for the first time. So it does not grow with the length of the
/// windows.
#[must_use]
pub fn load_request(catalog: &Catalog, partial_sums: &Ledger, at: Minute) -> PartialSumsRequest {
    let excluded = Exclusions::for_evaluation(catalog, at);
    // Most promises ask for the same spans.
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
            let recent = [
                today,
                daily_burn_span,
                ExhaustionForecast::recent_span(evaluated_at),
                ExhaustionForecast::recent_span(week_ago),
            ];
            let budget_spans: BTreeSet<Span> =
                windows.iter().copied().chain(required.budget_windows).chain(recent).chain(week_ago_spans).collect();
            let event_spans = required.event_windows.into_iter().collect();
            request.watermark_spans.insert(partial_sums.watermark_span(&raw.series, evaluated_at));
            // Where nothing is corrected, what is raw is part of the rest.
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

/// How one promise stands over one of its windows, but for what was excluded.
fn base_row(
    service: &Service,
    slo: &Slo,
    window: &Window,
    evaluation: &SloEvaluation,
    sums_over: &dyn Fn(Span) -> Sums,
    evaluated_at: Minute,
) -> SloRow {
    let span = window.span_at(evaluated_at);
    let sums = sums_over(span);
    let budget = ErrorBudget::new(sums, &slo.objective);
    let today = evaluated_at.plus(-1).day();
    SloRow {
        team: service.team.clone(),
        service: service.name.clone(),
        slo: slo.name().to_owned(),
        class: service.class.clone(),
        objective: slo.objective.text.clone(),
        window: window.to_string(),
        evaluated_at: evaluated_at,
        watermark: None,
        sums,
        raw: sums,
        raw_budget: budget,
        excluded_minutes: 0,
        corrections: Vec::new(),
        unit: slo
            .timeslices
            .as_ref()
            .map_or_else(|| "events".to_owned(), |slices| format!("timeslices of {}", format_duration(slices.minutes))),
        minutes: span.minutes(),
        sli: sli(sums),
        forecast: match evaluation.state {
            // Where hardly anything is known of the last hour, nobody can say how it goes on.
            SloState::NoData { .. } => ExhaustionForecast::Unknown,
            _ => ExhaustionForecast::new(window, evaluated_at, &slo.objective, sums_over)
                .or_earlier(exhausted_at_current_rate(slo, evaluation, &budget, evaluated_at)),
        },
        week_ago: WeekAgo::new(slo, window, WeekAgo::time_for(evaluated_at), sums_over),
        budget,
        evaluation: evaluation.clone(),
        tiers: slo.tiers.iter().map(TierSummary::new).collect(),
        policy: None,
        daily_burn: (0..DAILY_BURN_DAYS)
            .rev()
            .map(|back| daily_burn(slo, evaluated_at, today.plus(-back), sums_over))
            .collect(),
    }
}

/// When the budget is exhausted at the rate of a firing page or outage: three days even out an outage that has just
/// begun.
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

/// The burn rate of a UTC day, up to the evaluated minute.
fn daily_burn(slo: &Slo, evaluated_at: Minute, day: Day, sums_over: &dyn Fn(Span) -> Sums) -> DailyBurn {
    let sums = sums_over(Span::new(day.start(), day.span().end.min(evaluated_at)));
    match (sums.known, burn_rate(sums, &slo.objective)) {
        (0, _) => DailyBurn::Unknown,
        (_, None) if sums.total == 0 => DailyBurn::NoTraffic,
        // An objective of 100% has no burn rate: a day keeps it or not.
        (_, None) => DailyBurn::Rate(if sums.bad > 0 { f64::INFINITY } else { 0.0 }),
        (_, Some(rate)) => DailyBurn::Rate(rate),
    }
}

#[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
fn sli(sums: Sums) -> Option<f64> {
    (sums.total > 0).then(|| (sums.total - sums.bad) as f64 / sums.total as f64)
}
