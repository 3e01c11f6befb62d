//! The alert pipeline of a run: evaluate, update incidents, plan notifications, look up contributors, render, enqueue,
//! deliver, confirm. Every step is stored before the next one, so that the next run continues after a crash.
//!
//! A dry run since a past time uses the same steps, with a time that advances and without the outbox.

use std::collections::BTreeMap;

use super::RunOptions;
use super::contributors::{ContributorsByIncident, find_contributors, store_contributors};
use crate::alert::{
    AlertState, EvaluationBatch, EvaluationRange, Evaluator, Incident, IncidentSubject, InvalidDefinitions,
    NotificationRoutes, ObjectiveChange, OutboxEntry, PlannedNotification, SloUpdate, apply_evaluations,
    plan_notifications,
};
use crate::diagnostics::Diagnostics;
use crate::evaluation::status::FleetStatus;
use crate::ledger::Ledger;
use crate::notify::Notifier;
use crate::queries::{LedgerError, evaluate, load_batch, load_until};
use crate::report::notification::NotificationContext;
use crate::slo::{Catalog, NO_DESTINATION, Urgency};
use crate::source::access_logs::RecentLogs;
use crate::store::{AlertStateKind, CrashPoints, LedgerStore, VersionedAlertState};
use crate::time::Minute;

/// The time between two runs of a replay.
const REPLAY_INTERVAL_MINUTES: i32 = 5;

const SINCE_IGNORED: &str = "`--since` has no effect: the dry run continues from its earlier alert state\n\
                             hint: remove `alerts-dry-run.json` from the ledger to replay the past again";

pub struct NotifyOptions<'a> {
    pub notifier: &'a Notifier,
    /// Whether notifications are written to files, also those that have no destination.
    pub is_dry_run: bool,
    /// The start of the past that a dry run replays; without it, only new minutes are evaluated.
    pub since: Option<Minute>,
    pub invalid_definitions: InvalidDefinitions,
    pub crash_points: &'a CrashPoints,
}

impl NotifyOptions<'_> {
    pub(super) const fn kind(&self) -> AlertStateKind {
        if self.is_dry_run { AlertStateKind::DryRun } else { AlertStateKind::Live }
    }
}

/// What is to be sent after the incidents were updated.
struct AlertPlan {
    notifications: Vec<PlannedNotification>,
    objective_changes: Vec<ObjectiveChange>,
}

pub(super) struct AlertPipeline<'a> {
    pub(super) options: &'a RunOptions<'a>,
    pub(super) notify_options: &'a NotifyOptions<'a>,
    pub(super) store: &'a LedgerStore,
    pub(super) status: &'a FleetStatus,
    pub(super) recent_logs: &'a [RecentLogs<'a>],
    pub(super) diagnostics: Diagnostics,
}

