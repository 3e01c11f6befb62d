//! PagerDuty, by the Events API v2: alerts that open, change and resolve, and change events for what is no alert.
//!
//! Facts and limits: <https://developer.pagerduty.com/docs/events-api-v2-overview> and its pages on alert and change
//! events. A trigger with the key of an open alert is applied to it, one with the key of a resolved alert opens
//! another; where a service has dynamic notifications, the urgency follows the severity when that changes
//! (<https://support.pagerduty.com/main/docs/dynamic-notifications>).

use jiff::Timestamp;
use reqwest::Client;
use serde_json::{Map, Value, json};

use super::http::{self, Post};
use super::sanitize::short_key;
use super::{Channel, Receipt, Secret, SendError};
use crate::alert::{Notification, NotificationKind};
use crate::slo::Urgency;
use crate::text::truncate;

const SUMMARY_CHARS_MAX: usize = 1_024;
const KEY_CHARS_MAX: usize = 255;

/// One service of PagerDuty, by its integration key.
pub(super) struct PagerDuty {
    client: Client,
    base_url: String,
    routing_key: Secret,
}

impl PagerDuty {
    pub(super) fn new(client: Client, base_url: &str, routing_key: Secret) -> Result<Self, SendError> {
        let is_valid =
            routing_key.reveal().len() == 32 && routing_key.reveal().bytes().all(|byte| byte.is_ascii_graphic());
        if !is_valid {
            return Err(SendError::permanent(
                "invalid PagerDuty integration key: it must have 32 characters",
                "copy the key of an `Events API v2` integration on the PagerDuty service",
            ));
        }
        Ok(Self { client, base_url: base_url.trim_end_matches('/').to_owned(), routing_key })
    }

    async fn post(&self, path: &str, event: &Value, moment: Timestamp) -> Result<Receipt, SendError> {
        let url = http::parse_url(&Secret::new(&format!("{}{path}", self.base_url)), "the PagerDuty address", true)?;
        let post = Post { url, body: event.to_string(), headers: Vec::new(), moment, secret: &self.routing_key, hint };
        http::post(&self.client, post).await
    }
}

#[async_trait::async_trait]
impl Channel for PagerDuty {
    async fn send(&self, notification: &Notification, moment: Timestamp) -> Result<Receipt, SendError> {
        let routing_key = self.routing_key.reveal();
        match notification.kind {
            NotificationKind::Opened | NotificationKind::Changed | NotificationKind::Reminder => {
                self.post("/v2/enqueue", &trigger(notification, routing_key), moment).await
            }
            NotificationKind::Resolved => self.post("/v2/enqueue", &resolve(notification, routing_key), moment).await,
            NotificationKind::Note => self.post("/v2/change/enqueue", &change(notification, routing_key), moment).await,
            // A try must leave nothing behind that anybody has to close.
            NotificationKind::Test => {
                self.post("/v2/enqueue", &trigger(notification, routing_key), moment).await?;
                self.post("/v2/enqueue", &resolve(notification, routing_key), moment).await
            }
        }
    }
}

/// Opens an alert, or tells an open one what is new. A reminder is a trigger too: it is added to an alert that is open,
/// without another call, and opens one anew if somebody closed it while the burning goes on.
fn trigger(notification: &Notification, routing_key: &str) -> Value {
    let mut payload = json!({
        "summary": truncate(&notification.title, SUMMARY_CHARS_MAX),
        "source": notification.service,
        "severity": severity(notification),
        "timestamp": notification.at.timestamp().to_string(),
        "component": notification.service,
    });
    for (name, value) in
        [("group", &notification.team), ("class", &notification.class)].iter().filter(|(_, value)| !value.is_empty())
    {
        payload[*name] = json!(value);
    }
    payload["custom_details"] = details(notification);
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": short_key(notification, KEY_CHARS_MAX),
        "payload": payload,
        "links": links(notification),
        "client": "slowburn",
    });
    if let Some(report) = notification.links.iter().find(|link| link.text == "report") {
        event["client_url"] = json!(report.url);
    }
    event
}

fn resolve(notification: &Notification, routing_key: &str) -> Value {
    json!({
        "routing_key": routing_key,
        "event_action": "resolve",
        "dedup_key": short_key(notification, KEY_CHARS_MAX),
    })
}

fn change(notification: &Notification, routing_key: &str) -> Value {
    json!({
        "routing_key": routing_key,
        "payload": {
            "summary": truncate(&notification.title, SUMMARY_CHARS_MAX),
            "source": notification.service,
            "timestamp": notification.at.timestamp().to_string(),
            "custom_details": details(notification),
        },
        "links": links(notification),
    })
}

/// `critical` and `error` are of high urgency, `warning` and `info` of low.
fn severity(notification: &Notification) -> &'static str {
    match (notification.kind, notification.urgency) {
        (NotificationKind::Test, _) => "info",
        (_, Urgency::Severe) => "critical",
        (_, Urgency::Page) => "error",
        (_, Urgency::Ticket) => "warning",
    }
}

fn details(notification: &Notification) -> Value {
    let mut details = Map::new();
    details.insert("message".to_owned(), json!(notification.paragraphs.join("\n\n")));
    for (index, (label, value)) in notification.facts.iter().enumerate() {
        let name = if details.contains_key(label) { format!("{label} ({})", index + 1) } else { label.clone() };
        details.insert(name, json!(value));
    }
    Value::Object(details)
}

fn links(notification: &Notification) -> Value {
    Value::Array(notification.links.iter().map(|link| json!({ "href": link.url, "text": link.text })).collect())
}

fn hint(status: u16, _response: &str) -> &'static str {
    match status {
        400 => "check that the key belongs to an `Events API v2` integration that still exists",
        403 | 404 => "check SLOWBURN_PAGERDUTY_URL: accounts in the EU region need `https://events.eu.pagerduty.com`",
        _ => "see PagerDuty's response; retry with `slowburn notify --test`",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sanitize::{sanitize, tests::page_notification};
    use super::*;

    #[test]
    fn event_stays_within_size_limits() {
        let mut notification = page_notification();
        let long = "\u{1f525}\"\\".repeat(5_000);
        notification.title.clone_from(&long);
        notification.key.clone_from(&long);
        notification.service.clone_from(&long);
        notification.paragraphs = vec![long.clone(); 100];
        notification.facts = vec![(long.clone(), long.clone()); 200];
        notification.links = vec![notification.links[0].clone(); 100];
        let event = trigger(&sanitize(&notification), &"k".repeat(32));
        assert!(event.to_string().len() < 512_000, "{}", event.to_string().len());
        assert!(event["payload"]["summary"].as_str().unwrap().chars().count() <= SUMMARY_CHARS_MAX);
        assert_eq!(event["dedup_key"], resolve(&sanitize(&notification), "")["dedup_key"]);
        assert_eq!(event["payload"]["custom_details"].as_object().unwrap().len(), 51);
    }

    #[test]
    fn urgency_change_keeps_dedup_key_and_changes_severity() {
        let mut notification = page_notification();
        notification.urgency = Urgency::Ticket;
        let before = trigger(&notification, "");
        (notification.kind, notification.number, notification.urgency) =
            (NotificationKind::Changed, 2, Urgency::Severe);
        let after = trigger(&notification, "");
        assert_eq!(
            (&before["payload"]["severity"], &after["payload"]["severity"]),
            (&json!("warning"), &json!("critical"))
        );
        assert_eq!(before["dedup_key"], after["dedup_key"]);
    }
}
