//! The outcome of a run: the status, what was done, and what failed while the rest went on.
//!
//! **Invariant:** whatever is missing from the counts is named here, with its number and a sample.

mod access_logs;
mod athena;
mod cloudwatch;
mod discovery;

use std::path::Path;

use crate::alert::{AlertState, DeliveryResult, Notification, OutboxEntry};
use crate::cost::Usage;
use crate::evaluation::status::FleetStatus;
use crate::format::{pluralize, with_thousands_separators};
use crate::rational::{Rational, to_f64};
use crate::slo::Catalog;
use crate::source::counts_file::InvalidRows;
use crate::text::escape_non_printing;

pub(crate) use access_logs::{AccessLogSummary, listing_diagnostics};
pub(crate) use athena::AthenaSummary;
pub(crate) use cloudwatch::CloudWatchSummary;
pub(crate) use discovery::{discovery_errors, unresolved_selectors};

/// Messages of one kind that are printed; the rest is counted.
const SAMPLES_MAX: usize = 5;

#[derive(Debug)]
pub struct Outcome {
    /// The status of every SLO.
    pub status: FleetStatus,
    /// The incidents; empty without notifications.
    pub alert_state: AlertState,
    /// What was done and what failed.
    pub diagnostics: Diagnostics,
}

/// Messages of a run.
#[derive(Debug, Default)]
pub struct Diagnostics {
    /// What was done.
    pub notes: Vec<String>,
    /// What failed; everything else is complete.
    pub warnings: Vec<String>,
}

impl Diagnostics {
    pub(crate) fn from_warning(warning: String) -> Self {
        Self { notes: Vec::new(), warnings: vec![warning] }
    }

    pub(crate) fn append(&mut self, later: Self) {
        self.notes.extend(later.notes);
        self.warnings.extend(later.warnings);
    }

    /// Puts the name of their source before all messages.
    pub(crate) fn with_source(self, source: &str) -> Self {
        let prefix = format!("`{source}`: ");
        let add_prefix =
            |message: String| if message.starts_with(&prefix) { message } else { format!("{prefix}{message}") };
        Self {
            notes: self.notes.into_iter().map(add_prefix).collect(),
            warnings: self.warnings.into_iter().map(add_prefix).collect(),
        }
    }

    /// Adds lines that cannot be parsed: a warning once their share is above the limit.
    fn add_unparsed(&mut self, text: String, (unparsed, total): (u64, u64), limit: Rational) {
        if Rational::new(i128::from(unparsed), i128::from(total.max(1))) > limit {
            self.warnings.push(format!(
                "{text}\nhint: fix these lines, or raise `unparsed_limit` for the source in fleet.yaml (now {}%)",
                to_f64(limit) * 100.0
            ));
        } else {
            self.notes.push(text);
        }
    }

    /// Adds the rows of a counts file that were skipped.
    pub(crate) fn add_row_errors(&mut self, path: &Path, errors: &InvalidRows) {
        if errors.count == 0 {
            return;
        }
        self.warnings.push(format!("skipped {} of `{}`", pluralize(errors.count, "row"), path.display()));
        self.warnings.extend(errors.samples.iter().take(SAMPLES_MAX).cloned());
    }

    /// Adds how each delivery ended.
    pub(crate) fn add_deliveries(
        &mut self,
        deliveries: &[(OutboxEntry, DeliveryResult)],
        catalog: &Catalog,
        dry_run: bool,
    ) {
        for (entry, result) in deliveries {
            let Notification { key, urgency, kind, team, .. } = &entry.notification;
            let to = catalog.describe_destination(team, &entry.destination);
            let notification = format!("{to} of {} ({urgency} {kind})", escape_non_printing(key));
            let (error, next_step) = match result {
                Ok(()) => {
                    let notified = if dry_run { "dry run: would notify" } else { "notified" };
                    self.notes.push(format!("{notified} {notification}"));
                    continue;
                }
                Err(error) if error.is_transient => (error, "will retry"),
                Err(error) if entry.is_abandoned => (error, "gave up"),
                Err(error) => (error, "will retry every 30 minutes for a day"),
            };
            self.warnings.push(format!("could not notify {notification}, {next_step}: {error}"));
        }
    }

    /// Adds the notifications that this run had no time for.
    pub(crate) fn add_postponed(&mut self, alert_state: &AlertState) {
        let postponed = alert_state.outbox.iter().filter(|entry| entry.attempts == 0 && !entry.is_abandoned).count();
        if postponed > 0 {
            self.notes.push(format!("{} left for the next run", pluralize(postponed, "notification")));
        }
    }

    /// Adds the requests to AWS, and their list price.
    pub(crate) fn add_usage(&mut self, usage: &Usage) {
        if *usage != Usage::default() {
            self.notes.push(format!("AWS usage: {usage}; list price {}", usage.price()));
        }
    }
}

/// The first of some messages, and one for the rest.
fn push_first(list: &mut Vec<String>, messages: Vec<String>, describe_rest: impl Fn(usize) -> String) {
    let more = messages.len().saturating_sub(SAMPLES_MAX);
    list.extend(messages.into_iter().take(SAMPLES_MAX));
    list.extend((more > 0).then(|| describe_rest(more)));
}

/// The first few of many names.
fn join_first(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(SAMPLES_MAX);
    names.truncate(SAMPLES_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    names.join(", ") + &more
}

/// One of several, or the only one, as the end of a sentence.
fn example_suffix(count: u64, key: &str) -> String {
    if count == 1 { format!(": `{key}`") } else { format!(", for example `{key}`") }
}

/// A number with thousands separators, and its noun: logs have millions of lines.
fn grouped_count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", with_thousands_separators(number), if number == 1 { "" } else { "s" })
}
