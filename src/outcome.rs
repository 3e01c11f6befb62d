//! What came of a run: how promises stand, what was done, and what failed while the rest went on.
//!
//! **Invariant:** whatever was left out of the counts is named here, with its number and a sample.

mod discovered;
mod lake;
mod metrics;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::alert::{AlertBook, Entry, Telling, Tried};
use crate::cost::{Dollars, Usage, grouped};
use crate::demand::LogsQuestion;
use crate::exact::{Exact, to_f64};
use crate::fetch::counts_file::RowFaults;
use crate::fetch::logs::{LogTree, ObjectFault, Others, ScanResult, UnparsedLine, Unread};
use crate::ledger::ObjectRecord;
use crate::report::counted;
use crate::report::model::Status;
use crate::slo::names_balancer;
use crate::visible::visible;

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

/// What was read of a source of access logs.
#[derive(Debug, Default)]
pub struct LogsRead {
    objects: u64,
    lines: u64,
    unparsed: u64,
    connections: u64,
    samples: Vec<String>,
    faults: Vec<String>,
    /// What S3 did not give, by what it said and what can be done: how many, and one of them.
    refused: BTreeMap<(String, String), (u64, String)>,
    /// Objects that changed after they were counted.
    changed: Vec<String>,
    /// Objects that were counted in another form, and one of them.
    other_forms: (u64, String),
    /// Whether they lie in a bucket.
    in_bucket: bool,
    /// Objects, and folders of days, that would have cost more than the run may.
    too_dear: (u64, u64),
}

impl LogsRead {
    /// Nothing is read yet, of a directory or of a bucket.
    #[must_use]
    pub fn new(in_bucket: bool) -> Self {
        Self { in_bucket, ..Self::default() }
    }

    /// Adds objects, and days whose folders were not looked into, that would have cost more than the run may.
    pub const fn too_dear(&mut self, objects: usize, days: usize) {
        self.too_dear.0 += objects as u64;
        self.too_dear.1 += days as u64;
    }

    /// Whether anything was left out because of its price.
    #[must_use]
    pub fn is_too_dear(&self) -> bool {
        self.too_dear != (0, 0)
    }

    /// Says what was left out because of its price, where the run has cost so much and may cost so much.
    pub fn tell_too_dear(&self, source: &str, (spent, most): (Dollars, Dollars), said: &mut Said) {
        let (objects, days) = self.too_dear;
        let parts = [(objects, "log file is", "log files are"), (days, "day of delivery is", "days of delivery are")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{} {}", grouped(count), if count == 1 { one } else { many }))
            .collect();
        if !parts.is_empty() {
            said.faults.push(format!(
                "`{source}`: {} left for a later run: this one has cost {spent}, and may cost {most}\nhint: run again, or raise \
                 `--max-cost`; `slowburn cost` says what a day takes; until then their minutes are unknown",
                parts.join(" and ")
            ));
        }
    }

    /// Adds what came of some objects, where no more than `limit` of the lines may be strange.
    pub fn add(&mut self, scanned: &ScanResult, limit: Exact) {
        for object in &scanned.read {
            let key = visible(&object.key);
            self.objects += 1;
            self.lines += object.lines;
            self.unparsed += object.unparsed;
            self.connections += object.connections;
            for line in object.samples.iter().take(NAMED.saturating_sub(self.samples.len())) {
                let UnparsedLine { number, kind, fault, text } = line;
                let (fault, text) = (visible(&fault.to_string()), visible(text));
                self.samples.push(format!("`{key}`, line {number}: {kind}: {fault}\n  {text}"));
            }
            if object.is_strange(limit) {
                self.faults.push(format!(
                    "`{key}` has no line that is a request of its balancer and time\nhint: check what was copied to that \
                     name; until then its minutes are unknown"
                ));
            }
            if object.trailing > 0 {
                self.faults.push(format!(
                    "`{key}` has {} behind its end that belong to nothing; the lines before them are counted\nhint: copy it \
                     again if more should follow",
                    counted(object.trailing, "byte")
                ));
            }
        }
        for object in &scanned.faulty {
            let key = visible(&object.key);
            if let ObjectFault::Refused { said, remedy } = &object.fault {
                let of_kind = (said.clone(), remedy.to_string());
                self.refused.entry(of_kind).or_insert((0, key)).0 += 1;
                continue;
            }
            let remedy = remedy_of(&object.fault, self.in_bucket);
            let until = if matches!(object.fault, ObjectFault::Gone) { "" } else { "until then " };
            self.faults.push(format!("`{key}` {}\nhint: {remedy}; {until}its minutes are unknown", object.fault));
        }
    }

    /// Adds what was found in objects that had another size when they were counted; `record` is what they had.
    pub fn compare<'a>(&mut self, again: &ScanResult, record: impl Fn(&str) -> Option<&'a ObjectRecord>) {
        const HINT: &str = "hint: AWS never changes an object, so let copies finish before they are read; to count it anew, remove \
                            the ledger and run again";
        const GROWN: &str = "hint: AWS never changes an object, so it was read while it was copied; put the lines that came later \
                             into a file of their own beside it, named alike with letters added before `.log`, and leave in this \
                             one those that were counted; or remove the ledger and run again, if all older logs are still there";
        for object in &again.read {
            let Some(before) = record(&object.key) else { continue };
            if (object.lines, object.unparsed) == (before.lines, before.unparsed) {
                self.other_forms.0 += 1;
                self.other_forms.1 = visible(&object.key);
                continue;
            }
            let hint = if object.lines > before.lines { GROWN } else { HINT };
            self.changed.push(format!(
                "`{}` had {} and {} when it was counted, and has {} and {} now; what changed is not counted\n{hint}",
                visible(&object.key),
                counted(before.size, "byte"),
                counted(before.lines, "line"),
                counted(object.size, "byte"),
                counted(object.lines, "line"),
            ));
        }
        for object in &again.faulty {
            let Some(before) = record(&object.key) else { continue };
            self.changed.push(format!(
                "`{}` had {} and {} when it was counted, and now {}; what was counted stays\n{HINT}",
                visible(&object.key),
                counted(before.size, "byte"),
                counted(before.lines, "line"),
                object.fault
            ));
        }
    }

