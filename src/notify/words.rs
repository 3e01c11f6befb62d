//! What all channels do to words before they give them a form: make them harmless, cut them, and put them in a row.

use xxhash_rust::xxh3::xxh3_128;

use crate::alert::{Link, Message, Phase};
use crate::report::weekly::WEEKLY;
use crate::visible::{clip, visible};

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
pub(super) fn clean(message: &Message) -> Message {
    let short = |text: &str, chars| clip(&visible(text), chars);
    let paragraph =
        |text: &String| clip(&text.lines().map(visible).collect::<Vec<_>>().join("\n"), PARAGRAPH_CHARS_MAX);
    let fact = |(label, value): &(String, String)| (short(label, LABEL_CHARS_MAX), short(value, VALUE_CHARS_MAX));
    Message {
        key: visible(&message.key),
        number: message.number,
        phase: message.phase,
        urgency: message.urgency,
        title: short(&message.title, TITLE_CHARS_MAX),
        paragraphs: message.paragraphs.iter().take(PARAGRAPHS_MAX).map(paragraph).collect(),
        facts: message.facts.iter().take(FACTS_MAX).map(fact).collect(),
        links: message.links.iter().filter_map(web_link).take(LINKS_MAX).collect(),
        service: short(&message.service, NAME_CHARS_MAX),
        team: short(&message.team, NAME_CHARS_MAX),
        class: short(&message.class, NAME_CHARS_MAX),
        at: message.at,
    }
}

/// The link as a browser would follow it, if it leads to a web page: `javascript:` and `file:` do not.
fn web_link(link: &Link) -> Option<Link> {
    let url = reqwest::Url::parse(&link.url).ok()?;
    let url = ["http", "https"].contains(&url.scheme()).then(|| url.to_string())?;
    // Left as they are by the rules of URLs, these would end a link in Slack or an attribute in HTML.
    let url = url.replace('|', "%7C").replace('\'', "%27").replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
    (url.len() <= URL_CHARS_MAX).then(|| Link { text: clip(&visible(&link.text), LABEL_CHARS_MAX), url })
}

/// Whether it is a report of a week.
pub(super) fn is_weekly(message: &Message) -> bool {
    message.key.starts_with(WEEKLY)
}

/// What a message is, in one word: `page`, `resolved`, `note`.
pub(super) fn mark(message: &Message) -> String {
    match message.phase {
        Phase::Opened | Phase::Changed | Phase::Reminder => message.urgency.to_string(),
        Phase::Note if is_weekly(message) => "weekly".to_owned(),
        Phase::Resolved | Phase::Note | Phase::Test => message.phase.word().to_owned(),
    }
}

/// The title after its mark, `[page] checkout/...`; a title that begins with the mark needs no other.
pub(super) fn headline(message: &Message) -> String {
    let mark = mark(message);
    if heading(message) == message.title { format!("[{mark}] {}", message.title) } else { message.title.clone() }
}

/// The title below its mark: without the mark, if it begins with that.
pub(super) fn heading(message: &Message) -> &str {
    let rest = message.title.strip_prefix(&mark(message)).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(&message.title)
}

/// A name for all messages of an incident, of printable ASCII and of at most so many characters. Keys that differ have
/// names that differ.
pub(super) fn key_name(message: &Message, chars: usize) -> String {
    let key = &message.key;
    if key.len() <= chars && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return key.clone();
    }
    let start: String = key.chars().filter(char::is_ascii_graphic).take(chars.saturating_sub(33)).collect();
    format!("{start}-{:032x}", xxh3_128(key.as_bytes()))
}

/// Who it concerns, on one line: `team shop · service checkout · class critical`.
pub(super) fn concerned(message: &Message) -> String {
    let named = [("team", &message.team), ("service", &message.service), ("class", &message.class)];
    let named = named.iter().filter(|(_, name)| !name.is_empty());
    named.map(|(what, name)| format!("{what} {name}")).collect::<Vec<_>>().join(" · ")
}

/// The whole message as plain text.
pub(super) fn plain(message: &Message) -> String {
    let mut text = format!("{}\n", headline(message));
    for paragraph in &message.paragraphs {
        text.push_str(&format!("\n{paragraph}\n"));
    }
    if !message.facts.is_empty() {
        text.push('\n');
    }
    let widest = message.facts.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default().min(30);
    for (label, value) in &message.facts {
        text.push_str(&format!("{label:<widest$}  {value}\n"));
    }
    if !message.links.is_empty() {
        text.push('\n');
    }
    for Link { text: name, url } in &message.links {
        text.push_str(&format!("{name}: {url}\n"));
    }
    text.push_str(&format!("\n{} · {}\n", concerned(message), message.at));
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::slo::Urgency;

    /// A page as it might be.
    pub(crate) fn page() -> Message {
        let fact = |label: &str, value: &str| (label.to_owned(), value.to_owned());
        let link = |text: &str, url: &str| Link { text: text.to_owned(), url: url.to_owned() };
        Message {
            key: "checkout/availability@2026-10-01T10:05Z".to_owned(),
            number: 1,
            phase: Phase::Opened,
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
    fn what_is_hostile_is_made_harmless() {
        let mut message = page();
        message.title = "a\r\nBcc: x@example.com\u{202e}".to_owned();
        message.paragraphs = vec!["one\ntwo\u{1b}[31m".to_owned()];
        let cleaned = clean(&message);
        assert_eq!(cleaned.title, "a\\r\\nBcc: x@example.com\\u{202e}");
        assert_eq!(cleaned.paragraphs, ["one\ntwo\\u{1b}[31m"]);
        assert_eq!(cleaned.links.len(), 1);
        let url = |url: &str| web_link(&Link { text: "x".to_owned(), url: url.to_owned() }).map(|link| link.url);
        assert_eq!(url("https://a.example/x|y>z'"), Some("https://a.example/x%7Cy%3Ez%27".to_owned()));
        assert_eq!(url(" JavaScript:alert(1)"), None);
        assert_eq!(url("data:text/html,x"), None);
        assert_eq!(url("wiki/checkout"), None);
        assert_eq!(url(&format!("https://a.example/{}", "x".repeat(3_000))), None);
    }

    #[test]
    fn a_title_that_begins_with_its_mark_has_it_once() {
        let mut message = page();
        assert_eq!((headline(&message), heading(&message)), (format!("[page] {}", message.title), &*message.title));
        message.phase = Phase::Resolved;
        message.title = "resolved: checkout/latency recovered after 2 hours".to_owned();
        assert_eq!(headline(&message), message.title);
        assert_eq!(heading(&message), "checkout/latency recovered after 2 hours");
    }

    #[test]
    fn a_cut_says_that_it_is_one() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüx", 3), "äö…");
    }

    #[test]
    fn names_of_keys_are_short_and_differ() {
        let mut message = page();
        assert_eq!(key_name(&message, 255), message.key);
        message.key = "ü".repeat(400);
        let one = key_name(&message, 255);
        message.key.push('x');
        let other = key_name(&message, 255);
        assert!(one != other && other.len() <= 255 && other.is_ascii(), "{one} {other}");
        message.key = "x".repeat(10_000);
        assert_eq!(key_name(&message, 255).len(), 255);
    }

    #[test]
    fn plain_text_is_for_reading() {
        assert_eq!(
            plain(&clean(&page())),
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
