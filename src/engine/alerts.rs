//! From judgements to people: heard, advanced, decided; then recorded, sent and confirmed, in this order, so that
//! whatever happens in between is made good by the next run.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::contributors::{ContributorAnalysis, RecentLogs};
use super::{EngineError, RunOptions, dry_run};
use crate::alert::PlannedNotification as Decided;
use crate::alert::{
    AlertState, BacklogRange, DeliveryReport, DeliveryResult, EvaluationBatch, Evaluator, Incident, IncidentSubject,
    InvalidDefinitions, NotificationRoutes, OutboxEntry, SloUpdate, SourceWatermark, apply_evaluations,
    plan_notifications,
};
use crate::ledger::{Ledger, PartialSumsRequest};
use crate::notify::Notifier;
use crate::outcome::Diagnostics;
use crate::report::model::{FleetStatus, MAX_LOOKBACK_MINUTES};
use crate::report::slo_notification::NotificationContext;
use crate::slo::{Catalog, Exclusions, NO_DESTINATION, Urgency};
use crate::store::{AlertStateKind, BlobError, CrashPoints, LedgerStore, LoadRequest, StoreError, Version};
use crate::time::{Minute, Span};

/// How often the book is read again because another run wrote it.
const CONFLICT_RETRIES_MAX: usize = 8;
/// A run sends for so long at most, which is less than a claim lasts. What is left is for the next one.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(100);

/// How a run tells people.
pub struct NotifyOptions<'a> {
    /// Takes messages to them.
    pub notifier: &'a Notifier,
    /// Whether it writes files instead: then everybody is told, even who has no destination.
    pub is_dry_run: bool,
    /// On paper, where the past begins that is gone through as if runs had come; without it nothing is told of the
    /// past.
    pub since: Option<Minute>,
    /// Definitions that could not be read.
    pub invalid_definitions: InvalidDefinitions,
    /// Where a test may stop the process.
    pub crash_points: &'a CrashPoints,
}

impl NotifyOptions<'_> {
    /// What is told on paper has a book of its own: nobody has heard of it.
    pub(super) const fn kind(&self) -> AlertStateKind {
        if self.is_dry_run { AlertStateKind::DryRun } else { AlertStateKind::Live }
    }
}

/// The book, and what it was when it was read.
pub(super) type VersionedAlertState = (AlertState, Option<Version>);

/// Adds what hearing needs of minutes to what the status needs.
pub(super) fn add_required_minutes(
    catalog: &Catalog,
    at: Minute,
    ledger: &Ledger,
    alert_state: &AlertState,
    required: &mut PartialSumsRequest,
) {
    let excluded = Exclusions::for_span(catalog, Span::ending_at(at, MAX_LOOKBACK_MINUTES));
    Evaluator::new(catalog, &excluded, at).request_load(ledger, alert_state, required);
}

