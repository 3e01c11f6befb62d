//! Counts from Athena: [`Table`] asks for a span of many series in one scan, [`own`] runs a team's own query,
//! [`tables`] has the DDL.
//!
//! **Invariant:** a minute is known only if the query that tells it succeeded and its answer was read whole; what a
//! failed query scanned is still told, since it is paid for.

mod cap;
mod cost;
mod counted;
mod execution;
mod fault;
mod heard;
mod own;
mod plan;
mod rows;
mod rules;
mod tables;
mod templates;

use std::collections::BTreeMap;

use crate::counts::{Count, Counts};
use crate::exact::Exact;
use crate::minute::{Minute, Span};
use crate::series::SeriesKey;
use crate::slo::TableOfLogs;
use counted::Counted;
use heard::Heard;
use rules::CountQuery;
use templates::Templates;

pub use cap::{Cap, Price};
pub use cost::Bytes;
pub use execution::Access;
pub use fault::Fault;
pub use own::{OwnQuery, read_sql};
pub use plan::pieces;
pub use rules::Rule;
pub use tables::{create, statements};

/// Lines that could not be read, or rows, of which so many are shown.
const SAMPLES: usize = 5;

/// What was asked of Athena, and what that costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Queries that this run started.
    pub queries: u64,
    /// What they scanned.
    pub scanned: Bytes,
    /// What they are billed for.
    pub billed: Bytes,
}

impl Spent {
    /// Adds up.
    pub const fn add(&mut self, other: Self) {
        self.queries += other.queries;
        self.scanned.0 = self.scanned.0.saturating_add(other.scanned.0);
        self.billed.0 = self.billed.0.saturating_add(other.billed.0);
    }

    fn of(ended: &execution::Ended) -> Self {
        // Nothing was started, or an earlier run has paid for it.
        if ended.was_there || (ended.scanned_bytes == 0 && ended.id.is_err()) {
            return Self::default();
        }
        let scanned = Bytes(ended.scanned_bytes);
        Self { queries: 1, scanned, billed: scanned.billed() }
    }
}

/// What came of asking for a span.
#[derive(Debug, Default)]
pub struct Answer {
    /// The minutes that are known.
    pub counts: Counts,
    /// The series that were answered.
    pub answered: Vec<SeriesKey>,
    /// Why the others were not.
    pub fault: Option<Fault>,
    /// What that took.
    pub spent: Spent,
    /// Bytes that one query scanned, whoever paid for it.
    pub scan: Option<Bytes>,
    /// Lines of the span.
    pub lines: u64,
    /// Lines of it that could not be read.
    pub unparsed: u64,
    /// Rows of a team's own query without counts: their minutes are unknown.
    pub wrong: u64,
    /// Some of them, or of the lines.
    pub samples: Vec<String>,
    /// Rows of a team's own query of minutes that were not asked for.
    pub outside: u64,
}

/// A table of logs in the course of a run.
pub struct Table<'a> {
    access: Access<'a>,
    place: &'a TableOfLogs,
    templates: Templates,
    heard: Heard,
    /// The share of an interval's lines that may be strange.
    limit: Exact,
}

impl<'a> Table<'a> {
    /// Gets ready to ask. Nothing is asked yet.
    ///
    /// # Errors
    /// When a template is broken.
    pub fn new(access: Access<'a>, table: &'a TableOfLogs, limit: Exact) -> Result<Self, Fault> {
        Ok(Self { access, place: table, templates: Templates::ours()?, heard: Heard::default(), limit })
    }

