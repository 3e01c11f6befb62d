//! A service and its SLOs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::indicator::{Indicator, Timeslices};
use super::problem::Problem;
use super::tier::{Severe, Significance, Tier, WorkingHours};
use crate::rational::Rational;
use crate::serialization::serialize_as_text;
use crate::time::Window;

/// A service and what it promises.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name, unique in the fleet.
    pub name: String,
    /// The team whose folder its file lies in.
    pub team: String,
    /// Its file, below the folder of definitions: `mart/checkout.yaml`.
    pub file: String,
    /// The class that supplied what the file left out.
    pub class: String,
    /// Any words it can be found by.
    pub labels: BTreeMap<String, String>,
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
    /// Where it names the file of its query: the problem that a missing one is.
    pub missing_query_problem: Option<Problem>,
    /// What spends the budget: slices of time where this is said, else every bad event.
    pub timeslices: Option<Timeslices>,
    /// The share of events, or of slices, that must be good.
    pub objective: Objective,
    /// What its budgets are counted over; never empty. Tiers are derived from the first.
    pub windows: Vec<Window>,
    /// When to say what to whom, most urgent first.
    pub tiers: Vec<Tier>,
    /// What a page must be backed by.
    pub significance: Option<Significance>,
    /// What is severe whatever the budget says.
    pub severe: Severe,
    /// The share of unknown minutes above which nothing is judged.
    pub max_unknown: Rational,
}

impl Slo {
    /// Its name within the service.
    #[must_use]
    pub fn name(&self) -> &str {
        self.id.as_str().rsplit('/').next().unwrap_or_default()
    }
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

impl FromStr for SloId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (service, slo) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self::new(service, slo))
    }
}

serialize_as_text!(SloId);

/// The share of events that must be good, and what it was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// Between 0 and 1.
    pub share: Rational,
    /// As the team wrote it: `99.9%`.
    pub text: String,
}

impl Objective {
    /// The share of events that may be bad: exactly 1/1000 for `99.9%`.
    #[must_use]
    pub fn budget(&self) -> Rational {
        Rational::from_integer(1) - self.share
    }
}

impl Slo {
    /// The hash of everything that burn rates and tiers depend on. Texts that only people read are no part of it.
    #[must_use]
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