/// Takes the newest minutes into the book, and tells whoever has to be told.
pub(super) async fn notify(
    options: &RunOptions<'_>,
    notify_options: &NotifyOptions<'_>,
    (status, ledger): (&FleetStatus, &mut Ledger),
    (stored_state, recent): (VersionedAlertState, &[RecentLogs<'_>]),
    store: &LedgerStore,
    diagnostics: &mut Diagnostics,
) -> Result<AlertState, EngineError> {
    let kind = notify_options.kind();
    if notify_options.since.is_some() && stored_state.1.is_some() {
        let hint = "remove `alerts-dry-run.json` from the ledger to replay the past again";
        diagnostics
            .notes
            .push(format!("`--since` has no effect: the dry run continues from its earlier alert state\nhint: {hint}"));
    }
    if let (Some(since), None) = (notify_options.since, &stored_state.1) {
        let alert_state = dry_run::replay_runs(options, notify_options, since, store, diagnostics).await?;
        store.save_alert_state(kind, &alert_state, None).await?;
        return Ok(alert_state);
    }
    let Some((mut alert_state, mut version)) =
        update_alert_state(options, notify_options, (status, ledger), (stored_state, recent), store, diagnostics)
            .await?
    else {
        return Ok(store.alert_state(kind).await?.0);
    };
    // What waits behind a message to the same place is sent when that has arrived.
    let deadline = tokio::time::Instant::now() + SEND_TIMEOUT;
    loop {
        // Fetching may have taken longer than a claim lasts.
        let claimed = alert_state.claim(notify_options.notifier.current_minute(), store.is_exclusive());
        if claimed.is_empty() || tokio::time::Instant::now() >= deadline {
            break;
        }
        if !store.is_exclusive() {
            match store.save_alert_state(kind, &alert_state, Some(&version)).await {
                Err(StoreError::Blob(BlobError::Conflict(_))) => break,
                stored => version = stored?,
            }
        }
        let deliveries = deliver(notify_options, claimed, deadline).await;
        diagnostics.add_deliveries(&deliveries, options.catalog, notify_options.is_dry_run);
        (alert_state, version) =
            record_deliveries(options, notify_options, &deliveries, (alert_state, version), store).await?;
    }
    diagnostics.add_postponed(&alert_state);
    send_heartbeat(options, notify_options, diagnostics).await;
    Ok(alert_state)
}

/// Decides, and records what was decided. `None` where other runs were quicker again and again: they tell, then.
async fn update_alert_state(
    options: &RunOptions<'_>,
    notify_options: &NotifyOptions<'_>,
    (status, ledger): (&FleetStatus, &mut Ledger),
    ((mut alert_state, mut version), recent): (VersionedAlertState, &[RecentLogs<'_>]),
    store: &LedgerStore,
    diagnostics: &mut Diagnostics,
) -> Result<Option<(AlertState, Version)>, EngineError> {
    let rules = &options.catalog.alerts;
    let mut analysis = ContributorAnalysis::new(recent);
    for _ in 0..CONFLICT_RETRIES_MAX {
        let (evaluations, watermarks) = evaluate_new_minutes(options, ledger, &alert_state, store).await?;
        let batch = EvaluationBatch {
            at: options.at,
            rules,
            updates: evaluations,
            invalid_definitions: &notify_options.invalid_definitions,
            source_watermarks: watermarks,
        };
        let changes = apply_evaluations(&mut alert_state, &batch);
        let destinations_of = |incident: &Incident, urgency| {
            destinations_for(options.catalog, notify_options.is_dry_run, incident, urgency)
        };
        let routes = NotificationRoutes {
            destinations: &destinations_of,
            is_silenced: &|key| is_silenced(options.catalog, &key.subject, options.at),
        };
        let notifications = plan_notifications(&mut alert_state, options.at, rules, &routes);
        analysis.analyze(options, (&notifications, &alert_state), status, diagnostics).await;
        analysis.store_results(options, &mut alert_state);
        let context = NotificationContext {
            catalog: options.catalog,
            alert_state: &alert_state,
            status,
            contributors: &analysis.results,
        };
        let mut entries = outbox_entries(&context, &notifications, options.now);
        for change in &changes {
            let message = context.objective_change_message(change);
            let to = change_destinations(options.catalog, &change.owner.team);
            entries.extend(to.into_iter().map(|to| OutboxEntry::new(message.clone(), to, options.now)));
        }
        alert_state.outbox.extend(entries);
        match store.save_alert_state(notify_options.kind(), &alert_state, version.as_ref()).await {
            Ok(version) => {
                return Ok(Some((alert_state, version)));
            }
            Err(StoreError::Blob(BlobError::Conflict(_))) => {
                (alert_state, version) = store.alert_state(notify_options.kind()).await?
            }
            Err(error) => return Err(error.into()),
        }
    }
    diagnostics.notes.push("another run is updating the alert state; notifications are left to it".to_owned());
    Ok(None)
}

/// What is new of every SLO.
async fn evaluate_new_minutes(
    options: &RunOptions<'_>,
    ledger: &mut Ledger,
    alert_state: &AlertState,
    store: &LedgerStore,
) -> Result<(Vec<SloUpdate>, BTreeMap<String, SourceWatermark>), EngineError> {
    let excluded = Exclusions::for_span(options.catalog, Span::ending_at(options.at, MAX_LOOKBACK_MINUTES));
    let evaluator = Evaluator::new(options.catalog, &excluded, options.at);
    let (mut evaluations, backlog) = evaluate_newest(&evaluator, ledger, alert_state, None, store).await?;
    for batch in Evaluator::split_backlog(&backlog) {
        evaluator.evaluate_backlog(&load_batch(&evaluator, &batch, store).await?, &batch, &mut evaluations)?;
    }
    let watermarks = evaluator.source_watermarks(&evaluations);
    Ok((evaluations, watermarks))
}

/// Hears what can be heard at once, and says what is left for later.
pub(super) async fn evaluate_newest(
    evaluator: &Evaluator<'_>,
    ledger: &mut Ledger,
    alert_state: &AlertState,
    since: Option<Minute>,
    store: &LedgerStore,
) -> Result<(Vec<SloUpdate>, Vec<BacklogRange>), EngineError> {
    loop {
        match evaluator.evaluate_new(ledger, alert_state, since) {
            Ok(found) => return Ok(found),
            Err(missing) => {
                store.load_more(ledger, &LoadRequest { minutes: missing.0, ..LoadRequest::default() }).await?
            }
        }
    }
}

/// A ledger that knows what a piece asks for, and no more.
pub(super) async fn load_batch(
    evaluator: &Evaluator<'_>,
    batch: &[BacklogRange],
    store: &LedgerStore,
) -> Result<Ledger, EngineError> {
    let mut ledger = store.load(&LoadRequest::default()).await?;
    store.load_timeslices(&mut ledger).await?;
    let mut required = PartialSumsRequest::default();
    evaluator.request_backlog_load(&ledger, batch, &mut required);
    store.load_more(&mut ledger, &LoadRequest { partial_sums: required, ..LoadRequest::default() }).await?;
    Ok(ledger)
}

/// What was decided, in words, once for each destination.
pub(super) fn outbox_entries(
    context: &NotificationContext<'_>,
    notifications: &[Decided],
    at: Minute,
) -> Vec<OutboxEntry> {
    let entries_for = |notification: &Decided| {
        let message = context.build_message(notification);
        notification
            .destinations
            .iter()
            .map(move |to| OutboxEntry::new(message.clone(), to.clone(), at))
            .collect::<Vec<_>>()
    };
    notifications.iter().flat_map(entries_for).collect()
}

/// Where messages about an incident go: those of its team, or of the team that keeps the fleet if there are none.
pub(super) fn destinations_for(
    catalog: &Catalog,
    is_dry_run: bool,
    incident: &Incident,
    urgency: Urgency,
) -> Vec<String> {
    let team_destinations =
        |team: &str| catalog.teams.get(team).map(|team| team.destinations_for(urgency)).unwrap_or_default();
    let mut destinations = team_destinations(&incident.team);
    if destinations.is_empty() {
        destinations = catalog.alerts.team.as_deref().map(team_destinations).unwrap_or_default();
    }
    destinations.extend(
        catalog.notify_also.get(&incident.class).map(|also| also.destinations_for(urgency)).unwrap_or_default(),
    );
    if destinations.is_empty() && is_dry_run {
        let list = if urgency == Urgency::Ticket { "tickets" } else { "pages" };
        destinations.push(format!("{NO_DESTINATION}:{}-{list}", incident.team));
    }
    destinations.sort_unstable();
    destinations.dedup();
    destinations
}

/// Whether somebody asked not to be told of a promise at a moment.
pub(super) fn is_silenced(catalog: &Catalog, subject: &IncidentSubject, at: Minute) -> bool {
    let IncidentSubject::Slo(id) = subject else { return false };
    !catalog.silences.is_empty()
        && catalog.slos().any(|(service, slo)| slo.id == *id && catalog.silence(service, slo, at).is_some())
}

/// Who keeps a record of changes: PagerDuty shows them beside what burns.
fn change_destinations(catalog: &Catalog, team: &str) -> Vec<String> {
    let pages = catalog.teams.get(team).map(|team| team.destinations_for(Urgency::Page)).unwrap_or_default();
    pages.into_iter().filter(|to| to.starts_with("pagerduty:")).collect()
}

/// Sends what was claimed for as long as there is time: to each destination one after another, what may wake somebody
/// first, and to all of them at once, so that one that does not answer holds up no other.
pub(super) async fn deliver(
    notify_options: &NotifyOptions<'_>,
    claimed: Vec<OutboxEntry>,
    deadline: tokio::time::Instant,
) -> Vec<(OutboxEntry, DeliveryResult)> {
    let mut queues: BTreeMap<String, Vec<OutboxEntry>> = BTreeMap::new();
    for entry in claimed {
        queues.entry(entry.destination.clone()).or_default().push(entry);
    }
    let queues = queues.into_values().map(|mut queue| {
        queue.sort_by_key(|entry| Reverse(entry.delivery_urgency()));
        let sending =
            stream::unfold((queue.into_iter(), None), async |(mut queue, postponed): (_, Option<DeliveryResult>)| {
                let entry: OutboxEntry = Iterator::next(&mut queue)?;
                // Who asks to be left alone for a while means all that is for them.
                let result = if let Some(result) = &postponed {
                    result.clone()
                } else {
                    deliver_one(notify_options, &entry).await
                };
                let postponed = Some(result.clone())
                    .filter(|result| result.as_ref().is_err_and(|error| error.retry_after_s.is_some()));
                Some(((entry, result), (queue, postponed)))
            });
        Box::pin(sending)
    });
    let (mut deliveries, mut sending) = (Vec::new(), stream::select_all(queues));
    while let Ok(Some(delivery)) = tokio::time::timeout_at(deadline, sending.next()).await {
        deliveries.push(delivery);
    }
    deliveries
}

async fn deliver_one(notify_options: &NotifyOptions<'_>, entry: &OutboxEntry) -> DeliveryResult {
    notify_options.crash_points.reach();
    let result = notify_options.notifier.send(&entry.destination, &entry.notification).await.map(drop);
    notify_options.crash_points.reach();
    result
}

/// Notes in the book what arrived, whoever wrote it meanwhile. What never can is told to those who keep the fleet.
async fn record_deliveries(
    options: &RunOptions<'_>,
    notify_options: &NotifyOptions<'_>,
    deliveries: &[(OutboxEntry, DeliveryResult)],
    (mut alert_state, mut version): (AlertState, Version),
    store: &LedgerStore,
) -> Result<(AlertState, Version), EngineError> {
    let (kind, now) = (notify_options.kind(), notify_options.notifier.current_minute());
    for _ in 0..CONFLICT_RETRIES_MAX {
        for escalation in alert_state.record_results(deliveries, now) {
            escalate_delivery(options.catalog, &escalation, &mut alert_state, now);
        }
        match store.save_alert_state(kind, &alert_state, Some(&version)).await {
            Ok(version) => return Ok((alert_state, version)),
            Err(StoreError::Blob(BlobError::Conflict(_))) => {
                let (newer_state, newer_version) = store.alert_state(kind).await?;
                alert_state = newer_state;
                version = newer_version.unwrap_or(version);
            }
            Err(error) => return Err(error.into()),
        }
    }
    // What was sent and could not be confirmed is sent again: every message says which it is.
    Ok((alert_state, version))
}

/// Those who keep the fleet hear of a message that does not arrive, and of one that does after all.
fn escalate_delivery(catalog: &Catalog, escalation: &DeliveryReport, alert_state: &mut AlertState, now: Minute) {
    let (DeliveryReport::Undelivered(entry) | DeliveryReport::DeliveredLate(entry)) = escalation;
    // Of what was to say so nobody is told again: it would go on for ever.
    if NotificationContext::is_undelivered_message(&entry.notification) {
        return;
    }
    let (urgency, message) = match (escalation, entry.reported_as) {
        (DeliveryReport::Undelivered(_), _) => {
            (entry.delivery_urgency(), NotificationContext::undelivered_message(catalog, entry, now))
        }
        (DeliveryReport::DeliveredLate(_), Some(urgency)) if urgency >= Urgency::Page => {
            let message = NotificationContext::late_delivery_message(catalog, entry, urgency, now);
            alert_state.downgrade_pending(&message.key);
            (urgency, message)
        }
        // A note has no end.
        (DeliveryReport::DeliveredLate(_), _) => return,
    };
    // What would have woken somebody wakes those who can see to it.
    let team = catalog.alerts.team.as_ref().and_then(|team| catalog.teams.get(team));
    let destinations = team.map(|team| team.destinations_for(urgency)).unwrap_or_default();
    let other_destinations = destinations.into_iter().filter(|to| *to != entry.destination);
    alert_state.outbox.extend(other_destinations.map(|to| OutboxEntry::new(message.clone(), to, now)));
}

/// Tells whoever watches from elsewhere that this run has come to its end.
async fn send_heartbeat(options: &RunOptions<'_>, notify_options: &NotifyOptions<'_>, diagnostics: &mut Diagnostics) {
    let Some(to) = options.catalog.alerts.heartbeat.as_ref().filter(|_| !notify_options.is_dry_run) else { return };
    if let Err(error) = notify_options.notifier.ping(to).await {
        diagnostics.warnings.push(format!("cannot send the heartbeat: {error}"));
    }
}
