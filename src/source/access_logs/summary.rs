//! What was read of a source of access logs, and what is unknown.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{FailedObject, ObjectRead, ScanResult};
use super::{ListingReport, LogFile, LogTree, ObjectError, SkippedObjects};
use crate::access_log::unparsed_line::UnparsedLine;
use crate::aws::Aws;
use crate::diagnostics::{Diagnostics, SAMPLES_MAX, example_suffix, grouped_count, join_first, push_first};
use crate::fetch_plan::AccessLogRequest;
use crate::format::{pluralize, with_thousands_separators};
use crate::hinted_error::HintedError;
use crate::ledger::ObjectRecord;
use crate::rational::Rational;
use crate::slo::{matches_load_balancer, suggestion};
use crate::source::count_source::FetchContext;
use crate::text::escape_non_printing;

#[derive(Debug, Default)]
pub(super) struct AccessLogSummary {
    objects: u64,
    lines: u64,
    unparsed: u64,
    connections: u64,
    unparsed_samples: Vec<String>,
    /// Objects that were fetched and not counted.
    warnings: Vec<String>,
    s3_errors: BTreeMap<HintedError, SkippedObjects>,
    /// Objects that changed after they were counted.
    changed: Vec<String>,
    /// Objects that were counted in another form.
    recompressed: CountedObjects,
    /// Files without a byte whose copies may not be complete yet.
    pending: CountedObjects,
    /// Faulty copies of objects of which another copy is read.
    fallback_copies: Vec<String>,
    is_bucket: bool,
    /// Left out because of `--max-cost`.
    skipped_objects: usize,
    skipped_days: usize,
}

/// How many objects, and one of them.
#[derive(Debug, Default)]
struct CountedObjects {
    count: u64,
    example: String,
}

impl CountedObjects {
    fn add(&mut self, key: &str) {
        self.count += 1;
        self.example = escape_non_printing(key);
    }

    fn example_suffix(&self) -> String {
        example_suffix(self.count, &self.example)
    }
}

impl AccessLogSummary {
    pub(super) fn new(is_bucket: bool) -> Self {
        Self { is_bucket, ..Self::default() }
    }

    /// Adds objects, and days whose folders were not listed, that would have cost more than the run may.
    pub(super) const fn add_skipped(&mut self, objects: usize, days: usize) {
        self.skipped_objects += objects;
        self.skipped_days += days;
    }

    pub(super) const fn has_skipped(&self) -> bool {
        self.skipped_objects + self.skipped_days > 0
    }

