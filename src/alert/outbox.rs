//! The outbox: notifications that were planned and recorded, and whose delivery is not confirmed.
//!
//! A run claims entries before it sends them, so that a second run at the same time does not send them too; a claim
//! expires in case the run crashed. A notification that cannot be delivered is abandoned and reported to the platform
//! team, and so is a late delivery.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AlertState, Delivery, Notification, NotificationKind};
use crate::serialization::is_default;
use crate::slo::Urgency;
use crate::time::{MINUTES_PER_DAY, Minute};

/// How long a claim is valid; a run sends for a shorter time.
pub const CLAIM_MINUTES: i32 = 3;

/// The longest pause between attempts: 1, 2, 4 ... up to this many minutes.
const RETRY_MINUTES_MAX: i32 = 30;

/// A notification that fails for this many minutes is abandoned: its text is out of date.
const ABANDON_AFTER_MINUTES: i32 = MINUTES_PER_DAY;

/// If a notification fails for this many minutes, the platform team is notified.
const REPORT_AFTER_MINUTES: i32 = 15;

const ABANDONED_RETENTION_MINUTES: i32 = 7 * MINUTES_PER_DAY;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// As the definition says: secrets are names of environment variables.
    pub destination: String,
    pub decided_at: Minute,
    pub attempts: u32,
    /// The end of the pause after a failed attempt, or of a claim.
    pub next_attempt: Minute,
    /// Without secrets.
    pub last_error: Option<String>,
    /// The urgency at which the platform team was notified that the delivery fails; `None` if it was not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reported_as: Option<Urgency>,
    #[serde(default, rename = "given_up", skip_serializing_if = "is_default")]
    pub is_abandoned: bool,
    pub notification: Notification,
}

/// Why a notification was not delivered. It contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}\nhint: {hint}")]
pub struct DeliveryError {
    pub message: String,
    pub hint: String,
    /// Whether a later attempt may succeed without a change: the receiver is busy, broken or out of reach.
    pub is_transient: bool,
    pub retry_after_s: Option<u64>,
}

impl DeliveryError {
    pub fn transient(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), is_transient: true, retry_after_s: None }
    }

    pub fn permanent(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { is_transient: false, ..Self::transient(message, hint) }
    }
}

pub type DeliveryResult = Result<(), DeliveryError>;

/// What the platform team is notified of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryReport {
    Undelivered(OutboxEntry),
    /// Delivered after it was reported as undelivered.
    DeliveredLate(OutboxEntry),
}

impl OutboxEntry {
    pub const fn new(notification: Notification, destination: String, decided_at: Minute) -> Self {
        Self {
            notification,
            destination,
            decided_at,
            attempts: 0,
            next_attempt: decided_at,
            last_error: None,
            reported_as: None,
            is_abandoned: false,
        }
    }

    fn is_due(&self, now: Minute, is_exclusive: bool) -> bool {
        // With an exclusive ledger lock, an existing claim was left by a crashed run.
        let is_waiting = self.next_attempt > now && !(is_exclusive && self.last_error.is_none());
        // A longer pause was computed with a wrong clock.
        !self.is_abandoned && (!is_waiting || self.next_attempt > now.plus(ABANDON_AFTER_MINUTES))
    }

    fn record_failure(&mut self, error: &DeliveryError, now: Minute) {
        self.attempts = self.attempts.saturating_add(1);
        let backoff = (1_i32 << self.attempts.saturating_sub(1).min(10)).min(RETRY_MINUTES_MAX);
        // A permanent failure is retried too: once it is reported, the cause may be fixed.
        let pause = if error.is_transient { backoff } else { RETRY_MINUTES_MAX };
        let requested_pause = i32::try_from(error.retry_after_s.unwrap_or(0).div_ceil(60)).unwrap_or(i32::MAX);
        self.next_attempt = now.plus(pause.max(requested_pause.min(ABANDON_AFTER_MINUTES)));
        self.last_error = Some(error.to_string());
        self.is_abandoned = now.0.saturating_sub(self.decided_at.0) >= ABANDON_AFTER_MINUTES;
    }

