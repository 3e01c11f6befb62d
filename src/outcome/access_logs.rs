//! What was read of a source of access logs, and which of it is unknown.

use std::collections::BTreeMap;

use super::{NAMED, Said, example, many};
use crate::cost::{Dollars, grouped};
use crate::exact::{Exact, to_f64};
use crate::fetch::logs::{FaultyObject, LogFile, ObjectFault, ScanResult, UnparsedLine};
use crate::ledger::ObjectRecord;
use crate::report::counted;
use crate::visible::visible;

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
    /// Files without a byte whose copies may still go on, and one of them.
    pending: (u64, String),
    /// Faulty copies of objects of which another copy is read.
    other_copies: Vec<String>,
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

    /// Adds files without a byte that are too new to tell whether they stay so.
    pub fn pending<'l>(&mut self, files: impl Iterator<Item = &'l LogFile>) {
        for file in files {
            self.pending.0 += 1;
            self.pending.1 = visible(&file.key);
        }
    }

    /// Adds a faulty copy of an object that another copy is read of.
    pub fn other_copy(&mut self, faulty: &FaultyObject, copy: &LogFile) {
        let (key, copy) = (visible(&faulty.key), visible(&copy.key));
        self.other_copies.push(format!("`{key}` {}; read `{copy}` instead", faulty.fault));
    }

    /// Whether anything was left out because of its price.
    #[must_use]
    pub fn is_too_dear(&self) -> bool {
        self.too_dear != (0, 0)
    }

    /// Says what was left out because of its price, where the run has cost so much and may cost so much.
    pub fn tell_too_dear(&self, source: &str, (spent, most): (Dollars, Dollars), said: &mut Said) {
        let (objects, days) = self.too_dear;
        let parts = [(objects, "log file", "log files"), (days, "day of logs", "days of logs")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{} {}", grouped(count), if count == 1 { one } else { many }))
            .collect();
        if !parts.is_empty() {
            said.faults.push(format!(
                "`{source}`: skipped {} to stay within `--max-cost`: spent {spent} of {most}\nhint: run again, or \
                 raise `--max-cost`; `slowburn cost` estimates the cost of a day; until then their minutes are unknown",
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
                    "`{key}` has no requests that match the load balancer and time in its name\nhint: check what was copied under this name; until then its minutes are unknown"
                ));
            }
            if object.trailing > 0 {
                self.faults.push(format!(
                    "`{key}` has {} after its last gzip member, which are ignored\nhint: copy the file again if it \
                     should be longer",
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
        const HINT: &str = "hint: let copies finish before each run, since AWS never changes a log; to count the file \
                            again, fill a new ledger: set `--ledger` to a new folder";
        const GROWN: &str = "hint: move the later lines to a new file in the same folder, with the same name plus \
                             letters before `.log`, and keep the counted lines in this file, which was read while it \
                             was being copied; or, if all older logs are still available, fill a new ledger: set \
                             `--ledger` to a new folder";
        for object in &again.read {
            let Some(before) = record(&object.key) else { continue };
            if (object.lines, object.unparsed) == (before.lines, before.unparsed) {
                self.other_forms.0 += 1;
                self.other_forms.1 = visible(&object.key);
                continue;
            }
            let hint = if object.lines > before.lines { GROWN } else { HINT };
            self.changed.push(format!(
                "`{}` had {} and {} when it was counted, and now has {} and {}; the change is not counted\n{hint}",
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
                "`{}` had {} and {} when it was counted; now it {}; its earlier counts are kept\n{HINT}",
                visible(&object.key),
                counted(before.size, "byte"),
                counted(before.lines, "line"),
                object.fault
            ));
        }
    }

    /// Says what was read. Unparsed lines are a fault once their share is above `limit`: a line that vanishes makes an
    /// SLI look better than it is.
    pub fn tell(mut self, limit: Exact, said: &mut Said) {
        if self.objects == 0 && self.faults.is_empty() {
            said.notes.push("no new log files".to_owned());
        } else {
            said.notes.push(format!("read {} with {}", many(self.objects, "log file"), many(self.lines, "line")));
        }
        if self.other_forms.0 > 0 {
            let (count, key) = &self.other_forms;
            said.notes.push(format!(
                "{} changed in size, but not in content{}\nhint: keep logs compressed or uncompressed, as they were \
                 first counted: each run reads a changed file again to compare it",
                many(*count, "log file"),
                example(*count, key)
            ));
        }
        if self.pending.0 > 0 {
            let (count, key) = &self.pending;
            said.notes.push(format!(
                "skipped {}{}\nhint: wait for the copy to finish; after an hour, an empty file counts as one without \
                 requests",
                counted(*count, "new empty log file"),
                example(*count, key)
            ));
        }
        let more = self.other_copies.len().saturating_sub(NAMED);
        said.notes.extend(self.other_copies.drain(..).take(NAMED));
        if more > 0 {
            said.notes.push(format!("read another copy of {}", counted(more, "more log file")));
        }
        if self.connections > 0 {
            let connections = many(self.connections, "connection");
            said.notes.push(format!("skipped {connections} on TCP or SSL listeners, which are not requests"));
        }
        if self.unparsed > 0 {
            let mut text =
                format!("{} of {} cannot be parsed as requests", grouped(self.unparsed), many(self.lines, "line"));
            for sample in &self.samples {
                text.push_str(&format!("\n  {}", sample.replace('\n', "\n  ")));
            }
            let share = Exact::new(i128::from(self.unparsed), i128::from(self.lines.max(1)));
            if share > limit {
                text.push_str(&format!(
                    "\nhint: fix these lines, or raise `unparsed_limit` for the source in fleet.yaml (now {}%)",
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
            said.faults.push(format!("similar problems in {}", counted(more, "more log file")));
        }
    }
}

/// What can be done about an object that was given and not counted.
const fn remedy_of(fault: &ObjectFault, in_bucket: bool) -> &'static str {
    match fault {
        ObjectFault::Unreadable(_) => "check that the file exists and is readable",
        ObjectFault::Gone => "keep logs until they are read: check the bucket's lifecycle rules",
        ObjectFault::Rewritten => "let the copy finish, and run again",
        _ if in_bucket => {
            "copy the object again from the bucket that the load balancer writes to; if it is damaged there too, its \
             requests are lost, and a correction of category `measurement` excludes its minutes"
        }
        ObjectFault::Unfinished => {
            "let the copy finish, or copy the file again; if it is complete, compress it with `gzip`, which marks the \
             end"
        }
        ObjectFault::Foreign => "check that the file was not encrypted or archived in transit, and copy it again",
        _ => "copy the file again",
    }
}

/// One message for all objects that S3 did not give for the same reason.
fn said_once(faults: &mut Vec<String>, count: u64, key: &str, said: &str, remedy: &str) {
    faults.push(match count {
        1 => format!("cannot fetch `{key}`: {said}\nhint: {remedy}; until then its minutes are unknown"),
        _ => format!(
            "cannot fetch {}, for example `{key}`: {said}\nhint: {remedy}; until then their minutes are unknown",
            many(count, "log file")
        ),
    });
}
