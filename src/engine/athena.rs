//! Fetches counts from Athena: each table or custom query piece by piece, the newest first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::count_source::{
    AnsweredRange, CountSource, Fetched, ScannedBytes, SourceSummary, check_cost_limit, pack_counts,
};
use super::first_request::drop_before_first_request;
use super::{EngineError, RunOptions, unparsed_limit};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::fetch_plan::{FetchRange, RangeRequest};
use crate::hinted_error::HintedError;
use crate::ledger::Ledger;
use crate::outcome::{AthenaSummary, Diagnostics};
use crate::series::SeriesKey;
use crate::slo::{AthenaSource, AwsScope, Indicator, LogTable};
use crate::source::athena::{
    AthenaResponse, AthenaSession, CountRule, CustomQuery, ScanEstimate, ScanLimit, TableQuery, plan_ranges,
    stopped_error,
};
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{MINUTES_PER_DAY, Span};

/// A load balancer with lines within as many days is not missing.
const RECENT_LINES_DAYS: i32 = 14;
pub(super) struct AthenaTables<'a> {
    options: &'a RunOptions<'a>,
    request: &'a RangeRequest,
    aws: Aws,
    /// The ledger before the run.
    history: Ledger,
    scan_limit: ScanLimit,
    /// What the query in flight may scan.
    in_flight_limit: Arc<AtomicU64>,
    targets: VecDeque<TargetQueue<'a>>,
    done_minutes: usize,
    all_minutes: usize,
    diagnostics: Diagnostics,
    summary: AthenaSummary,
}

/// What one table or custom query is still asked for.
struct TargetQueue<'a> {
    name: String,
    target: QueryTarget<'a>,
    /// The newest piece is the last.
    pending: Vec<FetchRange>,
    /// From the oldest to the newest piece.
    whole_span: Option<Span>,
    /// The source and the name.
    target_key: String,
}

/// What is scanned by itself: a table for all of its series, or a custom query.
enum QueryTarget<'a> {
    Table(Box<TableQuery<'a>>, BTreeMap<&'a SeriesKey, CountRule<'a>>),
    Custom(CustomQuery<'a>, AthenaSession<'a>, &'a SeriesKey),
}

#[async_trait(?Send)]
impl<'a> CountSource<'a> for AthenaTables<'a> {
    async fn fetch_next(&mut self, store: &LedgerStore) -> Result<Option<Fetched<'a>>, EngineError> {
        while let Some(queue) = self.targets.pop_front() {
            let fetched = self.fetch_piece(queue, store).await;
            if fetched.is_some() {
                return Ok(fetched);
            }
        }
        Ok(None)
    }

    fn progress(&self) -> (usize, usize) {
        (self.done_minutes, self.all_minutes)
    }

    fn finish(mut self: Box<Self>) -> SourceSummary<'a> {
        self.diagnostics.append(self.summary.report());
        SourceSummary { diagnostics: self.diagnostics, recent_logs: None }
    }
}

