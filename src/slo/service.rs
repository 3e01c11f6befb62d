//! A service and its SLOs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::indicator::{Indicator, Timeslices};
use super::problem::Problem;
use super::tier::{Severe, Significance, Tier, WorkingHours};
use crate::rational::Rational;
use crate::serialization::serialize_as_text;
use crate::time::Window;

#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Unique in the fleet.
    pub name: String,
    /// The team whose folder contains the file.
    pub team: String,
    /// Path below the folder of definitions: `mart/checkout.yaml`.
    pub file: String,
    pub class: String,
    pub labels: BTreeMap<String, String>,
    /// A URL.
    pub runbook: Option<String>,
    /// A URL.
    pub dashboard: Option<String>,
    /// Sorted by name.
    pub slos: Vec<Slo>,
}

#[derive(Clone, Debug)]
pub struct Slo {
    pub id: SloId,
    pub indicator: Indicator,
    /// For a query: the problem to report if its file is missing.
    pub missing_query_problem: Option<Problem>,
    /// If set, bad timeslices spend the budget, else bad events.
    pub timeslices: Option<Timeslices>,
    pub objective: Objective,
    /// The windows of the error budgets; never empty. Tiers are derived from the first.
    pub windows: Vec<Window>,
    /// Most urgent first.
    pub tiers: Vec<Tier>,
    pub significance: Option<Significance>,
    pub severe: Severe,
    /// The share of unknown minutes above which the SLO is not evaluated.
    pub max_unknown: Rational,
    /// Whose clock traffic follows: that of the working hours, or of the calendar windows.
    pub time_zone: TimeZone,
}

impl Slo {
    pub fn name(&self) -> &str {
        self.id.as_str().rsplit('/').next().unwrap_or_default()
    }
}

/// `service/slo`, unique in the fleet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SloId(Arc<str>);

impl SloId {
    pub fn new(service: &str, slo: &str) -> Self {
        Self(Arc::from(format!("{service}/{slo}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SloId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SloId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (service, slo) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self::new(service, slo))
    }
}

serialize_as_text!(SloId);

/// The share of events, or of timeslices, that must be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// Between 0 and 1.
    pub share: Rational,
    /// As written: `99.9%`.
    pub text: String,
}

impl Objective {
    /// The share of events that may be bad: exactly 1/1000 for `99.9%`.
    pub fn budget(&self) -> Rational {
        Rational::from_integer(1) - self.share
    }
}

impl Slo {
    /// A hash of everything that burn rates and tiers depend on: equal hashes mean equal evaluations.
    pub fn fingerprint(&self) -> String {
        let window_text = |window: &Window| match window {
            Window::Rolling { .. } => window.to_string(),
            Window::Calendar { zone, .. } => format!("{window} {}", zone.iana_name().unwrap_or("UTC")),
        };
        let mut parts = vec![self.indicator.series().to_string(), self.objective.share.to_string()];
        parts.extend(self.windows.first().map(window_text));
        parts.extend(self.timeslices.as_ref().map(|timeslices| {
            format!("slices {} {} {}", timeslices.minutes, timeslices.budget, timeslices.is_idle_good)
        }));
        parts.extend(self.tiers.iter().map(tier_text));
        parts.extend(
            self.significance
                .as_ref()
                .map(|significance| format!("evidence {} {}", significance.min_bad_events, significance.p_value_max)),
        );
        parts.push(format!("severe {:?} {:?}", self.severe.outage_minutes, self.severe.traffic_drop_minutes));
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(parts.join("\n").as_bytes()))
    }
}

fn tier_text(tier: &Tier) -> String {
    let hours_text = |hours: &WorkingHours| {
        format!(
            "{:?} {} {} {}",
            hours.days,
            hours.start_minute,
            hours.end_minute,
            hours.time_zone.iana_name().unwrap_or("UTC")
        )
    };
    format!(
        "{} {} {} {} {} {}",
        tier.name,
        tier.urgency,
        tier.factor,
        tier.long_minutes,
        tier.short_minutes,
        tier.working_hours.as_ref().map_or_else(String::new, hours_text)
    )
}
