//! A message as the JSON document that webhooks get and dry runs write, and its schema.
//!
//! Within a version fields may be added; none is removed, renamed or given another meaning.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::alert::{Message, Phase};
use crate::slo::Urgency;

/// The version of this form.
const VERSION: u32 = 1;

/// A message of slowburn about an incident, a change, or a try.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Message")]
pub(super) struct Document<'a> {
    /// The version of this form: 1. Fields may be added within a version; a receiver passes over what it does not know.
    schema: u32,
    /// What it is about, the same for all messages of an incident.
    key: &'a str,
    /// Its place among the messages of this key, from 1. Key and number together are unique; a message that comes twice has
    /// the same ones.
    number: u32,
    /// What it does to the incident.
    phase: PhaseWord,
    /// How urgent it is.
    urgency: UrgencyWord,
    /// One line that says it all.
    title: &'a str,
    /// More of it, one paragraph each.
    paragraphs: &'a [String],
    /// Figures in the order to show them.
    facts: Vec<Fact<'a>>,
    /// Where to look next.
    links: Vec<LinkTo<'a>>,
    /// Whose service it is about; `slowburn` for what is about the fleet.
    service: &'a str,
    /// The team that owns it.
    team: &'a str,
    /// The class of the service; empty for what is about the fleet.
    class: &'a str,
    /// The minute that was judged, in UTC: `2026-10-01T10:05:00Z`.
    at: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum PhaseWord {
    /// The incident begins.
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

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum UrgencyWord {
    /// Somebody looks on the next business day.
    Ticket,
    /// Somebody is woken.
    Page,
    /// Somebody is woken: nothing works, or nobody gets through.
    Severe,
}

#[derive(Serialize, JsonSchema)]
struct Fact<'a> {
    /// What it is: `budget left`.
    label: &'a str,
    /// The figure as text for people: `71.2%`.
    value: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct LinkTo<'a> {
    /// `runbook`, `dashboard`, `report`.
    text: &'a str,
    /// It begins with `http://` or `https://`.
    url: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn of(message: &'a Message) -> Self {
        Self {
            schema: VERSION,
            key: &message.key,
            number: message.number,
            phase: match message.phase {
                Phase::Opened => PhaseWord::Opened,
                Phase::Changed => PhaseWord::Changed,
                Phase::Reminder => PhaseWord::Reminder,
                Phase::Resolved => PhaseWord::Resolved,
                Phase::Note => PhaseWord::Note,
                Phase::Test => PhaseWord::Test,
            },
            urgency: match message.urgency {
                Urgency::Ticket => UrgencyWord::Ticket,
                Urgency::Page => UrgencyWord::Page,
                Urgency::Severe => UrgencyWord::Severe,
            },
            title: &message.title,
            paragraphs: &message.paragraphs,
            facts: message.facts.iter().map(|(label, value)| Fact { label, value }).collect(),
            links: message.links.iter().map(|link| LinkTo { text: &link.text, url: &link.url }).collect(),
            service: &message.service,
            team: &message.team,
            class: &message.class,
            at: message.at.timestamp().to_string(),
        }
    }
}

/// The JSON Schema of the document that webhooks get.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(Document<'_>).to_value()
}
