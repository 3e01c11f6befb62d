//! What is on its way: decided and recorded, not yet confirmed.
//!
//! A message leaves the outbox when its destination has confirmed it. Whoever sends it claims it first, so that a
//! second run at the same time does not send it too; a claim ends by itself, in case the sender did. What can never be
//! delivered is set aside and told to those who keep the fleet, and so is what arrives after all.

use std::collections::BTreeSet;

use super::{AlertState, Delivery, Notification, NotificationKind};
use crate::slo::Urgency;
use crate::time::{MINUTES_PER_DAY, Minute};

/// Minutes for which a message belongs to the run that claimed it; a run sends for less.
pub const CLAIM_MINUTES: i32 = 3;

/// Minutes to the next try after one that failed: 1, 2, 4 ... up to this many.
const RETRY_MINUTES_MAX: i32 = 30;

/// After so many minutes without success a message is set aside: what it says is no longer true.
const ABANDON_AFTER_MINUTES: i32 = MINUTES_PER_DAY;

/// After so many minutes those who keep the fleet hear that a message does not arrive.
const REPORT_AFTER_MINUTES: i32 = 15;

/// How long what was set aside can still be looked at.
const ABANDONED_RETENTION_MINUTES: i32 = 7 * MINUTES_PER_DAY;

/// One message to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// What is said.
    pub notification: Notification,
    /// To whom, as the definition says: secrets are names of environment variables.
    pub destination: String,
    /// The run that decided it.
    pub decided_at: Minute,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this minute it is tried, again or because another run is at it.
    pub next_attempt: Minute,
    /// Why the last try failed, without secrets.
    pub last_error: Option<String>,
    /// How urgently those who keep the fleet were told that it does not arrive; `None` if they were not.
    pub reported_as: Option<Urgency>,
    /// It will not be tried again.
    pub is_abandoned: bool,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryResult {
    /// It has arrived.
    Delivered,
    /// It may arrive later.
    TransientFailure {
        /// Why it did not.
        error: String,
        /// Minutes that the destination asked to wait.
        retry_after_minutes: Option<u32>,
    },
    /// It never will.
    PermanentFailure {
        /// Why not, with the remedy.
        error: String,
    },
}

/// What those who keep the fleet should hear of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryReport {
    /// It does not arrive.
    Undelivered(OutboxEntry),
    /// It has arrived, after they heard that it does not.
    DeliveredLate(OutboxEntry),
}

impl OutboxEntry {
    /// A message to a destination that nobody has tried to deliver yet.
    #[must_use]
    pub const fn new(notification: Notification, destination: String, decided_at: Minute) -> Self {
        Self {
            notification: notification,
            destination,
            decided_at: decided_at,
            attempts: 0,
            next_attempt: decided_at,
            last_error: None,
            reported_as: None,
            is_abandoned: false,
        }
    }

    /// Whether it may be tried.
    fn is_due(&self, now: Minute, is_exclusive: bool) -> bool {
        // Nobody else can be at it where one run at a time has the ledger, so a claim is from one that died.
        let is_waiting = self.next_attempt > now && !(is_exclusive && self.last_error.is_none());
        // No pause is so long: the clock was wrong when it was set.
        !self.is_abandoned && (!is_waiting || self.next_attempt > now.plus(ABANDON_AFTER_MINUTES))
    }

    /// Notes that a try failed.
    fn record_failure(&mut self, result: &DeliveryResult, now: Minute) {
        self.attempts = self.attempts.saturating_add(1);
        match result {
            DeliveryResult::Delivered => {}
            DeliveryResult::TransientFailure { error: why, retry_after_minutes: wait } => {
                let backoff = (1_i32 << self.attempts.saturating_sub(1).min(10)).min(RETRY_MINUTES_MAX);
                let requested = wait
                    .map_or(0, |wait| i32::try_from(wait).unwrap_or(ABANDON_AFTER_MINUTES).min(ABANDON_AFTER_MINUTES));
                self.next_attempt = now.plus(backoff.max(requested));
                self.last_error = Some(why.clone());
                self.is_abandoned = now.0.saturating_sub(self.decided_at.0) >= ABANDON_AFTER_MINUTES;
            }
            // Whoever was told what stands in the way may have mended it, and what would wake somebody is worth another
            // try.
            DeliveryResult::PermanentFailure { error: why } => {
                self.last_error = Some(why.clone());
                self.next_attempt = now.plus(RETRY_MINUTES_MAX);
                self.is_abandoned = now.0.saturating_sub(self.decided_at.0) >= ABANDON_AFTER_MINUTES;
            }
        }
    }