    pub(super) fn add_pending<'l>(&mut self, files: impl Iterator<Item = &'l LogFile>) {
        files.for_each(|file| self.pending.add(&file.key));
    }

    pub(super) fn add_fallback_copy(&mut self, faulty: &FailedObject, copy: &LogFile) {
        let (key, copy) = (escape_non_printing(&faulty.key), escape_non_printing(&copy.key));
        self.fallback_copies.push(format!("`{key}` {}; read `{copy}` instead", faulty.error));
    }

    pub(super) fn add_scan(&mut self, scanned: &ScanResult, unparsed_limit: Rational) {
        scanned.read.iter().for_each(|object| self.add_read(object, unparsed_limit));
        for FailedObject { key, error } in &scanned.failed {
            if let ObjectError::Refused(error) = error {
                self.s3_errors.entry(error.clone()).or_default().add(key.to_string());
                continue;
            }
            let hint = hint_for(error, self.is_bucket);
            let until = if matches!(error, ObjectError::Deleted) { "" } else { "until then " };
            let key = escape_non_printing(key);
            self.warnings.push(format!("`{key}` {error}\nhint: {hint}; {until}its minutes are unknown"));
        }
    }

    fn add_read(&mut self, object: &ObjectRead, unparsed_limit: Rational) {
        let key = escape_non_printing(&object.key);
        self.objects += 1;
        self.lines += object.lines;
        self.unparsed += object.unparsed;
        self.connections += object.connections;
        for line in object.samples.iter().take(SAMPLES_MAX.saturating_sub(self.unparsed_samples.len())) {
            let UnparsedLine { number, kind, error, text } = line;
            let (error, text) = (escape_non_printing(&error.to_string()), escape_non_printing(text));
            self.unparsed_samples.push(format!("`{key}`, line {number}: {kind}: {error}\n  {text}"));
        }
        if object.has_only_unparsed_lines(unparsed_limit) {
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

    /// Adds what was found in objects that had another size when they were counted.
    pub(super) fn add_comparison<'a>(
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
        let when_counted = |key: &str, previous: &ObjectRecord| {
            let (bytes, lines) = (pluralize(previous.size, "byte"), pluralize(previous.lines, "line"));
            format!("`{}` had {bytes} and {lines} when it was counted", escape_non_printing(key))
        };
        for object in &rescanned.read {
            let Some(previous) = previous_record(&object.key) else { continue };
            if (object.lines, object.unparsed) == (previous.lines, previous.unparsed) {
                self.recompressed.add(&object.key);
                continue;
            }
            self.changed.push(format!(
                "{}, and now has {} and {}; the change is not counted\n{}",
                when_counted(&object.key, previous),
                pluralize(object.size, "byte"),
                pluralize(object.lines, "line"),
                if object.lines > previous.lines { GROWN_HINT } else { HINT },
            ));
        }
        for object in &rescanned.failed {
            let Some(previous) = previous_record(&object.key) else { continue };
            let counted = when_counted(&object.key, previous);
            self.changed.push(format!("{counted}; now it {}; its earlier counts are kept\n{HINT}", object.error));
        }
    }

    /// Reports what was read, and what was skipped to stay within the cost limit.
    pub(super) fn report(mut self, context: &FetchContext<'_>, source: &str) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        if self.has_skipped() {
            let (spent, cost_limit) = (Aws::usage().price(), context.max_cost.unwrap_or_default());
            diagnostics.warnings.push(format!(
                "`{source}`: skipped {} to stay within `--max-cost`: spent {spent} of {cost_limit}\nhint: run again, or \
                 raise `--max-cost`; `slowburn cost` estimates the cost of a day; until then their minutes are unknown",
                self.skipped_text()
            ));
        }
        diagnostics.notes = self.notes();
        if self.unparsed > 0 {
            let text = self.unparsed_text();
            diagnostics.add_unparsed(text, self.unparsed, self.lines, context.unparsed_limit(source));
        }
        let s3_errors = std::mem::take(&mut self.s3_errors);
        self.warnings.extend(s3_errors.iter().map(|(error, objects)| s3_warning(error, objects)));
        self.warnings.append(&mut self.changed);
        push_first(&mut diagnostics.warnings, self.warnings, |more| {
            format!("similar problems in {}", pluralize(more, "more log file"))
        });
        diagnostics
    }

    fn skipped_text(&self) -> String {
        let objects = (self.skipped_objects > 0).then(|| grouped_count(self.skipped_objects as u64, "log file"));
        let days = (self.skipped_days > 0).then(|| {
            let noun = if self.skipped_days == 1 { "day" } else { "days" };
            format!("{} {noun} of logs", with_thousands_separators(self.skipped_days as u64))
        });
        objects.into_iter().chain(days).collect::<Vec<_>>().join(" and ")
    }

    fn notes(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.objects == 0 && self.warnings.is_empty() {
            notes.push("no new log files".to_owned());
        } else {
            let (files, lines) = (grouped_count(self.objects, "log file"), grouped_count(self.lines, "line"));
            notes.push(format!("read {files} with {lines}"));
        }
        if self.recompressed.count > 0 {
            notes.push(format!(
                "{} changed in size, but not in content{}\nhint: keep logs compressed or uncompressed, as they were \
                 first counted: each run reads a changed file again to compare it",
                grouped_count(self.recompressed.count, "log file"),
                self.recompressed.example_suffix()
            ));
        }
        if self.pending.count > 0 {
            notes.push(format!(
                "skipped {}{}\nhint: wait for the copy to finish; after an hour, an empty file counts as one without \
                 requests",
                pluralize(self.pending.count, "new empty log file"),
                self.pending.example_suffix()
            ));
        }
        push_first(&mut notes, std::mem::take(&mut self.fallback_copies), |more| {
            format!("read another copy of {}", pluralize(more, "more log file"))
        });
        if self.connections > 0 {
            let connections = grouped_count(self.connections, "connection");
            notes.push(format!("skipped {connections} on TCP or SSL listeners, which are not requests"));
        }
        notes
    }

    fn unparsed_text(&self) -> String {
        let unparsed = with_thousands_separators(self.unparsed);
        let mut text = format!("{unparsed} of {} cannot be parsed as requests", grouped_count(self.lines, "line"));
        for sample in &self.unparsed_samples {
            text.push_str(&format!("\n  {}", sample.replace('\n', "\n  ")));
        }
        text
    }
}

