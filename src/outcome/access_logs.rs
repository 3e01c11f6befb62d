//! What was read of a source of access logs, and which of it is unknown.

use std::collections::BTreeMap;

use super::{Diagnostics, SAMPLES_MAX, example_suffix, grouped_count};
use crate::cost::NanoDollars;
use crate::format::{pluralize, with_thousands_separators};
use crate::ledger::ObjectRecord;
use crate::rational::{Rational, to_f64};
use crate::source::access_logs::{FailedObject, LogFile, ObjectError, ScanResult, UnparsedLine};
use crate::text::escape_non_printing;

/// What was read of a source of access logs.
#[derive(Debug, Default)]
pub struct AccessLogSummary {
    objects: u64,
    lines: u64,
    unparsed: u64,
    connections: u64,
    samples: Vec<String>,
    warnings: Vec<String>,
    /// What S3 did not give, by what it said and what can be done: how many, and one of them.
    s3_errors: BTreeMap<(String, String), (u64, String)>,
    /// Objects that changed after they were counted.
    changed: Vec<String>,
    /// Objects that were counted in another form, and one of them.
    recompressed: (u64, String),
    /// Files without a byte whose copies may still go on, and one of them.
    pending: (u64, String),
    /// Faulty copies of objects of which another copy is read.
    fallback_copies: Vec<String>,
    /// Whether they lie in a bucket.
    in_bucket: bool,
    /// Objects, and folders of days, that would have cost more than the run may.
    skipped: (u64, u64),
}

impl AccessLogSummary {
    /// Nothing is read yet, of a directory or of a bucket.
    #[must_use]
    pub fn new(in_bucket: bool) -> Self {
        Self { in_bucket, ..Self::default() }
    }

    /// Adds objects, and days whose folders were not looked into, that would have cost more than the run may.
    pub const fn add_skipped(&mut self, objects: usize, days: usize) {
        self.skipped.0 += objects as u64;
        self.skipped.1 += days as u64;
    }

