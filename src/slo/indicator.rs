//! Indicators: which requests or rows are events of an SLO, and what makes one of them good.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::RatioMetrics;
use crate::rational::Rational;
use crate::series::SeriesKey;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indicator {
    /// Requests to a load balancer, from its access logs or metrics.
    Requests { source: String, traffic: Traffic, measure: Measure },
    /// Events counted by CloudWatch metrics.
    Ratio { source: String, metrics: RatioMetrics },
    /// Events counted by an SQL query.
    Query {
        source: String,
        /// Path in the queries folder.
        file: String,
        /// `None` if the file could not be read.
        sql: Option<Sql>,
    },
    /// Events counted in a file with the columns `minute,total,bad`.
    Counts {
        source: String,
        /// Path in the folder of the source.
        file: String,
    },
}

/// The text of a query and its hash, which is part of the series key: another text counts something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    pub text: Arc<str>,
    pub hash: Arc<str>,
}

/// Timeslices as the events of a budget: one whose share of bad events is above the budget is bad.
///
/// Timeslices start at UTC midnight. A minute whose nearest-rank percentile p is within a threshold is exactly a minute
/// of which at most `1 - p` of the answers are above it, so percentiles need no counts of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeslices {
    /// The length, which divides a day.
    pub minutes: u32,
    /// The share of a timeslice's events that may be bad.
    pub budget: Rational,
    /// Whether a timeslice without traffic is good; otherwise it does not count.
    pub is_idle_good: bool,
}

/// The requests of a load balancer that belong to an indicator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// As in the definition: `app/name`, `app/name/id`, `classic/name` or tags, `{key=value}`. After a look-up of tags,
    /// the names of all load balancers with them, separated by spaces.
    pub load_balancer: String,
    /// By name, `name/id` or `{key=value}`, sorted; empty means all requests of the load balancer.
    pub target_groups: Vec<String>,
    /// Upper-case methods, sorted; empty means all.
    pub methods: Vec<String>,
    /// Host patterns with the wildcards of an ALB listener rule (`*`, `?`; case does not matter); empty means all.
    pub hosts: Vec<String>,
    /// Path patterns with the same wildcards (case matters, no query string); empty means all.
    pub paths: Vec<String>,
    /// Whether fixed responses of listener rules count.
    pub fixed_responses: bool,
    /// Whether redirects of listener rules count.
    pub redirects: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The client received no 5xx.
    Availability,
    /// The response came in time.
    Latency {
        /// At most this many microseconds are good.
        under_us: u64,
        basis: LatencyBasis,
        errors: LatencyErrors,
        /// Whether a 504 or 460 without a target time is an event, good or bad by the time it took.
        timeouts: bool,
    },
}

/// Which processing times a latency includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "LatencyMeasure", rename_all = "lowercase")]
pub enum LatencyBasis {
    /// Target processing time.
    #[default]
    Target,
    /// Request, target and response processing time together.
    Total,
}

/// How a latency SLO counts 5xx responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    pub fn source(&self) -> &str {
        match self {
            Self::Requests { source, .. }
            | Self::Ratio { source, .. }
            | Self::Query { source, .. }
            | Self::Counts { source, .. } => source,
        }
    }

    /// The key of its counts in the ledger.
    pub fn series(&self) -> SeriesKey {
        SeriesKey::new(&self.to_string())
    }
}

/// The canonical text of an indicator: everything its counts depend on, and nothing else.
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
        f.write_str(if self.fixed_responses { " +fixed-response" } else { "" })?;
        f.write_str(if self.redirects { " +redirect" } else { "" })
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Availability => f.write_str("availability"),
            Self::Latency { under_us, basis, errors, timeouts } => {
                write!(f, "latency<={under_us}us")?;
                f.write_str(if *basis == LatencyBasis::Total { " measure=total" } else { "" })?;
                f.write_str(match errors {
                    LatencyErrors::Counted => "",
                    LatencyErrors::Bad => " errors=bad",
                    LatencyErrors::Excluded => " errors=excluded",
                })?;
                f.write_str(if *timeouts { " timeouts=bad" } else { "" })
            }
        }
    }
}