/// Reports what a listing found beside the requested logs, and what is missing. Whether a load balancer has no logs at
/// all is known only if every folder was listed.
pub(super) fn listing_diagnostics(request: &AccessLogRequest, tree: &LogTree, is_complete: bool) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    let ListingReport { skipped, mismatched, unreadable, .. } = &tree.report;
    for (kind, skipped) in skipped {
        let least = if tree.report.is_partial { "at least " } else { "" };
        let objects = pluralize(skipped.count, "object");
        diagnostics.notes.push(format!("skipped {least}{objects} ({kind}){}", sample_suffix(skipped)));
    }
    for (kind, doubtful) in mismatched {
        let objects = pluralize(doubtful.count, "object");
        diagnostics.notes.push(format!("counted {objects} by file name ({kind}){}", sample_suffix(doubtful)));
    }
    let mut unreadable_by_error: BTreeMap<&HintedError, Vec<&str>> = BTreeMap::new();
    for (key, error) in unreadable {
        unreadable_by_error.entry(error).or_default().push(key);
    }
    for (HintedError { message, hint }, keys) in unreadable_by_error {
        let more = match keys.len() {
            1 => String::new(),
            2 => " and 1 more folder".to_owned(),
            all => format!(" and {} more folders", all - 1),
        };
        diagnostics.warnings.push(format!(
            "cannot access `{}`{more}: {message}\nhint: {hint}; until then the logs in it are not counted",
            escape_non_printing(keys.first().copied().unwrap_or_default())
        ));
    }
    if let Some(key) = &tree.report.short_interval_sample {
        diagnostics.notes.push(format!(
            "`{}` does not end on the hour\nhint: if a Classic Load Balancer writes logs every five minutes, set \
             `classic_interval: 5m` for the source in fleet.yaml",
            escape_non_printing(key)
        ));
    }
    if is_complete {
        diagnostics.warnings.extend(missing_logs_warning(request, tree));
    }
    diagnostics
}

fn missing_logs_warning(request: &AccessLogRequest, tree: &LogTree) -> Option<String> {
    let found: BTreeSet<&str> = tree.report.balancers.iter().map(|name| &**name).collect();
    let is_found = |name: &str| found.contains(name) || found.iter().any(|seen| matches_load_balancer(name, seen));
    let missing: Vec<String> = request.series_by_load_balancer.keys().filter(|name| !is_found(name)).cloned().collect();
    let first = missing.first()?;
    let hint = match tree.report.newest_day {
        _ if !found.is_empty() => {
            suggestion(first, "load balancers with logs", found.iter().copied()).unwrap_or_default()
        }
        Some(day) => format!("the newest logs are from {day}: use `--at` with a time on that day"),
        None => {
            "copy the logs with their folders: `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/yyyy/mm/dd/`".to_owned()
        }
    };
    Some(format!("`{}` has no logs for {} from {}\nhint: {hint}", request.location, join_first(missing), request.span))
}

/// The first of a kind of objects, as the end of a sentence.
fn sample_suffix(objects: &SkippedObjects) -> String {
    example_suffix(objects.count, &escape_non_printing(&objects.example))
}

const fn hint_for(error: &ObjectError, is_bucket: bool) -> &'static str {
    match error {
        ObjectError::Unreadable(_) => "check that the file exists and is readable",
        ObjectError::Deleted => "keep logs until they are read: check the bucket's lifecycle rules",
        ObjectError::Changed => "let the copy finish, and run again",
        _ if is_bucket => {
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

fn s3_warning(HintedError { message, hint }: &HintedError, objects: &SkippedObjects) -> String {
    let example = escape_non_printing(&objects.example);
    match objects.count {
        1 => format!("cannot fetch `{example}`: {message}\nhint: {hint}; until then its minutes are unknown"),
        _ => format!(
            "cannot fetch {}, for example `{example}`: {message}\nhint: {hint}; until then their minutes are unknown",
            grouped_count(objects.count, "log file")
        ),
    }
}
