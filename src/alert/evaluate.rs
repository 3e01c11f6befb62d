//! What the ledger says of every SLO, minute by minute: the link between numbers and incidents.
//!
//! Nearly always a few new minutes are all there is, and the sums that judging them needs come along with those of the
//! status. What reaches further back, after a long pause or late data, is left for later and heard in pieces of bounded
//! size.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    AlertState, EvaluationStart, MinuteEvaluation, Owner, SharedScope, SloUpdate, SourceWatermark, evaluation_start,
    resolve_after,
};
use crate::counts::Sums;
use crate::evaluation::{CountsView, SloEvaluation, SloState, TierEvaluation, evaluate, required_windows};
use crate::ledger::{Ledger, NotLoaded, PartialSumsRequest, View, ViewSums};
use crate::report::model::{SloViews, evaluation_time};
use crate::slo::{AlertRules, Catalog, Exclusions, Indicator, Service, Slo, Urgency};
use crate::time::{Minute, Span};

/// New minutes up to which they are heard together with the status.
const IMMEDIATE_MINUTES: i32 = 15;

/// Sums of so many SLOs and minutes are held at a time.
const BATCH_EVALUATIONS_MAX: i32 = 60_000;

/// What is still to be heard of an SLO.
#[derive(Clone, Debug)]
pub struct BacklogRange {
    /// Its place among [`Round::heard`](super::Round::heard).
    pub slo_index: usize,
    /// Evaluations, the last one included.
    pub from: Minute,
    /// The last one.
    pub until: Minute,
}

/// All SLOs of a catalogue with what does not count for each.
pub struct Evaluator<'a> {
    catalog: &'a Catalog,
    excluded: &'a Exclusions<'a>,
    at: Minute,
}

impl<'a> Evaluator<'a> {
    /// Those who can be heard at a moment.
    #[must_use]
    pub const fn new(catalog: &'a Catalog, excluded: &'a Exclusions<'a>, at: Minute) -> Self {
        Self { catalog, excluded, at }
    }

