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
    /// Only requests that match.
    pub filter: RequestFilter,
    /// Except those that match; an empty filter excludes none.
    pub excluded: RequestFilter,
    /// The responses that count although no target was meant to give them, sorted.
    pub included_responses: Vec<ListenerResponse>,
}

/// Conditions that a request matches if it matches all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Upper-case methods, sorted; empty means all.
    pub methods: Vec<String>,
    /// Host patterns with the wildcards of an ALB listener rule (`*`, `?`; case does not matter); empty means all.
    pub hosts: Vec<String>,
    /// Path patterns with the same wildcards (case matters, no query string); empty means all.
    pub paths: Vec<String>,
}

impl RequestFilter {
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.hosts.is_empty() && self.paths.is_empty()
    }
}

/// What answered a request that was not meant for a target, as the last of the `actions_executed` in the log
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerResponse {
    FixedResponse,
    Redirect,
    /// AWS WAF blocked the request, or failed.
    Waf,
    /// An authentication rule refused the request, or redirected it to the identity provider.
    Authenticate,
}

impl ListenerResponse {
    pub const ALL: [Self; 4] = [Self::FixedResponse, Self::Redirect, Self::Waf, Self::Authenticate];
}

impl fmt::Display for ListenerResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What makes a request good.
///
/// A client that gave up has waited at least `gave_up_after_us` for an answer (status 460, or 000 over HTTP/2): the
/// request is bad. `None` where the source cannot say how long it waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The client received no bad status, and did not give up.
    Availability { bad: BadStatuses, gave_up_after_us: Option<u64> },
    /// The response came in time.
    Latency {
        /// At most this many microseconds are good.
        under_us: u64,
        basis: LatencyBasis,
        errors: LatencyErrors,
        /// Whether a 504 or 460 without a target time is an event, good or bad by the time it took.
        timeouts: bool,
        gave_up_after_us: Option<u64>,
    },
}

impl Measure {
    /// Every 5xx is bad, and nothing else.
    pub const SERVER_ERRORS: Self = Self::Availability { bad: BadStatuses::ServerErrors, gave_up_after_us: None };
}

/// The statuses that make a request bad.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BadStatuses {
    /// 5xx.
    #[default]
    ServerErrors,
    /// Sorted.
    Listed(Vec<StatusClass>),
}

impl BadStatuses {
    #[inline]
    pub fn contains(&self, status: u16) -> bool {
        match self {
            Self::ServerErrors => matches!(status, 500..=599),
            Self::Listed(classes) => classes.iter().any(|class| class.contains(status)),
        }
    }

    /// As a list: `5xx`, `429`.
    pub fn classes(&self) -> &[StatusClass] {
        match self {
            Self::ServerErrors => &[StatusClass::Class(5)],
            Self::Listed(classes) => classes,
        }
    }
}

/// One status, or all that begin with the same digit: `429`, `4xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusClass {
    Class(u16),
    Status(u16),
}

impl StatusClass {
    pub const fn contains(self, status: u16) -> bool {
        match self {
            Self::Class(digit) => status / 100 == digit,
            Self::Status(listed) => status == listed,
        }
    }
}

impl fmt::Display for StatusClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(digit) => write!(f, "{digit}xx"),
            Self::Status(status) => write!(f, "{status}"),
        }
    }
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
        let mut write_values =
            |name: &str, values: &[String]| values.iter().try_for_each(|value| write!(f, " {name}={value}"));
        write_values("target_group", &self.target_groups)?;
        write_values("method", &self.filter.methods)?;
        write_values("host", &self.filter.hosts)?;
        write_values("path", &self.filter.paths)?;
        write_values("not_method", &self.excluded.methods)?;
        write_values("not_host", &self.excluded.hosts)?;
        write_values("not_path", &self.excluded.paths)?;
        self.included_responses.iter().try_for_each(|response| write!(f, " +{response}"))
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gave_up_after_us = match self {
            Self::Availability { bad, gave_up_after_us } => {
                f.write_str("availability")?;
                if let BadStatuses::Listed(classes) = bad {
                    classes.iter().try_for_each(|class| write!(f, " bad={class}"))?;
                }
                gave_up_after_us
            }
            Self::Latency { under_us, basis, errors, timeouts, gave_up_after_us } => {
                write!(f, "latency<={under_us}us")?;
                f.write_str(if *basis == LatencyBasis::Total { " measure=total" } else { "" })?;
                f.write_str(match errors {
                    LatencyErrors::Counted => "",
                    LatencyErrors::Bad => " errors=bad",
                    LatencyErrors::Excluded => " errors=excluded",
                })?;
                f.write_str(if *timeouts { " timeouts=bad" } else { "" })?;
                gave_up_after_us
            }
        };
        gave_up_after_us.map_or(Ok(()), |after_us| write!(f, " gave_up_after={after_us}us"))
    }
}
