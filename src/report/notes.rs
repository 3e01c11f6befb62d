//! Messages that belong to no incident: an objective that was changed, and what could not be delivered.

use super::counted;
use super::message::Facts;
use crate::alert::{Entry, Message, Phase, Rewritten};
use crate::minute::Minute;
use crate::slo::Urgency;

/// How the keys of messages begin that are about another message; no incident has such a key.
const UNDELIVERED: &str = "undelivered ";

impl Facts<'_> {
    /// Says that an objective was changed.
    #[must_use]
    pub fn rewritten(&self, change: &Rewritten) -> Message {
        let Rewritten { slo, owner, before, after } = change;
        Message {
            title: format!("{slo}: the objective is {after} now, and was {before}"),
            paragraphs: vec!["Budgets and what is told of it follow the new one from now on.".to_owned()],
            service: owner.service.clone(),
            team: owner.team.clone(),
            class: owner.class.clone(),
            ..note(format!("{slo}@objective {after} {}", self.status.at), self.status.at)
        }
    }

    /// Says that a message does not arrive.
    #[must_use]
    pub fn undelivered(entry: &Entry, at: Minute) -> Message {
        let (message, urgency) = (&entry.message, entry.matters());
        Message {
            phase: if urgency >= Urgency::Page { Phase::Opened } else { Phase::Note },
            number: if entry.set_aside { 2 } else { 1 },
            urgency,
            title: format!("team {} could not be told: {}", message.team, message.title),
            paragraphs: vec![
                format!(
                    "The message to `{}` has not arrived, tried {}{}.",
                    entry.to,
                    counted(entry.tries, "time"),
                    if entry.set_aside { ", and is given up" } else { "; it is tried again for a day" }
                ),
                entry.failed.clone().unwrap_or_default(),
                "It said:".to_owned(),
                message.paragraphs.join(" "),
            ],
            ..about(entry, at)
        }
    }

    /// Says that a message has arrived, of which it was said that it does not.
    #[must_use]
    pub fn arrived(entry: &Entry, urgency: Urgency, at: Minute) -> Message {
        let message = &entry.message;
        Message {
            phase: Phase::Resolved,
            number: 2,
            urgency,
            title: format!("over: team {} has been told: {}", message.team, message.title),
            paragraphs: vec![format!(
                "The message to `{}` has arrived after all, after {}.",
                entry.to,
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

/// A message about another one, for those who keep the fleet.
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
