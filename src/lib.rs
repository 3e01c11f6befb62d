//! slowburn: SLOs, error budgets and burn rates of services behind AWS load balancers.
//!
//! A run is one pipeline: read definitions, plan what to fetch, fetch from all sources, merge into the ledger, evaluate
//! the SLOs, update incidents, plan notifications, render, enqueue and deliver them. [`command`] holds the subcommands,
//! [`engine`] the order of a run.
//!
//! The modules below are in order of dependency: each imports only modules above it. The modules up to [`simulate`] are
//! pure: they have no async code, files, clock, network or environment.

/// Text forms of values in JSON.
mod serialization;
/// Exact fractions. **Invariant:** objectives, budgets and burn rates are compared without floating point.
mod rational;
/// Minutes, days, spans and windows. **Invariant:** spans are half-open and in UTC.
mod time;
/// Text from outside, made safe to print. **Invariant:** it moves no cursor and ends no line.
mod text;
/// Folders and S3 buckets as users write them. **Invariant:** the displayed form parses to the same location.
mod location;
/// An error with a hint.
mod hinted_error;
/// The identity of what is counted: source, load balancer, target group, measure. **Invariant:** equal keys mean
/// equal counts.
mod series;
/// Total and bad events by minute. **Invariant:** `bad <= total`; an unknown minute is absent, not zero.
mod counts;
/// Numbers, lengths, times and lists as users read them. Only this module rounds.
mod format;
/// What a run did, and what failed. **Invariant:** everything that was left out is named.
mod diagnostics;
/// SLO definitions: YAML, the types, and how defaults apply. **Invariant:** reading returns everything that is valid
/// and all problems.
mod slo;
/// Burn rates, alert conditions, error budgets and significance. **Invariant:** windows are sums over the same minutes,
/// and a burn rate equal to the threshold does not exceed it.
mod burn;
/// Parsers of ELB access logs and their object keys. **Invariant:** no input panics, and every line is counted or
/// reported.
mod access_log;
/// All known minutes. **Invariant:** the same responses in any order, any number of times, give the same ledger.
mod ledger;
/// SLOs evaluated at a minute. **Invariant:** insufficient data is never `ok`.
mod evaluation;
/// Incidents and notifications as a state machine. **Invariant:** the same minutes give the same incidents, however
/// often slowburn runs.
mod alert;
/// The resources behind names and tags, and when they existed.
mod discovery;
/// What has to be fetched at a moment. **Invariant:** every range is fetched once.
mod fetch_plan;
/// AWS requests and their price. **Invariant:** money is integers until it is displayed.
mod cost;
/// Text, Markdown, HTML, charts and JSON from evaluated SLOs. **Invariant:** the same input gives the same bytes.
mod report;
/// Simulated access logs. **Invariant:** the same seed gives the same bytes.
mod simulate;
/// AWS clients. **Invariant:** every request has a timeout, is retried in the same way, and is counted.
mod aws;
/// Delivery to PagerDuty, Slack, webhooks and mail. **Invariant:** secrets are never displayed, and every error says
/// whether a retry can help.
mod notify;
/// Sources of counts: access logs, CloudWatch, Athena, counts files. **Invariant:** a failure is a value beside what
/// was fetched.
mod source;
/// The files of the ledger, in a folder or a bucket. **Invariant:** a crash leaves the state before or after a write.
mod store;
/// Answers from the ledger alone.
mod queries;
/// The pipeline of a run.
mod engine;
/// The command line and its subcommands. **Invariant:** nothing else reads the environment.
pub mod command;

#[cfg(test)]
#[path = "../tests/core/mod.rs"]
mod core_tests;

/// What the benchmarks and the tests of the whole program use beside the command line. It may change with every
/// version.
#[doc(hidden)]
pub mod internals {
    pub use crate::access_log::{
        alb::Decoder, object_key::object_identity, router::SeriesRouter, wildcard::WildcardPattern,
    };
    pub use crate::alert::{DeliveryError, Notification, NotificationKind};
    pub use crate::burn::{Condition, PrefixSums};
    pub use crate::command::simulate::write_logs;
    pub use crate::counts::{Counts, DayCounts, MinuteColumns, MinuteCount, SLOTS_PER_DAY};
    pub use crate::ledger::{Ledger, ListedObject, ObjectCounts, ObjectRecord};
    pub use crate::notify::{Notifier, Secret, Secrets, Settings};
    pub use crate::rational::Rational;
    pub use crate::report::problems::{github, json, terminal};
    pub use crate::series::SeriesKey;
    pub use crate::simulate::{Object, Plan, ScenarioEvent, events};
    pub use crate::slo::yaml::{SchemaKind, schema};
    pub use crate::slo::{
        Catalog, DefinitionFile, FILE_BYTES_MAX, Indicator, LatencyBasis, LatencyErrors, Measure, Objective, Problem,
        Severity, Tier, Traffic, Urgency, read,
    };
    pub use crate::source::access_logs::{Batch, LogFile, LogRoot, LogTree, scan};
    pub use crate::source::definitions::load;
    pub use crate::store::{BlobError, BlobStore, CrashPoints, DirectoryStore, LedgerStore, LoadRequest, S3Store};
    pub use crate::text::is_non_printing;
    pub use crate::time::{Day, Minute, Span};
}
