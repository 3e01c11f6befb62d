//! What came of a run: how promises stand, what was done, and what failed while the rest went on.
//!
//! **Invariant:** whatever was left out of the counts is named here, with its number and a sample.

mod access_logs;
mod athena;
mod cloudwatch;
mod discovery;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::alert::{AlertState, DeliveryResult, Notification, OutboxEntry};
use crate::cost::Usage;
use crate::fetch_plan::AccessLogRequest;
use crate::format::{pluralize, with_thousands_separators};
use crate::report::model::FleetStatus;
use crate::slo::{Catalog, matches_load_balancer, suggestion};
use crate::source::access_logs::{LogTree, SkippedObjects, UnreadablePath};
use crate::source::counts_file::InvalidRows;
use crate::text::escape_non_printing;

pub use access_logs::AccessLogSummary;
pub use athena::AthenaSummary;
pub use cloudwatch::CloudWatchSummary;

/// Faults of one kind that are named one by one; the rest is a number.
const SAMPLES_MAX: usize = 5;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How every promise stands.
    pub status: FleetStatus,
    /// The incidents; empty where nobody is told.
    pub alert_state: AlertState,
    /// What was done, in words.
    pub diagnostics: Diagnostics,
}

/// What a run has to say beside the status.
#[derive(Debug, Default)]
pub struct Diagnostics {
    /// What was done.
    pub notes: Vec<String>,
    /// What failed; everything else is right.
    pub warnings: Vec<String>,
}

impl Diagnostics {
    /// Adds what comes later.
    pub fn append(&mut self, later: Self) {
        self.notes.extend(later.notes);
        self.warnings.extend(later.warnings);
    }

    /// Adds what is said of a source of access logs, with its name where there are several: their keys look alike.
    pub fn add_source(&mut self, source_diagnostics: Self, source: Option<&String>) {
        let with_source = |message: String| match source.map(|source| format!("`{source}`: ")) {
            Some(name) if !message.starts_with(&name) => name + &message,
            _ => message,
        };
        self.notes.extend(source_diagnostics.notes.into_iter().map(with_source));
        self.warnings.extend(source_diagnostics.warnings.into_iter().map(with_source));
    }

    /// Rows of a file of counts that were set aside.
    pub fn add_row_errors(&mut self, path: &Path, errors: &InvalidRows) {
        if errors.count == 0 {
            return;
        }
        self.warnings.push(format!("skipped {} of `{}`", pluralize(errors.count, "row"), path.display()));
        self.warnings.extend(errors.samples.iter().take(SAMPLES_MAX).map(ToString::to_string));
    }

    /// How deliveries ended: each that arrived, and each that did not.
    pub fn add_deliveries(&mut self, deliveries: &[(OutboxEntry, DeliveryResult)], catalog: &Catalog, dry_run: bool) {
        for (entry, result) in deliveries {
            let Notification { key, urgency, kind: phase, team, .. } = &entry.notification;
            let to = catalog.describe_destination(team, &entry.destination);
            let notification = format!("{to} of {} ({urgency} {})", escape_non_printing(key), phase.as_str());
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

    /// Notifications that this run had no time for.
    pub fn add_postponed(&mut self, alert_state: &AlertState) {
        let postponed = alert_state.outbox.iter().filter(|entry| entry.attempts == 0 && !entry.is_abandoned).count();
        if postponed > 0 {
            self.notes.push(format!("{} left for the next run", pluralize(postponed, "notification")));
        }
    }

    /// What AWS was asked, and its list price.
    pub fn add_usage(&mut self, usage: &Usage) {
        if *usage != Usage::default() {
            self.notes.push(format!("AWS usage: {usage}; list price {}", usage.price()));
        }
    }

    /// What lay below a directory or in a bucket of logs beside the logs that were asked for, and which of those are
    /// not there. Whether a balancer has no logs at all is known only if every folder was looked into.
    pub fn add_listing(&mut self, request: &AccessLogRequest, tree: &LogTree, is_complete: bool) {
        for (kind, skipped) in &tree.skipped {
            let least = if tree.is_partial { "at least " } else { "" };
            let objects = pluralize(skipped.count, "object");
            self.notes.push(format!("skipped {least}{objects} ({kind}){}", sample_suffix(skipped)));
        }
        for (kind, doubtful) in &tree.mismatched {
            let objects = pluralize(doubtful.count, "object");
            self.notes.push(format!("counted {objects} by file name ({kind}){}", sample_suffix(doubtful)));
        }
        let mut unreadable: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for UnreadablePath { key, message, hint } in &tree.unreadable {
            unreadable.entry((message, hint)).or_default().push(key);
        }
        for ((message, hint), keys) in unreadable {
            let more = match keys.len() {
                1 => String::new(),
                2 => " and 1 more folder".to_owned(),
                all => format!(" and {} more folders", all - 1),
            };
            self.warnings.push(format!(
                "cannot access `{}`{more}: {message}\nhint: {hint}; until then the logs in it are not counted",
                escape_non_printing(keys.first().copied().unwrap_or_default())
            ));
        }
        if let Some(key) = &tree.short_interval_sample {
            self.notes.push(format!(
                "`{}` does not end on the hour\nhint: if a Classic Load Balancer writes logs every five minutes, set \
                 `classic_interval: 5m` for the source in fleet.yaml",
                escape_non_printing(key)
            ));
        }
        let found: BTreeSet<&str> = tree.balancers().collect();
        let is_found = |name: &str| found.contains(name) || found.iter().any(|seen| matches_load_balancer(name, seen));
        let missing: Vec<String> =
            request.series_by_load_balancer.keys().filter(|name| !is_found(name)).cloned().collect();
        if missing.is_empty() || !is_complete {
            return;
        }
        let hint = match tree.newest_day {
            _ if !found.is_empty() => missing
                .first()
                .and_then(|name| suggestion(name, "load balancers with logs", found.iter().copied()))
                .unwrap_or_default(),
            Some(day) => format!("the newest logs are from {day}: use `--at` with a time on that day"),
            None => {
                "copy the logs with their folders: `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/yyyy/mm/dd/`".to_owned()
            }
        };
        self.warnings.push(format!(
            "`{}` has no logs for {} from {}\nhint: {hint}",
            request.location,
            join_first(missing),
            request.span
        ));
    }
}

/// The first few of many names.
fn join_first(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(SAMPLES_MAX);
    names.truncate(SAMPLES_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    names.join(", ") + &more
}

/// The first of a kind of objects, as the end of a sentence.
fn sample_suffix(objects: &SkippedObjects) -> String {
    objects.samples.first().map(|key| example_suffix(objects.count, &escape_non_printing(key))).unwrap_or_default()
}

/// One of several, or the only one, as the end of a sentence.
fn example_suffix(count: u64, key: &str) -> String {
    if count == 1 { format!(": `{key}`") } else { format!(", for example `{key}`") }
}

/// A number with thousands separators, and its noun: logs have millions of lines.
fn grouped_count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", with_thousands_separators(number), if number == 1 { "" } else { "s" })
}
