//! slowburn: SLOs, error budgets and burn rates of services behind AWS load balancers.
//!
//! This is the map. Data walks through the rooms in this order; each has one idea and one invariant.
//!
//! Before the walk:
//!
//! - [`cli`] is what can be typed. **Invariant:** nobody else reads the environment.
//! - [`command`] has one file a subcommand. **Invariant:** no logic that another command could want.
//! - [`engine`] is the straight line below as one function. **Invariant:** no arithmetic, no formatting.
//! - [`outcome`] is what came of it. **Invariant:** whatever was left out is named.
//!
//! Pure rooms, without async, files, clock or environment:
//!
//! - [`location`] is a place as a person writes it. **Invariant:** what it shows reads back as itself.
//! - `serialization` is how persisted state becomes JSON. **Invariant:** one way for text types, one for maps with
//!   structured keys.
//! - [`time`] is the only unit of time. **Invariant:** spans are half-open and in UTC.
//! - [`hinted_error`] is an error as a user reads it. **Invariant:** it says what to do.
//! - [`text`] is what may be shown of text that others wrote. **Invariant:** it moves no cursor and ends no line.
//! - [`format`] writes numbers, lengths and times as people read them. **Invariant:** rounding never makes a failure
//!   disappear.
//! - [`rational`] is the only kind of number that promises are made of. **Invariant:** no floating point before printing.
//! - [`slo`] is what teams promise. **Invariant:** reading never fails as a whole: all that is sound, and every
//!   problem.
//! - [`series`] is what is measured where. **Invariant:** equal keys mean equal counts.
//! - [`discovery`] is which ids stand behind names and tags, and when. **Invariant:** what was ever found counts for
//!   the span in which it was there, and is asked for no other.
//! - [`fetch_plan`] is what has to be asked for the promises at a moment. **Invariant:** each thing is asked for once.
//! - [`cost`] is what AWS is asked, and its price. **Invariant:** money is whole numbers until it is printed.
//! - [`access_log`] makes requests of log lines and says what an object key holds. **Invariant:** no bytes make it
//!   panic, and a line is either counted or named.
//! - [`counts`] is what a source answers. **Invariant:** `bad <= total`, and an unobserved minute is absent, not zero.
//! - [`ledger`] is the memory of all known minutes. **Invariant:** the same answers in any order, any number of times,
//!   give the same ledger.
//! - [`burn`] turns minutes into burn rates, conditions and budgets. **Invariant:** windows nest, and comparisons are
//!   exact: at the threshold is not above it.
//! - [`evaluation`] holds numbers against promises. **Invariant:** not enough data is never fine.
//! - [`alert`] is what is told to whom, and when. **Invariant:** the same minutes give the same incidents, however
//!   often slowburn runs.
//! - [`report`] makes words of data. **Invariant:** the same input gives the same bytes.
//! - [`simulate`] makes access logs to try things on. **Invariant:** the same seed gives the same bytes.
//!
//! Doors, async and fallible, which never know one another:
//!
//! - [`aws`] is how AWS is reached. **Invariant:** every request is retried in the same way, and none waits for ever.
//! - [`source`] is where counts and definitions come from. **Invariant:** a failure is a value beside what was read.
//! - [`notify`] takes messages to people. **Invariant:** no secret is ever shown, and every failure says whether trying
//!   again helps.
//! - [`store`] is where the ledger is kept. **Invariant:** a crash leaves the state before or after, never a mixture.

mod access_log;
mod alert;
mod aws;
mod burn;
pub mod cli;
pub mod command;
mod cost;
mod counts;
mod discovery;
mod engine;
mod evaluation;
mod fetch_plan;
mod format;
mod hinted_error;
mod ledger;
mod location;
mod notify;
mod outcome;
mod rational;
mod report;
mod serialization;
mod series;
mod simulate;
mod slo;
mod source;
mod store;
mod text;
mod time;

#[cfg(test)]
#[path = "../tests/core/mod.rs"]
mod core_tests;

/// What the benchmarks and the tests of the whole program use beside the command line. It may change with every version.
#[doc(hidden)]
pub mod internals {
    pub use crate::access_log::{
        alb::Decoder, object_key::object_identity, router::SeriesRouter, wildcard::WildcardPattern,
    };
    pub use crate::alert::{DeliveryError, Link, Notification, NotificationKind};
    pub use crate::burn::{Condition, PrefixSums};
    pub use crate::command::simulate::write_logs;
    pub use crate::counts::{Counts, DayCounts, MinuteColumns, MinuteCount, SLOTS_PER_DAY};
    pub use crate::ledger::{Ledger, ListedObject, ObjectCounts, ObjectRecord};
    pub use crate::notify::{Notifier, Receipt, Secret, Secrets, Settings};
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
