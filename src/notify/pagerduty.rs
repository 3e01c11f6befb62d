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
use super::words::key_name;
use super::{Channel, Receipt, Secret, SendError};
use crate::alert::{Message, Phase};
use crate::slo::Urgency;
use crate::visible::clip;

const SUMMARY_CHARS_MAX: usize = 1_024;
const KEY_CHARS_MAX: usize = 255;

/// One service of PagerDuty, by its integration key.
pub(super) struct PagerDuty {
    client: Client,
    base: String,
    key: Secret,
}

impl PagerDuty {
    pub(super) fn new(client: Client, base: &str, key: Secret) -> Result<Self, SendError> {
        let sound = key.reveal().len() == 32 && key.reveal().bytes().all(|byte| byte.is_ascii_graphic());
        if !sound {
            return Err(SendError::never(
                "invalid PagerDuty integration key: it must have 32 characters",
                "copy the key of an `Events API v2` integration on the PagerDuty service",
            ));
        }
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), key })
    }

    async fn post(&self, path: &str, event: &Value, moment: Timestamp) -> Result<Receipt, SendError> {
        let url = http::address(&Secret::new(&format!("{}{path}", self.base)), "the PagerDuty address", true)?;
        let post = Post { url, body: event.to_string(), headers: Vec::new(), moment, secret: &self.key, remedy };
        http::post(&self.client, post).await
    }
}

#[async_trait::async_trait]
impl Channel for PagerDuty {
    async fn send(&self, message: &Message, moment: Timestamp) -> Result<Receipt, SendError> {
        let key = self.key.reveal();
        match message.phase {
            Phase::Opened | Phase::Changed | Phase::Reminder => {
                self.post("/v2/enqueue", &trigger(message, key), moment).await
            }
            Phase::Resolved => self.post("/v2/enqueue", &resolve(message, key), moment).await,
            Phase::Note => self.post("/v2/change/enqueue", &change(message, key), moment).await,
            // A try must leave nothing behind that anybody has to close.
            Phase::Test => {
                self.post("/v2/enqueue", &trigger(message, key), moment).await?;
                self.post("/v2/enqueue", &resolve(message, key), moment).await
            }
        }
    }
}

/// Opens an alert, or tells an open one what is new. A reminder is a trigger too: it is added to an alert that is open,
/// without another call, and opens one anew if somebody closed it while the burning goes on.
fn trigger(message: &Message, routing_key: &str) -> Value {
    let mut payload = json!({
        "summary": clip(&message.title, SUMMARY_CHARS_MAX),
        "source": message.service,
        "severity": severity(message),
        "timestamp": message.at.timestamp().to_string(),
        "component": message.service,
    });
    for (name, value) in
        [("group", &message.team), ("class", &message.class)].iter().filter(|(_, value)| !value.is_empty())
    {
        payload[*name] = json!(value);
    }
    payload["custom_details"] = details(message);
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key_name(message, KEY_CHARS_MAX),
        "payload": payload,
        "links": links(message),
        "client": "slowburn",
    });
    if let Some(report) = message.links.iter().find(|link| link.text == "report") {
        event["client_url"] = json!(report.url);
    }
    event
}

fn resolve(message: &Message, routing_key: &str) -> Value {
    json!({
        "routing_key": routing_key,
        "event_action": "resolve",
        "dedup_key": key_name(message, KEY_CHARS_MAX),
    })
}

fn change(message: &Message, routing_key: &str) -> Value {
    json!({
        "routing_key": routing_key,
        "payload": {
            "summary": clip(&message.title, SUMMARY_CHARS_MAX),
            "source": message.service,
            "timestamp": message.at.timestamp().to_string(),
            "custom_details": details(message),
        },
        "links": links(message),
    })
}

/// `critical` and `error` are of high urgency, `warning` and `info` of low.
fn severity(message: &Message) -> &'static str {
    match (message.phase, message.urgency) {
        (Phase::Test, _) => "info",
        (_, Urgency::Severe) => "critical",
        (_, Urgency::Page) => "error",
        (_, Urgency::Ticket) => "warning",
    }
}

fn details(message: &Message) -> Value {
    let mut details = Map::new();
    details.insert("message".to_owned(), json!(message.paragraphs.join("\n\n")));
    for (place, (label, value)) in message.facts.iter().enumerate() {
        let name = if details.contains_key(label) { format!("{label} ({})", place + 1) } else { label.clone() };
        details.insert(name, json!(value));
    }
    Value::Object(details)
}

fn links(message: &Message) -> Value {
    Value::Array(message.links.iter().map(|link| json!({ "href": link.url, "text": link.text })).collect())
}

fn remedy(status: u16, _said: &str) -> &'static str {
    match status {
        400 => "check that the key belongs to an `Events API v2` integration that still exists",
        403 | 404 => "check SLOWBURN_PAGERDUTY_URL: accounts in the EU region need `https://events.eu.pagerduty.com`",
        _ => "see PagerDuty's response; retry with `slowburn notify --test`",
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{clean, tests::page};
    use super::*;

    #[test]
    fn an_event_stays_within_its_limits() {
        let mut message = page();
        let long = "\u{1f525}\"\\".repeat(5_000);
        message.title.clone_from(&long);
        message.key.clone_from(&long);
        message.service.clone_from(&long);
        message.paragraphs = vec![long.clone(); 100];
        message.facts = vec![(long.clone(), long.clone()); 200];
        message.links = vec![message.links[0].clone(); 100];
        let event = trigger(&clean(&message), &"k".repeat(32));
        assert!(event.to_string().len() < 512_000, "{}", event.to_string().len());
        assert!(event["payload"]["summary"].as_str().unwrap().chars().count() <= SUMMARY_CHARS_MAX);
        assert_eq!(event["dedup_key"], resolve(&clean(&message), "")["dedup_key"]);
        assert_eq!(event["payload"]["custom_details"].as_object().unwrap().len(), 51);
    }

    #[test]
    fn an_escalation_is_the_same_alert_with_another_severity() {
        let mut message = page();
        message.urgency = Urgency::Ticket;
        let before = trigger(&message, "");
        (message.phase, message.number, message.urgency) = (Phase::Changed, 2, Urgency::Severe);
        let after = trigger(&message, "");
        assert_eq!(
            (&before["payload"]["severity"], &after["payload"]["severity"]),
            (&json!("warning"), &json!("critical"))
        );
        assert_eq!(before["dedup_key"], after["dedup_key"]);
    }
}
