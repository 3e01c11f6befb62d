//! Notifications outside of incidents: a changed objective, and a notification that was not delivered.

use super::counted;
use super::message::Facts;
use crate::alert::{Entry, Message, Phase, Rewritten};
use crate::minute::Minute;
use crate::slo::{Catalog, Urgency};

/// How the keys of messages begin that are about another message; no incident has such a key.
const UNDELIVERED: &str = "undelivered ";

impl Facts<'_> {
    /// The notification of a changed objective.
    #[must_use]
    pub fn rewritten(&self, change: &Rewritten) -> Message {
        let Rewritten { slo, owner, before, after } = change;
        Message {
            title: format!("{slo}: objective changed from {before} to {after}"),
            paragraphs: vec!["Error budgets and alerts use the new objective from now on.".to_owned()],
            service: owner.service.clone(),
            team: owner.team.clone(),
            class: owner.class.clone(),
            ..note(format!("{slo}@objective {after} {}", self.status.at), self.status.at)
        }
    }

    /// The notification that another one cannot be delivered.
    #[must_use]
    pub fn undelivered(catalog: &Catalog, entry: &Entry, at: Minute) -> Message {
        let (message, urgency) = (&entry.message, entry.matters());
        Message {
            phase: if urgency >= Urgency::Page { Phase::Opened } else { Phase::Note },
            number: if entry.set_aside { 2 } else { 1 },
            urgency,
            title: format!("could not notify team {}: {}", message.team, message.title),
            paragraphs: vec![
                format!(
                    "The notification to {} was not delivered in {}{}.",
                    catalog.describe_destination(&message.team, &entry.to),
                    counted(entry.tries, "attempt"),
                    if entry.set_aside { ", and will not be retried" } else { "; it will be retried for a day" }
                ),
                entry.failed.clone().unwrap_or_default(),
                "Its content:".to_owned(),
                message.paragraphs.join(" "),
            ],
            ..about(entry, at)
        }
    }

    /// The notification that another one was delivered after all.
    #[must_use]
    pub fn arrived(catalog: &Catalog, entry: &Entry, urgency: Urgency, at: Minute) -> Message {
        let message = &entry.message;
        Message {
            phase: Phase::Resolved,
            number: 2,
            urgency,
            title: format!("resolved: team {} was notified: {}", message.team, message.title),
            paragraphs: vec![format!(
                "The notification to {} was delivered after {}.",
                catalog.describe_destination(&message.team, &entry.to),
                counted(entry.tries, "failed attempt")
            )],
            ..about(entry, at)
        }
    }

    /// Whether a message says that another could not be delivered.
    #[must_use]
    pub fn is_undelivered(message: &Message) -> bool {
        message.key.starts_with(UNDELIVERED)
    }
}

/// A message about another one, for the platform team.
fn about(entry: &Entry, at: Minute) -> Message {
    let Message { key, team, .. } = &entry.message;
    Message {
        service: "slowburn".to_owned(),
        team: team.clone(),
        ..note(format!("{UNDELIVERED}{key} to {}", entry.to), at)
    }
}

/// A message that belongs to no incident.
fn note(key: String, at: Minute) -> Message {
    Message {
        key,
        number: 1,
        phase: Phase::Note,
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
