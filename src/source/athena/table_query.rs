//! Counts of many series from a table of access logs, fetched span by span from the newest to the oldest.

use std::collections::{BTreeMap, BTreeSet};

use super::count_query::{CountQuery, CountRule, DecodedCounts, build_queries, queried_span};
use super::coverage::LineCoverage;
use super::response::{AthenaResponse, LineCounts};
use super::run_query::{AthenaSession, FinishedQuery, read_rows, run_query};
use super::templates::Templates;
use crate::diagnostics::SAMPLES_MAX;
use crate::hinted_error::HintedError;
use crate::ledger::Ledger;
use crate::rational::Rational;
use crate::series::SeriesKey;
use crate::slo::LogTable;
use crate::time::{MINUTES_PER_DAY, Span};

/// A load balancer with lines within as many days is not missing.
const RECENT_LINES_DAYS: i32 = 14;

pub struct TableQuery<'a> {
    session: AthenaSession<'a>,
    table: &'a LogTable,
    rules: BTreeMap<&'a SeriesKey, CountRule<'a>>,
    templates: Templates,
    coverage: LineCoverage,
    /// The share of an interval's lines that may be unparsed.
    unparsed_limit: Rational,
}

impl<'a> TableQuery<'a> {
    pub(super) fn new(
        session: AthenaSession<'a>,
        table: &'a LogTable,
        rules: BTreeMap<&'a SeriesKey, CountRule<'a>>,
        unparsed_limit: Rational,
    ) -> Result<Self, HintedError> {
        let (templates, coverage) = (Templates::built_in()?, LineCoverage::default());
        Ok(Self { session, table, rules, templates, coverage, unparsed_limit })
    }

    pub(super) fn has_series(&self, series: &SeriesKey) -> bool {
        self.rules.contains_key(series)
    }

    /// Each query scans the days of the span. Fails if a rule does not fit into a query.
    pub(super) fn build_queries(&self, span: Span, series: &[SeriesKey]) -> Result<Vec<CountQuery<'a>>, HintedError> {
        let rules = series.iter().filter_map(|series| self.rules.get(series).copied()).collect();
        build_queries(&self.templates, self.table, span, rules)
    }

    /// Whether any line was found so far. A table with the wrong location has none, and no error either.
    pub(super) const fn has_lines(&self) -> bool {
        self.coverage.has_lines()
    }

    /// Load balancers without a line, now and in the past; a few silent hours are not reported. `None` without a
    /// single line.
    pub(super) fn missing_load_balancers(&self, history: &Ledger, span: Span) -> Option<Vec<String>> {
        if !self.has_lines() {
            return None;
        }
        if span.minutes() < MINUTES_PER_DAY.unsigned_abs() {
            return Some(Vec::new());
        }
        let recent_days = (-RECENT_LINES_DAYS..=0).map(|days| span.end.day().plus(days));
        let is_missing = |rule: &&CountRule<'_>| {
            !self.coverage.has_lines_for(rule.balancer())
                && recent_days.clone().all(|day| history.day_sums(rule.series, day).known == 0)
        };
        let missing = self.rules.values().filter(is_missing).map(|rule| rule.traffic.load_balancer.clone());
        let missing: BTreeSet<String> = missing.collect();
        Some(missing.into_iter().collect())
    }

    /// Fetches the counts of some series. Each span must be older than the one before.
    pub(super) async fn fetch_counts(&mut self, span: Span, series: &[SeriesKey]) -> AthenaResponse {
        let mut response = AthenaResponse::default();
        let queries = match self.build_queries(span, series) {
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
                let known_spans = self.coverage.known_spans(rule.balancer(), span, self.unparsed_limit);
                let events = counts.events.get(rule.series);
                // Known minutes without events had no traffic.
                response.add_counts(rule.series, known_spans, |minute| {
                    let events = events.filter(|_| span.contains(minute));
                    Some(events.and_then(|events| events.get(&minute)).copied().unwrap_or_default())
                });
            }
            by_balancer.insert("", counts);
        }
        for (balancer, counts) in by_balancer {
            response.lines.count(balancer, counts, span);
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
        let columns = read_rows(&self.session, &finished, |_, row| counts.add_row(query, row)).await;
        (finished, columns.map(|_| counts))
    }
}

impl LineCounts {
    fn count(&mut self, balancer: &str, counts: &DecodedCounts<'_>, span: Span) {
        let lines = counts.lines.get(balancer).into_iter().flat_map(|lines| lines.range(span.start..span.end));
        let unparsed_before = self.unparsed;
        for (_, lines) in lines {
            self.total += u64::from(lines.total);
            self.unparsed += u64::from(lines.bad);
        }
        if self.unparsed > unparsed_before && self.samples.len() < SAMPLES_MAX {
            let origin =
                if balancer.is_empty() { "an object whose name does not follow the AWS format" } else { balancer };
            self.samples.extend(counts.examples.get(balancer).map(|example| format!("{origin}: {example}")));
        }
    }
}
