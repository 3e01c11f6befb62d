//! What was read of a source of tables, what it cost, and what is unknown.

use std::collections::BTreeMap;

use super::{NAMED, Said, many, some_of};
use crate::cost::grouped;
use crate::exact::{Exact, to_f64};
use crate::fetch::athena::{Answer, Fault, Spent};
use crate::minute::Span;
use crate::report::counted;
use crate::slo::Catalog;

/// What was read of a source of tables.
#[derive(Debug)]
pub struct LakeRead {
    source: String,
    /// The share of lines that may be unreadable.
    limit: Exact,
    spent: Spent,
    series: usize,
    faults: Vec<String>,
    /// By table or file.
    lines: BTreeMap<String, Lines>,
}

/// Lines of a table, or rows of a query, that were set aside.
#[derive(Debug, Default)]
struct Lines {
    all: u64,
    unparsed: u64,
    wrong: u64,
    outside: u64,
    samples: Vec<String>,
}

impl LakeRead {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(catalog: &Catalog, source: &str) -> Self {
        Self {
            source: source.to_owned(),
            limit: catalog.sources.get(source).map_or(Exact::from_integer(0), |source| source.unparsed_limit),
            spent: Spent::default(),
            series: 0,
            faults: Vec::new(),
            lines: BTreeMap::new(),
        }
    }

    /// Adds what came of asking for a span.
    pub fn add(&mut self, name: &str, answer: &Answer) {
        self.spent.add(answer.spent);
        self.series = self.series.max(answer.answered.len());
        let lines = self.lines.entry(name.to_owned()).or_default();
        lines.all += answer.lines;
        lines.unparsed += answer.unparsed;
        lines.wrong += answer.wrong;
        lines.outside += answer.outside;
        let room = NAMED.saturating_sub(lines.samples.len());
        lines.samples.extend(answer.samples.iter().take(room).cloned());
        if let Some(fault) = &answer.fault {
            self.fault(name, fault);
        }
    }

    /// Adds what was in the way of the rest.
    pub fn fault(&mut self, name: &str, fault: &Fault) {
        let named = if fault.said.contains(&format!("`{name}`")) { String::new() } else { format!("`{name}`: ") };
        self.faults.push(format!(
            "`{}`: {named}{}; its minutes are unknown until they are fetched\nhint: {}",
            self.source, fault.said, fault.remedy
        ));
    }

    /// Adds what was not asked because of its price.
    pub fn refused(&mut self, said: String) {
        self.faults.push(said);
    }

    /// Adds balancers that the whole of a span has no line of; `None` stands for all of them.
    pub fn missing(&mut self, name: &str, span: Span, balancers: &Option<Vec<String>>) {
        let what = match balancers {
            None => "has no rows".to_owned(),
            Some(balancers) if balancers.is_empty() => return,
            Some(balancers) => format!("has no rows for {}", some_of(balancers.iter().cloned())),
        };
        let hint = match balancers {
            None => {
                "compare the table with the output of `slowburn tables`: a table with the wrong location has no rows, \
                 and Athena reports no error"
            }
            Some(_) => {
                "set `load_balancer` to the value in the log's third column, and check that its account and region match those of the table"
            }
        };
        self.faults.push(format!("`{}`: `{name}` {what} from {span}\nhint: {hint}", self.source));
    }

    /// Says what was read, what it cost, and what is unknown.
    pub fn tell(self, said: &mut Said) {
        let Spent { queries, scanned, billed } = self.spent;
        said.notes.push(format!(
            "queried `{}`: {}, {}, {scanned} scanned, list price {}",
            self.source,
            counted(self.series, "SLI"),
            if queries == 1 { "1 query".to_owned() } else { format!("{queries} queries") },
            billed.price()
        ));
        for (name, lines) in &self.lines {
            self.tell_lines(name, lines, said);
        }
        said.faults.extend(self.faults);
    }

    fn tell_lines(&self, name: &str, lines: &Lines, said: &mut Said) {
        let samples: Vec<&str> = [""].into_iter().chain(lines.samples.iter().map(String::as_str)).collect();
        let samples = samples.join("\n  ");
        if lines.outside > 0 {
            let rows = counted(lines.outside, "row");
            said.notes.push(format!("skipped {rows} of `{name}` outside the fetched range"));
        }
        if lines.wrong > 0 {
            let minutes = counted(lines.wrong, "minute");
            said.faults.push(format!(
                "`{name}` returned invalid counts for {minutes}, which are unknown{samples}\nhint: count every event in `total`, and the good or bad ones in `good` or `bad` as well; no value may be NULL: use \
                 `count_if` or `coalesce`"
            ));
        }
        if lines.unparsed == 0 {
            return;
        }
        let text = format!(
            "{} of {} of `{name}` cannot be parsed as requests{samples}",
            grouped(lines.unparsed),
            many(lines.all, "line")
        );
        if Exact::new(i128::from(lines.unparsed), i128::from(lines.all.max(1))) > self.limit {
            said.faults.push(format!(
                "{text}\nhint: fix these lines, or raise `unparsed_limit` for the source in fleet.yaml (now {}%)",
                to_f64(self.limit) * 100.0
            ));
        } else {
            said.notes.push(text);
        }
    }
}
