//! Free texts: names, and lines that are shown as written.

use super::forms::{FromText, text_types};
use crate::hinted_error::HintedError;
use crate::text::is_non_printing;

text_types!(Name, TextLine);

/// The name of a service, an SLO, a class, a source, a team.
impl FromText for Name {
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9._-]{0,99}$";
    const NOUN: &'static str = "a name";
    const EXAMPLE: &'static str = "checkout";

    fn from_text(text: &str) -> Result<Self, HintedError> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if text.len() > 100 {
            return HintedError::err(
                format!("the name is too long: {} characters", text.len()),
                "use at most 100 characters",
            );
        }
        if text.bytes().all(is_allowed) && text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Ok(Self(text.to_owned()));
        }
        let fixed: String = text
            .to_ascii_lowercase()
            .bytes()
            .map(|byte| if is_allowed(byte) { char::from(byte) } else { '-' })
            .collect();
        let fixed = fixed.trim_matches(['-', '.', '_']);
        let rule = "use lowercase letters, digits, `-`, `_` and `.`, starting with a letter or digit";
        let hint =
            if fixed.is_empty() || !text.is_ascii() { rule.to_owned() } else { format!("{rule}, such as `{fixed}`") };
        HintedError::err(format!("invalid name `{text}`"), hint)
    }
}

/// One line of text, or a path.
impl FromText for TextLine {
    const PATTERN: &'static str = r"^[^\u0000-\u001f\u007f-\u009f]{1,1000}$";
    const NOUN: &'static str = "a line of text";
    const EXAMPLE: &'static str = "";

    fn from_text(text: &str) -> Result<Self, HintedError> {
        if text.is_empty() || text.chars().count() > 1_000 || text.chars().any(is_non_printing) {
            return HintedError::err(
                "invalid text: empty, longer than 1000 characters, or with control characters",
                "write one line of plain text",
            );
        }
        Ok(Self(text.to_owned()))
    }
}