impl AlertPipeline<'_> {
    /// Updates the alert state with the newest minutes, and sends notifications.
    pub(super) async fn run(
        &mut self,
        ledger: &mut Ledger,
        stored_state: VersionedAlertState,
    ) -> Result<AlertState, LedgerError> {
        let NotifyOptions { notifier, is_dry_run, since, .. } = self.notify_options;
        if let Some(since) = *since {
            if stored_state.1.is_none() {
                return self.replay(since).await;
            }
            self.diagnostics.notes.push(SINCE_IGNORED.to_owned());
        }
        let Some(planned_state) = self.enqueue(ledger, stored_state).await? else {
            self.diagnostics
                .notes
                .push("another run is updating the alert state; notifications are left to it".to_owned());
            return Ok(self.store.alert_state(self.notify_options.kind()).await?.0);
        };
        self.warn_waiting(&planned_state.0);
        let alert_state = self.send_outbox(planned_state).await?;
        self.diagnostics.notes.extend(Self::postponed_note(&alert_state));
        if let Some(address) = self.options.context.catalog.alerts.heartbeat.as_ref().filter(|_| !is_dry_run)
            && let Err(error) = notifier.ping(address).await
        {
            self.diagnostics.warnings.push(format!("cannot send the heartbeat: {error}"));
        }
        Ok(alert_state)
    }

    /// Evaluates, updates incidents, and adds notifications to the stored outbox. `None` if other runs keep changing
    /// the alert state.
    async fn enqueue(
        &mut self,
        ledger: &mut Ledger,
        (mut alert_state, version): VersionedAlertState,
    ) -> Result<Option<VersionedAlertState>, LedgerError> {
        let options = self.options;
        let plan = self.plan(&mut alert_state, ledger).await?;
        let (contributors, note) =
            find_contributors(&options.context, &plan.notifications, &alert_state, self.recent_logs, self.status).await;
        self.diagnostics.notes.extend(note);
        let pipeline = &*self;
        // The first change is already planned; after a conflict it is planned again on the newer state.
        let mut first_plan = Some(plan);
        let change = async |alert_state: &mut AlertState| {
            let plan = match first_plan.take() {
                Some(plan) => plan,
                None => pipeline.plan(alert_state, ledger).await?,
            };
            store_contributors(options.context.catalog, &contributors, alert_state);
            let entries = pipeline.render(alert_state, &plan, pipeline.status, &contributors, options.context.now);
            alert_state.outbox.extend(entries);
            Ok(())
        };
        self.store.update_alert_state(self.notify_options.kind(), (alert_state, version), change).await
    }

    /// Evaluates new minutes, updates incidents and plans notifications.
    async fn plan(&self, alert_state: &mut AlertState, ledger: &mut Ledger) -> Result<AlertPlan, LedgerError> {
        let evaluator = Evaluator::new(self.options.context.catalog, self.options.context.at);
        let (mut updates, backlog) =
            load_until(self.store, ledger, |ledger| evaluator.evaluate_new(ledger, alert_state, None)).await?;
        for batch in Evaluator::split_backlog(&backlog) {
            self.evaluate_batch(&evaluator, &batch, &mut updates).await?;
        }
        let batch = EvaluationBatch {
            at: self.options.context.at,
            rules: &self.options.context.catalog.alerts,
            source_watermarks: evaluator.source_watermarks(&updates),
            traffic_scopes: load_until(self.store, ledger, |ledger| evaluator.find_traffic_scopes(ledger)).await?,
            updates,
            invalid_definitions: &self.notify_options.invalid_definitions,
        };
        Ok(self.advance(alert_state, &batch))
    }

    async fn evaluate_batch(
        &self,
        evaluator: &Evaluator<'_>,
        batch: &[EvaluationRange],
        updates: &mut [SloUpdate],
    ) -> Result<(), LedgerError> {
        let mut ledger = load_batch(evaluator, batch, self.store).await?;
        for range in batch {
            let evaluations =
                load_until(self.store, &mut ledger, |ledger| evaluator.evaluate_range(ledger, range)).await?;
            updates[range.slo_index].evaluations.extend(evaluations);
        }
        Ok(())
    }

    /// Updates incidents and plans notifications.
    fn advance(&self, alert_state: &mut AlertState, batch: &EvaluationBatch<'_>) -> AlertPlan {
        let objective_changes = apply_evaluations(alert_state, batch);
        let routes = NotificationRoutes {
            destinations: &|incident, urgency| self.destinations_for(incident, urgency),
            is_silenced: &|key| is_silenced(self.options.context.catalog, &key.subject, batch.at),
        };
        let notifications = plan_notifications(alert_state, batch.at, batch.rules, &routes);
        AlertPlan { notifications, objective_changes }
    }

    /// The destinations of the team and the class of an incident; those of the platform team if the team has none.
    fn destinations_for(&self, incident: &Incident, urgency: Urgency) -> Vec<String> {
        let catalog = self.options.context.catalog;
        let mut destinations = team_destinations(catalog, Some(&incident.owner.team), urgency);
        if destinations.is_empty() {
            destinations = team_destinations(catalog, catalog.alerts.team.as_ref(), urgency);
        }
        let also = catalog.notify_also.get(&incident.owner.class);
        destinations.extend(also.map(|also| also.destinations_for(urgency)).unwrap_or_default());
        if destinations.is_empty() && self.notify_options.is_dry_run {
            let list = if urgency == Urgency::Ticket { "tickets" } else { "pages" };
            destinations.push(format!("{NO_DESTINATION}:{}-{list}", incident.owner.team));
        }
        destinations.sort_unstable();
        destinations.dedup();
        destinations
    }

    /// One outbox entry for each notification and destination.
    fn render(
        &self,
        alert_state: &AlertState,
        plan: &AlertPlan,
        status: &FleetStatus,
        contributors: &ContributorsByIncident,
        at: Minute,
    ) -> Vec<OutboxEntry> {
        let catalog = self.options.context.catalog;
        let context = NotificationContext { catalog, alert_state, status, contributors };
        let incidents =
            plan.notifications.iter().map(|planned| (context.build_message(planned), planned.destinations.clone()));
        // PagerDuty shows changes next to alerts.
        let changes = plan.objective_changes.iter().map(|change| {
            let mut destinations = team_destinations(catalog, Some(&change.owner.team), Urgency::Page);
            destinations.retain(|destination| destination.starts_with("pagerduty:"));
            (context.objective_change_message(change), destinations)
        });
        let entries = incidents.chain(changes).flat_map(|(message, destinations)| {
            destinations.into_iter().map(move |destination| OutboxEntry::new(message.clone(), destination, at))
        });
        entries.collect()
    }

    /// A dry run of the past: every notification that runs since a minute would have sent.
    async fn replay(&mut self, since: Minute) -> Result<AlertState, LedgerError> {
        let evaluator = Evaluator::new(self.options.context.catalog, self.options.context.at);
        let mut alert_state = AlertState::default();
        let mut ledger = load_batch(&evaluator, &[], self.store).await?;
        let (mut updates, backlog) =
            load_until(self.store, &mut ledger, |ledger| evaluator.evaluate_new(ledger, &alert_state, Some(since)))
                .await?;
        // Minutes that their source may still change are evaluated by later runs.
        for update in &mut updates {
            update.evaluations.clear();
        }
        let mut run_at = since;
        for batch in Evaluator::split_backlog(&backlog) {
            self.evaluate_batch(&evaluator, &batch, &mut updates).await?;
            let end = batch.iter().map(|range| range.until).max().unwrap_or(run_at);
            while run_at <= end {
                self.replay_run(run_at, &mut updates, &mut alert_state).await?;
                run_at = run_at.plus(REPLAY_INTERVAL_MINUTES);
            }
        }
        self.replay_run(self.options.context.at, &mut updates, &mut alert_state).await?;
        self.store.save_alert_state(self.notify_options.kind(), &alert_state, None).await?;
        Ok(alert_state)
    }

    /// One run of the past. Contributors are not looked up: a replay of weeks must not read logs again.
    async fn replay_run(
        &mut self,
        at: Minute,
        pending: &mut [SloUpdate],
        alert_state: &mut AlertState,
    ) -> Result<(), LedgerError> {
        let catalog = self.options.context.catalog;
        let mut updates = Vec::new();
        for ((_, slo), pending) in catalog.slos().zip(pending) {
            let until = catalog.evaluation_time(slo, at);
            let later = pending.evaluations.split_off(pending.evaluations.partition_point(|one| one.at <= until));
            let evaluations = std::mem::take(&mut pending.evaluations);
            let evaluated_at = evaluations.last().map_or(until, |last| last.at);
            updates.push(SloUpdate { evaluations, evaluated_at, has_changed: false, ..pending.clone() });
            pending.evaluations = later;
        }
        // Earlier definitions are unknown: any SLO may have existed.
        let invalid_definitions = InvalidDefinitions { is_fleet_invalid: true, ..InvalidDefinitions::default() };
        let batch = EvaluationBatch {
            at,
            rules: &catalog.alerts,
            updates,
            invalid_definitions: &invalid_definitions,
            source_watermarks: BTreeMap::new(),
            traffic_scopes: BTreeMap::new(),
        };
        let plan = self.advance(alert_state, &batch);
        if plan.notifications.is_empty() {
            return Ok(());
        }
        let status = evaluate(catalog, self.store, at).await?;
        let entries = self.render(alert_state, &plan, &status, &BTreeMap::new(), at);
        let deliveries = self.deliver(entries.clone(), Self::send_deadline()).await;
        self.report_deliveries(&deliveries);
        alert_state.outbox.extend(entries);
        alert_state.record_results(&deliveries, at);
        Ok(())
    }
}

pub(super) fn team_destinations(catalog: &Catalog, team: Option<&String>, urgency: Urgency) -> Vec<String> {
    team.and_then(|team| catalog.teams.get(team)).map(|team| team.destinations_for(urgency)).unwrap_or_default()
}

fn is_silenced(catalog: &Catalog, subject: &IncidentSubject, at: Minute) -> bool {
    let IncidentSubject::Slo(id) = subject else { return false };
    !catalog.silences.is_empty()
        && catalog.slos().any(|(service, slo)| slo.id == *id && catalog.silence(service, slo, at).is_some())
}
