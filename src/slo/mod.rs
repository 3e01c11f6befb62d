//! What teams promise: the catalogue of services, their SLOs, and where each is measured.
//!
//! **Invariant:** reading definitions never fails as a whole; it gives a [`Catalog`] of all that is sound and every
//! problem of what is not. Types here say what was meant; `file` holds what may be typed.
//!
//! How files add up: an SLO's own fields win over its service's, those over the SLO of the same name in its class, then
//! the class, then the fleet. A service has all SLOs of its class; `availability: none` leaves one out. SLOs of a class
//! that read access logs are only for services with a `load_balancer`. What `fleet.yaml` does not say of sources and
//! classes is built in (`default_fleet.yaml`).

pub mod file;
mod fleet;
mod layer;
mod positions;
mod problem;
mod promise;
mod read;
mod service;
mod tiers;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::exact::Exact;
use crate::minute::Window;
use crate::series::SeriesKey;

pub use problem::{DefinitionFile, FILE_BYTES_MAX, Problem, Severity};
pub use read::read;

/// All promises that were read and are sound, in order of service name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Where counts come from, by the name that services use.
    pub sources: BTreeMap<String, Source>,
    /// Who owns services, by the name of their folder.
    pub teams: BTreeMap<String, Team>,
    /// Services, sorted by name; no two share one.
    pub services: Vec<Service>,
}

/// A place that counts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What kind of place, and where it is.
    pub kind: SourceKind,
    /// Minutes after which a minute's counts no longer change. Younger minutes are not judged.
    pub delay_minutes: u32,
    /// The share of log lines that may fail to parse before a run counts as done in part.
    pub unparsed_limit: Exact,
}

/// The kinds of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Access logs of load balancers below a directory that holds `AWSLogs/`.
    AccessLogs {
        /// The directory.
        location: String,
    },
    /// Files of `minute,total,bad`.
    Counts {
        /// The directory that file names are relative to.
        location: String,
    },
}

/// A team, and where its pages, tickets and reports go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// Destinations of high urgency.
    pub pages: Vec<String>,
    /// Destinations of low urgency.
    pub tickets: Vec<String>,
    /// Destinations of the weekly report.
    pub reports: Vec<String>,
}

/// A service and what it promises.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name, unique in the fleet.
    pub name: String,
    /// The team whose folder its file lies in.
    pub team: String,
    /// The class that supplied what the file left out.
    pub class: String,
    /// What to do when it burns.
    pub runbook: Option<String>,
    /// Where to look when it burns.
    pub dashboard: Option<String>,
    /// Its promises, sorted by name.
    pub slos: Vec<Slo>,
}

/// One promise.
#[derive(Clone, Debug)]
pub struct Slo {
    /// `service/name`.
    pub id: SloId,
    /// What is measured.
    pub indicator: Indicator,
    /// The share of events that must be good.
    pub objective: Objective,
    /// What its budgets are counted over; never empty. Tiers are derived from the first.
    pub windows: Vec<Window>,
    /// When to say what to whom, most urgent first.
    pub tiers: Vec<Tier>,
    /// The share of unknown minutes above which nothing is judged.
    pub blind_above: Exact,
}

/// `service/slo`, unique in the fleet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SloId(Arc<str>);

impl SloId {
    /// Joins the two names.
    #[must_use]
    pub fn new(service: &str, slo: &str) -> Self {
        Self(Arc::from(format!("{service}/{slo}")))
    }

    /// `service/slo`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SloId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The share of events that must be good, and what it was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// Between 0 and 1.
    pub share: Exact,
    /// As the team wrote it: `99.9%`.
    pub text: String,
}

impl Objective {
    /// The share of events that may be bad: exactly 1/1000 for `99.9%`.
    #[must_use]
    pub fn budget(&self) -> Exact {
        Exact::from_integer(1) - self.share
    }
}

/// How urgently a tier speaks. The order is the order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Somebody looks on the next business day.
    Ticket,
    /// Somebody is woken.
    Page,
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        })
    }
}

/// A burn rate at which somebody is told, seen in a long and a short window at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// How urgent it is.
    pub urgency: Urgency,
    /// The share of the budget that is gone when the burn has lasted for the long window.
    pub budget_share: Exact,
    /// Long window in minutes: it gives significance.
    pub long_minutes: u32,
    /// Short window in minutes: it ends the alert soon after the trouble.
    pub short_minutes: u32,
    /// The burn rate that must be exceeded in both: share x period / long window.
    pub factor: Exact,
}

/// What is measured, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Indicator {
    /// Requests in the access log of a load balancer.
    AccessLog {
        /// Name of the source.
        source: String,
        /// Which requests.
        traffic: Traffic,
        /// Which of them are good.
        measure: Measure,
    },
    /// A file of `minute,total,bad`.
    Counts {
        /// Name of the source.
        source: String,
        /// Name of the file below the source's directory.
        file: String,
    },
}

/// Which requests of an access log belong to an indicator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The balancer as log lines name it: `app/name/id`.
    pub load_balancer: String,
    /// Target groups by name, sorted; empty means all requests of the balancer.
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

/// Which times make up a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyBasis {
    /// The target's own time, which is what CloudWatch's `TargetResponseTime` measures.
    Target,
    /// Request, target and response processing time together.
    Total,
}

/// What a latency indicator makes of an answer with a 5xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyErrors {
    /// Judged by its time like any other, and no event if it has none.
    Counted,
    /// Bad, however fast it came and whether or not it has a time.
    Bad,
    /// No event.
    Excluded,
}

impl Indicator {
    /// The source that is asked.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Self::AccessLog { source, .. } | Self::Counts { source, .. } => source,
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
            Self::AccessLog { source, traffic, measure } => write!(f, "{source} {traffic} {measure}"),
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
