//! A notification as text, before a channel formats it. It contains no secret and no destination.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::slo::Urgency;
use crate::time::Minute;

/// It is rendered once and kept in the outbox: whatever is sent again later is the same notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The same for all notifications of an incident: `checkout/availability@2026-10-01T10:05Z`. Channels group and
    /// deduplicate by it.
    pub key: String,
    /// Among the notifications of this key, from 1. Key and number together are unique.
    pub number: u32,
    pub kind: NotificationKind,
    pub urgency: Urgency,
    /// One line that shows how bad it is: `checkout/availability: 25% of requests failed in the last 5 minutes`.
    pub title: String,
    pub paragraphs: Vec<String>,
    /// Labels and values, in display order.
    pub facts: Vec<(String, String)>,
    /// Texts, such as `runbook`, `dashboard` or `report`, and URLs as the definition says, unchecked.
    pub links: Vec<(String, String)>,
    pub service: String,
    pub team: String,
    pub class: String,
    pub at: Minute,
}

impl Notification {
    pub fn for_test(team: &str, at: Minute) -> Self {
        Self {
            kind: NotificationKind::Test,
            title: format!("notification test for team {team}; no action needed"),
            paragraphs: vec![format!(
                "This notification was sent by `slowburn notify --test {team}`. Notifications for team {team} arrive here."
            )],
            ..Self::note(format!("test/{team}@{at}"), Owner::fleet(team), at)
        }
    }

    pub fn note(key: String, owner: Owner, at: Minute) -> Self {
        Self {
            key,
            number: 1,
            kind: NotificationKind::Note,
            urgency: Urgency::Ticket,
            title: String::new(),
            paragraphs: Vec::new(),
            facts: Vec::new(),
            links: Vec::new(),
            service: owner.service,
            team: owner.team,
            class: owner.class,
            at,
        }
    }
}

// The documentation of the variants is part of the schema of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "KindWord")]
pub enum NotificationKind {
    /// The incident was opened.
    Opened,
    /// The urgency of the open incident has changed.
    Changed,
    /// The incident is still open, and no notification was sent for a while.
    Reminder,
    /// The incident is resolved.
    Resolved,
    /// Not about an open incident: a change, such as a new objective, or a report.
    Note,
    /// Not about an incident: a test of the delivery.
    Test,
}

impl fmt::Display for NotificationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub team: String,
    /// `slowburn` for the fleet.
    pub service: String,
    /// The class of the service; empty for the fleet.
    pub class: String,
}

impl Owner {
    pub fn fleet(team: &str) -> Self {
        Self { team: team.to_owned(), service: "slowburn".to_owned(), class: String::new() }
    }
}