    /// Whether a failure has to be reported to the platform team: once, and again when the entry is abandoned.
    fn should_report(&self, error: &DeliveryError, now: Minute) -> bool {
        // A long requested pause is reported at once.
        let retry_at = if error.retry_after_s.is_some() { self.next_attempt } else { now };
        let is_late = retry_at.0.saturating_sub(self.decided_at.0) >= REPORT_AFTER_MINUTES;
        self.is_abandoned || (self.reported_as.is_none() && (!error.is_transient || is_late))
    }

    fn identity(&self) -> (&str, u32, &str) {
        (&self.notification.key, self.notification.number, &self.destination)
    }

    /// How urgent the delivery is: that an incident is resolved never pages.
    pub fn delivery_urgency(&self) -> Urgency {
        if self.can_page() { self.notification.urgency } else { Urgency::Ticket }
    }

    const fn can_page(&self) -> bool {
        use NotificationKind::{Changed, Opened, Reminder};
        matches!(self.notification.kind, Opened | Changed | Reminder)
    }
}

impl AlertState {
    /// Claims the entries that are due. Of several notifications with one key and destination it is the oldest: the
    /// next one is sent once that is delivered. `is_exclusive`: no other run can use this alert state.
    pub fn claim(&mut self, now: Minute, is_exclusive: bool) -> Vec<OutboxEntry> {
        let mut seen_keys: BTreeSet<(String, String)> = BTreeSet::new();
        let mut claimed = Vec::new();
        for entry in self.outbox.iter_mut().filter(|entry| !entry.is_abandoned) {
            if seen_keys.insert((entry.notification.key.clone(), entry.destination.clone()))
                && entry.is_due(now, is_exclusive)
            {
                entry.next_attempt = now.plus(CLAIM_MINUTES);
                claimed.push(entry.clone());
            }
        }
        claimed
    }

    /// The entries whose delivery failed and that are not due for another attempt.
    pub fn waiting(&self, now: Minute) -> impl Iterator<Item = &OutboxEntry> {
        self.outbox
            .iter()
            .filter(move |entry| entry.last_error.is_some() && !entry.is_abandoned && !entry.is_due(now, false))
    }

    /// Notifications of a resolved incident are still delivered, but do not page.
    pub fn downgrade_pending(&mut self, key: &str) {
        for entry in self.outbox.iter_mut().filter(|entry| entry.notification.key == key && entry.can_page()) {
            entry.notification.urgency = Urgency::Ticket;
        }
    }

    /// Records how attempts ended, and returns what the platform team has to be notified of. Entries that another run
    /// has settled meanwhile are ignored.
    pub fn record_results(&mut self, results: &[(OutboxEntry, DeliveryResult)], now: Minute) -> Vec<DeliveryReport> {
        let mut reports = Vec::new();
        for (sent_entry, result) in results {
            let index = self.outbox.iter().position(|entry| entry.identity() == sent_entry.identity());
            let Some(index) = index else { continue };
            match result {
                Ok(()) => {
                    let entry = self.outbox.remove(index);
                    self.record_delivery(&entry, now);
                    if entry.reported_as.is_some() {
                        reports.push(DeliveryReport::DeliveredLate(entry));
                    }
                }
                Err(error) => {
                    let entry = &mut self.outbox[index];
                    entry.record_failure(error, now);
                    if entry.should_report(error, now) {
                        entry.reported_as = entry.reported_as.max(Some(entry.delivery_urgency()));
                        reports.push(DeliveryReport::Undelivered(entry.clone()));
                    }
                }
            }
        }
        self.outbox.retain(|entry| !entry.is_abandoned || entry.decided_at > now.plus(-ABANDONED_RETENTION_MINUTES));
        reports
    }

    fn record_delivery(&mut self, entry: &OutboxEntry, at: Minute) {
        let Notification { number, kind, urgency, ref key, .. } = entry.notification;
        let incident = self.incidents.iter_mut().find(|(incident_key, _)| incident_key.to_string() == *key);
        if let Some((_, incident)) = incident {
            incident.deliveries.push(Delivery { number, kind, urgency, destination: entry.destination.clone(), at });
        }
    }
}
