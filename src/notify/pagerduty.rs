//! PagerDuty Events API v2: alerts that open, change and resolve, and change events for everything else.
//!
//! Facts and limits: <https://developer.pagerduty.com/docs/events-api-v2-overview> and its pages on alert and change
//! events. A trigger with the key of an open alert is applied to it, one with the key of a resolved alert opens
//! another; where a service has dynamic notifications, the urgency follows the severity when that changes
//! (<https://support.pagerduty.com/main/docs/dynamic-notifications>).

use serde_json::{Map, Value, json};

use super::Secret;
use super::http::{self, Post};
use super::sanitize::short_key;
use crate::alert::{DeliveryError, Notification, NotificationKind};
use crate::slo::Urgency;
use crate::text::truncate;

const SUMMARY_CHARS_MAX: usize = 1_024;
const KEY_CHARS_MAX: usize = 255;

pub(super) fn posts(
    base_url: &str,
    routing_key: &Secret,
    notification: &Notification,
) -> Result<Vec<Post>, DeliveryError> {
    let key = routing_key.reveal();
    if key.len() != 32 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(DeliveryError::permanent(
            "invalid PagerDuty integration key: it must have 32 characters",
            "copy the key of an `Events API v2` integration on the PagerDuty service",
        ));
    }
    let (path, events) = match notification.kind {
        NotificationKind::Opened | NotificationKind::Changed | NotificationKind::Reminder => {
            ("enqueue", vec![trigger(notification, key)])
        }
        NotificationKind::Resolved => ("enqueue", vec![resolve(notification, key)]),
        NotificationKind::Note => ("change/enqueue", vec![change(notification, key)]),
        // A test must not leave an alert behind that a person has to close.
        NotificationKind::Test => ("enqueue", vec![trigger(notification, key), resolve(notification, key)]),
    };
    let address = Secret::new(&format!("{}/v2/{path}", base_url.trim_end_matches('/')));
    let url = http::parse_url(&address, "the PagerDuty address", true)?;
    let post = |event: Value| Post::new(url.clone(), event.to_string(), routing_key.clone(), hint);
    Ok(events.into_iter().map(post).collect())
}

/// Opens an alert, or updates an open one. A reminder is a trigger too: it is added to an open alert without paging
/// again, and opens a new one if the alert was closed while the SLO still burns.
fn trigger(notification: &Notification, routing_key: &str) -> Value {
    let mut payload = json!({
        "summary": truncate(&notification.title, SUMMARY_CHARS_MAX),
        "source": notification.service,
        "severity": severity(notification),
        "timestamp": notification.at.timestamp().to_string(),
        "component": notification.service,
    });
    for (name, value) in [("group", &notification.team), ("class", &notification.class)] {
        if !value.is_empty() {
            payload[name] = json!(value);
        }
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
    if let Some((_, url)) = notification.links.iter().find(|(text, _)| text == "report") {
        event["client_url"] = json!(url);
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
    notification.links.iter().map(|(text, url)| json!({ "href": url, "text": text })).collect()
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
    use super::super::sanitize::sanitize;
    use super::super::tests::page_notification;
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