    /// How many queries a span needs: each scans its days.
    ///
    /// # Errors
    /// When a rule cannot be asked for.
    pub fn queries(&self, span: Span, rules: &[Rule<'_>]) -> Result<u64, Fault> {
        Ok(rules::queries(&self.templates, self.place, span, rules)?.len() as u64)
    }

    /// Whether any line was found so far. A table that looks in the wrong place has none, and no error either.
    #[must_use]
    pub const fn has_lines(&self) -> bool {
        self.heard.anything()
    }

    /// Whether a balancer had a line so far.
    #[must_use]
    pub fn hears(&self, rule: &Rule<'_>) -> bool {
        self.heard.hears(rule.balancer())
    }

    /// Asks for a span of some series; spans come from the newest to the oldest.
    pub async fn count(&mut self, span: Span, rules: &[Rule<'_>]) -> Answer {
        let mut answer = Answer::default();
        let queries = match rules::queries(&self.templates, self.place, span, rules) {
            Ok(queries) => queries,
            Err(fault) => return Answer { fault: Some(fault), ..answer },
        };
        let mut counted: Vec<(CountQuery<'_>, Counted<'_>)> = Vec::new();
        for query in queries {
            match self.ask(&query, &mut answer).await {
                Ok(counts) => counted.push((query, counts)),
                Err(fault) => {
                    answer.fault = Some(fault);
                    break;
                }
            }
        }
        let asked = rules::asked_minutes(span);
        // A balancer of many rules may stand in several queries, with the same lines.
        let mut seen: BTreeMap<&str, &Counted<'_>> = BTreeMap::new();
        for (query, counts) in &counted {
            seen.extend(query.balancers.iter().map(|balancer| (*balancer, counts)));
        }
        for (balancer, counts) in &seen {
            let lines = counts.lines.get(balancer);
            self.heard.add(balancer, (asked, span), lines.unwrap_or(&BTreeMap::new()));
        }
        for (query, counts) in &counted {
            for rule in &query.rules {
                let told = self.heard.told(rule.balancer(), span, self.limit);
                let events = counts.events.get(rule.series).map_or(&[][..], Vec::as_slice);
                tell(&mut answer.counts, rule.series, (told.now.iter().chain(&told.before), span), events);
                answer.answered.push(rule.series.clone());
            }
            seen.insert("", counts);
        }
        for (balancer, counts) in seen {
            answer.add_lines(balancer, counts, span);
        }
        answer
    }

    /// Runs one query and reads its answer. An answer of nothing that an earlier run had got is asked for anew: the
    /// table may have been mended since.
    async fn ask<'r>(&self, query: &CountQuery<'r>, answer: &mut Answer) -> Result<Counted<'r>, Fault> {
        let mut fresh = false;
        loop {
            let ended = execution::run(&self.access, &query.text, fresh).await;
            answer.spent.add(Spent::of(&ended));
            answer.scan = ended.scan().or(answer.scan);
            let id = ended.id?;
            let mut counts = Counted::default();
            rows::read(&self.access, &id, |_, row| counts.add(query, row)).await?;
            if ended.was_there && counts.lines.is_empty() && !self.heard.anything() {
                fresh = true;
                continue;
            }
            return Ok(counts);
        }
    }
}

impl Answer {
    fn add_lines(&mut self, balancer: &str, counts: &Counted<'_>, span: Span) {
        let lines = counts.lines.get(balancer).into_iter().flat_map(|lines| lines.range(span.start..span.end));
        let (mut total, mut unparsed) = (0, 0);
        for (_, (of_minute, unparsed_of_minute)) in lines {
            total += of_minute;
            unparsed += unparsed_of_minute;
        }
        self.lines += total;
        self.unparsed += unparsed;
        if unparsed > 0 && self.samples.len() < SAMPLES {
            let whose =
                if balancer.is_empty() { "an object whose name does not follow the AWS format" } else { balancer };
            self.samples.extend(counts.examples.get(balancer).map(|example| format!("{whose}: {example}")));
        }
    }
}

/// Makes counts of the minutes that are known: those without events had no traffic.
fn tell<'s>(
    counts: &mut Counts,
    series: &SeriesKey,
    (known, span): (impl Iterator<Item = &'s Span>, Span),
    events: &[(Minute, Count)],
) {
    let events: BTreeMap<Minute, Count> = events.iter().filter(|(minute, _)| span.contains(*minute)).copied().collect();
    for known in known {
        for day in known.days() {
            let held = counts.entry((series.clone(), day)).or_default();
            let part = known.intersect(day.span());
            for at in part.start.0..part.end.0 {
                let at = Minute(at);
                held.0[at.of_day()] = Some(events.get(&at).copied().unwrap_or_default());
            }
        }
    }
}
