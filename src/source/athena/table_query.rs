//! Counts of many series from a table of access logs, fetched span by span from the newest to the oldest.

use std::collections::BTreeMap;

use super::count_query::{CountQuery, CountRule, DecodedCounts, build_queries, queried_span};
use super::coverage::LineCoverage;
use super::response::{AthenaResponse, SAMPLES_MAX, fill_days};
use super::run_query::{AthenaSession, FinishedQuery, read_rows, run_query};
use super::templates::Templates;
use crate::hinted_error::HintedError;
use crate::rational::Rational;
use crate::slo::LogTable;
use crate::time::Span;

pub struct TableQuery<'a> {
    session: AthenaSession<'a>,
    table: &'a LogTable,
    templates: Templates,
    coverage: LineCoverage,
    /// The share of an interval's lines that may be unparsed.
    unparsed_limit: Rational,
}

impl<'a> TableQuery<'a> {
    pub fn new(session: AthenaSession<'a>, table: &'a LogTable, unparsed_limit: Rational) -> Result<Self, HintedError> {
        let (templates, coverage) = (Templates::built_in()?, LineCoverage::default());
        Ok(Self { session, table, templates, coverage, unparsed_limit })
    }

    /// How many queries a span needs. Each scans the days of the span.
    ///
    /// # Errors
    /// When a rule does not fit into a query.
    pub fn query_count(&self, span: Span, rules: &[CountRule<'_>]) -> Result<u64, HintedError> {
        Ok(build_queries(&self.templates, self.table, span, rules)?.len() as u64)
    }

    /// Whether any line was found so far. A table with the wrong location has none, and no error either.
    pub const fn has_lines(&self) -> bool {
        self.coverage.has_lines()
    }

    pub fn has_lines_for(&self, rule: &CountRule<'_>) -> bool {
        self.coverage.has_lines_of(rule.balancer())
    }

    /// Fetches the counts of some series. Each span must be older than the one before.
    pub async fn fetch_counts(&mut self, span: Span, rules: &[CountRule<'_>]) -> AthenaResponse {
        let mut response = AthenaResponse::default();
        let queries = match build_queries(&self.templates, self.table, span, rules) {
            Ok(queries) => queries,
            Err(error) => return AthenaResponse { error: Some(error), ..response },
        };
        let mut results: Vec<(CountQuery<'_>, DecodedCounts<'_>)> = Vec::new();
        for query in queries {
            let (mut finished, mut counts) = self.run(&query, false).await;
            response.record_query(&finished);
            let is_empty = counts.as_ref().is_ok_and(|counts| counts.lines.is_empty());
            // The table may have been corrected since an earlier run got this result.
            if finished.was_reused && is_empty && !self.has_lines() {
                (finished, counts) = self.run(&query, true).await;
                response.record_query(&finished);
            }
            match counts {
                Ok(counts) => results.push((query, counts)),
                Err(error) => {
                    response.error = Some(error);
                    break;
                }
            }
        }
        // The rules of a balancer may be in several queries, which then count the same lines.
        let mut by_balancer: BTreeMap<&str, &DecodedCounts<'_>> = BTreeMap::new();
        for (query, counts) in &results {
            by_balancer.extend(query.balancers.iter().map(|balancer| (*balancer, counts)));
        }
        let no_lines = BTreeMap::new();
        for (balancer, counts) in &by_balancer {
            let lines = counts.lines.get(balancer).unwrap_or(&no_lines);
            self.coverage.add_lines(balancer, queried_span(span), span, lines);
        }
        for (query, counts) in &results {
            for rule in &query.rules {
                response.add_series(rule, counts, &self.coverage, span, self.unparsed_limit);
            }
            by_balancer.insert("", counts);
        }
        for (balancer, counts) in by_balancer {
            response.count_lines(balancer, counts, span);
        }
        response
    }

    async fn run<'r>(
        &self,
        query: &CountQuery<'r>,
        is_fresh: bool,
    ) -> (FinishedQuery, Result<DecodedCounts<'r>, HintedError>) {
        let finished = run_query(&self.session, &query.text, is_fresh).await;
        let mut counts = DecodedCounts::default();
        let rows_read = match &finished.id {
            Ok(id) => read_rows(&self.session, id, |_, row| counts.add_row(query, row)).await.map(drop),
            Err(error) => Err(error.clone()),
        };
        (finished, rows_read.map(|()| counts))
    }
}

impl AthenaResponse {
    /// Known minutes without events had no traffic.
    fn add_series(
        &mut self,
        rule: &CountRule<'_>,
        counts: &DecodedCounts<'_>,
        coverage: &LineCoverage,
        span: Span,
        unparsed_limit: Rational,
    ) {
        let known = coverage.known_spans(rule.balancer(), span, unparsed_limit);
        let events = counts.events.get(rule.series);
        let days = fill_days(known.requested.into_iter().chain(known.earlier), |minute| {
            Some(
                events
                    .filter(|_| span.contains(minute))
                    .and_then(|events| events.get(&minute))
                    .copied()
                    .unwrap_or_default(),
            )
        });
        self.counts.extend(days.into_iter().map(|(day, counts)| ((rule.series.clone(), day), counts)));
        self.complete_series.push(rule.series.clone());
    }

    fn count_lines(&mut self, balancer: &str, counts: &DecodedCounts<'_>, span: Span) {
        let lines = counts.lines.get(balancer).into_iter().flat_map(|lines| lines.range(span.start..span.end));
        let unparsed_before = self.unparsed;
        for (_, (minute_total, minute_unparsed)) in lines {
            self.lines += minute_total;
            self.unparsed += minute_unparsed;
        }
        if self.unparsed > unparsed_before && self.samples.len() < SAMPLES_MAX {
            let origin =
                if balancer.is_empty() { "an object whose name does not follow the AWS format" } else { balancer };
            self.samples.extend(counts.examples.get(balancer).map(|example| format!("{origin}: {example}")));
        }
    }
}
