//! Evaluates SLOs minute by minute from the ledger, as input of the incident state machine.
//!
//! Usually only a few minutes are new, and their sums are loaded together with those of the status. Longer ranges,
//! after a long pause or late data, are evaluated in batches of bounded size.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::hysteresis::TICKET_RESOLVE_SHARE;
use super::state::signed_minutes;
use super::{
    AlertState, EvaluationStart, IncidentSubject, MinuteEvaluation, Owner, SloUpdate, SourceWatermark, TicketTiers,
    evaluation_start, resolve_after,
};
use crate::burn::Threshold;
use crate::counts::Sums;
use crate::evaluation::{CountsView, SloEvaluation, SloState, SloViews, TierEvaluation, evaluate, required_windows};
use crate::ledger::{Ledger, NotLoaded, PartialSumsRequest, View, ViewSums};
use crate::rational::Rational;
use crate::slo::{Catalog, Exclusions, Indicator, Service, Slo, Tier, Urgency};
use crate::time::{Minute, Span};

/// New minutes up to which they are evaluated together with the status.
const IMMEDIATE_MINUTES: i32 = 15;

/// Sums of so many SLOs and minutes are held at a time.
const BATCH_EVALUATIONS_MAX: i32 = 60_000;

#[derive(Clone, Debug)]
pub struct EvaluationRange {
    pub slo_index: usize,
    pub from: Minute,
    pub until: Minute,
}

pub struct Evaluator<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) slos: Vec<(&'a Service, &'a Slo)>,
    pub(super) exclusions: Exclusions<'a>,
    pub(super) at: Minute,
}

impl<'a> Evaluator<'a> {
    pub fn new(catalog: &'a Catalog, at: Minute) -> Self {
        let exclusions = Exclusions::for_evaluation(catalog, at);
        Self { catalog, slos: catalog.slos().collect(), exclusions, at }
    }

    /// Adds the sums that [`Self::evaluate_new`] needs.
    pub fn request_load(&self, ledger: &Ledger, state: &AlertState, request: &mut PartialSumsRequest) {
        let stale_after = self.catalog.alerts.stale_after_minutes.map(signed_minutes);
        for (slo_index, (_, slo)) in self.slos.iter().enumerate() {
            let until = self.catalog.evaluation_time(slo, self.at);
            let evaluated_at = state.checkpoints.get(&slo.id).map(|checkpoint| checkpoint.evaluated_at);
            let from = evaluated_at.map_or(until, |at| at.plus(1)).max(until.plus(1 - IMMEDIATE_MINUTES));
            self.request_range_load(ledger, &EvaluationRange { slo_index, from, until }, request);
            let late_data_spans = [(until, until), (until.plus(-60), until)]
                .into_iter()
                .chain(evaluated_at.map(|at| (at, at)))
                .map(|(at, end)| self.late_data_span(at, end))
                .chain(stale_after.map(|minutes| Span::ending_at(until, minutes)))
                .collect();
            ledger.request_sums(&event_view(slo), &late_data_spans, request);
        }
    }

    /// The minutes by which late data is detected. They start at a full hour, so that most SLOs have the same ones.
    fn late_data_span(&self, evaluated_at: Minute, end: Minute) -> Span {
        let start = super::late_data_span(evaluated_at, &self.catalog.alerts).start;
        Span::new(Minute(start.0.div_euclid(60) * 60), end)
    }

    /// Adds the sums that [`Self::evaluate_range`] needs.
    pub fn request_range_load(&self, ledger: &Ledger, range: &EvaluationRange, request: &mut PartialSumsRequest) {
        let (service, slo) = self.slos[range.slo_index];
        let (mut budget_windows, mut event_windows) = (BTreeSet::new(), BTreeSet::new());
        for at in (range.from.0..=range.until.0).map(Minute) {
            let required_windows = required_windows(slo, at);
            budget_windows.extend(required_windows.budget_windows);
            event_windows.extend(required_windows.event_windows);
            event_windows.insert(Span::ending_at(at, 1));
        }
        let views = SloViews::new(slo, self.exclusions.spans(service, slo));
        ledger.request_sums(&views.corrected, &budget_windows, request);
        ledger.request_sums(&views.events, &event_windows, request);
    }

