//! Slack, by an incoming webhook: blocks that look right in a channel, and a text for notifications.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks>; escaping: "Formatting message text" there; answers:
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>. A webhook knows no duplicates: a
//! message whose answer was lost may stand there twice.

use jiff::Timestamp;
use reqwest::{Client, Url};
use serde_json::{Value, json};

use super::http::{self, Post};
use super::words::{clean, concerned, headline, mark};
use super::{Channel, Receipt, Secret, SendError};
use crate::alert::{Message, Phase};
use crate::report::weekly::Weekly;
use crate::slo::Urgency;

const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 3_000;
const FIELD_CHARS_MAX: usize = 2_000;
const FIELDS_PER_SECTION: usize = 10;
/// A message may have 50 blocks. These make 15 with the header, the line below it and the links; nobody reads more.
const PARAGRAPHS_MAX: usize = 8;
const FIELD_SECTIONS_MAX: usize = 3;

/// One channel of Slack, by the address of its webhook, which is a secret.
pub(super) struct Slack {
    client: Client,
    hook: Secret,
    url: Url,
}

impl Slack {
    pub(super) fn new(client: Client, hook: Secret) -> Result<Self, SendError> {
        let url = http::address(&hook, "the Slack webhook", true)?;
        Ok(Self { client, hook, url })
    }
}

#[async_trait::async_trait]
impl Channel for Slack {
    async fn send(&self, message: &Message, moment: Timestamp) -> Result<Receipt, SendError> {
        let (url, body) = (self.url.clone(), body(message).to_string());
        http::post(&self.client, Post { url, body, headers: Vec::new(), moment, secret: &self.hook, remedy }).await
    }

    async fn report(&self, report: &Weekly, moment: Timestamp) -> Result<Receipt, SendError> {
        self.send(&clean(&report.digest()), moment).await
    }
}

fn body(message: &Message) -> Value {
    let sign = sign(message);
    let mark = mark(message);
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "emoji": false,
            "text": escaped(&format!("{sign} {}", message.title), HEADER_CHARS_MAX) } }),
        json!({ "type": "context", "elements": [text(&format!("{mark} · {} · {}", concerned(message), message.at))] }),
    ];
    for paragraph in message.paragraphs.iter().filter(|text| !text.trim().is_empty()).take(PARAGRAPHS_MAX) {
        blocks.push(json!({ "type": "section", "text": text(paragraph) }));
    }
    for facts in message.facts.chunks(FIELDS_PER_SECTION).take(FIELD_SECTIONS_MAX) {
        let fields: Vec<Value> = facts.iter().map(|(label, value)| field(label, value)).collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if let Some(links) = links(message) {
        blocks.push(json!({ "type": "section", "text": mrkdwn(&links) }));
    }
    json!({
        "text": escaped(&format!("{sign} {}", headline(message)), SECTION_CHARS_MAX),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// A sign that is seen from afar.
fn sign(message: &Message) -> char {
    match (message.phase, message.urgency) {
        (Phase::Resolved, _) => '\u{1f7e2}',
        (Phase::Note | Phase::Test, _) => '\u{1f535}',
        (_, Urgency::Severe) => '\u{1f534}',
        (_, Urgency::Page) => '\u{1f7e0}',
        (_, Urgency::Ticket) => '\u{1f7e1}',
    }
}

fn text(text: &str) -> Value {
    mrkdwn(&escaped(text, SECTION_CHARS_MAX))
}

/// Text that is escaped already. `verbatim` keeps Slack from making links and mentions of words that look like them.
fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

fn field(label: &str, value: &str) -> Value {
    let label = escaped(label, FIELD_CHARS_MAX / 4);
    let value = escaped(value, FIELD_CHARS_MAX / 2);
    mrkdwn(&format!("*{label}*\n{value}"))
}

/// Links side by side, as many as there is room for.
fn links(message: &Message) -> Option<String> {
    let mut line = String::new();
    for link in &message.links {
        let url = link.url.replace('&', "&amp;");
        let one = format!("<{url}|{}>", escaped(&link.text.replace('|', "/"), 75));
        let between = if line.is_empty() { "" } else { "  ·  " };
        if line.chars().count() + one.chars().count() + 5 <= SECTION_CHARS_MAX {
            line.push_str(&format!("{between}{one}"));
        }
    }
    (!line.is_empty()).then_some(line)
}

/// Text in which nothing is a mention or a link, of at most so many characters once it is escaped.
fn escaped(text: &str, chars: usize) -> String {
    let mut shown = String::new();
    let mut left = chars;
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        let entity = match char {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        let needed = entity.len().max(1);
        // One place is kept for the sign that something was left out.
        if needed > left || (needed == left && rest.peek().is_some()) {
            shown.push('…');
            break;
        }
        left -= needed;
        if entity.is_empty() { shown.push(char) } else { shown.push_str(entity) }
    }
    shown
}

fn remedy(status: u16, said: &str) -> &'static str {
    match status {
        _ if said.contains("channel_is_archived") => "the channel is archived: create a webhook for another channel",
        403 | 404 | 410 => {
            "the webhook was removed, or its app has lost permission to post: create a new webhook in Slack"
        }
        _ => "see Slack's response; retry with `slowburn notify --test`",
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{clean, tests::page};
    use super::*;

    #[test]
    fn nobody_is_pinged_by_a_name() {
        let mut message = page();
        message.title = "<!channel> & <https://evil.example|click>".to_owned();
        message.service = "<@U123>".to_owned();
        message.facts = vec![("<#C1>".to_owned(), "a & b".to_owned())];
        let text = body(&clean(&message)).to_string();
        assert!(
            !text.contains("<!") && !text.contains("<@") && !text.contains("<#") && !text.contains("<https://evil"),
            "{text}"
        );
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;"), "{text}");
        assert!(text.contains("<https://wiki.example.com/checkout?a=1&amp;b=2|runbook>"), "{text}");
    }

    #[test]
    fn a_cut_leaves_no_half_entity() {
        assert_eq!(escaped("ab&c", 8), "ab&amp;c");
        assert_eq!(escaped("ab&c", 7), "ab…");
        assert_eq!(escaped("ab&", 7), "ab&amp;");
        assert_eq!(escaped("abcd", 3), "ab…");
        assert_eq!(escaped("abc", 3), "abc");
    }

    #[test]
    fn blocks_stay_within_their_limits() {
        let mut message = page();
        let long = "<&>".repeat(4_000);
        message.title.clone_from(&long);
        message.paragraphs = vec![long.clone(); 100];
        message.facts = vec![(long.clone(), long.clone()); 200];
        message.links = vec![message.links[0].clone(); 500];
        let body = body(&clean(&message));
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
