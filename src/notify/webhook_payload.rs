//! A notification as the JSON that webhooks receive and dry runs write, and its schema.
//!
//! Within a version fields may be added; none is removed, renamed or given another meaning.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::alert::{Notification, NotificationKind};
use crate::slo::Urgency;

const VERSION: u32 = 1;

/// A notification about an incident, a change or a test.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "Notification")]
pub(super) struct Payload<'a> {
    /// The version of this schema: 1. Fields may be added within a version; receivers must ignore unknown fields.
    schema: u32,
    /// The subject of the notification. All notifications of an incident have the same key.
    key: &'a str,
    /// The number of the notification among those with the same key, starting at 1. `key` and `number` together are
    /// unique; a notification that is sent twice has the same `key` and `number` both times.
    number: u32,
    /// What the notification reports about the incident.
    kind: NotificationKind,
    /// The urgency of the notification.
    urgency: Urgency,
    /// A one-line summary.
    title: &'a str,
    /// The details, one paragraph each.
    paragraphs: &'a [String],
    /// Labelled values, in display order.
    facts: Vec<Fact<'a>>,
    /// Links to more information.
    links: Vec<LinkTo<'a>>,
    /// The service concerned; `slowburn` if the notification concerns the fleet.
    service: &'a str,
    /// The team that owns the service.
    team: &'a str,
    /// The class of the service; empty if the notification concerns the fleet.
    class: &'a str,
    /// The minute of the evaluation, in UTC: `2026-10-01T10:05:00Z`.
    at: String,
}

#[derive(Serialize, JsonSchema)]
struct Fact<'a> {
    /// The label, such as `Budget left`.
    label: &'a str,
    /// The value as text, such as `71.2%`.
    value: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct LinkTo<'a> {
    /// The text of the link: `runbook`, `dashboard` or `report`.
    text: &'a str,
    /// The address, which starts with `http://` or `https://`.
    url: &'a str,
}

impl<'a> Payload<'a> {
    pub(super) fn new(notification: &'a Notification) -> Self {
        Self {
            schema: VERSION,
            key: &notification.key,
            number: notification.number,
            kind: notification.kind,
            urgency: notification.urgency,
            title: &notification.title,
            paragraphs: &notification.paragraphs,
            facts: notification.facts.iter().map(|(label, value)| Fact { label, value }).collect(),
            links: notification.links.iter().map(|(text, url)| LinkTo { text, url }).collect(),
            service: &notification.service,
            team: &notification.team,
            class: &notification.class,
            at: notification.at.timestamp().to_string(),
        }
    }
}

pub fn schema() -> Value {
    schemars::schema_for!(Payload<'_>).to_value()
}
