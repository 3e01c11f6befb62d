//! Fetches metrics from CloudWatch: some series of a span at a time, the newest span first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::count_source::{AnsweredRange, CountSource, Fetched, SourceSummary, check_cost_limit, pack_counts};
use super::{EngineError, RunOptions};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::discovery::{Discovery, ResolvedTraffic};
use crate::fetch_plan::{FetchRange, RangeRequest, metric_counts};
use crate::ledger::{Ledger, NotLoaded, Partition};
use crate::outcome::{CloudWatchSummary, Diagnostics};
use crate::series::SeriesKey;
use crate::slo::{AwsScope, Indicator};
use crate::source::cloudwatch::{self, MetricFetch, SeriesQuery};
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{Minute, Span};

/// Data points of a batch: about 100 MB.
const DATAPOINTS_MAX: u64 = 5_000_000;
/// Values of CloudWatch are rarely later than this: exporters see them converge within ten minutes.
const TYPICAL_DELAY_MINUTES: i32 = 15;

type Batch = Vec<SeriesQuery>;

pub(super) struct CloudWatchMetrics<'a> {
    options: &'a RunOptions<'a>,
    request: &'a RangeRequest,
    account: Option<&'a str>,
    aws: Aws,
    /// The ledger before the run.
    history: Ledger,
    /// The newest span comes first: an older one that would cost too much takes nothing from it.
    pending_spans: VecDeque<(Span, VecDeque<Batch>)>,
    current: (Span, VecDeque<Batch>),
    done_batches: usize,
    all_batches: usize,
    /// The newest minute with a value of any metric.
    watermark: Option<Minute>,
    diagnostics: Diagnostics,
    summary: CloudWatchSummary,
}

#[async_trait(?Send)]
impl<'a> CountSource<'a> for CloudWatchMetrics<'a> {
    async fn fetch_next(&mut self, store: &LedgerStore) -> Result<Option<Fetched<'a>>, EngineError> {
        let Some((span, mut batch)) = self.next_batch() else { return Ok(None) };
        if self.options.stop.load(Ordering::Relaxed) {
            let warning = "stopped before all metrics were fetched\nhint: run again to fetch the rest";
            self.diagnostics.warnings.push(warning.to_owned());
            return Ok(None);
        }
        // A newer span may have had the first values.
        for query in &mut batch {
            query.first_datapoints = query.first_datapoints.take().map(|_| store.first_values(&query.series));
        }
        let (request, now) = (self.request, self.options.now);
        let fetch = MetricFetch {
            client: &self.aws.cloudwatch(),
            account: self.account,
            span,
            settled: request.settled,
            expected_until: request.end.min(self.options.at.min(now).plus(-TYPICAL_DELAY_MINUTES)),
            watermark: self.watermark,
            now,
        };
        let response = cloudwatch::fetch_metrics(&fetch, &batch).await;
        self.watermark = response.watermark;
        self.aws.record_metrics(response.billed_metrics);
        self.summary.add(&response, |series| self.history.has_series(series));
        let (series, first_known) = (response.complete_series, response.first_known);
        Ok(Some(Fetched {
            counts: pack_counts(&response.counts),
            replaced_spans: response.replaced,
            first_values: response.first_datapoints,
            range: Some(AnsweredRange { request, span, series, first_known }),
            is_paid: true,
            ..Fetched::default()
        }))
    }

    fn progress(&self) -> (usize, usize) {
        (self.done_batches, self.all_batches)
    }

    fn finish(mut self: Box<Self>) -> SourceSummary<'a> {
        self.diagnostics.append(self.summary.report(self.options.catalog, &self.request.source));
        SourceSummary { diagnostics: self.diagnostics, recent_logs: None }
    }
}