    fn rules(&self) -> &'a AlertRules {
        &self.catalog.alerts
    }

    /// Adds what [`Self::hear`] needs of minutes.
    pub fn request_load(&self, ledger: &Ledger, state: &AlertState, wanted: &mut PartialSumsRequest) {
        for (service, slo) in self.catalog.slos() {
            let latest_evaluation = evaluation_time(self.catalog, slo, self.at);
            let checkpoint = state.checkpoints.get(&slo.id);
            let from = checkpoint
                .map_or(latest_evaluation, |checkpoint| checkpoint.evaluated_at.plus(1))
                .max(latest_evaluation.plus(1 - IMMEDIATE_MINUTES));
            self.request_evaluation_load(ledger, (service, slo), from, latest_evaluation, wanted);
            let mut late_data_spans = BTreeSet::from([
                self.late_data_span(latest_evaluation, latest_evaluation),
                self.late_data_span(latest_evaluation.plus(-60), latest_evaluation),
            ]);
            late_data_spans.extend(
                checkpoint.map(|checkpoint| self.late_data_span(checkpoint.evaluated_at, checkpoint.evaluated_at)),
            );
            ledger.request_sums(&event_view(slo), &late_data_spans, wanted);
        }
    }

    /// The minutes that late data is recognised by. They begin at a full hour, so that most SLOs ask for the same ones.
    fn late_data_span(&self, evaluated_at: Minute, end: Minute) -> Span {
        let start = super::late_data_span(evaluated_at, self.rules()).start;
        Span::new(Minute(start.0.div_euclid(60) * 60), end)
    }

    fn request_evaluation_load(
        &self,
        ledger: &Ledger,
        (service, slo): (&Service, &Slo),
        from: Minute,
        until: Minute,
        wanted: &mut PartialSumsRequest,
    ) {
        let (mut budget_windows, mut event_windows) = (BTreeSet::new(), BTreeSet::new());
        for at in (from.0..=until.0).map(Minute) {
            let required_windows = required_windows(slo, at);
            budget_windows.extend(required_windows.budget_windows);
            event_windows.extend(required_windows.event_windows);
            event_windows.insert(Span::ending_at(at, 1));
        }
        let views = SloViews::new(slo, self.excluded.spans(service, slo));
        ledger.request_sums(&views.corrected, &budget_windows, wanted);
        ledger.request_sums(&views.events, &event_windows, wanted);
    }

    /// What is new of every SLO, and what is left for later. `since`: where SLOs begin that were never seen; without it
    /// now.
    ///
    /// # Errors
    /// [`NotLoaded`] if minutes are kept that [`Self::want`] did not foresee.
    pub fn evaluate_new(
        &self,
        ledger: &Ledger,
        state: &AlertState,
        since: Option<Minute>,
    ) -> Result<(Vec<SloUpdate>, Vec<BacklogRange>), NotLoaded> {
        let (mut updates, mut backlog) = (Vec::new(), Vec::new());
        for (slo_index, (service, slo)) in self.catalog.slos().enumerate() {
            let latest_evaluation = evaluation_time(self.catalog, slo, self.at);
            let event_view = event_view(slo);
            let sums = ViewSums::new(ledger, &event_view);
            let checkpoint = state.checkpoints.get(&slo.id);
            let evaluated_at = checkpoint.map(|checkpoint| checkpoint.evaluated_at);
            let watermark = ledger.watermark(&event_view.series, latest_evaluation)?;
            let until = watermark.max(evaluated_at).unwrap_or(latest_evaluation);
            let recent_counts = evaluated_at.map_or(Ok(Sums::default()), |evaluated_at| {
                sums.sum_span(self.late_data_span(evaluated_at, evaluated_at))
            })?;
            let mut start = evaluation_start(state, &slo.id, until, recent_counts, self.rules());
            if let (None, Some(since)) = (checkpoint, since) {
                start = Some(EvaluationStart { from: since, has_changed: false });
            }
            // Nothing is known between the newest known minute and the judged one.
            let recent_counts = if Some(until) == evaluated_at {
                recent_counts
            } else {
                sums.sum_span(self.late_data_span(until, latest_evaluation))?
            };
            let mut update =
                self.slo_update((service, slo), until, recent_counts, start.is_some_and(|start| start.has_changed));
            match start.map(|start| start.from) {
                Some(from) if from > latest_evaluation.plus(-IMMEDIATE_MINUTES) || from == until => {
                    update.evaluations = self.evaluate_minutes(ledger, (service, slo), from, until)?;
                }
                Some(from) if from <= until => backlog.push(BacklogRange { slo_index, from, until }),
                _ => {}
            }
            updates.push(update);
        }
        Ok((updates, backlog))
    }

    fn slo_update(
        &self,
        (service, slo): (&Service, &Slo),
        evaluated_at: Minute,
        recent_counts: Sums,
        has_changed: bool,
    ) -> SloUpdate {
        let load_balancer_scope = match &slo.indicator {
            Indicator::Requests { source, traffic, .. } => {
                Some(SharedScope::for_load_balancer(&traffic.load_balancer, source))
            }
            _ => None,
        };
        SloUpdate {
            slo: slo.id.clone(),
            owner: Owner { team: service.team.clone(), service: service.name.clone(), class: service.class.clone() },
            shared_scopes: load_balancer_scope
                .into_iter()
                .chain([SharedScope::Source(slo.indicator.source().to_owned())])
                .collect(),
            fingerprint: slo.fingerprint(),
            objective: slo.objective.text.clone(),
            resolve_after: resolve_after(slo, self.rules()),
            evaluations: Vec::new(),
            evaluated_at,
            recent_counts,
            has_changed,
        }
    }

    /// The evaluations of one SLO, as something that is left for later.
    #[must_use]
    pub fn backlog_of(&self, slo: &Slo, from: Minute, until: Minute) -> Vec<BacklogRange> {
        let slo_index = self.catalog.slos().position(|(_, other)| other.id == slo.id);
        slo_index.into_iter().map(|slo_index| BacklogRange { slo_index, from, until }).collect()
    }

    /// What the evaluations of a piece of one SLO say.
    ///
    /// # Errors
    /// [`NotLoaded`] if minutes are kept that [`Self::want_piece`] did not foresee.
    pub fn evaluate_ranges(
        &self,
        ledger: &Ledger,
        ranges: &[BacklogRange],
    ) -> Result<Vec<MinuteEvaluation>, NotLoaded> {
        let slos: Vec<(&Service, &Slo)> = self.catalog.slos().collect();
        let mut evaluations = Vec::new();
        for range in ranges {
            if let Some(slo) = slos.get(range.slo_index) {
                evaluations.extend(self.evaluate_minutes(ledger, *slo, range.from, range.until)?);
            }
        }
        Ok(evaluations)
    }

    /// What the numbers of one evaluation come to.
    ///
    /// # Errors
    /// [`NotLoaded`] if minutes are kept that [`Self::want_piece`] did not foresee.
    pub fn evaluate_at(&self, ledger: &Ledger, slo: (&Service, &Slo), at: Minute) -> Result<SloEvaluation, NotLoaded> {
        self.with_counts(ledger, slo, |counts| evaluate(slo.1, at, counts))
    }

    /// What the evaluations of a span say.
    fn evaluate_minutes(
        &self,
        ledger: &Ledger,
        (service, slo): (&Service, &Slo),
        from: Minute,
        until: Minute,
    ) -> Result<Vec<MinuteEvaluation>, NotLoaded> {
        self.with_counts(ledger, (service, slo), |counts| {
            (from.0..=until.0).map(|at| evaluate_minute(slo, Minute(at), counts)).collect()
        })
    }

    /// Works with what an SLO is judged by. The numbers are asked for in many places; a part that is missing is told at
    /// the end.
    fn with_counts<T>(
        &self,
        ledger: &Ledger,
        (service, slo): (&Service, &Slo),
        compute: impl FnOnce(&CountsView<'_>) -> T,
    ) -> Result<T, NotLoaded> {
        let views = SloViews::new(slo, self.excluded.spans(service, slo));
        let missing = RefCell::new(None);
        let sums_in = |view: &ViewSums<'_>, span: Span| {
            view.sum_span(span).unwrap_or_else(|missing_part| {
                missing.replace(Some(missing_part));
                Sums::default()
            })
        };
        let [corrected, events] = [&views.corrected, &views.events].map(|view| ViewSums::new(ledger, view));
        let (budget_counts, event_counts) =
            (|span: Span| sums_in(&corrected, span), |span: Span| sums_in(&events, span));
        let result = compute(&CountsView {
            budget_counts: &budget_counts,
            event_counts: &event_counts,
            excluded: &views.corrected.excluded,
        });
        missing.into_inner().map_or(Ok(result), Err)
    }

    /// What was left for later, cut into pieces: which, and the evaluations of each.
    #[must_use]
    pub fn split_backlog(backlog: &[BacklogRange]) -> Vec<Vec<BacklogRange>> {
        let batch_minutes =
            (BATCH_EVALUATIONS_MAX / i32::try_from(backlog.len().max(1)).unwrap_or(i32::MAX)).clamp(30, 1_440);
        let mut batches: BTreeMap<i32, Vec<BacklogRange>> = BTreeMap::new();
        for range in backlog {
            let mut from = range.from;
            while from <= range.until {
                let batch_index = from.0.div_euclid(batch_minutes);
                let until = Minute((batch_index + 1).saturating_mul(batch_minutes) - 1).min(range.until);
                batches.entry(batch_index).or_default().push(BacklogRange { slo_index: range.slo_index, from, until });
                from = until.plus(1);
            }
        }
        batches.into_values().collect()
    }

    /// Adds what a piece needs of minutes.
    pub fn request_backlog_load(&self, ledger: &Ledger, ranges: &[BacklogRange], wanted: &mut PartialSumsRequest) {
        let slos: Vec<(&Service, &Slo)> = self.catalog.slos().collect();
        for range in ranges {
            if let Some(slo) = slos.get(range.slo_index) {
                self.request_evaluation_load(ledger, *slo, range.from, range.until, wanted);
            }
        }
    }

    /// Hears a piece.
    ///
    /// # Errors
    /// [`NotLoaded`] if minutes are kept that [`Self::want_piece`] did not foresee.
    pub fn evaluate_backlog(
        &self,
        ledger: &Ledger,
        ranges: &[BacklogRange],
        updates: &mut [SloUpdate],
    ) -> Result<(), NotLoaded> {
        let slos: Vec<(&Service, &Slo)> = self.catalog.slos().collect();
        for range in ranges {
            if let (Some(slo), Some(update)) = (slos.get(range.slo_index), updates.get_mut(range.slo_index)) {
                update.evaluations.extend(self.evaluate_minutes(ledger, *slo, range.from, range.until)?);
            }
        }
        Ok(())
    }

    /// The newest known minute of each source and up to where it was asked, but for files of counts, which come when
    /// they come.
    #[must_use]
    pub fn source_watermarks(&self, updates: &[SloUpdate]) -> BTreeMap<String, SourceWatermark> {
        let mut watermarks: BTreeMap<String, SourceWatermark> = BTreeMap::new();
        for ((_, slo), update) in self.catalog.slos().zip(updates).filter(|(_, update)| update.recent_counts.known > 0)
        {
            if matches!(slo.indicator, Indicator::Counts { .. }) {
                continue;
            }
            let name = slo.indicator.source();
            // What is asked once in six hours has nothing new for six hours.
            let fetched_at = || self.catalog.sources.get(name).map_or(self.at, |source| source.last_fetch_at(self.at));
            let new_watermark = || SourceWatermark { known_until: update.evaluated_at, fetched_at: fetched_at() };
            let watermark = watermarks.entry(name.to_owned()).or_insert_with(new_watermark);
            watermark.known_until = update.evaluated_at.max(watermark.known_until);
        }
        watermarks
    }
}