    /// Whether both are the same message to the same destination.
    #[must_use]
    pub fn is_same_notification(&self, other: &Self) -> bool {
        (&self.notification.key, self.notification.number, &self.destination)
            == (&other.notification.key, other.notification.number, &other.destination)
    }

    /// How urgent it is that it arrives: that something is over wakes nobody.
    #[must_use]
    pub fn delivery_urgency(&self) -> Urgency {
        if self.can_page() { self.notification.urgency } else { Urgency::Ticket }
    }

    /// Whether it can still wake somebody up.
    #[must_use]
    pub const fn can_page(&self) -> bool {
        matches!(
            self.notification.kind,
            NotificationKind::Opened | NotificationKind::Changed | NotificationKind::Reminder
        )
    }
}

impl AlertState {
    /// Takes what is to be sent now, and notes that this run is at it. Of several messages about one thing to one
    /// destination it is the oldest: the next one goes when that has arrived. `alone`: no other run can be at work on
    /// this book.
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

    /// What is over before it was delivered still arrives, so that nothing is lost, but wakes nobody.
    pub fn downgrade_pending(&mut self, key: &str) {
        for entry in self.outbox.iter_mut().filter(|entry| entry.notification.key == key && entry.can_page()) {
            entry.notification.urgency = Urgency::Ticket;
        }
    }

    /// Notes how tries ended, of messages that may have been dealt with by another run meanwhile. What those who keep
    /// the fleet should hear of is returned, once: what was refused for good, what waits for long, what is given up,
    /// and what of these has arrived after all.
    pub fn record_results(&mut self, results: &[(OutboxEntry, DeliveryResult)], now: Minute) -> Vec<DeliveryReport> {
        let mut reports = Vec::new();
        for (sent_entry, result) in results {
            let is_same_entry = |entry: &OutboxEntry| entry.is_same_notification(sent_entry);
            let Some(index) = self.outbox.iter().position(is_same_entry) else { continue };
            if *result == DeliveryResult::Delivered {
                let entry = self.outbox.remove(index);
                let incident = self.incidents.iter_mut().find(|(key, _)| key.to_string() == entry.notification.key);
                if entry.reported_as.is_some() {
                    reports.push(DeliveryReport::DeliveredLate(entry.clone()));
                }
                let Notification { number, kind: phase, urgency, .. } = entry.notification;
                if let Some((_, incident)) = incident {
                    incident.deliveries.push(Delivery {
                        number,
                        kind: phase,
                        urgency,
                        destination: entry.destination,
                        at: now,
                    });
                }
            } else if let Some(entry) = self.outbox.get_mut(index) {
                entry.record_failure(result, now);
                // Who asks to be left alone for long says now that it will take long.
                let has_retry_after =
                    matches!(result, DeliveryResult::TransientFailure { retry_after_minutes: Some(_), .. });
                let retry_at = if has_retry_after { entry.next_attempt } else { now };
                let is_late = retry_at.0.saturating_sub(entry.decided_at.0) >= REPORT_AFTER_MINUTES;
                let should_report = (matches!(result, DeliveryResult::PermanentFailure { .. }) || is_late)
                    && entry.reported_as.is_none();
                if should_report || entry.is_abandoned {
                    entry.reported_as = entry.reported_as.max(Some(entry.delivery_urgency()));
                    reports.push(DeliveryReport::Undelivered(entry.clone()));
                }
            }
        }
        self.outbox.retain(|entry| !entry.is_abandoned || entry.decided_at > now.plus(-ABANDONED_RETENTION_MINUTES));
        reports
    }
}
