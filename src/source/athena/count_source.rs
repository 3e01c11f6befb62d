//! Fetches counts from Athena: each table or custom query piece by piece, the newest first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::error::stopped_error;
use super::query_target::{QueryTarget, query_targets};
use super::run_query::AthenaSession;
use super::scan_limit::{ScanEstimate, ScanLimit, plan_ranges};
use super::scanned_bytes::ScannedBytes;
use super::summary::AthenaSummary;
use crate::aws::Aws;
use crate::cost::Usage;
use crate::fetch_plan::{FetchRange, RangeRequest};
use crate::ledger::Ledger;
use crate::slo::{AthenaSource, AwsScope};
use crate::source::count_source::{AnsweredRange, CountSource, Fetched, RangeFetch, SourceSummary, pack_counts};
use crate::time::Span;

pub struct AthenaTables<'a> {
    range_fetch: RangeFetch<'a>,
    aws: Aws,
    /// By the key of a scan.
    scanned_bytes_per_day: BTreeMap<String, u64>,
    scan_limit: ScanLimit,
    /// What the query in flight may scan.
    in_flight_limit: Arc<AtomicU64>,
    targets: VecDeque<TargetQueue<'a>>,
    done_minutes: usize,
    all_minutes: usize,
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

#[async_trait(?Send)]
impl<'a> CountSource<'a> for AthenaTables<'a> {
    async fn fetch_next(&mut self, _: Ledger) -> Option<Fetched<'a>> {
        while let Some(queue) = self.targets.pop_front() {
            let fetched = self.fetch_piece(queue).await;
            if fetched.is_some() {
                return fetched;
            }
        }
        None
    }

    fn progress(&self) -> (usize, usize) {
        (self.done_minutes, self.all_minutes)
    }

    fn finish(mut self: Box<Self>) -> SourceSummary<'a> {
        self.range_fetch.diagnostics.append(self.summary.report());
        SourceSummary { diagnostics: self.range_fetch.diagnostics, recent_logs: None }
    }
}

impl<'a> AthenaTables<'a> {
    pub async fn open(
        range_fetch: RangeFetch<'a>,
        scope: &AwsScope,
        athena_source: &'a AthenaSource,
        scanned_bytes_per_day: BTreeMap<String, u64>,
    ) -> Self {
        let RangeFetch { context, request, .. } = range_fetch;
        let aws = Aws::shared().await.for_scope(scope).await;
        let in_flight_limit = Arc::new(AtomicU64::new(u64::MAX));
        let session = AthenaSession {
            client: aws.athena(),
            source: athena_source,
            fetch_end: request.end,
            stop_requested: &context.stop,
            bytes_left: Arc::clone(&in_flight_limit),
        };
        let unparsed_limit = context.unparsed_limit(&request.source);
        let mut summary = AthenaSummary::new(&request.source, unparsed_limit);
        let mut targets = VecDeque::new();
        for (name, target) in query_targets(&session, request, context.queries, unparsed_limit) {
            match target {
                Ok(target) => targets.push_back(TargetQueue::new(request, name, target, &range_fetch.missing)),
                Err(error) => summary.add_error(&name, &error),
            }
        }
        Self {
            range_fetch,
            aws,
            scanned_bytes_per_day,
            scan_limit: ScanLimit::new(athena_source, request.end, context.now),
            in_flight_limit,
            done_minutes: 0,
            all_minutes: targets.iter().map(TargetQueue::pending_minutes).sum(),
            targets,
            summary,
        }
    }

    /// Fetches the newest pending piece of a table or query. The rest waits unless that failed.
    async fn fetch_piece(&mut self, mut queue: TargetQueue<'a>) -> Option<Fetched<'a>> {
        let Some(range) = queue.pending.pop() else {
            if let Some(span) = queue.whole_span {
                let missing = queue.target.missing_load_balancers(&self.range_fetch.history, span);
                self.summary.add_missing(&queue.name, span, missing);
            }
            return None;
        };
        if self.range_fetch.context.is_stopped() {
            self.summary.add_error(&queue.name, &stopped_error());
            return None;
        }
        let scan_key = queue.scan_key();
        let day_bytes = self.scanned_bytes_per_day.get(&scan_key).copied();
        let span = self.next_span(&queue, &range, day_bytes)?;
        let response = queue.target.fetch_counts(span, &range.series).await;
        self.aws.record_scanned_bytes(response.usage.billed.0);
        self.done_minutes += span.minutes() as usize;
        let scanned_bytes = self.scan_limit.record_scan(&response, span).map(|day_bytes| ScannedBytes {
            target_key: queue.target_key.clone(),
            scan_key,
            day_bytes,
        });
        if let Some(scanned) = scanned_bytes.clone() {
            scanned.record_in(&mut self.scanned_bytes_per_day);
        }
        self.summary.add(&queue.name, &response);
        let fetched = Fetched {
            counts: pack_counts(&response.counts),
            replaced_spans: queue.target.replaced_spans(&response, span),
            scanned_bytes,
            range: queue.target.is_trusted().then(|| AnsweredRange {
                request: self.range_fetch.request,
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
        let RangeFetch { context, request, .. } = &self.range_fetch;
        match context.check_cost_limit(&request.source, &usage) {
            Ok(()) => {
                // An estimate may be a little too low, and what is almost done has been paid for. Without one, the
                // limit holds.
                let limit = if day_bytes.is_some() { u64::MAX } else { scan_bytes.0 };
                self.in_flight_limit.store(limit, Ordering::Relaxed);
                return Some(span);
            }
            Err(refusal) if day_bytes.is_some() => self.summary.add_warning(refusal),
            Err(_) => {
                let (spent, limit) = (Aws::usage().price(), context.max_cost.unwrap_or_default());
                let error = self.scan_limit.over_cost_limit_error(&queue.name, scan_bytes, spent, limit);
                self.summary.add_error(&queue.name, &error);
            }
        }
        None
    }
}

impl<'a> TargetQueue<'a> {
    fn new(request: &RangeRequest, name: String, target: QueryTarget<'a>, missing: &[FetchRange]) -> Self {
        let mut pending = plan_ranges(missing, |series| target.has_series(series));
        pending.reverse();
        let whole_span =
            pending.first().zip(pending.last()).map(|(first, last)| Span::new(first.span.start, last.span.end));
        let target_key = format!("{} {name}", request.source);
        Self { name, target, pending, whole_span, target_key }
    }

    /// The key of its scan size.
    fn scan_key(&self) -> String {
        match self.target.text_hash() {
            None => self.target_key.clone(),
            Some(text_hash) => format!("{} {text_hash}", self.target_key),
        }
    }

    fn pending_minutes(&self) -> usize {
        self.pending.iter().map(|range| range.span.minutes() as usize).sum()
    }
}
