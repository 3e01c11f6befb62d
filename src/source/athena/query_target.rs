//! What a source of Athena is asked for: each table once for all of its series, and each custom query.

use std::collections::BTreeMap;
use std::path::Path;

use super::count_query::CountRule;
use super::custom_query::CustomQuery;
use super::response::AthenaResponse;
use super::run_query::AthenaSession;
use super::table_query::TableQuery;
use crate::fetch_plan::{FetchRange, RangeRequest};
use crate::hinted_error::HintedError;
use crate::ledger::Ledger;
use crate::rational::Rational;
use crate::series::SeriesKey;
use crate::slo::Indicator;
use crate::time::Span;

pub enum QueryTarget<'a> {
    Table(Box<TableQuery<'a>>),
    Custom(CustomQuery<'a>),
}

/// The tables and custom queries that the series of a request are read from, by name. `queries` is the folder of custom
/// queries.
pub fn query_targets<'a>(
    session: &AthenaSession<'a>,
    request: &'a RangeRequest,
    queries: &Path,
    unparsed_limit: Rational,
) -> Vec<(String, Result<QueryTarget<'a>, HintedError>)> {
    let mut rules: BTreeMap<bool, BTreeMap<&SeriesKey, CountRule<'_>>> = BTreeMap::new();
    let mut custom_targets = Vec::new();
    for (series, (indicator, _)) in &request.series {
        match indicator {
            Indicator::Requests { traffic, measure, .. } => {
                let is_classic = traffic.load_balancer.starts_with("classic/");
                rules.entry(is_classic).or_default().insert(series, CountRule { series, traffic, measure });
            }
            Indicator::Query { file, sql: Some(sql), .. } => {
                let query = CustomQuery::new(session.clone(), series, queries, file, sql);
                custom_targets.push((file.clone(), Ok(QueryTarget::Custom(query))));
            }
            // Reading the definitions has reported a missing file, and an indicator that does not fit its source.
            Indicator::Query { sql: None, .. } | Indicator::Ratio { .. } | Indicator::Counts { .. } => {}
        }
    }
    let tables = rules.into_iter().filter_map(|(is_classic, rules)| {
        let source = session.source;
        let table = if is_classic { source.classic_table.as_ref()? } else { &source.log_table };
        let query = TableQuery::new(session.clone(), table, rules, unparsed_limit);
        Some((table.to_string(), query.map(|query| QueryTarget::Table(Box::new(query)))))
    });
    tables.chain(custom_targets).collect()
}

impl QueryTarget<'_> {
    pub fn has_series(&self, series: &SeriesKey) -> bool {
        match self {
            Self::Table(table) => table.has_series(series),
            Self::Custom(query) => series == query.series,
        }
    }

    /// The hash of a custom query's text.
    pub fn text_hash(&self) -> Option<&str> {
        match self {
            Self::Table(_) => None,
            Self::Custom(query) => Some(&*query.sql.hash),
        }
    }

    pub fn query_count(&self, range: &FetchRange) -> Result<u64, HintedError> {
        match self {
            Self::Table(table) => Ok(table.build_queries(range.span, &range.series)?.len() as u64),
            Self::Custom(_) => Ok(1),
        }
    }

    pub async fn fetch_counts(&mut self, span: Span, series: &[SeriesKey]) -> AthenaResponse {
        match self {
            Self::Table(table) => table.fetch_counts(span, series).await,
            Self::Custom(query) => query.fetch_counts(span).await,
        }
    }

    /// The spans in which a response replaces all that was known. Late lines of a table are added to the earlier ones,
    /// and a custom query returns all there is.
    pub fn replaced_spans(&self, response: &AthenaResponse, span: Span) -> BTreeMap<SeriesKey, Vec<Span>> {
        match self {
            Self::Table(_) => BTreeMap::new(),
            Self::Custom(_) => response.complete_series.iter().map(|series| (series.clone(), vec![span])).collect(),
        }
    }

    /// Whether silence counts as an answer. A table with the wrong location has no lines, and no error either: it is
    /// queried again until it has.
    pub const fn is_trusted(&self) -> bool {
        match self {
            Self::Table(table) => table.has_lines(),
            Self::Custom(_) => true,
        }
    }

    /// Load balancers without a line; `None` stands for all of them.
    pub fn missing_load_balancers(&self, history: &Ledger, span: Span) -> Option<Vec<String>> {
        match self {
            Self::Table(table) => table.missing_load_balancers(history, span),
            Self::Custom(_) => Some(Vec::new()),
        }
    }
}
