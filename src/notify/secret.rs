//! Secrets: they are looked up when they are needed, used once, and never shown.

use std::fmt;
use std::sync::Arc;

use super::SendError;

const HIDDEN: &str = "***";
const WHOLE_BYTES_MIN: usize = 6;
const PART_BYTES_MIN: usize = 12;

/// A text that nobody may see. It has no way into a log: what formats it, even for debugging, gives `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into keeping, without the white space around it: files and consoles like to add a newline.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The text itself, for the one place that uses it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text with `***` wherever the secret stood in it. Of an address, a server may well repeat only what it looked
    /// up: so what follows the host goes too, and each long part of it.
    pub(super) fn redact(&self, text: &str) -> String {
        let whole = self.0.as_str();
        let below_host = whole.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
        let parts = whole.split(|char: char| !char.is_alphanumeric() && !"-_~%".contains(char));
        let parts = parts.filter(|part| part.len() >= PART_BYTES_MIN);
        // What is shorter than that is no secret, and would tear words apart.
        let wholes = [Some(whole), below_host].into_iter().flatten().filter(|whole| whole.len() >= WHOLE_BYTES_MIN);
        wholes.chain(parts).fold(text.to_owned(), |text, part| text.replace(part, HIDDEN))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

type Lookup = dyn Fn(&str) -> Option<Secret> + Send + Sync;

/// Where secrets are looked up by the names that definitions give them.
#[derive(Clone)]
pub struct Secrets(Arc<Lookup>);

impl Secrets {
    /// Secrets as a function of their names.
    #[must_use]
    pub fn new(look_up: impl Fn(&str) -> Option<Secret> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look_up))
    }

    /// The secret of a name, if there is one that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<Secret> {
        (self.0)(name).filter(|secret| !secret.0.is_empty())
    }

    /// The names in a text, as `${NAME}`, that have no secret.
    #[must_use]
    pub fn missing<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let names = text.split("${").skip(1).filter_map(|part| Some(part.split_once('}')?.0));
        names.filter(|name| self.get(name).is_none()).collect()
    }

    /// A text with each `${NAME}` replaced. All of it is then a secret.
    pub(super) fn expand(&self, text: &str) -> Result<Secret, SendError> {
        let mut parts = text.split("${");
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let Some((name, rest)) = part.split_once('}') else {
                return Err(SendError::permanent(
                    format!("missing `}}` after `${{` in `{text}`"),
                    "write `${NAME}` in fleet.yaml",
                ));
            };
            let Some(secret) = self.get(name) else {
                return Err(SendError::permanent(
                    format!("the environment variable `{name}` is not set"),
                    format!("set `{name}` in slowburn's environment, or change the destination in fleet.yaml"),
                ));
            };
            expanded.push_str(secret.reveal());
            expanded.push_str(rest);
        }
        Ok(Secret(expanded))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
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
        assert_eq!(format!("{expanded} {expanded:?} {secrets:?}"), "*** *** Secrets");
        assert_eq!(expanded.redact("no 0123456789abcdef at https://example.com"), "no *** at https://example.com");
        assert_eq!(expanded.redact("no https://example.com/0123456789abcdef/x"), "no ***");
        assert_eq!(expanded.redact("GET /0123456789abcdef/x"), "GET /***");
    }

    #[test]
    fn missing_variable_is_named() {
        let secrets = Secrets::new(|name| (name == "EMPTY").then(|| Secret::new(" \n")));
        for text in ["${ELSEWHERE}", "x${EMPTY}", "${UNCLOSED"] {
            let error = secrets.expand(text).unwrap_err();
            assert!(matches!(error, SendError::Permanent { .. }), "{error}");
        }
        let error = secrets.expand("${EMPTY}").unwrap_err().to_string();
        assert_eq!(
            error,
            "the environment variable `EMPTY` is not set\nhint: set `EMPTY` in slowburn's environment, or change the destination \
             in fleet.yaml"
        );
    }
}
