//! Sends the outbox: claims entries, delivers them, and confirms or reports the results.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::alerts::{AlertPipeline, team_destinations};
use crate::alert::{AlertState, DeliveryReport, DeliveryResult, Notification, OutboxEntry};
use crate::format::{format_time, pluralize};
use crate::queries::LedgerError;
use crate::report::notification::NotificationContext;
use crate::slo::{Catalog, Urgency};
use crate::store::VersionedAlertState;
use crate::text::escape_non_printing;
use crate::time::Minute;

/// Shorter than a claim is valid. The next run sends the rest.
const SEND_TIMEOUT: Duration = Duration::from_secs(100);

impl AlertPipeline<'_> {
    pub(super) fn send_deadline() -> Instant {
        Instant::now() + SEND_TIMEOUT
    }

    /// Sends what is in the outbox. A notification that waits for an earlier one is sent once that is confirmed.
    pub(super) async fn send_outbox(
        &mut self,
        (mut alert_state, mut version): VersionedAlertState,
    ) -> Result<AlertState, LedgerError> {
        let (kind, notifier, store) = (self.notify_options.kind(), self.notify_options.notifier, self.store);
        let deadline = Self::send_deadline();
        loop {
            // Fetching may have taken longer than a claim is valid.
            let claimed = alert_state.claim(notifier.current_minute(), store.is_exclusive());
            if claimed.is_empty() || Instant::now() >= deadline {
                return Ok(alert_state);
            }
            if !store.is_exclusive() {
                match store.save_alert_state(kind, &alert_state, version.as_ref()).await {
                    Err(error) if error.is_conflict() => return Ok(alert_state),
                    saved => version = Some(saved?),
                }
            }
            let deliveries = self.deliver(claimed, deadline).await;
            self.report_deliveries(&deliveries);
            let now = notifier.current_minute();
            let confirm = async |alert_state: &mut AlertState| {
                for report in alert_state.record_results(&deliveries, now) {
                    report_delivery(self.options.context.catalog, &report, alert_state, now);
                }
                Ok::<(), LedgerError>(())
            };
            match store.update_alert_state(kind, (alert_state, version), confirm).await? {
                Some(confirmed) => (alert_state, version) = confirmed,
                // What is not confirmed is sent again, with the same identifier.
                None => return Ok(store.alert_state(kind).await?.0),
            }
        }
    }

    /// Sends entries until the deadline: to each destination one after another, the most urgent first, and to all
    /// destinations at the same time, so that one that does not respond does not delay the others.
    pub(super) async fn deliver(
        &self,
        claimed: Vec<OutboxEntry>,
        deadline: Instant,
    ) -> Vec<(OutboxEntry, DeliveryResult)> {
        let mut queues: BTreeMap<String, Vec<OutboxEntry>> = BTreeMap::new();
        for entry in claimed {
            queues.entry(entry.destination.clone()).or_default().push(entry);
        }
        let queues = queues.into_values().map(|mut queue| {
            queue.sort_by_key(|entry| Reverse(entry.delivery_urgency()));
            let start = (queue.into_iter(), None);
            Box::pin(stream::unfold(start, async |(mut queue, pause): (_, Option<DeliveryResult>)| {
                let entry: OutboxEntry = Iterator::next(&mut queue)?;
                // A pause that a destination asked for applies to all its notifications.
                let result = match &pause {
                    Some(result) => result.clone(),
                    None => self.send(&entry).await,
                };
                let has_pause = result.as_ref().is_err_and(|error| error.retry_after_s.is_some());
                let pause = has_pause.then(|| result.clone());
                Some(((entry, result), (queue, pause)))
            }))
        });
        let (mut deliveries, mut sending) = (Vec::new(), stream::select_all(queues));
        while let Ok(Some(delivery)) = tokio::time::timeout_at(deadline, sending.next()).await {
            deliveries.push(delivery);
        }
        deliveries
    }

    /// Reports how each delivery ended.
    pub(super) fn report_deliveries(&mut self, deliveries: &[(OutboxEntry, DeliveryResult)]) {
        for (entry, result) in deliveries {
            let Notification { key, urgency, kind, team, .. } = &entry.notification;
            let to = self.options.context.catalog.describe_destination(team, &entry.destination);
            let notification = format!("{to} of {} ({urgency} {kind})", escape_non_printing(key));
            let (error, next_step) = match result {
                Ok(()) => {
                    let notified = if self.notify_options.is_dry_run { "dry run: would notify" } else { "notified" };
                    self.diagnostics.notes.push(format!("{notified} {notification}"));
                    continue;
                }
                Err(error) if error.is_transient => (error, "will retry"),
                Err(error) if entry.is_abandoned => (error, "gave up"),
                Err(error) => (error, "will retry every 30 minutes for a day"),
            };
            self.diagnostics.warnings.push(format!("could not notify {notification}, {next_step}: {error}"));
        }
    }

    /// Warns of notifications that failed in an earlier run and are not retried yet: a run is complete only once
    /// everything is delivered.
    pub(super) fn warn_waiting(&mut self, alert_state: &AlertState) {
        let now = self.notify_options.notifier.current_minute();
        for entry in alert_state.waiting(now) {
            let to = self.options.context.catalog.describe_destination(&entry.notification.team, &entry.destination);
            let key = escape_non_printing(&entry.notification.key);
            let (since, next) = (format_time(entry.decided_at), format_time(entry.next_attempt));
            let error = entry.last_error.as_deref().unwrap_or_default();
            self.diagnostics
                .warnings
                .push(format!("{to} has not been notified of {key} since {since}, next attempt at {next}: {error}"));
        }
    }

    /// Names the notifications that a run had no time for.
    pub(super) fn postponed_note(alert_state: &AlertState) -> Option<String> {
        let postponed = alert_state.outbox.iter().filter(|entry| entry.attempts == 0 && !entry.is_abandoned).count();
        (postponed > 0).then(|| format!("{} left for the next run", pluralize(postponed, "notification")))
    }

    async fn send(&self, entry: &OutboxEntry) -> DeliveryResult {
        self.notify_options.crash_points.reach();
        let result = self.notify_options.notifier.send(&entry.destination, &entry.notification).await;
        self.notify_options.crash_points.reach();
        result.map(drop)
    }
}

/// Notifies the platform team of a notification that is not delivered, or late.
fn report_delivery(catalog: &Catalog, report: &DeliveryReport, alert_state: &mut AlertState, now: Minute) {
    let (DeliveryReport::Undelivered(entry) | DeliveryReport::DeliveredLate(entry)) = report;
    // The failure of such a report is never reported, to avoid a loop.
    if NotificationContext::is_undelivered_message(&entry.notification) {
        return;
    }
    let (urgency, message) = match (report, entry.reported_as) {
        (DeliveryReport::Undelivered(_), _) => {
            (entry.delivery_urgency(), NotificationContext::undelivered_message(catalog, entry, now))
        }
        (DeliveryReport::DeliveredLate(_), Some(urgency)) if urgency >= Urgency::Page => {
            let message = NotificationContext::late_delivery_message(catalog, entry, urgency, now);
            alert_state.downgrade_pending(&message.key);
            (urgency, message)
        }
        // It was reported by a note, which is not resolved.
        (DeliveryReport::DeliveredLate(_), _) => return,
    };
    let mut destinations = team_destinations(catalog, catalog.alerts.team.as_ref(), urgency);
    destinations.retain(|destination| *destination != entry.destination);
    let entries = destinations.into_iter().map(|destination| OutboxEntry::new(message.clone(), destination, now));
    alert_state.outbox.extend(entries);
}
