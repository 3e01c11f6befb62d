//! A notification that the tests of all channels send.

use crate::alert::{Notification, NotificationKind};
use crate::slo::Urgency;

/// A page as it might be.
pub(super) fn page_notification() -> Notification {
    let fact = |label: &str, value: &str| (label.to_owned(), value.to_owned());
    Notification {
        key: "checkout/availability@2026-10-01T10:05Z".to_owned(),
        number: 1,
        kind: NotificationKind::Opened,
        urgency: Urgency::Page,
        title: "checkout/availability: 25% of requests failed in the last hour".to_owned(),
        paragraphs: vec![
            "4,812 requests, 1,203 of them failed.".to_owned(),
            "Resolves automatically after ...".to_owned(),
        ],
        facts: vec![fact("Error budget left", "71.2%"), fact("Detected", "10:05 UTC")],
        links: vec![fact("runbook", "https://wiki.example.com/checkout?a=1&b=2"), fact("bad", "javascript:alert(1)")],
        service: "checkout".to_owned(),
        team: "shop".to_owned(),
        class: "critical".to_owned(),
        at: "2026-10-01T10:10Z".parse().unwrap(),
    }
}