    /// Adds files without a byte that are too new to tell whether they stay so.
    pub fn add_pending<'l>(&mut self, files: impl Iterator<Item = &'l LogFile>) {
        for file in files {
            self.pending.0 += 1;
            self.pending.1 = escape_non_printing(&file.key);
        }
    }

    /// Adds a faulty copy of an object that another copy is read of.
    pub fn add_fallback_copy(&mut self, faulty: &FailedObject, copy: &LogFile) {
        let (key, copy) = (escape_non_printing(&faulty.key), escape_non_printing(&copy.key));
        self.fallback_copies.push(format!("`{key}` {}; read `{copy}` instead", faulty.error));
    }

    /// Whether anything was left out because of its price.
    #[must_use]
    pub fn has_skipped(&self) -> bool {
        self.skipped != (0, 0)
    }

    /// Says what was left out because of its price, where the run has cost so much and may cost so much.
    pub fn report_skipped(
        &self,
        source: &str,
        (used, limit): (NanoDollars, NanoDollars),
        diagnostics: &mut Diagnostics,
    ) {
        let (objects, days) = self.skipped;
        let parts = [(objects, "log file", "log files"), (days, "day of logs", "days of logs")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, singular, plural)| {
                format!("{} {}", with_thousands_separators(count), if count == 1 { singular } else { plural })
            })
            .collect();
        if !parts.is_empty() {
            diagnostics.warnings.push(format!(
                "`{source}`: skipped {} to stay within `--max-cost`: spent {used} of {limit}\nhint: run again, or \
                 raise `--max-cost`; `slowburn cost` estimates the cost of a day; until then their minutes are unknown",
                parts.join(" and ")
            ));
        }
    }

    /// Adds what came of some objects, where no more than `limit` of the lines may be strange.
    pub fn add_scan(&mut self, scanned: &ScanResult, limit: Rational) {
        for object in &scanned.read {
            let key = escape_non_printing(&object.key);
            self.objects += 1;
            self.lines += object.lines;
            self.unparsed += object.unparsed;
            self.connections += object.connections;
            for line in object.samples.iter().take(SAMPLES_MAX.saturating_sub(self.samples.len())) {
                let UnparsedLine { number, kind, error: fault, text } = line;
                let (fault, text) = (escape_non_printing(&fault.to_string()), escape_non_printing(text));
                self.samples.push(format!("`{key}`, line {number}: {kind}: {fault}\n  {text}"));
            }
            if object.has_only_unparsed_lines(limit) {
                self.warnings.push(format!(
                    "`{key}` has no requests that match the load balancer and time in its name\nhint: check what was copied under this name; until then its minutes are unknown"
                ));
            }
            if object.trailing_bytes > 0 {
                self.warnings.push(format!(
                    "`{key}` has {} after its last gzip member, which are ignored\nhint: copy the file again if it \
                     should be longer",
                    pluralize(object.trailing_bytes, "byte")
                ));
            }
        }
        for object in &scanned.failed {
            let key = escape_non_printing(&object.key);
            if let ObjectError::Refused { message: said, hint: remedy } = &object.error {
                let error = (said.clone(), remedy.to_string());
                self.s3_errors.entry(error).or_insert((0, key)).0 += 1;
                continue;
            }
            let hint = hint_for(&object.error, self.in_bucket);
            let until = if matches!(object.error, ObjectError::Deleted) { "" } else { "until then " };
            self.warnings.push(format!("`{key}` {}\nhint: {hint}; {until}its minutes are unknown", object.error));
        }
    }

    /// Adds what was found in objects that had another size when they were counted; `record` is what they had.
    pub fn add_comparison<'a>(
        &mut self,
        rescanned: &ScanResult,
        previous_record: impl Fn(&str) -> Option<&'a ObjectRecord>,
    ) {
        const HINT: &str = "hint: let copies finish before each run, since AWS never changes a log; to count the file \
                            again, fill a new ledger: set `--ledger` to a new folder";
        const GROWN_HINT: &str = "hint: move the later lines to a new file in the same folder, with the same name plus \
                             letters before `.log`, and keep the counted lines in this file, which was read while it \
                             was being copied; or, if all older logs are still available, fill a new ledger: set \
                             `--ledger` to a new folder";
        for object in &rescanned.read {
            let Some(previous) = previous_record(&object.key) else { continue };
            if (object.lines, object.unparsed) == (previous.lines, previous.unparsed) {
                self.recompressed.0 += 1;
                self.recompressed.1 = escape_non_printing(&object.key);
                continue;
            }
            let hint = if object.lines > previous.lines { GROWN_HINT } else { HINT };
            self.changed.push(format!(
                "`{}` had {} and {} when it was counted, and now has {} and {}; the change is not counted\n{hint}",
                escape_non_printing(&object.key),
                pluralize(previous.size, "byte"),
                pluralize(previous.lines, "line"),
                pluralize(object.size, "byte"),
                pluralize(object.lines, "line"),
            ));
        }
        for object in &rescanned.failed {
            let Some(previous) = previous_record(&object.key) else { continue };
            self.changed.push(format!(
                "`{}` had {} and {} when it was counted; now it {}; its earlier counts are kept\n{HINT}",
                escape_non_printing(&object.key),
                pluralize(previous.size, "byte"),
                pluralize(previous.lines, "line"),
                object.error
            ));
        }
    }

    /// Says what was read. Unparsed lines are a fault once their share is above `limit`: a line that vanishes makes an
    /// SLI look better than it is.
    pub fn report(mut self, limit: Rational, diagnostics: &mut Diagnostics) {
        if self.objects == 0 && self.warnings.is_empty() {
            diagnostics.notes.push("no new log files".to_owned());
        } else {
            diagnostics.notes.push(format!(
                "read {} with {}",
                grouped_count(self.objects, "log file"),
                grouped_count(self.lines, "line")
            ));
        }
        if self.recompressed.0 > 0 {
            let (count, key) = &self.recompressed;
            diagnostics.notes.push(format!(
                "{} changed in size, but not in content{}\nhint: keep logs compressed or uncompressed, as they were \
                 first counted: each run reads a changed file again to compare it",
                grouped_count(*count, "log file"),
                example_suffix(*count, key)
            ));
        }
        if self.pending.0 > 0 {
            let (count, key) = &self.pending;
            diagnostics.notes.push(format!(
                "skipped {}{}\nhint: wait for the copy to finish; after an hour, an empty file counts as one without \
                 requests",
                pluralize(*count, "new empty log file"),
                example_suffix(*count, key)
            ));
        }
        let more = self.fallback_copies.len().saturating_sub(SAMPLES_MAX);
        diagnostics.notes.extend(self.fallback_copies.drain(..).take(SAMPLES_MAX));
        if more > 0 {
            diagnostics.notes.push(format!("read another copy of {}", pluralize(more, "more log file")));
        }
        if self.connections > 0 {
            let connections = grouped_count(self.connections, "connection");
            diagnostics.notes.push(format!("skipped {connections} on TCP or SSL listeners, which are not requests"));
        }
        if self.unparsed > 0 {
            let mut text = format!(
                "{} of {} cannot be parsed as requests",
                with_thousands_separators(self.unparsed),
                grouped_count(self.lines, "line")
            );
            for sample in &self.samples {
                text.push_str(&format!("\n  {}", sample.replace('\n', "\n  ")));
            }
            let share = Rational::new(i128::from(self.unparsed), i128::from(self.lines.max(1)));
            if share > limit {
                text.push_str(&format!(
                    "\nhint: fix these lines, or raise `unparsed_limit` for the source in fleet.yaml (now {}%)",
                    to_f64(limit) * 100.0
                ));
                diagnostics.warnings.push(text);
            } else {
                diagnostics.notes.push(text);
            }
        }
        for ((message, hint), (count, key)) in std::mem::take(&mut self.s3_errors) {
            push_s3_error(&mut self.warnings, count, &key, &message, &hint);
        }
        self.warnings.append(&mut self.changed);
        let more = self.warnings.len().saturating_sub(SAMPLES_MAX);
        self.warnings.truncate(SAMPLES_MAX);
        diagnostics.warnings.append(&mut self.warnings);
        if more > 0 {
            diagnostics.warnings.push(format!("similar problems in {}", pluralize(more, "more log file")));
        }
    }
}

