//! What was read of a source of Athena tables, its cost, and what is unknown.

use std::collections::BTreeMap;

use super::response::{AthenaResponse, LineCounts, ScanUsage};
use crate::diagnostics::{Diagnostics, SAMPLES_MAX, grouped_count, join_first};
use crate::format::{pluralize, with_thousands_separators};
use crate::hinted_error::HintedError;
use crate::rational::Rational;
use crate::time::Span;

#[derive(Debug)]
pub(super) struct AthenaSummary {
    source: String,
    unparsed_limit: Rational,
    usage: ScanUsage,
    series: usize,
    warnings: Vec<String>,
    /// By table or custom query.
    lines: BTreeMap<String, LineCounts>,
}

impl AthenaSummary {
    pub(super) fn new(source: &str, unparsed_limit: Rational) -> Self {
        let (usage, lines) = (ScanUsage::default(), BTreeMap::new());
        Self { source: source.to_owned(), unparsed_limit, usage, series: 0, warnings: Vec::new(), lines }
    }

    pub(super) fn add(&mut self, name: &str, response: &AthenaResponse) {
        self.usage.add(response.usage);
        self.series = self.series.max(response.complete_series.len());
        let lines = self.lines.entry(name.to_owned()).or_default();
        lines.total += response.lines.total;
        lines.unparsed += response.lines.unparsed;
        lines.invalid_minutes += response.lines.invalid_minutes;
        lines.rows_outside_span += response.lines.rows_outside_span;
        let samples_left = SAMPLES_MAX.saturating_sub(lines.samples.len());
        lines.samples.extend(response.lines.samples.iter().take(samples_left).cloned());
        if let Some(error) = &response.error {
            self.add_error(name, error);
        }
    }

    pub(super) fn add_error(&mut self, name: &str, error: &HintedError) {
        let prefix = if error.message.contains(&format!("`{name}`")) { String::new() } else { format!("`{name}`: ") };
        self.warnings.push(format!(
            "`{}`: {prefix}{}; its minutes are unknown until they are fetched\nhint: {}",
            self.source, error.message, error.hint
        ));
    }

    pub(super) fn add_warning(&mut self, message: String) {
        self.warnings.push(message);
    }

    /// Adds the load balancers without a line in a span; `None` stands for all of them.
    pub(super) fn add_missing(&mut self, name: &str, span: Span, load_balancers: Option<Vec<String>>) {
        let (what, hint) = match load_balancers {
            None => (
                "has no rows".to_owned(),
                "compare the table with the output of `slowburn tables`: a table with the wrong location has no rows, \
                 and Athena reports no error",
            ),
            Some(names) if names.is_empty() => return,
            Some(names) => (
                format!("has no rows for {}", join_first(names)),
                "set `load_balancer` to the value in the log's third column, and check that its account and region match those of the table",
            ),
        };
        self.warnings.push(format!("`{}`: `{name}` {what} from {span}\nhint: {hint}", self.source));
    }

    pub(super) fn report(self) -> Diagnostics {
        let ScanUsage { queries, scanned, billed } = self.usage;
        let mut diagnostics = Diagnostics::default();
        diagnostics.notes.push(format!(
            "queried `{}`: {}, {}, {scanned} scanned, list price {}",
            self.source,
            pluralize(self.series, "SLI"),
            if queries == 1 { "1 query".to_owned() } else { format!("{queries} queries") },
            billed.price()
        ));
        for (name, lines) in &self.lines {
            lines.report(name, self.unparsed_limit, &mut diagnostics);
        }
        diagnostics.warnings.extend(self.warnings);
        diagnostics
    }
}

impl LineCounts {
    fn report(&self, name: &str, unparsed_limit: Rational, diagnostics: &mut Diagnostics) {
        let samples: Vec<&str> = [""].into_iter().chain(self.samples.iter().map(String::as_str)).collect();
        let samples = samples.join("\n  ");
        if self.rows_outside_span > 0 {
            let rows = pluralize(self.rows_outside_span, "row");
            diagnostics.notes.push(format!("skipped {rows} of `{name}` outside the fetched range"));
        }
        if self.invalid_minutes > 0 {
            let minutes = pluralize(self.invalid_minutes, "minute");
            diagnostics.warnings.push(format!(
                "`{name}` returned invalid counts for {minutes}, which are unknown{samples}\nhint: count every event in `total`, and the good or bad ones in `good` or `bad` as well; no value may be NULL: use \
                 `count_if` or `coalesce`"
            ));
        }
        if self.unparsed > 0 {
            let unparsed = with_thousands_separators(self.unparsed);
            let lines = grouped_count(self.total, "line");
            let text = format!("{unparsed} of {lines} of `{name}` cannot be parsed as requests{samples}");
            diagnostics.add_unparsed(text, self.unparsed, self.total, unparsed_limit);
        }
    }
}