    /// Says what was read. Unparsed lines are a fault once their share is above `limit`: a line that vanishes makes an SLI
    /// look better than it is.
    pub fn tell(mut self, limit: Exact, said: &mut Said) {
        if self.objects == 0 && self.faults.is_empty() {
            said.notes.push("no log file is new".to_owned());
        } else {
            said.notes.push(format!("read {} with {}", counted(self.objects, "log file"), counted(self.lines, "line")));
        }
        if self.other_forms.0 > 0 {
            let (count, key) = &self.other_forms;
            said.notes.push(format!(
                "{} of another size than when counted, with the same lines, such as `{key}`\nhint: they are read again each \
                 time to make sure; keep logs in the form in which they were counted",
                counted(*count, "log file")
            ));
        }
        if self.connections > 0 {
            let connections = counted(self.connections, "connection");
            said.notes.push(format!("left out {connections} of TCP or SSL listeners: they are no requests"));
        }
        if self.unparsed > 0 {
            let mut text =
                format!("{} of {} could not be read as requests", self.unparsed, counted(self.lines, "line"));
            for sample in &self.samples {
                text.push_str(&format!("\n  {}", sample.replace('\n', "\n  ")));
            }
            let share = Exact::new(i128::from(self.unparsed), i128::from(self.lines.max(1)));
            if share > limit {
                text.push_str(&format!(
                    "\nhint: that is above the source's `unparsed_limit` of {}%; if these lines are no loss, raise it in fleet.yaml",
                    to_f64(limit) * 100.0
                ));
                said.faults.push(text);
            } else {
                said.notes.push(text);
            }
        }
        for ((said, remedy), (count, key)) in std::mem::take(&mut self.refused) {
            said_once(&mut self.faults, count, &key, &said, &remedy);
        }
        self.faults.append(&mut self.changed);
        let more = self.faults.len().saturating_sub(NAMED);
        self.faults.truncate(NAMED);
        said.faults.append(&mut self.faults);
        if more > 0 {
            said.faults.push(format!("{more} more log files have faults of this kind"));
        }
    }
}

/// What can be done about an object that was given and not counted.
const fn remedy_of(fault: &ObjectFault, in_bucket: bool) -> &'static str {
    match fault {
        ObjectFault::Unreadable(_) => "check that the file may be read",
        ObjectFault::Gone => "let the rules of the bucket keep logs until they are read",
        ObjectFault::Rewritten => "let its copy come to an end, and run again",
        _ if in_bucket => {
            "AWS writes an object once and whole: if this bucket is a copy, copy the object again from where its load balancer writes; if it \
             is broken there too, nothing brings its lines back, and a correction of category `measurement` leaves its minutes out"
        }
        ObjectFault::Unfinished => {
            "let its copy come to an end, or copy it again; if it is all there, pack it with `gzip`, which marks the end"
        }
        ObjectFault::Foreign => "check that it was not encrypted or packed on its way, and copy it again",
        _ => "copy it again",
    }
}

/// One message for all objects that S3 did not give for the same reason.
fn said_once(faults: &mut Vec<String>, count: u64, key: &str, said: &str, remedy: &str) {
    faults.push(match count {
        1 => format!("`{key}` was not given: {said}\nhint: {remedy}; until then its minutes are unknown"),
        _ => format!(
            "{} were not given, such as `{key}`: {said}\nhint: {remedy}; until then their minutes are unknown",
            counted(count, "log file")
        ),
    });
}