impl<'a> CloudWatchMetrics<'a> {
    pub(super) async fn open(
        options: &'a RunOptions<'a>,
        request: &'a RangeRequest,
        missing: &[FetchRange],
        (scope, account, discovery): (&AwsScope, Option<&'a str>, &Discovery),
        diagnostics: Diagnostics,
        store: &LedgerStore,
    ) -> Result<Self, EngineError> {
        let aws = Aws::shared().await.for_scope(scope).await;
        let history = load_traffic_history(request, missing, store).await?;
        let plan_range =
            |range: &FetchRange| Ok((range.span, plan_batches(request, range, &history, (discovery, scope))?));
        let pending_spans = missing.iter().map(plan_range).collect::<Result<VecDeque<_>, NotLoaded>>()?;
        Ok(Self {
            options,
            request,
            account,
            aws,
            all_batches: pending_spans.iter().map(|(_, batches)| batches.len()).sum(),
            current: (Span::new(request.end, request.end), VecDeque::new()),
            pending_spans,
            history,
            done_batches: 0,
            watermark: None,
            diagnostics,
            summary: CloudWatchSummary::default(),
        })
    }

    /// The next batch of a span that the run can afford.
    fn next_batch(&mut self) -> Option<(Span, Batch)> {
        loop {
            if let Some(batch) = self.current.1.pop_front() {
                self.done_batches += 1;
                return Some((self.current.0, batch));
            }
            let (span, batches) = self.pending_spans.pop_front()?;
            let metrics =
                batches.iter().map(|batch| cloudwatch::estimate_billed_metrics(span, self.options.now, batch)).sum();
            let usage = Usage { metrics, ..Usage::default() };
            match check_cost_limit(self.options, &self.request.source, &usage) {
                Ok(()) => self.current = (span, batches),
                Err(refusal) => self.diagnostics.warnings.push(refusal),
            }
        }
    }
}

/// The sums of all days, and the minutes that show whether a series had traffic before a missing range.
async fn load_traffic_history(
    request: &RangeRequest,
    missing: &[FetchRange],
    store: &LedgerStore,
) -> Result<Ledger, EngineError> {
    let mut ledger = store.load(&LoadRequest::default()).await?;
    let mut minutes = BTreeSet::new();
    for FetchRange { span, series } in missing {
        let is_undecided = |series: &SeriesKey| ledger.had_traffic(series, span.start).is_err();
        if series.iter().filter(|series| request.series.contains_key(*series)).any(is_undecided) {
            minutes.extend(Partition::in_span(Span::new(span.start.day().start(), span.start)));
        }
    }
    store.load_more(&mut ledger, &LoadRequest { minutes, ..LoadRequest::default() }).await?;
    Ok(ledger)
}

/// The series of a range in batches of a bounded size, each with its metrics.
fn plan_batches(
    request: &RangeRequest,
    range: &FetchRange,
    history: &Ledger,
    (discovery, scope): (&Discovery, &AwsScope),
) -> Result<VecDeque<Batch>, NotLoaded> {
    let mut batches: VecDeque<Batch> = VecDeque::new();
    let mut batch_size = 0;
    for series in &range.series {
        let Some((indicator, _)) = request.series.get(series) else { continue };
        let ResolvedTraffic { with_ids, lifetimes } = match indicator {
            Indicator::Requests { traffic, .. } => discovery.resolve_ids(scope, traffic, range.span),
            _ => ResolvedTraffic { with_ids: Vec::new(), lifetimes: vec![range.span] },
        };
        let Some(counts) = metric_counts(indicator, &with_ids) else { continue };
        let had_traffic = history.had_traffic(series, range.span.start)?;
        let size = cloudwatch::value_count(&counts, range.span);
        let first_datapoints = matches!(indicator, Indicator::Ratio { .. }).then(BTreeMap::new);
        let query = SeriesQuery { series: series.clone(), counts, had_traffic, lifetimes, first_datapoints };
        match batches.back_mut() {
            Some(batch) if batch_size + size <= DATAPOINTS_MAX => {
                batch_size += size;
                batch.push(query);
            }
            _ => {
                batch_size = size;
                batches.push_back(vec![query]);
            }
        }
    }
    Ok(batches)
}
