//! Secrets are looked up when they are needed, used once, and never shown.

use std::fmt;
use std::sync::Arc;

use crate::alert::DeliveryError;

const HIDDEN: &str = "***";
const WHOLE_BYTES_MIN: usize = 6;
const PART_BYTES_MIN: usize = 12;

/// A text that must not be shown: it has no `Display`, and `***` is shown for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Trims white space: files and consoles add newlines.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces the secret in a text with `***`. A server may repeat only a part of an address, so the path of a URL
    /// and its long parts are replaced too.
    pub(super) fn redact(&self, text: &str) -> String {
        let whole = self.0.as_str();
        let below_host = whole.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
        let parts = whole.split(|char: char| !char.is_alphanumeric() && !"-_~%".contains(char));
        let parts = parts.filter(|part| part.len() >= PART_BYTES_MIN);
        // Replacing shorter texts would destroy ordinary words.
        let wholes = [Some(whole), below_host].into_iter().flatten().filter(|whole| whole.len() >= WHOLE_BYTES_MIN);
        wholes.chain(parts).fold(text.to_owned(), |text, part| text.replace(part, HIDDEN))
    }

    /// Servers may repeat in an error what they were sent.
    pub(super) fn redact_error(&self, error: DeliveryError) -> DeliveryError {
        DeliveryError { message: self.redact(&error.message), ..error }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

type Lookup = dyn Fn(&str) -> Option<Secret> + Send + Sync;

/// Looks up secrets by the names in definitions.
#[derive(Clone)]
pub struct Secrets(Arc<Lookup>);

impl Secrets {
    pub fn new(look_up: impl Fn(&str) -> Option<Secret> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look_up))
    }

    /// `None` if the secret is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<Secret> {
        (self.0)(name).filter(|secret| !secret.0.is_empty())
    }

    /// The names of `${NAME}` references without a secret.
    pub fn missing<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let names = text.split("${").skip(1).filter_map(|part| Some(part.split_once('}')?.0));
        names.filter(|name| self.get(name).is_none()).collect()
    }

    /// Replaces each `${NAME}`. The whole result is a secret.
    pub(super) fn expand(&self, text: &str) -> Result<Secret, DeliveryError> {
        let mut parts = text.split("${");
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').ok_or_else(|| {
                let message = format!("missing `}}` after `${{` in `{text}`");
                DeliveryError::permanent(message, "write `${NAME}` in fleet.yaml")
            })?;
            let secret = self.get(name).ok_or_else(|| {
                let hint = format!("set `{name}` in slowburn's environment, or change the destination in fleet.yaml");
                DeliveryError::permanent(format!("the environment variable `{name}` is not set"), hint)
            })?;
            expanded.push_str(secret.reveal());
            expanded.push_str(rest);
        }
        Ok(Secret(expanded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_never_shown() {
        let secrets = Secrets::new(|name| (name == "KEY").then(|| Secret::new(" 0123456789abcdef\n")));
        let expanded = secrets.expand("https://example.com/${KEY}/x").unwrap();
        assert_eq!(expanded.reveal(), "https://example.com/0123456789abcdef/x");
        assert_eq!(format!("{expanded:?}"), "***");
        assert_eq!(expanded.redact("no 0123456789abcdef at https://example.com"), "no *** at https://example.com");
        assert_eq!(expanded.redact("no https://example.com/0123456789abcdef/x"), "no ***");
        assert_eq!(expanded.redact("GET /0123456789abcdef/x"), "GET /***");
    }

    #[test]
    fn missing_variable_is_named() {
        let secrets = Secrets::new(|name| (name == "EMPTY").then(|| Secret::new(" \n")));
        for text in ["${ELSEWHERE}", "x${EMPTY}", "${UNCLOSED"] {
            let error = secrets.expand(text).unwrap_err();
            assert!(!error.is_transient, "{error}");
        }
        let error = secrets.expand("${EMPTY}").unwrap_err().to_string();
        assert_eq!(
            error,
            "the environment variable `EMPTY` is not set\nhint: set `EMPTY` in slowburn's environment, or change the destination \
             in fleet.yaml"
        );
    }
}
