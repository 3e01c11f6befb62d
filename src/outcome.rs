//! What came of a run: how promises stand, what was done, and what failed while the rest went on.
//!
//! **Invariant:** whatever was left out of the counts is named here, with its number and a sample.

mod access_logs;
mod discovered;
mod lake;
mod metrics;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::alert::{AlertBook, Entry, Telling, Tried};
use crate::cost::Usage;
use crate::demand::LogsQuestion;
use crate::fetch::counts_file::RowFaults;
use crate::fetch::logs::{LogTree, Others, Unread};
use crate::report::counted;
use crate::report::model::Status;
use crate::slo::names_balancer;
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
        self.faults.push(format!("{} rows of `{}` were set aside", faults.count, path.display()));
        self.faults.extend(faults.samples.iter().take(NAMED).map(ToString::to_string));
    }

    /// What is told to whom.
    pub fn decided(&mut self, tellings: &[Telling]) {
        for telling in tellings {
            let to = counted(telling.to.len(), "destination");
            self.notes.push(format!("{}: {} {} is told to {to}", telling.key, telling.urgency, telling.phase.word()));
        }
    }

    /// Messages that did not arrive.
    pub fn tries(&mut self, tries: &[(Entry, Tried)]) {
        for (entry, tried) in tries {
            let (why, then) = match tried {
                Tried::Delivered => continue,
                Tried::Later { why, .. } => (why, "it is tried again"),
                Tried::Never { why } => (
                    why,
                    if entry.set_aside { "it is given up" } else { "it is tried again every half hour for a day" },
                ),
            };
            self.faults.push(format!("`{}` was not told of {}; {then}: {why}", entry.to, entry.message.key));
        }
    }

    /// What AWS was asked, and its list price.
    pub fn used(&mut self, usage: &Usage) {
        if *usage != Usage::default() {
            self.notes.push(format!("asked AWS for {usage}: {} by list price", usage.price()));
        }
    }

    /// What lay below a directory or in a bucket of logs beside the logs that were asked for, and which of those are not there.
    /// Whether a balancer has no logs at all is known only if every folder was looked into.
    pub fn listing(&mut self, question: &LogsQuestion, tree: &LogTree, whole: bool) {
        for (kind, others) in &tree.others {
            let least = if tree.passed_over { "at least " } else { "" };
            self.notes.push(format!("left out {least}{}: {kind}{}", counted(others.count, "object"), sample(others)));
        }
        for (kind, others) in &tree.doubtful {
            let objects = counted(others.count, "object");
            self.notes.push(format!("{objects} counted by name and lines: {kind}{}", sample(others)));
        }
        let mut unreadable: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for Unread { key, said, remedy } in &tree.unreadable {
            unreadable.entry((said, remedy)).or_default().push(key);
        }
        for ((said, remedy), keys) in unreadable {
            let more = match keys.len() {
                1 => String::new(),
                all => format!(" and {} more folders", all - 1),
            };
            self.faults.push(format!(
                "`{}`{more} cannot be looked into: {said}\nhint: {remedy}; what would lie there is not counted",
                visible(keys.first().copied().unwrap_or_default())
            ));
        }
        if let Some(key) = &tree.more_often {
            self.notes.push(format!(
                "`{}` does not end on the hour\nhint: where a Classic Load Balancer writes every five minutes, say \
                 `classic_interval: 5m` of the source in fleet.yaml",
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
            _ if !seen.is_empty() => {
                "`load_balancer` must be what the third column of the log says, with its id or without".to_owned()
            }
            Some(day) => {
                format!("the newest folder there is of {day}; `--at {}` looks at its end", day.plus(1).start())
            }
            None => "below its `AWSLogs` there are no folders of days".to_owned(),
        };
        self.faults.push(format!(
            "`{}` has no logs of {} from {}\nhint: {hint}",
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
    others.samples.first().map(|key| format!(", `{}`", visible(key))).unwrap_or_default()
}
