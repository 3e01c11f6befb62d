//! The key of counts in the ledger: what is measured, and where.
//!
//! It holds no objective, window or tier, so those can change without fetching anything again.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::serialization::serialize_as_text;

/// A canonical text such as `logs app/mart/50dc6c495c0c9188 latency<=300ms`: equal texts mean equal counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey(Arc<str>);

impl SeriesKey {
    /// The key of a canonical text, which `slo::Indicator` writes.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The name of the source, which has no space.
    pub fn source(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

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