    /// Evaluates the new minutes of every SLO. Long ranges are returned instead. `since`: where SLOs without a
    /// checkpoint begin; by default with the newest minute.
    pub fn evaluate_new(
        &self,
        ledger: &Ledger,
        state: &AlertState,
        since: Option<Minute>,
    ) -> Result<(Vec<SloUpdate>, Vec<EvaluationRange>), NotLoaded> {
        let (mut updates, mut backlog) = (Vec::new(), Vec::new());
        for (slo_index, (service, slo)) in self.slos.iter().enumerate() {
            let latest_evaluation = self.catalog.evaluation_time(slo, self.at);
            let event_view = event_view(slo);
            let sums = ViewSums::new(ledger, &event_view);
            let evaluated_at = state.checkpoints.get(&slo.id).map(|checkpoint| checkpoint.evaluated_at);
            let watermark = ledger.watermark(&event_view.series, latest_evaluation)?;
            let until = watermark.max(evaluated_at).unwrap_or(latest_evaluation);
            let evaluated_counts =
                evaluated_at.map_or(Ok(Sums::default()), |at| sums.sum_span(self.late_data_span(at, at)))?;
            let start = match since.filter(|_| evaluated_at.is_none()) {
                Some(since) => Some(EvaluationStart { from: since, has_changed: false }),
                None => evaluation_start(state, &slo.id, until, evaluated_counts, &self.catalog.alerts),
            };
            // No minute between the watermark and the latest evaluation is known.
            let recent_counts = if Some(until) == evaluated_at {
                evaluated_counts
            } else {
                sums.sum_span(self.late_data_span(until, latest_evaluation))?
            };
            let mut update = SloUpdate {
                recent_counts,
                has_changed: start.is_some_and(|start| start.has_changed),
                ..self.slo_update(service, slo, until)
            };
            if let Some(EvaluationStart { from, .. }) = start.filter(|start| start.from <= until) {
                let range = EvaluationRange { slo_index, from, until };
                if from > latest_evaluation.plus(-IMMEDIATE_MINUTES) || from == until {
                    update.evaluations = self.evaluate_range(ledger, &range)?;
                } else {
                    backlog.push(range);
                }
            }
            updates.push(update);
        }
        Ok((updates, backlog))
    }

    fn slo_update(&self, service: &Service, slo: &Slo, evaluated_at: Minute) -> SloUpdate {
        let source = slo.indicator.source();
        let mut group_subjects = vec![IncidentSubject::SharedSource(source.to_owned())];
        if let Indicator::Requests { traffic, .. } = &slo.indicator {
            group_subjects.insert(0, IncidentSubject::for_load_balancer(&traffic.load_balancer, source));
        }
        SloUpdate {
            slo: slo.id.clone(),
            owner: Owner { team: service.team.clone(), service: service.name.clone(), class: service.class.clone() },
            group_subjects,
            fingerprint: slo.fingerprint(),
            objective: slo.objective.text.clone(),
            resolve_after: resolve_after(slo, &self.catalog.alerts),
            evaluations: Vec::new(),
            evaluated_at,
            recent_counts: Sums::default(),
            has_changed: false,
        }
    }

    pub fn range(&self, slo: &Slo, from: Minute, until: Minute) -> Option<EvaluationRange> {
        let slo_index = self.slos.iter().position(|(_, other)| other.id == slo.id)?;
        Some(EvaluationRange { slo_index, from, until })
    }

    pub fn evaluate_range(&self, ledger: &Ledger, range: &EvaluationRange) -> Result<Vec<MinuteEvaluation>, NotLoaded> {
        let (service, slo) = self.slos[range.slo_index];
        SloViews::new(slo, self.exclusions.spans(service, slo)).with_counts(ledger, |counts| {
            (range.from.0..=range.until.0).map(|at| evaluate_minute(slo, Minute(at), counts)).collect()
        })
    }

    /// The last evaluation of a range in full.
    pub fn evaluate_last(&self, ledger: &Ledger, range: &EvaluationRange) -> Result<SloEvaluation, NotLoaded> {
        let (service, slo) = self.slos[range.slo_index];
        let views = SloViews::new(slo, self.exclusions.spans(service, slo));
        views.with_counts(ledger, |counts| evaluate(slo, range.until, counts))
    }

