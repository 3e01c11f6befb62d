//! Slack incoming webhooks: blocks for the channel, and a text for its notifications.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks>; escaping: "Formatting message text" there; answers:
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>. Webhooks do not detect
//! duplicates: a message whose response was lost may appear twice.

use serde_json::{Value, json};

use super::Secret;
use super::http::{self, Post};
use super::sanitize::{emoji_and_color, label, labelled_title, ownership};
use crate::alert::{DeliveryError, Notification};

const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 3_000;
const FIELD_CHARS_MAX: usize = 2_000;
const FIELDS_PER_SECTION: usize = 10;
/// Slack allows 50 blocks. These make 15 with the header, the line below it and the links; more would not be read.
const PARAGRAPHS_MAX: usize = 8;
const FIELD_SECTIONS_MAX: usize = 3;

pub(super) fn post(webhook: Secret, notification: &Notification) -> Result<Post, DeliveryError> {
    let url = http::parse_url(&webhook, "the Slack webhook", true)?;
    Ok(Post::new(url, body(notification).to_string(), webhook, hint))
}

fn body(notification: &Notification) -> Value {
    let (emoji, _) = emoji_and_color(notification);
    let label = label(notification);
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "emoji": false,
            "text": escape(&format!("{emoji} {}", notification.title), HEADER_CHARS_MAX) } }),
        json!({ "type": "context", "elements": [escaped_mrkdwn(&format!("{label} · {} · {}", ownership(notification), notification.at))] }),
    ];
    for paragraph in notification.paragraphs.iter().filter(|text| !text.trim().is_empty()).take(PARAGRAPHS_MAX) {
        blocks.push(json!({ "type": "section", "text": escaped_mrkdwn(paragraph) }));
    }
    for facts in notification.facts.chunks(FIELDS_PER_SECTION).take(FIELD_SECTIONS_MAX) {
        let fields: Vec<Value> = facts.iter().map(|(label, value)| field(label, value)).collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if let Some(links) = links(notification) {
        blocks.push(json!({ "type": "section", "text": mrkdwn(&links) }));
    }
    json!({
        "text": escape(&format!("{emoji} {}", labelled_title(notification)), SECTION_CHARS_MAX),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn escaped_mrkdwn(text: &str) -> Value {
    mrkdwn(&escape(text, SECTION_CHARS_MAX))
}

/// Text that is escaped already. `verbatim` keeps Slack from making links and mentions of words that look like them.
fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

fn field(label: &str, value: &str) -> Value {
    mrkdwn(&format!("*{}*\n{}", escape(label, FIELD_CHARS_MAX / 4), escape(value, FIELD_CHARS_MAX / 2)))
}

fn links(notification: &Notification) -> Option<String> {
    let mut line = String::new();
    for (text, url) in &notification.links {
        let url = url.replace('&', "&amp;");
        let markup = format!("<{url}|{}>", escape(&text.replace('|', "/"), 75));
        let separator = if line.is_empty() { "" } else { "  ·  " };
        if line.chars().count() + markup.chars().count() + 5 <= SECTION_CHARS_MAX {
            line.push_str(&format!("{separator}{markup}"));
        }
    }
    (!line.is_empty()).then_some(line)
}

/// Escapes text so that nothing in it is a mention or a link, and truncates it to `chars` characters after escaping.
fn escape(text: &str, chars: usize) -> String {
    let mut escaped = String::new();
    let mut chars_left = chars;
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        let entity = match char {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        let needed = entity.len().max(1);
        // One character is reserved for the ellipsis.
        if needed > chars_left || (needed == chars_left && rest.peek().is_some()) {
            escaped.push('…');
            break;
        }
        chars_left -= needed;
        if entity.is_empty() { escaped.push(char) } else { escaped.push_str(entity) }
    }
    escaped
}

fn hint(status: u16, response: &str) -> &'static str {
    match status {
        _ if response.contains("channel_is_archived") => {
            "the channel is archived: create a webhook for another channel"
        }
        403 | 404 | 410 => {
            "the webhook was removed, or its app has lost permission to post: create a new webhook in Slack"
        }
        _ => "see Slack's response; retry with `slowburn notify --test`",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sanitize::sanitize;
    use super::super::tests::page_notification;
    use super::*;

    #[test]
    fn mention_syntax_is_escaped() {
        let mut notification = page_notification();
        notification.title = "<!channel> & <https://evil.example|click>".to_owned();
        notification.service = "<@U123>".to_owned();
        notification.facts = vec![("<#C1>".to_owned(), "a & b".to_owned())];
        let text = body(&sanitize(&notification)).to_string();
        assert!(
            !text.contains("<!") && !text.contains("<@") && !text.contains("<#") && !text.contains("<https://evil"),
            "{text}"
        );
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;"), "{text}");
        assert!(text.contains("<https://wiki.example.com/checkout?a=1&amp;b=2|runbook>"), "{text}");
    }

    #[test]
    fn truncation_never_splits_an_entity() {
        assert_eq!(escape("ab&c", 8), "ab&amp;c");
        assert_eq!(escape("ab&c", 7), "ab…");
        assert_eq!(escape("ab&", 7), "ab&amp;");
        assert_eq!(escape("abcd", 3), "ab…");
        assert_eq!(escape("abc", 3), "abc");
    }

    #[test]
    fn blocks_stay_within_slack_limits() {
        let mut notification = page_notification();
        let long = "<&>".repeat(4_000);
        notification.title.clone_from(&long);
        notification.paragraphs = vec![long.clone(); 100];
        notification.facts = vec![(long.clone(), long.clone()); 200];
        notification.links = vec![notification.links[0].clone(); 500];
        let body = body(&sanitize(&notification));
        let blocks = body["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 15, "{}", blocks.len());
        let chars = |value: &Value| value["text"].as_str().unwrap().chars().count();
        assert!(chars(&blocks[0]["text"]) <= 150);
        for block in blocks.iter().skip(2) {
            if let Some(fields) = block["fields"].as_array() {
                assert!(fields.len() <= 10 && fields.iter().all(|field| chars(field) <= 2_000));
            } else {
                assert!(chars(&block["text"]) <= 3_000);
            }
        }
    }
}
