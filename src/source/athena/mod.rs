//! Counts from Athena: [`Table`] asks for a span of many series in one scan, [`own`] runs a team's own query,
//! [`tables`] has the DDL.
//!
//! **Invariant:** a minute is known only if the query that tells it succeeded and its answer was read whole; what a
//! failed query scanned is still told, since it is paid for.

mod cost;
mod count_query;
mod coverage;
mod custom_query;
mod ddl;
mod decode_counts;
mod error;
mod get_query_results;
mod plan;
mod scan_limit;
mod start_query;
mod templates;

use std::collections::BTreeMap;

use crate::counts::{Counts, MinuteCount};
use crate::rational::Rational;
use crate::series::SeriesKey;
use crate::slo::LogTable;
use crate::time::{Minute, Span};
use count_query::CountQuery;
use coverage::LineCoverage;
use decode_counts::DecodedCounts;
use templates::Templates;

pub use cost::Bytes;
pub use count_query::CountRule;
pub use custom_query::{CustomQuery, read_sql};
pub use ddl::{create_statements, run_statement};
pub use error::QueryError;
pub use plan::plan_ranges;
pub use scan_limit::{ScanEstimate, ScanLimit};
pub use start_query::AthenaSession;

/// Lines that could not be read, or rows, of which so many are shown.
const SAMPLES_MAX: usize = 5;

/// What was asked of Athena, and what that costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanUsage {
    /// Queries that this run started.
    pub queries: u64,
    /// What they scanned.
    pub scanned: Bytes,
    /// What they are billed for.
    pub billed: Bytes,
}

impl ScanUsage {
    /// Adds up.
    pub const fn add(&mut self, other: Self) {
        self.queries += other.queries;
        self.scanned.0 = self.scanned.0.saturating_add(other.scanned.0);
        self.billed.0 = self.billed.0.saturating_add(other.billed.0);
    }

    fn from_query(finished: &start_query::FinishedQuery) -> Self {
        // Nothing was started, or an earlier run has paid for it.
        if finished.was_reused || (finished.scanned_bytes == 0 && finished.id.is_err()) {
            return Self::default();
        }
        let scanned = Bytes(finished.scanned_bytes);
        Self { queries: 1, scanned, billed: scanned.billed() }
    }
}

/// What came of asking for a span.
#[derive(Debug, Default)]
pub struct AthenaResponse {
    /// The minutes that are known.
    pub counts: Counts,
    /// The series that were answered.
    pub complete_series: Vec<SeriesKey>,
    /// Why the others were not.
    pub error: Option<QueryError>,
    /// What that took.
    pub usage: ScanUsage,
    /// Bytes that one query scanned, whoever paid for it.
    pub scan_size: Option<Bytes>,
    /// Lines of the span.
    pub lines: u64,
    /// Lines of it that could not be read.
    pub unparsed: u64,
    /// Rows of a team's own query without counts: their minutes are unknown.
    pub invalid_minutes: u64,
    /// Some of them, or of the lines.
    pub samples: Vec<String>,
    /// Rows of a team's own query of minutes that were not asked for.
    pub rows_outside_span: u64,
}

/// A table of logs in the course of a run.
pub struct TableQuery<'a> {
    session: AthenaSession<'a>,
    table: &'a LogTable,
    templates: Templates,
    coverage: LineCoverage,
    /// The share of an interval's lines that may be strange.
    unparsed_limit: Rational,
}

impl<'a> TableQuery<'a> {
    /// Gets ready to ask. Nothing is asked yet.
    ///
    /// # Errors
    /// When a template is broken.
    pub fn new(session: AthenaSession<'a>, table: &'a LogTable, unparsed_limit: Rational) -> Result<Self, QueryError> {
        Ok(Self {
            session,
            table,
            templates: Templates::built_in()?,
            coverage: LineCoverage::default(),
            unparsed_limit,
        })
    }

