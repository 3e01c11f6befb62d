//! An error as a user reads it: what happened, and what to do about it.

use std::borrow::Cow;

/// An error that is shown as two lines, the second of which starts with `hint:`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{message}\nhint: {hint}")]
pub struct HintedError {
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Cow<'static, str>,
}

impl HintedError {
    pub fn new(message: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    pub fn err<T>(message: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> Result<T, Self> {
        Err(Self::new(message, hint))
    }
}