/// What late data is recognised by: single events. A slice that the evaluated minute cuts is unknown until it has
/// ended, and what then becomes known of it is not late.
fn event_view(slo: &Slo) -> Arc<View> {
    SloViews::new(slo, Vec::new()).events
}

/// What one evaluation says.
fn evaluate_minute(slo: &Slo, at: Minute, counts: &CountsView<'_>) -> MinuteEvaluation {
    let newest = Span::ending_at(at, 1);
    let is_included = counts.excluded.iter().all(|out| out.intersect(newest).is_empty());
    let is_observed = is_included && (counts.event_counts)(newest).known == 1;
    if !is_observed {
        return MinuteEvaluation { at, is_observed, firing: None, short_window_firing: None, has_no_traffic: false };
    }
    let evaluation = evaluate(slo, at, counts);
    let shortest_window =
        evaluation.tiers.iter().map(|tier| tier.short.total).zip(&slo.tiers).min_by_key(|(_, tier)| tier.short_minutes);
    MinuteEvaluation {
        at,
        is_observed,
        firing: evaluation.state.urgency().filter(|_| !is_single_bad_event(slo, &evaluation)),
        short_window_firing: short_window_urgency(slo, &evaluation),
        has_no_traffic: shortest_window.map_or((counts.event_counts)(newest).total, |(total, _)| total) == 0,
    }
}

/// Whether all there is to say is that one single event was bad: in a quiet service that is above any burn rate, and no
/// news. For a ticket that goes for its short window too, which is what has happened since: the long one may remember
/// an outage.
fn is_single_bad_event(slo: &Slo, evaluation: &SloEvaluation) -> bool {
    let SloState::Firing { tier, urgency } = evaluation.state else { return false };
    let has_single_bad_event = |tier_evaluation: &TierEvaluation| {
        tier_evaluation.long.bad <= 1 || (urgency == Urgency::Ticket && tier_evaluation.short.bad <= 1)
    };
    slo.timeslices.is_none()
        && slo.significance.is_some()
        && evaluation.tiers.get(tier).is_some_and(has_single_bad_event)
}

/// The most urgent tier whose short window alone still burns.
fn short_window_urgency(slo: &Slo, evaluation: &SloEvaluation) -> Option<Urgency> {
    let firing_tiers =
        slo.tiers.iter().zip(&evaluation.tiers).filter(|(_, tier_evaluation)| tier_evaluation.is_short_firing);
    firing_tiers.map(|(tier, _)| tier.urgency).max()
}