impl<'a> AthenaTables<'a> {
    pub(super) async fn open(
        options: &'a RunOptions<'a>,
        request: &'a RangeRequest,
        missing: &[FetchRange],
        (scope, athena_source): (&AwsScope, &'a AthenaSource),
        diagnostics: Diagnostics,
        store: &LedgerStore,
    ) -> Result<Self, EngineError> {
        let aws = Aws::shared().await.for_scope(scope).await;
        let in_flight_limit = Arc::new(AtomicU64::new(u64::MAX));
        let session = AthenaSession {
            client: aws.athena(),
            source: athena_source,
            fetch_end: request.end,
            stop_requested: &options.stop,
            bytes_left: Arc::clone(&in_flight_limit),
        };
        let mut summary = AthenaSummary::new(&request.source, unparsed_limit(options.catalog, &request.source));
        let mut targets = VecDeque::new();
        for (name, target) in query_targets(options, request, &session) {
            match target {
                Ok(target) => targets.push_back(TargetQueue::new(request, name, target, missing)),
                Err(error) => summary.add_error(&name, &error),
            }
        }
        Ok(Self {
            options,
            request,
            aws,
            history: store.load(&LoadRequest::default()).await?,
            scan_limit: ScanLimit::new(athena_source, request.end, options.now),
            in_flight_limit,
            done_minutes: 0,
            all_minutes: targets.iter().map(TargetQueue::pending_minutes).sum(),
            targets,
            diagnostics,
            summary,
        })
    }

    /// Fetches the newest pending piece of a table or query. The rest waits unless that failed.
    async fn fetch_piece(&mut self, mut queue: TargetQueue<'a>, store: &LedgerStore) -> Option<Fetched<'a>> {
        let Some(range) = queue.pending.pop() else {
            if let Some(span) = queue.whole_span {
                let missing = queue.target.missing_load_balancers(&self.history, span);
                self.summary.add_missing(&queue.name, span, missing);
            }
            return None;
        };
        if self.options.stop.load(Ordering::Relaxed) {
            self.summary.add_error(&queue.name, &stopped_error());
            return None;
        }
        let scan_key = queue.scan_key();
        let day_bytes = store.scanned_bytes_per_day().get(&scan_key).copied();
        let span = self.next_span(&queue, &range, day_bytes)?;
        let mut response = queue.target.fetch(span, &range.series).await;
        self.aws.record_scanned_bytes(response.usage.billed.0);
        self.done_minutes += span.minutes() as usize;
        let first_values = drop_before_first_request(self.request, &self.history, &mut response.counts, store);
        let day_bytes = self.scan_limit.record_scan(&response, span);
        self.summary.add(&queue.name, &response);
        let fetched = Fetched {
            counts: pack_counts(&response.counts),
            replaced_spans: queue.target.replaced_spans(&response, span),
            first_values,
            scanned_bytes: day_bytes.map(|day_bytes| ScannedBytes {
                target_key: queue.target_key.clone(),
                scan_key,
                day_bytes,
            }),
            range: queue.target.is_trusted().then(|| AnsweredRange {
                request: self.request,
                span,
                series: response.complete_series,
                first_known: BTreeMap::new(),
            }),
            is_paid: true,
            ..Fetched::default()
        };
        let remaining = Span::new(range.span.start, span.start);
        if !remaining.is_empty() {
            queue.pending.push(FetchRange { span: remaining, ..range });
        }
        if response.error.is_none() {
            self.targets.push_front(queue);
        }
        Some(fetched)
    }

    /// The part of a piece that is fetched next, if the limits allow it.
    fn next_span(&mut self, queue: &TargetQueue<'_>, range: &FetchRange, day_bytes: Option<u64>) -> Option<Span> {
        let planned = queue.target.query_count(range).and_then(|query_count| {
            let estimate = ScanEstimate { query_count, day_bytes };
            let span = self.scan_limit.next_span(range, estimate)?;
            Ok((span, self.scan_limit.max_bytes(span, estimate)))
        });
        let (span, scan_bytes) = planned.map_err(|error| self.summary.add_error(&queue.name, &error)).ok()?;
        let usage = Usage { athena_bytes: scan_bytes.0, ..Usage::default() };
        match check_cost_limit(self.options, &self.request.source, &usage) {
            Ok(()) => {
                // An estimate may be a little too low, and what is almost done has been paid for. Without one, the
                // limit holds.
                let limit = if day_bytes.is_some() { u64::MAX } else { scan_bytes.0 };
                self.in_flight_limit.store(limit, Ordering::Relaxed);
                return Some(span);
            }
            Err(refusal) if day_bytes.is_some() => self.summary.add_warning(refusal),
            Err(_) => {
                let (spent, limit) = (Aws::usage().price(), self.options.max_cost.unwrap_or_default());
                let error = self.scan_limit.over_cost_limit_error(&queue.name, scan_bytes, spent, limit);
                self.summary.add_error(&queue.name, &error);
            }
        }
        None
    }
}

/// The tables and custom queries that the series of a request are read from, by name.
fn query_targets<'a>(
    options: &RunOptions<'a>,
    request: &'a RangeRequest,
    session: &AthenaSession<'a>,
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
                let query = CustomQuery::new(options.queries, file, sql, series);
                custom_targets.push((file.clone(), Ok(QueryTarget::Custom(query, session.clone(), series))));
            }
            // Reading the definitions has reported a missing file, and an indicator that does not fit its source.
            Indicator::Query { sql: None, .. } | Indicator::Ratio { .. } | Indicator::Counts { .. } => {}
        }
    }
    let limit = unparsed_limit(options.catalog, &request.source);
    let tables = rules.into_iter().filter_map(|(is_classic, rules)| {
        let source = session.source;
        let table: &LogTable = if is_classic { source.classic_table.as_ref()? } else { &source.log_table };
        let query = TableQuery::new(session.clone(), table, limit);
        Some((table.to_string(), query.map(|query| QueryTarget::Table(Box::new(query), rules))))
    });
    tables.chain(custom_targets).collect()
}