    /// How many queries a span needs: each scans its days.
    ///
    /// # Errors
    /// When a rule cannot be asked for.
    pub fn query_count(&self, span: Span, rules: &[CountRule<'_>]) -> Result<u64, QueryError> {
        Ok(count_query::build_queries(&self.templates, self.table, span, rules)?.len() as u64)
    }

    /// Whether any line was found so far. A table that looks in the wrong place has none, and no error either.
    #[must_use]
    pub const fn has_lines(&self) -> bool {
        self.coverage.has_lines()
    }

    /// Whether a balancer had a line so far.
    #[must_use]
    pub fn has_lines_for(&self, rule: &CountRule<'_>) -> bool {
        self.coverage.has_lines_of(rule.balancer())
    }

    /// Asks for a span of some series; spans come from the newest to the oldest.
    pub async fn fetch_counts(&mut self, span: Span, rules: &[CountRule<'_>]) -> AthenaResponse {
        let mut response = AthenaResponse::default();
        let queries = match count_query::build_queries(&self.templates, self.table, span, rules) {
            Ok(queries) => queries,
            Err(error) => return AthenaResponse { error: Some(error), ..response },
        };
        let mut results: Vec<(CountQuery<'_>, DecodedCounts<'_>)> = Vec::new();
        for query in queries {
            match self.run_query(&query, &mut response).await {
                Ok(counts) => results.push((query, counts)),
                Err(error) => {
                    response.error = Some(error);
                    break;
                }
            }
        }
        let queried = count_query::queried_span(span);
        // A balancer of many rules may stand in several queries, with the same lines.
        let mut by_balancer: BTreeMap<&str, &DecodedCounts<'_>> = BTreeMap::new();
        for (query, counts) in &results {
            by_balancer.extend(query.balancers.iter().map(|balancer| (*balancer, counts)));
        }
        for (balancer, counts) in &by_balancer {
            let lines = counts.lines.get(balancer);
            self.coverage.add_lines(balancer, (queried, span), lines.unwrap_or(&BTreeMap::new()));
        }
        for (query, counts) in &results {
            for rule in &query.rules {
                let known = self.coverage.known_spans(rule.balancer(), span, self.unparsed_limit);
                let events = counts.events.get(rule.series).map_or(&[][..], Vec::as_slice);
                add_known_minutes(
                    &mut response.counts,
                    rule.series,
                    (known.requested.iter().chain(&known.earlier), span),
                    events,
                );
                response.complete_series.push(rule.series.clone());
            }
            by_balancer.insert("", counts);
        }
        for (balancer, counts) in by_balancer {
            response.count_lines(balancer, counts, span);
        }
        response
    }

    /// Runs one query and reads its answer. An answer of nothing that an earlier run had got is asked for anew: the
    /// table may have been mended since.
    async fn run_query<'r>(
        &self,
        query: &CountQuery<'r>,
        response: &mut AthenaResponse,
    ) -> Result<DecodedCounts<'r>, QueryError> {
        let mut is_fresh = false;
        loop {
            let finished = start_query::run_query(&self.session, &query.text, is_fresh).await;
            response.usage.add(ScanUsage::from_query(&finished));
            response.scan_size = finished.scan_size().or(response.scan_size);
            let id = finished.id?;
            let mut counts = DecodedCounts::default();
            get_query_results::read_rows(&self.session, &id, |_, row| counts.add_row(query, row)).await?;
            if finished.was_reused && counts.lines.is_empty() && !self.coverage.has_lines() {
                is_fresh = true;
                continue;
            }
            return Ok(counts);
        }
    }
}

impl AthenaResponse {
    fn count_lines(&mut self, balancer: &str, counts: &DecodedCounts<'_>, span: Span) {
        let lines = counts.lines.get(balancer).into_iter().flat_map(|lines| lines.range(span.start..span.end));
        let (mut total, mut unparsed) = (0, 0);
        for (_, (minute_total, minute_unparsed)) in lines {
            total += minute_total;
            unparsed += minute_unparsed;
        }
        self.lines += total;
        self.unparsed += unparsed;
        if unparsed > 0 && self.samples.len() < SAMPLES_MAX {
            let origin =
                if balancer.is_empty() { "an object whose name does not follow the AWS format" } else { balancer };
            self.samples.extend(counts.examples.get(balancer).map(|example| format!("{origin}: {example}")));
        }
    }
}

/// Makes counts of the minutes that are known: those without events had no traffic.
fn add_known_minutes<'s>(
    counts: &mut Counts,
    series: &SeriesKey,
    (known_spans, span): (impl Iterator<Item = &'s Span>, Span),
    events: &[(Minute, MinuteCount)],
) {
    let events: BTreeMap<Minute, MinuteCount> =
        events.iter().filter(|(minute, _)| span.contains(*minute)).copied().collect();
    for known_span in known_spans {
        for day in known_span.days() {
            let day_counts = counts.entry((series.clone(), day)).or_default();
            let day_span = known_span.intersect(day.span());
            for at in day_span.start.0..day_span.end.0 {
                let at = Minute(at);
                day_counts.0[at.minute_of_day()] = Some(events.get(&at).copied().unwrap_or_default());
            }
        }
    }
}
