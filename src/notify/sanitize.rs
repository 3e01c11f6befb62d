//! What all channels do to words before they give them a form: make them harmless, cut them, and put them in a row.

use xxhash_rust::xxh3::xxh3_128;

use crate::alert::{Link, Notification, NotificationKind};
use crate::report::weekly::WEEKLY_KEY_PREFIX;
use crate::text::{escape_non_printing, truncate};

// What a person reads, and what no channel refuses: of characters that take four bytes each, all of it stays below the
// 512 KB that PagerDuty takes.
const TITLE_CHARS_MAX: usize = 1_000;
const PARAGRAPHS_MAX: usize = 20;
const PARAGRAPH_CHARS_MAX: usize = 4_000;
const FACTS_MAX: usize = 50;
const LABEL_CHARS_MAX: usize = 100;
const VALUE_CHARS_MAX: usize = 500;
const LINKS_MAX: usize = 10;
/// Browsers and mail programs take longer links for an attack.
const URL_CHARS_MAX: usize = 2_000;
const NAME_CHARS_MAX: usize = 200;

/// The message with nothing in it that could move a cursor, end a header or line, or reorder what is shown, only with
/// links that lead to a web page, and of a bounded size. Of all texts only a paragraph may have several lines.
pub(super) fn sanitize(notification: &Notification) -> Notification {
    let one_line = |text: &str, chars| truncate(&escape_non_printing(text), chars);
    let paragraph = |text: &String| {
        truncate(&text.lines().map(escape_non_printing).collect::<Vec<_>>().join("\n"), PARAGRAPH_CHARS_MAX)
    };
    let fact = |(label, value): &(String, String)| (one_line(label, LABEL_CHARS_MAX), one_line(value, VALUE_CHARS_MAX));
    Notification {
        key: escape_non_printing(&notification.key),
        number: notification.number,
        kind: notification.kind,
        urgency: notification.urgency,
        title: one_line(&notification.title, TITLE_CHARS_MAX),
        paragraphs: notification.paragraphs.iter().take(PARAGRAPHS_MAX).map(paragraph).collect(),
        facts: notification.facts.iter().take(FACTS_MAX).map(fact).collect(),
        links: notification.links.iter().filter_map(sanitize_link).take(LINKS_MAX).collect(),
        service: one_line(&notification.service, NAME_CHARS_MAX),
        team: one_line(&notification.team, NAME_CHARS_MAX),
        class: one_line(&notification.class, NAME_CHARS_MAX),
        at: notification.at,
    }
}

/// The link as a browser would follow it, if it leads to a web page: `javascript:` and `file:` do not.
fn sanitize_link(link: &Link) -> Option<Link> {
    let url = reqwest::Url::parse(&link.url).ok()?;
    let url = ["http", "https"].contains(&url.scheme()).then(|| url.to_string())?;
    // Left as they are by the rules of URLs, these would end a link in Slack or an attribute in HTML.
    let url = url.replace('|', "%7C").replace('\'', "%27").replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
    (url.len() <= URL_CHARS_MAX)
        .then(|| Link { text: truncate(&escape_non_printing(&link.text), LABEL_CHARS_MAX), url })
}

/// Whether it is a report of a week.
pub(super) fn is_weekly_report(notification: &Notification) -> bool {
    notification.key.starts_with(WEEKLY_KEY_PREFIX)
}

/// What a message is, in one word: `page`, `resolved`, `note`.
pub(super) fn label(notification: &Notification) -> String {
    match notification.kind {
        NotificationKind::Opened | NotificationKind::Changed | NotificationKind::Reminder => {
            notification.urgency.to_string()
        }
        NotificationKind::Note if is_weekly_report(notification) => "weekly".to_owned(),
        NotificationKind::Resolved | NotificationKind::Note | NotificationKind::Test => {
            notification.kind.as_str().to_owned()
        }
    }
}

/// The title after its mark, `[page] checkout/...`; a title that begins with the mark needs no other.
pub(super) fn labelled_title(notification: &Notification) -> String {
    let label = label(notification);
    if title_without_label(notification) == notification.title {
        format!("[{label}] {}", notification.title)
    } else {
        notification.title.clone()
    }
}

/// The title below its mark: without the mark, if it begins with that.
pub(super) fn title_without_label(notification: &Notification) -> &str {
    let rest = notification.title.strip_prefix(&label(notification)).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(&notification.title)
}

/// A name for all messages of an incident, of printable ASCII and of at most so many characters. Keys that differ have
/// names that differ.
pub(super) fn short_key(notification: &Notification, chars: usize) -> String {
    let key = &notification.key;
    if key.len() <= chars && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return key.clone();
    }
    let start: String = key.chars().filter(char::is_ascii_graphic).take(chars.saturating_sub(33)).collect();
    format!("{start}-{:032x}", xxh3_128(key.as_bytes()))
}

/// Who it concerns, on one line: `team shop · service checkout · class critical`.
pub(super) fn ownership(notification: &Notification) -> String {
    let names = [("team", &notification.team), ("service", &notification.service), ("class", &notification.class)];
    let present = names.iter().filter(|(_, name)| !name.is_empty());
    present.map(|(what, name)| format!("{what} {name}")).collect::<Vec<_>>().join(" · ")
}

/// The whole message as plain text.
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
    for Link { text: name, url } in &notification.links {
        text.push_str(&format!("{name}: {url}\n"));
    }
    text.push_str(&format!("\n{} · {}\n", ownership(notification), notification.at));
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::slo::Urgency;

    /// A page as it might be.
    pub(crate) fn page_notification() -> Notification {
        let fact = |label: &str, value: &str| (label.to_owned(), value.to_owned());
        let link = |text: &str, url: &str| Link { text: text.to_owned(), url: url.to_owned() };
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
            links: vec![
                link("runbook", "https://wiki.example.com/checkout?a=1&b=2"),
                link("bad", "javascript:alert(1)"),
            ],
            service: "checkout".to_owned(),
            team: "shop".to_owned(),
            class: "critical".to_owned(),
            at: "2026-10-01T10:10Z".parse().unwrap(),
        }
    }

    #[test]
    fn hostile_input_is_sanitized() {
        let mut notification = page_notification();
        notification.title = "a\r\nBcc: x@example.com\u{202e}".to_owned();
        notification.paragraphs = vec!["one\ntwo\u{1b}[31m".to_owned()];
        let sanitized = sanitize(&notification);
        assert_eq!(sanitized.title, "a\\r\\nBcc: x@example.com\\u{202e}");
        assert_eq!(sanitized.paragraphs, ["one\ntwo\\u{1b}[31m"]);
        assert_eq!(sanitized.links.len(), 1);
        let url = |url: &str| sanitize_link(&Link { text: "x".to_owned(), url: url.to_owned() }).map(|link| link.url);
        assert_eq!(url("https://a.example/x|y>z'"), Some("https://a.example/x%7Cy%3Ez%27".to_owned()));
        assert_eq!(url(" JavaScript:alert(1)"), None);
        assert_eq!(url("data:text/html,x"), None);
        assert_eq!(url("wiki/checkout"), None);
        assert_eq!(url(&format!("https://a.example/{}", "x".repeat(3_000))), None);
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
