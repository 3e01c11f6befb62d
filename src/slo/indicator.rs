//! What is measured, where: which requests or rows belong to an SLO, and what makes one of them good.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::metric::RatioMetrics;
use crate::rational::Rational;
use crate::series::SeriesKey;

/// What is measured, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indicator {
    /// Requests at a load balancer, as its access log has them or as metrics count them.
    Requests {
        /// Name of the source.
        source: String,
        /// Which requests.
        traffic: Traffic,
        /// Which of them are good.
        measure: Measure,
    },
    /// Events that metrics of CloudWatch count.
    Ratio {
        /// Name of the source.
        source: String,
        /// Which metrics.
        metrics: RatioMetrics,
    },
    /// Events that an SQL query counts.
    Query {
        /// Name of the source.
        source: String,
        /// Name of the file below the folder of queries.
        file: String,
        /// What the file says; nothing where it could not be read.
        sql: Option<Sql>,
    },
    /// A file of `minute,total,bad`.
    Counts {
        /// Name of the source.
        source: String,
        /// Name of the file below the source's directory.
        file: String,
    },
}

/// The text of a query, and a mark of it: another text counts something else, under another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    /// As the file has it.
    pub text: Arc<str>,
    /// Equal marks mean equal texts.
    pub hash: Arc<str>,
}

/// Slices of time as the events of a budget: a slice whose share of bad events is above the budget is one bad event.
///
/// Slices start at UTC midnight. A minute whose nearest-rank percentile p is within a threshold is exactly a minute of
/// which at most `1 - p` of the answers are above it, so percentiles need no counts of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeslices {
    /// Length of a slice; it divides a day.
    pub minutes: u32,
    /// The share of a slice's events that may be bad.
    pub budget: Rational,
    /// A slice without traffic is good; otherwise it is no slice.
    pub is_idle_good: bool,
}

/// Which requests of a load balancer belong to an indicator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The balancer as the definition names it: `app/name`, `app/name/id`, `classic/name` or by tags, `{key=value}`.
    /// Where it was looked up by tags: the names that were found, with a space between.
    pub load_balancer: String,
    /// Target groups by name, `name/id` or `{key=value}`, sorted; empty means all requests of the balancer.
    pub target_groups: Vec<String>,
    /// Upper-case methods, sorted; empty means all.
    pub methods: Vec<String>,
    /// Host patterns with the wildcards of an ALB listener rule (`*`, `?`; case does not matter); empty means all.
    pub hosts: Vec<String>,
    /// Path patterns with the same wildcards (case matters, no query string); empty means all.
    pub paths: Vec<String>,
    /// Count answers that the balancer gave by a fixed-response rule.
    pub fixed_responses: bool,
    /// Count redirects that the balancer gave by rule.
    pub redirects: bool,
}

/// What makes a request good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The client saw no 5xx.
    Availability,
    /// The answer came in time.
    Latency {
        /// At most this many microseconds are good.
        under_us: u64,
        /// Which times count.
        basis: LatencyBasis,
        /// What an answer with a 5xx is.
        errors: LatencyErrors,
        /// A 504 or 460 without a target time is an event, judged by the time it really took.
        timeouts: bool,
    },
}

/// Which processing times a latency includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "LatencyMeasure", rename_all = "lowercase")]
pub enum LatencyBasis {
    /// Target processing time.
    #[default]
    Target,
    /// Request, target and response processing time together.
    Total,
}

/// How a latency SLO counts 5xx responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LatencyErrors {
    /// Good or bad by their time.
    #[default]
    Counted,
    /// Always bad.
    Bad,
    /// Not counted.
    Excluded,
}

impl Indicator {
    /// The source that is asked.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Self::Requests { source, .. }
            | Self::Ratio { source, .. }
            | Self::Query { source, .. }
            | Self::Counts { source, .. } => source,
        }
    }

    /// The key under which the ledger keeps its counts.
    #[must_use]
    pub fn series(&self) -> SeriesKey {
        SeriesKey::new(&self.to_string())
    }
}

/// The canonical text of an indicator: all that its counts depend on and nothing else.
impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests { source, traffic, measure } => write!(f, "{source} {traffic} {measure}"),
            Self::Ratio { source, metrics: counts } => write!(f, "{source} ratio{counts}"),
            Self::Query { source, file, sql: None } => write!(f, "{source} {file} query unread"),
            Self::Query { source, file, sql: Some(sql) } => write!(f, "{source} {file} query {}", sql.hash),
            Self::Counts { source, file } => write!(f, "{source} {file} counts"),
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.load_balancer)?;
        for (name, values) in [
            ("target_group", &self.target_groups),
            ("method", &self.methods),
            ("host", &self.hosts),
            ("path", &self.paths),
        ] {
            for value in values {
                write!(f, " {name}={value}")?;
            }
        }
        if self.fixed_responses {
            f.write_str(" +fixed-response")?;
        }
        if self.redirects {
            f.write_str(" +redirect")?;
        }
        Ok(())
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Availability => f.write_str("availability"),
            Self::Latency { under_us, basis, errors, timeouts } => {
                write!(f, "latency<={under_us}us")?;
                if *basis == LatencyBasis::Total {
                    f.write_str(" measure=total")?;
                }
                match errors {
                    LatencyErrors::Counted => {}
                    LatencyErrors::Bad => f.write_str(" errors=bad")?,
                    LatencyErrors::Excluded => f.write_str(" errors=excluded")?,
                }
                if *timeouts {
                    f.write_str(" timeouts=bad")?;
                }
                Ok(())
            }
        }
    }
}
