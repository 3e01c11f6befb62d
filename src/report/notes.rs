//! Notifications outside of incidents: a changed objective, and a notification that was not delivered.

use super::slo_notification::NotificationContext;
use crate::alert::{Notification, NotificationKind, ObjectiveChange, OutboxEntry};
use crate::format::pluralize;
use crate::slo::{Catalog, Urgency};
use crate::time::Minute;

/// How the keys of messages begin that are about another message; no incident has such a key.
const UNDELIVERED_KEY_PREFIX: &str = "undelivered ";

impl NotificationContext<'_> {
    /// The notification of a changed objective.
    #[must_use]
    pub fn objective_change_message(&self, change: &ObjectiveChange) -> Notification {
        let ObjectiveChange { slo, owner, before, after } = change;
        Notification {
            title: format!("{slo}: objective changed from {before} to {after}"),
            paragraphs: vec!["Error budgets and alerts use the new objective from now on.".to_owned()],
            service: owner.service.clone(),
            team: owner.team.clone(),
            class: owner.class.clone(),
            ..base_note(format!("{slo}@objective {after} {}", self.status.at), self.status.at)
        }
    }

    /// The notification that another one cannot be delivered.
    #[must_use]
    pub fn undelivered_message(catalog: &Catalog, entry: &OutboxEntry, at: Minute) -> Notification {
        let (message, urgency) = (&entry.notification, entry.delivery_urgency());
        Notification {
            kind: if urgency >= Urgency::Page { NotificationKind::Opened } else { NotificationKind::Note },
            number: if entry.is_abandoned { 2 } else { 1 },
            urgency,
            title: format!("could not notify team {}: {}", message.team, message.title),
            paragraphs: vec![
                format!(
                    "The notification to {} was not delivered in {}{}.",
                    catalog.describe_destination(&message.team, &entry.destination),
                    pluralize(entry.attempts, "attempt"),
                    if entry.is_abandoned { ", and will not be retried" } else { "; it will be retried for a day" }
                ),
                entry.last_error.clone().unwrap_or_default(),
                "Its content:".to_owned(),
                message.paragraphs.join(" "),
            ],
            ..message_about(entry, at)
        }
    }

    /// The notification that another one was delivered after all.
    #[must_use]
    pub fn late_delivery_message(catalog: &Catalog, entry: &OutboxEntry, urgency: Urgency, at: Minute) -> Notification {
        let message = &entry.notification;
        Notification {
            kind: NotificationKind::Resolved,
            number: 2,
            urgency,
            title: format!("resolved: team {} was notified: {}", message.team, message.title),
            paragraphs: vec![format!(
                "The notification to {} was delivered after {}.",
                catalog.describe_destination(&message.team, &entry.destination),
                pluralize(entry.attempts, "failed attempt")
            )],
            ..message_about(entry, at)
        }
    }

    /// Whether a message says that another could not be delivered.
    #[must_use]
    pub fn is_undelivered_message(message: &Notification) -> bool {
        message.key.starts_with(UNDELIVERED_KEY_PREFIX)
    }
}

/// A message about another one, for the platform team.
fn message_about(entry: &OutboxEntry, at: Minute) -> Notification {
    let Notification { key, team, .. } = &entry.notification;
    Notification {
        service: "slowburn".to_owned(),
        team: team.clone(),
        ..base_note(format!("{UNDELIVERED_KEY_PREFIX}{key} to {}", entry.destination), at)
    }
}

/// A message that belongs to no incident.
fn base_note(key: String, at: Minute) -> Notification {
    Notification {
        key,
        number: 1,
        kind: NotificationKind::Note,
        urgency: Urgency::Ticket,
        title: String::new(),
        paragraphs: Vec::new(),
        facts: Vec::new(),
        links: Vec::new(),
        service: String::new(),
        team: String::new(),
        class: String::new(),
        at,
    }
}