    /// Splits ranges into batches of bounded size, in the order of time.
    pub fn split_backlog(backlog: &[EvaluationRange]) -> Vec<Vec<EvaluationRange>> {
        let batch_minutes =
            (BATCH_EVALUATIONS_MAX / i32::try_from(backlog.len().max(1)).unwrap_or(i32::MAX)).clamp(30, 1_440);
        let mut batches: BTreeMap<i32, Vec<EvaluationRange>> = BTreeMap::new();
        for &EvaluationRange { slo_index, mut from, until } in backlog {
            while from <= until {
                let batch_index = from.0.div_euclid(batch_minutes);
                let batch_end = Minute((batch_index + 1).saturating_mul(batch_minutes) - 1).min(until);
                batches.entry(batch_index).or_default().push(EvaluationRange { slo_index, from, until: batch_end });
                from = batch_end.plus(1);
            }
        }
        batches.into_values().collect()
    }

    /// The newest known minute and the time of the last fetch of each source, except for counts files, which have no
    /// schedule.
    pub fn source_watermarks(&self, updates: &[SloUpdate]) -> BTreeMap<String, SourceWatermark> {
        let mut watermarks: BTreeMap<String, SourceWatermark> = BTreeMap::new();
        for ((_, slo), update) in self.slos.iter().zip(updates) {
            if update.recent_counts.known == 0 || matches!(slo.indicator, Indicator::Counts { .. }) {
                continue;
            }
            let name = slo.indicator.source();
            let watermark = watermarks.entry(name.to_owned()).or_insert_with(|| SourceWatermark {
                known_until: update.evaluated_at,
                fetched_at: self.catalog.sources.get(name).map_or(self.at, |source| source.last_fetch_at(self.at)),
            });
            watermark.known_until = update.evaluated_at.max(watermark.known_until);
        }
        watermarks
    }
}

/// Late data is detected by single events: a timeslice that contains the evaluated minute is unknown until it has
/// ended, and is not late when it becomes known.
fn event_view(slo: &Slo) -> Arc<View> {
    SloViews::new(slo, Vec::new()).events
}

fn evaluate_minute(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> MinuteEvaluation {
    let newest = Span::ending_at(at, 1);
    let is_included = counts.excluded.iter().all(|out| out.intersect(newest).is_empty());
    let is_observed = is_included && (counts.event_counts)(newest).known == 1;
    if !is_observed {
        return MinuteEvaluation::unobserved(at);
    }
    let evaluation = evaluate(slo, at, counts);
    let tiers = || slo.tiers.iter().zip(&evaluation.tiers);
    let shortest_window = tiers().min_by_key(|(tier, _)| tier.short_minutes);
    let short_firing = tiers().filter(|(_, tier_evaluation)| tier_evaluation.is_short_firing);
    MinuteEvaluation {
        at,
        is_observed,
        firing: evaluation.state.urgency(),
        short_window_firing: short_firing.map(|(tier, _)| tier.urgency).max(),
        has_no_traffic: shortest_window
            .map_or((counts.event_counts)(newest).total, |(_, tier_evaluation)| tier_evaluation.short.total)
            == 0,
        is_traffic_drop: matches!(evaluation.state, SloState::TrafficDrop { .. }),
        ticket_tiers: evaluate_ticket_tiers(slo, &evaluation),
    }
}

fn evaluate_ticket_tiers(slo: &Slo, evaluation: &SloEvaluation) -> TicketTiers {
    let ticket_tiers = || slo.tiers.iter().zip(&evaluation.tiers).filter(|(tier, _)| tier.urgency == Urgency::Ticket);
    let is_burning = |(tier, evaluation): (&Tier, &TierEvaluation)| {
        let (numerator, denominator) = TICKET_RESOLVE_SHARE;
        let factor = tier.factor * Rational::new(numerator, denominator);
        evaluation.long.bad > 0
            && Threshold::new(factor, &slo.objective).is_exceeded(evaluation.long.total, evaluation.long.bad)
    };
    if ticket_tiers().any(|(_, evaluation)| evaluation.is_firing) {
        TicketTiers::Firing
    } else if ticket_tiers().any(is_burning) {
        TicketTiers::Burning
    } else {
        TicketTiers::Quiet
    }
}