/// What can be done about an object that was given and not counted.
const fn hint_for(error: &ObjectError, in_bucket: bool) -> &'static str {
    match error {
        ObjectError::Unreadable(_) => "check that the file exists and is readable",
        ObjectError::Deleted => "keep logs until they are read: check the bucket's lifecycle rules",
        ObjectError::Changed => "let the copy finish, and run again",
        _ if in_bucket => {
            "copy the object again from the bucket that the load balancer writes to; if it is damaged there too, its \
             requests are lost, and a correction of category `measurement` excludes its minutes"
        }
        ObjectError::PartialLine => {
            "let the copy finish, or copy the file again; if it is complete, compress it with `gzip`, which marks the \
             end"
        }
        ObjectError::UnknownFormat => "check that the file was not encrypted or archived in transit, and copy it again",
        _ => "copy the file again",
    }
}

/// One message for all objects that S3 did not give for the same reason.
fn push_s3_error(warnings: &mut Vec<String>, count: u64, key: &str, message: &str, hint: &str) {
    warnings.push(match count {
        1 => format!("cannot fetch `{key}`: {message}\nhint: {hint}; until then its minutes are unknown"),
        _ => format!(
            "cannot fetch {}, for example `{key}`: {message}\nhint: {hint}; until then their minutes are unknown",
            grouped_count(count, "log file")
        ),
    });
}
