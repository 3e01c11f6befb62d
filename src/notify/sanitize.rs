//! Sanitizes and truncates notifications, and renders the parts that several channels share.

use xxhash_rust::xxh3::xxh3_128;

use crate::alert::{Notification, NotificationKind};
use crate::report::weekly::WEEKLY_KEY_PREFIX;
use crate::slo::Urgency;
use crate::text::{escape_non_printing, truncate};

// With characters of four bytes each, a notification of these sizes stays below the 512 KB that PagerDuty accepts.
const TITLE_CHARS_MAX: usize = 1_000;
const PARAGRAPHS_MAX: usize = 20;
const PARAGRAPH_CHARS_MAX: usize = 4_000;
const FACTS_MAX: usize = 50;
const LABEL_CHARS_MAX: usize = 100;
const VALUE_CHARS_MAX: usize = 500;
const LINKS_MAX: usize = 10;
/// Browsers and mail programs reject longer links.
const URL_CHARS_MAX: usize = 2_000;
const NAME_CHARS_MAX: usize = 200;

/// Escapes everything that could move a cursor, end a header or line, or reorder text, drops links that are not web
/// pages, and limits the size. Only paragraphs may have several lines.
pub(super) fn sanitize(notification: &Notification) -> Notification {
    let one_line = |text: &str, chars| truncate(&escape_non_printing(text), chars);
    let paragraph = |text: &String| {
        truncate(&text.lines().map(escape_non_printing).collect::<Vec<_>>().join("\n"), PARAGRAPH_CHARS_MAX)
    };
    let fact = |(label, value): &(String, String)| (one_line(label, LABEL_CHARS_MAX), one_line(value, VALUE_CHARS_MAX));
    Notification {
        key: escape_non_printing(&notification.key),
        title: one_line(&notification.title, TITLE_CHARS_MAX),
        paragraphs: notification.paragraphs.iter().take(PARAGRAPHS_MAX).map(paragraph).collect(),
        facts: notification.facts.iter().take(FACTS_MAX).map(fact).collect(),
        links: notification
            .links
            .iter()
            .filter_map(|(text, url)| Some((one_line(text, LABEL_CHARS_MAX), sanitize_url(url)?)))
            .take(LINKS_MAX)
            .collect(),
        service: one_line(&notification.service, NAME_CHARS_MAX),
        team: one_line(&notification.team, NAME_CHARS_MAX),
        class: one_line(&notification.class, NAME_CHARS_MAX),
        ..*notification
    }
}

/// The URL as a browser would follow it; `None` if it is not a web page, such as `javascript:` and `file:`.
fn sanitize_url(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    let url = ["http", "https"].contains(&url.scheme()).then(|| url.to_string())?;
    // These are valid in URLs, but end a link in Slack or an attribute in HTML.
    let url = url.replace('|', "%7C").replace('\'', "%27").replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
    (url.len() <= URL_CHARS_MAX).then_some(url)
}

pub(super) fn is_weekly_report(notification: &Notification) -> bool {
    notification.key.starts_with(WEEKLY_KEY_PREFIX)
}

/// A symbol, and a colour that is distinguishable on white and on black.
pub(super) const fn emoji_and_color(notification: &Notification) -> (char, &'static str) {
    match (notification.kind, notification.urgency) {
        (NotificationKind::Resolved, _) => ('\u{1f7e2}', "#2e9e44"),
        (NotificationKind::Note | NotificationKind::Test, _) => ('\u{1f535}', "#3b82f6"),
        (_, Urgency::Severe) => ('\u{1f534}', "#e0313a"),
        (_, Urgency::Page) => ('\u{1f7e0}', "#e8590c"),
        (_, Urgency::Ticket) => ('\u{1f7e1}', "#b8860b"),
    }
}

/// One word for the notification: `page`, `resolved`, `note`.
pub(super) fn label(notification: &Notification) -> String {
    match notification.kind {
        NotificationKind::Opened | NotificationKind::Changed | NotificationKind::Reminder => {
            notification.urgency.to_string()
        }
        NotificationKind::Note if is_weekly_report(notification) => "weekly".to_owned(),
        kind => kind.to_string(),
    }
}

/// `[page] checkout/...`; a title that starts with its label is not labelled again.
pub(super) fn labelled_title(notification: &Notification) -> String {
    let title = &notification.title;
    if title_without_label(notification) == title {
        format!("[{}] {title}", label(notification))
    } else {
        title.clone()
    }
}

pub(super) fn title_without_label(notification: &Notification) -> &str {
    let rest = notification.title.strip_prefix(&label(notification)).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(&notification.title)
}

