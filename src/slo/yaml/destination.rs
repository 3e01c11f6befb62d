//! Destinations of notifications.

use super::forms::{impl_from_text, matches_pattern, text_types};
use crate::hinted_error::HintedError;

text_types!(Destination);

impl_from_text! {
    Destination: "a destination", "mailto:mart@example.com",
        r"^((pagerduty|slack):\$\{[A-Za-z_][A-Za-z0-9_]{0,99}\}|webhook:[!-~]{1,1000}|mailto:[!-+\--~]{1,100}@[!-+\--~]{1,200})$",
        read_destination;
}

/// Where pages, tickets and reports are sent. Secrets are names of environment variables.
fn read_destination(text: &str) -> Result<Destination, HintedError> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let is_graphic = (1..=1000).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_graphic());
    let is_valid = is_graphic
        && match kind {
            "pagerduty" | "slack" => is_variable(rest),
            "webhook" => braced_variable(rest).is_none(),
            "mailto" => is_mail_address(rest),
            _ => false,
        };
    if is_valid { Ok(Destination(text.to_owned())) } else { Err(explain_destination(text, kind, rest)) }
}

/// Explains an invalid destination without repeating a secret.
fn explain_destination(text: &str, kind: &str, rest: &str) -> HintedError {
    const FORMS: &str = "write `pagerduty:${KEY}`, `slack:${HOOK}`, `webhook:${URL}` or `mailto:team@example.com`";
    let secret = |what: &str, form: &str| {
        let hint = format!("store it in an environment variable and write `{form}`");
        HintedError::new(format!("{what} is a secret and must not be in a file"), hint)
    };
    let lower = text.to_ascii_lowercase();
    let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match kind {
        "slack" | "pagerduty" | "webhook" if braced_variable(rest).is_some() => HintedError::new(
            format!("invalid destination `{text}`"),
            format!("did you mean `{kind}:{}`?", braced_variable(rest).unwrap_or_default()),
        ),
        "slack" | "pagerduty" if rest.starts_with("${") => HintedError::new(
            format!("invalid variable name in `{text}`"),
            "use letters, digits and `_`, starting with a letter or `_`",
        ),
        "slack" if rest.starts_with(['#', '@']) => HintedError::new(
            format!("`{text}` is a channel, not a webhook"),
            "create an incoming webhook for the channel, store its URL in an environment variable and write `slack:${SLACK_WEBHOOK_URL}`",
        ),
        "slack" if !rest.is_empty() => secret("a Slack webhook URL", "slack:${SLACK_WEBHOOK_URL}"),
        "pagerduty" if !rest.is_empty() => secret("a PagerDuty routing key", "pagerduty:${PAGERDUTY_KEY}"),
        _ if lower.contains("hooks.slack.com") => secret("a Slack webhook URL", "slack:${SLACK_WEBHOOK_URL}"),
        _ if lower.contains("pagerduty.com") || is_key => {
            secret("a PagerDuty routing key", "pagerduty:${PAGERDUTY_KEY}")
        }
        "http" | "https" => secret("a webhook URL", "webhook:${WEBHOOK_URL}"),
        "mailto" if rest.contains(',') => HintedError::new(
            format!("`{text}` contains several addresses"),
            "write a list with one `mailto:` address per item",
        ),
        "mailto" if !rest.is_ascii() => HintedError::new(
            format!("invalid destination `{text}`: only ASCII addresses are supported"),
            "use an address without other characters, or write its domain in Punycode, `xn--...`",
        ),
        _ => {
            let address = text.rsplit_once(':').map_or(text, |(_, address)| address).trim();
            let is_mail = is_mail_address(address)
                && !address.contains('/')
                && address.bytes().all(|byte| byte.is_ascii_graphic());
            let hint = if is_mail { format!("did you mean `mailto:{address}`?") } else { FORMS.to_owned() };
            HintedError::new(format!("invalid destination `{text}`"), hint)
        }
    }
}

/// The variable that `$NAME` stands for, in braces.
fn braced_variable(text: &str) -> Option<String> {
    let variable = format!("${{{}}}", text.strip_prefix('$')?);
    is_variable(&variable).then_some(variable)
}

/// Whether it is `${NAME}` and nothing else.
fn is_variable(text: &str) -> bool {
    matches_pattern(r"^\$\{[A-Za-z_][A-Za-z0-9_]{0,99}\}$", text)
}

/// Whether it is a single mail address. The mail server checks the parts before and after the `@`.
fn is_mail_address(text: &str) -> bool {
    let (name, host) = text.rsplit_once('@').unwrap_or_default();
    (1..=100).contains(&name.len()) && (1..=200).contains(&host.len()) && !text.contains(',')
}