impl<'a> TargetQueue<'a> {
    fn new(request: &RangeRequest, name: String, target: QueryTarget<'a>, missing: &[FetchRange]) -> Self {
        let mut pending = plan_ranges(missing, |series| target.contains(series));
        pending.reverse();
        let whole_span =
            pending.first().zip(pending.last()).map(|(first, last)| Span::new(first.span.start, last.span.end));
        let target_key = format!("{} {name}", request.source);
        Self { name, target, pending, whole_span, target_key }
    }

    /// The key of its scan size.
    fn scan_key(&self) -> String {
        match &self.target {
            QueryTarget::Table(..) => self.target_key.clone(),
            QueryTarget::Custom(query, ..) => format!("{} {}", self.target_key, query.text_hash()),
        }
    }

    fn pending_minutes(&self) -> usize {
        self.pending.iter().map(|range| range.span.minutes() as usize).sum()
    }
}

impl QueryTarget<'_> {
    fn contains(&self, series: &SeriesKey) -> bool {
        match self {
            Self::Table(_, rules) => rules.contains_key(series),
            Self::Custom(_, _, own) => series == *own,
        }
    }

    fn query_count(&self, range: &FetchRange) -> Result<u64, HintedError> {
        match self {
            Self::Table(table, rules) => table.query_count(range.span, &select_rules(rules, &range.series)),
            Self::Custom(..) => Ok(1),
        }
    }

    async fn fetch(&mut self, span: Span, series: &[SeriesKey]) -> AthenaResponse {
        match self {
            Self::Table(table, rules) => table.fetch_counts(span, &select_rules(rules, series)).await,
            Self::Custom(query, session, _) => query.fetch_counts(session, span).await,
        }
    }

    /// The spans in which an answer replaces all that was known. Late lines of a table are added to the earlier ones,
    /// and a custom query returns all there is.
    fn replaced_spans(&self, response: &AthenaResponse, span: Span) -> BTreeMap<SeriesKey, Vec<Span>> {
        match self {
            Self::Table(..) => BTreeMap::new(),
            Self::Custom(..) => response.complete_series.iter().map(|series| (series.clone(), vec![span])).collect(),
        }
    }

    /// Whether silence counts as an answer. A table with the wrong location has no lines, and no error either: it is
    /// queried again until it has.
    const fn is_trusted(&self) -> bool {
        match self {
            Self::Table(table, _) => table.has_lines(),
            Self::Custom(..) => true,
        }
    }

    /// Load balancers without a line, now and in the past; a few silent hours are not reported. `None` without a
    /// single line.
    fn missing_load_balancers(&self, sums: &Ledger, span: Span) -> Option<Vec<String>> {
        let Self::Table(table, rules) = self else { return Some(Vec::new()) };
        if !table.has_lines() {
            return None;
        }
        if span.minutes() < MINUTES_PER_DAY.unsigned_abs() {
            return Some(Vec::new());
        }
        let is_known = |series: &SeriesKey| {
            (-RECENT_LINES_DAYS..=0).any(|back| sums.day_sums(series, span.end.day().plus(back)).known > 0)
        };
        let is_missing = |rule: &&CountRule<'_>| !table.has_lines_for(rule) && !is_known(rule.series);
        let missing = rules.values().filter(is_missing).map(|rule| rule.traffic.load_balancer.clone());
        let missing: BTreeSet<String> = missing.collect();
        Some(missing.into_iter().collect())
    }
}

fn select_rules<'a>(rules: &BTreeMap<&SeriesKey, CountRule<'a>>, series: &[SeriesKey]) -> Vec<CountRule<'a>> {
    series.iter().filter_map(|series| rules.get(series).copied()).collect()
}
