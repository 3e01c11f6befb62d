//! One message about one thing, in plain words, before any channel gives it a form. It holds no secret and no
//! destination.

use serde::{Deserialize, Serialize};

use crate::slo::Urgency;
use crate::time::Minute;

/// What somebody is told.
///
/// It is composed once, when it is decided, and kept in the outbox: whatever is sent again later is the same message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What it is about, the same for all messages of an incident: `checkout/availability@2026-10-01T10:05Z`. Channels
    /// group and deduplicate by it.
    pub key: String,
    /// Its place among the messages of this key, from 1. Key and number together are unique.
    pub number: u32,
    /// What it does to the incident.
    pub kind: NotificationKind,
    /// How urgent it is.
    pub urgency: Urgency,
    /// One line that shows how bad it is: `checkout/availability: 25% of requests failed in the last 5 minutes`.
    pub title: String,
    /// The answer to each question in plain sentences, one paragraph each.
    pub paragraphs: Vec<String>,
    /// Figures as label and value, in the order they are shown.
    pub facts: Vec<(String, String)>,
    /// Where to look next.
    pub links: Vec<Link>,
    /// Whose service it is about; for what is about the fleet, `slowburn`.
    pub service: String,
    /// The team that owns it.
    pub team: String,
    /// The class of the service; empty for what is about the fleet.
    pub class: String,
    /// The minute that was judged.
    pub at: Minute,
}

impl Notification {
    /// One that nobody has to act on, to see whether messages of a team arrive.
    #[must_use]
    pub fn for_test(team: &str, at: Minute) -> Self {
        Self {
            key: format!("test/{team}@{at}"),
            number: 1,
            kind: NotificationKind::Test,
            urgency: Urgency::Ticket,
            title: format!("notification test for team {team}; no action needed"),
            paragraphs: vec![format!(
                "This notification was sent by `slowburn notify --test {team}`. Notifications for team {team} arrive here."
            )],
            facts: Vec::new(),
            links: Vec::new(),
            service: "slowburn".to_owned(),
            team: team.to_owned(),
            class: String::new(),
            at,
        }
    }
}

/// Where to look next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, String)", into = "(String, String)")]
pub struct Link {
    /// `runbook`, `dashboard`, `report`.
    pub text: String,
    /// As the definition says; it may be anything that somebody typed.
    pub url: String,
}

impl From<(String, String)> for Link {
    fn from((text, url): (String, String)) -> Self {
        Self { text, url }
    }
}

impl From<Link> for (String, String) {
    fn from(Link { text, url }: Link) -> Self {
        (text, url)
    }
}

/// What a message does to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// It begins.
    Opened,
    /// It goes on, more or less urgent than before.
    Changed,
    /// It goes on as it is, and nobody has been told for a while.
    Reminder,
    /// It is over.
    Resolved,
    /// No incident: something was changed, such as an objective.
    Note,
    /// No incident: somebody tries whether messages arrive.
    Test,
}

impl NotificationKind {
    /// The word that stands for it in files and in what is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
            Self::Note => "note",
            Self::Test => "test",
        }
    }
}
