//! What came of a run: how promises stand, what was done, and what failed while the rest went on.
//!
//! **Invariant:** whatever was left out of the counts is named here, with its number and a sample.

mod access_logs;
mod discovered;
mod lake;
mod metrics;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::alert::{AlertBook, Entry, Message, Tried};
use crate::cost::{Usage, grouped};
use crate::demand::LogsQuestion;
use crate::fetch::counts_file::RowFaults;
use crate::fetch::logs::{LogTree, Others, Unread};
use crate::report::counted;
use crate::report::model::Status;
use crate::slo::{Catalog, names_balancer, suggestion};
use crate::visible::visible;

pub use access_logs::LogsRead;
pub use lake::LakeRead;
pub use metrics::MetricsRead;

/// Faults of one kind that are named one by one; the rest is a number.
const NAMED: usize = 5;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How every promise stands.
    pub status: Status,
    /// The incidents; empty where nobody is told.
    pub book: AlertBook,
    /// What was done, in words.
    pub said: Said,
}

/// What a run has to say beside the status.
#[derive(Debug, Default)]
pub struct Said {
    /// What was done.
    pub notes: Vec<String>,
    /// What failed; everything else is right.
    pub faults: Vec<String>,
}

impl Said {
    /// Adds what is said of a source of access logs, with its name where there are several: their keys look alike.
    pub fn of_logs(&mut self, of_source: Self, source: Option<&String>) {
        let named = |said: String| match source.map(|source| format!("`{source}`: ")) {
            Some(name) if !said.starts_with(&name) => name + &said,
            _ => said,
        };
        self.notes.extend(of_source.notes.into_iter().map(named));
        self.faults.extend(of_source.faults.into_iter().map(named));
    }

    /// Rows of a file of counts that were set aside.
    pub fn row_faults(&mut self, path: &Path, faults: &RowFaults) {
        if faults.count == 0 {
            return;
        }
        self.faults.push(format!("skipped {} of `{}`", counted(faults.count, "row"), path.display()));
        self.faults.extend(faults.samples.iter().take(NAMED).map(ToString::to_string));
    }

    /// How deliveries ended: each that arrived, and each that did not.
    pub fn tries(&mut self, tries: &[(Entry, Tried)], catalog: &Catalog, dry_run: bool) {
        for (entry, tried) in tries {
            let Message { key, urgency, phase, team, .. } = &entry.message;
            let to = catalog.describe_destination(team, &entry.to);
            let of = format!("{to} of {} ({urgency} {})", visible(key), phase.word());
            let (why, then) = match tried {
                Tried::Delivered => {
                    let notified = if dry_run { "dry run: would notify" } else { "notified" };
                    self.notes.push(format!("{notified} {of}"));
                    continue;
                }
                Tried::Later { why, .. } => (why, "will retry"),
                Tried::Never { why } => {
                    (why, if entry.set_aside { "gave up" } else { "will retry every 30 minutes for a day" })
                }
            };
            self.faults.push(format!("could not notify {of}, {then}: {why}"));
        }
    }

    /// Notifications that this run had no time for.
    pub fn untried(&mut self, book: &AlertBook) {
        let left = book.outbox.iter().filter(|entry| entry.tries == 0 && !entry.set_aside).count();
        if left > 0 {
            self.notes.push(format!("{} left for the next run", counted(left, "notification")));
        }
    }

    /// What AWS was asked, and its list price.
    pub fn used(&mut self, usage: &Usage) {
        if *usage != Usage::default() {
            self.notes.push(format!("AWS usage: {usage}; list price {}", usage.price()));
        }
    }

    /// What lay below a directory or in a bucket of logs beside the logs that were asked for, and which of those are
    /// not there. Whether a balancer has no logs at all is known only if every folder was looked into.
    pub fn listing(&mut self, question: &LogsQuestion, tree: &LogTree, whole: bool) {
        for (kind, others) in &tree.others {
            let least = if tree.passed_over { "at least " } else { "" };
            let objects = counted(others.count, "object");
            self.notes.push(format!("skipped {least}{objects} ({kind}){}", sample(others)));
        }
        for (kind, others) in &tree.doubtful {
            let objects = counted(others.count, "object");
            self.notes.push(format!("counted {objects} by file name ({kind}){}", sample(others)));
        }
        let mut unreadable: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for Unread { key, said, remedy } in &tree.unreadable {
            unreadable.entry((said, remedy)).or_default().push(key);
        }
        for ((said, remedy), keys) in unreadable {
            let more = match keys.len() {
                1 => String::new(),
                2 => " and 1 more folder".to_owned(),
                all => format!(" and {} more folders", all - 1),
            };
            self.faults.push(format!(
                "cannot access `{}`{more}: {said}\nhint: {remedy}; until then the logs in it are not counted",
                visible(keys.first().copied().unwrap_or_default())
            ));
        }
        if let Some(key) = &tree.more_often {
            self.notes.push(format!(
                "`{}` does not end on the hour\nhint: if a Classic Load Balancer writes logs every five minutes, set \
                 `classic_interval: 5m` for the source in fleet.yaml",
                visible(key)
            ));
        }
        let seen: BTreeSet<&str> = tree.balancers().collect();
        let is_seen = |name: &str| seen.contains(name) || seen.iter().any(|seen| names_balancer(name, seen));
        let missing: Vec<String> = question.series.keys().filter(|name| !is_seen(name)).cloned().collect();
        if missing.is_empty() || !whole {
            return;
        }
        let hint = match tree.newest_day {
            _ if !seen.is_empty() => missing
                .first()
                .and_then(|name| suggestion(name, "load balancers with logs", seen.iter().copied()))
                .unwrap_or_default(),
            Some(day) => format!("the newest logs are from {day}: use `--at` with a time on that day"),
            None => {
                "copy the logs with their folders: `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/yyyy/mm/dd/`".to_owned()
            }
        };
        self.faults.push(format!(
            "`{}` has no logs for {} from {}\nhint: {hint}",
            question.location,
            some_of(missing),
            question.span
        ));
    }
}

/// The first few of many names.
fn some_of(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    names.join(", ") + &more
}

/// The first of a kind of objects, as the end of a sentence.
fn sample(others: &Others) -> String {
    others.samples.first().map(|key| example(others.count, &visible(key))).unwrap_or_default()
}

/// One of several, or the only one, as the end of a sentence.
fn example(count: u64, key: &str) -> String {
    if count == 1 { format!(": `{key}`") } else { format!(", for example `{key}`") }
}

/// A number with thousands separators, and its noun: logs have millions of lines.
fn many(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}
