//! What was read of a source of tables, what it cost, and what is unknown.

use std::collections::BTreeMap;

use super::{Diagnostics, SAMPLES_MAX, grouped_count, join_first};
use crate::format::{pluralize, with_thousands_separators};
use crate::rational::{Rational, to_f64};
use crate::slo::Catalog;
use crate::source::athena::{AthenaResponse, QueryError, ScanUsage};
use crate::time::Span;

/// What was read of a source of tables.
#[derive(Debug)]
pub struct AthenaSummary {
    source: String,
    /// The share of lines that may be unreadable.
    unparsed_limit: Rational,
    usage: ScanUsage,
    series: usize,
    warnings: Vec<String>,
    /// By table or file.
    lines: BTreeMap<String, LineCounts>,
}

/// Lines of a table, or rows of a query, that were set aside.
#[derive(Debug, Default)]
struct LineCounts {
    total: u64,
    unparsed: u64,
    invalid: u64,
    out_of_range: u64,
    samples: Vec<String>,
}

impl AthenaSummary {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(catalog: &Catalog, source: &str) -> Self {
        Self {
            source: source.to_owned(),
            unparsed_limit: catalog
                .sources
                .get(source)
                .map_or(Rational::from_integer(0), |source| source.unparsed_limit),
            usage: ScanUsage::default(),
            series: 0,
            warnings: Vec::new(),
            lines: BTreeMap::new(),
        }
    }

    /// Adds what came of asking for a span.
    pub fn add(&mut self, name: &str, response: &AthenaResponse) {
        self.usage.add(response.usage);
        self.series = self.series.max(response.complete_series.len());
        let lines = self.lines.entry(name.to_owned()).or_default();
        lines.total += response.lines;
        lines.unparsed += response.unparsed;
        lines.invalid += response.invalid_minutes;
        lines.out_of_range += response.rows_outside_span;
        let samples_left = SAMPLES_MAX.saturating_sub(lines.samples.len());
        lines.samples.extend(response.samples.iter().take(samples_left).cloned());
        if let Some(fault) = &response.error {
            self.add_error(name, fault);
        }
    }

    /// Adds what was in the way of the rest.
    pub fn add_error(&mut self, name: &str, error: &QueryError) {
        let prefix = if error.message.contains(&format!("`{name}`")) { String::new() } else { format!("`{name}`: ") };
        self.warnings.push(format!(
            "`{}`: {prefix}{}; its minutes are unknown until they are fetched\nhint: {}",
            self.source, error.message, error.hint
        ));
    }

    /// Adds what was not asked because of its price.
    pub fn add_warning(&mut self, message: String) {
        self.warnings.push(message);
    }

    /// Adds balancers that the whole of a span has no line of; `None` stands for all of them.
    pub fn add_missing(&mut self, name: &str, span: Span, load_balancers: &Option<Vec<String>>) {
        let what = match load_balancers {
            None => "has no rows".to_owned(),
            Some(balancers) if balancers.is_empty() => return,
            Some(balancers) => format!("has no rows for {}", join_first(balancers.iter().cloned())),
        };
        let hint = match load_balancers {
            None => {
                "compare the table with the output of `slowburn tables`: a table with the wrong location has no rows, \
                 and Athena reports no error"
            }
            Some(_) => {
                "set `load_balancer` to the value in the log's third column, and check that its account and region match those of the table"
            }
        };
        self.warnings.push(format!("`{}`: `{name}` {what} from {span}\nhint: {hint}", self.source));
    }

    /// Says what was read, what it cost, and what is unknown.
    pub fn report(self, diagnostics: &mut Diagnostics) {
        let ScanUsage { queries, scanned, billed } = self.usage;
        diagnostics.notes.push(format!(
            "queried `{}`: {}, {}, {scanned} scanned, list price {}",
            self.source,
            pluralize(self.series, "SLI"),
            if queries == 1 { "1 query".to_owned() } else { format!("{queries} queries") },
            billed.price()
        ));
        for (name, lines) in &self.lines {
            self.report_lines(name, lines, diagnostics);
        }
        diagnostics.warnings.extend(self.warnings);
    }

    fn report_lines(&self, name: &str, lines: &LineCounts, diagnostics: &mut Diagnostics) {
        let samples: Vec<&str> = [""].into_iter().chain(lines.samples.iter().map(String::as_str)).collect();
        let samples = samples.join("\n  ");
        if lines.out_of_range > 0 {
            let rows = pluralize(lines.out_of_range, "row");
            diagnostics.notes.push(format!("skipped {rows} of `{name}` outside the fetched range"));
        }
        if lines.invalid > 0 {
            let minutes = pluralize(lines.invalid, "minute");
            diagnostics.warnings.push(format!(
                "`{name}` returned invalid counts for {minutes}, which are unknown{samples}\nhint: count every event in `total`, and the good or bad ones in `good` or `bad` as well; no value may be NULL: use \
                 `count_if` or `coalesce`"
            ));
        }
        if lines.unparsed == 0 {
            return;
        }
        let text = format!(
            "{} of {} of `{name}` cannot be parsed as requests{samples}",
            with_thousands_separators(lines.unparsed),
            grouped_count(lines.total, "line")
        );
        if Rational::new(i128::from(lines.unparsed), i128::from(lines.total.max(1))) > self.unparsed_limit {
            diagnostics.warnings.push(format!(
                "{text}\nhint: fix these lines, or raise `unparsed_limit` for the source in fleet.yaml (now {}%)",
                to_f64(self.unparsed_limit) * 100.0
            ));
        } else {
            diagnostics.notes.push(text);
        }
    }
}
