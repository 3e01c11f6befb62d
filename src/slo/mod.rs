//! What teams promise: the catalogue of services, their SLOs, and where each is measured.
//!
//! **Invariant:** reading definitions never fails as a whole; it gives a [`Catalog`] of all that is sound and every
//! problem of what is not. Types here say what was meant; `file` holds what may be typed.
//!
//! How files add up: an SLO's own fields win over its service's, those over the SLO of the same name in its class, then
//! the class, then the fleet. Tiers add up by name, field by field. A service has all SLOs of its class; `availability:
//! none` leaves one out. SLOs of a class that read access logs are only for services with a `load_balancer`. What
//! `fleet.yaml` does not say of sources and classes is built in (`default_fleet.yaml`).

mod alarms;
mod alerting;
mod alerts;
mod correction;
mod corrections;
mod destination;
mod fingerprint;
mod fleet;
mod indicator;
mod layer;
mod measured;
mod metric;
mod policy;
mod problem;
mod promise;
mod read;
mod recurrence;
mod selector;
mod service;
mod source;
mod source_spans;
mod suggest;
mod tiers;
pub mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::rational::Rational;
use crate::time::{Minute, Span, Window};

pub use alerting::{AlertRules, Severe, Significance, Tier, Urgency, WorkingHours};
pub use correction::{Category, Correction, Exclusions, Scope};
pub use destination::{NO_DESTINATION, describe_destination};
pub use indicator::{Indicator, LatencyBasis, LatencyErrors, Measure, Sql, Timeslices, Traffic};
pub use metric::{Metric, MetricRole, MetricStatistic, RatioMetrics, Statistic};
pub use policy::{Policy, PolicyStep};
pub use problem::{DefinitionFile, FILE_BYTES_MAX, Problem, Severity};
pub use read::{CORRECTIONS_FOLDER, FLEET_FILE, definition_path, read, read_with_folder};
pub use selector::{Tags, lacks_id, matches_load_balancer, matches_target_group, without_id};
pub use source::{AthenaSource, AwsScope, BucketAccess, LogTable, LogTableSource, Source, SourceKind};
pub use suggest::{name_list, nearest, suggestion};

/// All promises that were read and are sound, in order of service name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Where counts come from, by the name that services use.
    pub sources: BTreeMap<String, Source>,
    /// Who owns services, by the name of their folder.
    pub teams: BTreeMap<String, Team>,
    /// Services, sorted by name; no two share one.
    pub services: Vec<Service>,
    /// Who is told besides the team, by class.
    pub notify_also: BTreeMap<String, Team>,
    /// What follows when budgets run low, by class.
    pub policies: BTreeMap<String, Policy>,
    /// How incidents are told of.
    pub alerts: AlertRules,
    /// Minutes that do not count, sorted by id; no two share one.
    pub corrections: Vec<Correction>,
    /// When nobody is told, sorted by id.
    pub silences: Vec<Correction>,
}

impl Catalog {
    /// The silence that an SLO lies in at a moment, if any.
    #[must_use]
    pub fn silence(&self, service: &Service, slo: &Slo, at: Minute) -> Option<&Correction> {
        let moment = Span::new(at, at.plus(1));
        self.silences.iter().find(|silence| silence.scope.covers(service, slo) && !silence.spans(moment).is_empty())
    }

    /// All promises with their services.
    pub fn slos(&self) -> impl Iterator<Item = (&Service, &Slo)> {
        self.services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)))
    }
}

impl Catalog {
    /// Gives queries the texts that `read` has for their files, or the problems that it has instead: what is wrong, and
    /// what helps. Files are outside of the definitions, so that reading these does not tell. A promise whose query is
    /// not there stays, so that its incidents do, and is measured with nothing.
    pub fn load_queries(&mut self, mut load: impl FnMut(&str) -> Result<Sql, (String, String)>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for slo in self.services.iter_mut().flat_map(|service| &mut service.slos) {
            let Indicator::Query { file, sql, .. } = &mut slo.indicator else { continue };
            let failure = load(file).map(|read| *sql = Some(read)).err().zip(slo.missing_query_problem.clone());
            problems.extend(failure.map(|((message, hint), base_problem)| Problem { message, hint, ..base_problem }));
        }
        // What a class says is said once, whoever takes it over.
        problems.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
        problems.dedup_by(|one, other| one.sort_key() == other.sort_key());
        problems
    }
}

/// A team, and where its pages, tickets and reports go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// Destinations of the highest urgency; if there are none, those of pages.
    pub severe: Vec<String>,
    /// Destinations of high urgency; if there are none, those of tickets: better late than never.
    pub pages: Vec<String>,
    /// Destinations of low urgency.
    pub tickets: Vec<String>,
    /// Destinations of the weekly report.
    pub reports: Vec<String>,
}

impl Team {
    /// Where something of this urgency goes.
    #[must_use]
    pub fn destinations_for(&self, urgency: Urgency) -> Vec<String> {
        let lists = match urgency {
            Urgency::Severe => [&self.severe, &self.pages, &self.tickets],
            Urgency::Page => [&self.pages, &self.severe, &self.tickets],
            Urgency::Ticket => [&self.tickets, &self.pages, &self.severe],
        };
        lists.into_iter().find(|list| !list.is_empty()).cloned().unwrap_or_default()
    }
}

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