/// The key of an incident in at most `chars` printable ASCII characters. Different keys stay different.
pub(super) fn short_key(notification: &Notification, chars: usize) -> String {
    let key = &notification.key;
    if key.len() <= chars && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return key.clone();
    }
    let start: String = key.chars().filter(char::is_ascii_graphic).take(chars.saturating_sub(33)).collect();
    format!("{start}-{:032x}", xxh3_128(key.as_bytes()))
}

/// `team shop · service checkout · class critical`
pub(super) fn ownership(notification: &Notification) -> String {
    [("team", &notification.team), ("service", &notification.service), ("class", &notification.class)]
        .iter()
        .filter(|(_, name)| !name.is_empty())
        .map(|(kind, name)| format!("{kind} {name}"))
        .collect::<Vec<_>>()
        .join(" · ")
}

pub(super) fn plain_text(notification: &Notification) -> String {
    let mut text = format!("{}\n", labelled_title(notification));
    for paragraph in &notification.paragraphs {
        text.push_str(&format!("\n{paragraph}\n"));
    }
    if !notification.facts.is_empty() {
        text.push('\n');
    }
    let widest = notification.facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default().min(30);
    for (label, value) in &notification.facts {
        text.push_str(&format!("{label:<widest$}  {value}\n"));
    }
    if !notification.links.is_empty() {
        text.push('\n');
    }
    for (link_text, url) in &notification.links {
        text.push_str(&format!("{link_text}: {url}\n"));
    }
    text.push_str(&format!("\n{} · {}\n", ownership(notification), notification.at));
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::page_notification;
    use super::*;

    #[test]
    fn hostile_input_is_sanitized() {
        let mut notification = page_notification();
        notification.title = "a\r\nBcc: x@example.com\u{202e}".to_owned();
        notification.paragraphs = vec!["one\ntwo\u{1b}[31m".to_owned()];
        let sanitized = sanitize(&notification);
        assert_eq!(sanitized.title, "a\\r\\nBcc: x@example.com\\u{202e}");
        assert_eq!(sanitized.paragraphs, ["one\ntwo\\u{1b}[31m"]);
        assert_eq!(sanitized.links.len(), 1);
        assert_eq!(sanitize_url("https://a.example/x|y>z'"), Some("https://a.example/x%7Cy%3Ez%27".to_owned()));
        assert_eq!(sanitize_url(" JavaScript:alert(1)"), None);
        assert_eq!(sanitize_url("data:text/html,x"), None);
        assert_eq!(sanitize_url("wiki/checkout"), None);
        assert_eq!(sanitize_url(&format!("https://a.example/{}", "x".repeat(3_000))), None);
    }

    #[test]
    fn title_starting_with_its_label_is_not_labelled_twice() {
        let mut notification = page_notification();
        assert_eq!(
            (labelled_title(&notification), title_without_label(&notification)),
            (format!("[page] {}", notification.title), &*notification.title)
        );
        notification.kind = NotificationKind::Resolved;
        notification.title = "resolved: checkout/latency recovered after 2 hours".to_owned();
        assert_eq!(labelled_title(&notification), notification.title);
        assert_eq!(title_without_label(&notification), "checkout/latency recovered after 2 hours");
    }

    #[test]
    fn clip_marks_truncation() {
        assert_eq!(truncate("äöü", 3), "äöü");
        assert_eq!(truncate("äöüx", 3), "äö…");
    }

    #[test]
    fn short_keys_are_bounded_and_distinct() {
        let mut notification = page_notification();
        assert_eq!(short_key(&notification, 255), notification.key);
        notification.key = "ü".repeat(400);
        let one = short_key(&notification, 255);
        notification.key.push('x');
        let other = short_key(&notification, 255);
        assert!(one != other && other.len() <= 255 && other.is_ascii(), "{one} {other}");
        notification.key = "x".repeat(10_000);
        assert_eq!(short_key(&notification, 255).len(), 255);
    }

    #[test]
    fn plain_text_has_aligned_facts_and_links() {
        assert_eq!(
            plain_text(&sanitize(&page_notification())),
            "[page] checkout/availability: 25% of requests failed in the last hour\n\n\
             4,812 requests, 1,203 of them failed.\n\n\
             Resolves automatically after ...\n\n\
             Error budget left  71.2%\n\
             Detected           10:05 UTC\n\n\
             runbook: https://wiki.example.com/checkout?a=1&b=2\n\n\
             team shop · service checkout · class critical · 2026-10-01T10:10Z\n"
        );
    }
}
