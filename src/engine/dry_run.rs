//! The past as if a run had come every five minutes: what would have been told to whom, on paper.
//!
//! It goes through the same doors as a run does, [`advance`] and [`decide`], with a moment that walks.

use std::collections::BTreeMap;

use super::alerts::{self, NotifyOptions};
use super::{EngineError, RunOptions, evaluate};
use crate::alert::{
    AlertState, EvaluationBatch, Evaluator, Incident, InvalidDefinitions, NotificationRoutes, SloUpdate,
    apply_evaluations, plan_notifications,
};
use crate::outcome::Diagnostics;
use crate::report::model::{MAX_LOOKBACK_MINUTES, evaluation_time};
use crate::report::slo_notification::NotificationContext;
use crate::slo::Exclusions;
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{Minute, Span};

/// How often a run would have come.
const RUN_INTERVAL_MINUTES: i32 = 5;

/// Takes everything since a moment into a new book, and writes what would have been told on the way.
pub(super) async fn replay_runs(
    options: &RunOptions<'_>,
    notify_options: &NotifyOptions<'_>,
    since: Minute,
    store: &LedgerStore,
    diagnostics: &mut Diagnostics,
) -> Result<AlertState, EngineError> {
    let excluded = Exclusions::for_span(options.catalog, Span::ending_at(options.at, MAX_LOOKBACK_MINUTES));
    let evaluator = Evaluator::new(options.catalog, &excluded, options.at);
    let mut alert_state = AlertState::default();
    let mut ledger = store.load(&LoadRequest::default()).await?;
    store.load_timeslices(&mut ledger).await?;
    let (mut pending, backlog) =
        alerts::evaluate_newest(&evaluator, &mut ledger, &alert_state, Some(since), store).await?;
    for evaluations in &mut pending {
        evaluations.evaluations.clear();
    }
    let mut run_at = since;
    for batch in Evaluator::split_backlog(&backlog) {
        evaluator.evaluate_backlog(&alerts::load_batch(&evaluator, &batch, store).await?, &batch, &mut pending)?;
        let end = batch.iter().map(|one| one.until).max().unwrap_or(run_at);
        while run_at <= end {
            replay_run(options, notify_options, run_at, (&mut pending, &mut alert_state), store, diagnostics).await?;
            run_at = run_at.plus(RUN_INTERVAL_MINUTES);
        }
    }
    // What is so new that its source may still change it is heard by the runs to come.
    replay_run(options, notify_options, options.at, (&mut pending, &mut alert_state), store, diagnostics).await?;
    Ok(alert_state)
}

/// One run of the past.
async fn replay_run(
    options: &RunOptions<'_>,
    notify_options: &NotifyOptions<'_>,
    at: Minute,
    (pending, alert_state): (&mut [SloUpdate], &mut AlertState),
    store: &LedgerStore,
    diagnostics: &mut Diagnostics,
) -> Result<(), EngineError> {
    let rules = &options.catalog.alerts;
    let mut evaluations = Vec::new();
    for ((_, slo), slo_evaluations) in options.catalog.slos().zip(pending.iter_mut()) {
        let evaluated_until = evaluation_time(options.catalog, slo, at);
        let later_beats = slo_evaluations
            .evaluations
            .split_off(slo_evaluations.evaluations.partition_point(|beat| beat.at <= evaluated_until));
        let evaluated = slo_evaluations.evaluations.last().map_or(evaluated_until, |beat| beat.at);
        let beats = std::mem::take(&mut slo_evaluations.evaluations);
        evaluations.push(SloUpdate {
            evaluations: beats,
            evaluated_at: evaluated,
            has_changed: false,
            ..slo_evaluations.clone()
        });
        slo_evaluations.evaluations = later_beats;
    }
    // What was promised then and is not any more, nobody knows.
    let invalid_definitions = InvalidDefinitions { is_fleet_invalid: true, ..InvalidDefinitions::default() };
    apply_evaluations(
        alert_state,
        &EvaluationBatch {
            at,
            rules,
            updates: evaluations,
            invalid_definitions: &invalid_definitions,
            source_watermarks: BTreeMap::new(),
        },
    );
    let destinations_of = |incident: &Incident, urgency| {
        alerts::destinations_for(options.catalog, notify_options.is_dry_run, incident, urgency)
    };
    let routes = NotificationRoutes {
        destinations: &destinations_of,
        is_silenced: &|key| alerts::is_silenced(options.catalog, &key.subject, at),
    };
    let notifications = plan_notifications(alert_state, at, rules, &routes);
    if notifications.is_empty() {
        return Ok(());
    }
    let status = evaluate(options.catalog, store, at).await?;
    // A rehearsal goes through weeks: it reads no log again.
    let context =
        NotificationContext { catalog: options.catalog, alert_state, status: &status, contributors: &BTreeMap::new() };
    let entries = alerts::outbox_entries(&context, &notifications, at);
    let deadline = tokio::time::Instant::now() + alerts::SEND_TIMEOUT;
    let deliveries = alerts::deliver(notify_options, entries.clone(), deadline).await;
    diagnostics.add_deliveries(&deliveries, options.catalog, notify_options.is_dry_run);
    alert_state.outbox.extend(entries);
    alert_state.record_results(&deliveries, at);
    Ok(())
}
