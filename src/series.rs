//! The identity under which the ledger keeps counts: what is measured, and where.
//!
//! It holds no objective, window or tier, so those can change without asking any source again.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::serialization::serialize_as_text;

/// A canonical text such as `logs app/mart/50dc6c495c0c9188 latency<=300ms`: equal texts mean equal counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey(Arc<str>);

impl SeriesKey {
    /// Takes the canonical text; `slo::Indicator::series` is the place that writes it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The name of the source that it is measured by, which has no space.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SeriesKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

serialize_as_text!(SeriesKey);
