//! Fetches metrics from CloudWatch: some series of a span at a time, the newest span first.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;

use super::summary::CloudWatchSummary;
use super::{
    FirstDatapoints, MetricFetch, NoTrafficBounds, SeriesQuery, estimate_billed_metrics, fetch_metrics, value_count,
};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::discovery::{Discovery, ResolvedTraffic};
use crate::fetch_plan::{FetchRange, metric_counts};
use crate::ledger::{Ledger, NotLoaded};
use crate::series::SeriesKey;
use crate::slo::{AwsScope, Indicator};
use crate::source::count_source::{AnsweredRange, CountSource, Fetched, RangeFetch, SourceSummary, pack_counts};
use crate::time::{Minute, Span};

/// Data points of a batch: about 100 MB.
const DATAPOINTS_MAX: u64 = 5_000_000;
/// Values of CloudWatch are rarely later than this: exporters see them converge within ten minutes.
const TYPICAL_DELAY_MINUTES: i32 = 15;

type Batch = Vec<SeriesQuery>;

pub struct CloudWatchMetrics<'a> {
    range_fetch: RangeFetch<'a>,
    account: Option<&'a str>,
    aws: Aws,
    first_values: BTreeMap<SeriesKey, FirstDatapoints>,
    /// The newest span comes first: an older one that would cost too much takes nothing from it.
    pending_spans: VecDeque<(Span, VecDeque<Batch>)>,
    current: (Span, VecDeque<Batch>),
    done_batches: usize,
    all_batches: usize,
    /// The newest minute with a value of any metric.
    watermark: Option<Minute>,
    summary: CloudWatchSummary,
}

#[async_trait(?Send)]
impl<'a> CountSource<'a> for CloudWatchMetrics<'a> {
    async fn fetch_next(&mut self, _: Ledger) -> Option<Fetched<'a>> {
        let (span, batch) = self.next_batch()?;
        let RangeFetch { context, request, .. } = self.range_fetch;
        if context.is_stopped() {
            let warning = "stopped before all metrics were fetched\nhint: run again to fetch the rest";
            self.range_fetch.diagnostics.warnings.push(warning.to_owned());
            return None;
        }
        let now = context.now;
        let bounds = NoTrafficBounds {
            known_from: Minute(i32::MIN),
            settled: request.settled,
            expected_until: request.end.min(context.at.min(now).plus(-TYPICAL_DELAY_MINUTES)),
            watermark: self.watermark,
        };
        // A newer span may have had the first values.
        let first_values = &self.first_values;
        let fetch =
            MetricFetch { client: &self.aws.cloudwatch(), account: self.account, span, bounds, first_values, now };
        let response = fetch_metrics(&fetch, &batch).await;
        self.watermark = response.watermark;
        self.aws.record_metrics(response.billed_metrics);
        self.summary.add(&response, |series| self.range_fetch.history.has_series(series));
        let found = response.first_datapoints.iter().filter(|(_, first)| !first.is_empty());
        self.first_values.extend(found.map(|(series, first)| (series.clone(), first.clone())));
        let (series, first_known) = (response.complete_series, response.first_known);
        Some(Fetched {
            counts: pack_counts(&response.counts),
            replaced_spans: response.replaced,
            first_values: response.first_datapoints,
            range: Some(AnsweredRange { request, span, series, first_known }),
            is_paid: true,
            ..Fetched::default()
        })
    }

    fn progress(&self) -> (usize, usize) {
        (self.done_batches, self.all_batches)
    }

    fn finish(self: Box<Self>) -> SourceSummary<'a> {
        let RangeFetch { context, request, mut diagnostics, .. } = self.range_fetch;
        diagnostics.append(self.summary.report(context.catalog, &request.source));
        SourceSummary { diagnostics, recent_logs: None }
    }
}

impl<'a> CloudWatchMetrics<'a> {
    /// Opens a source whose first values of metrics are known from earlier runs.
    pub async fn open(
        range_fetch: RangeFetch<'a>,
        scope: &AwsScope,
        account: Option<&'a str>,
        discovery: &Discovery,
        first_values: BTreeMap<SeriesKey, FirstDatapoints>,
    ) -> Result<Self, NotLoaded> {
        let plan_range = |range: &FetchRange| Ok((range.span, plan_batches(&range_fetch, range, discovery, scope)?));
        let pending_spans = range_fetch.missing.iter().map(plan_range).collect::<Result<VecDeque<_>, NotLoaded>>()?;
        let end = range_fetch.request.end;
        Ok(Self {
            range_fetch,
            account,
            aws: Aws::shared().await.for_scope(scope).await,
            first_values,
            all_batches: pending_spans.iter().map(|(_, batches)| batches.len()).sum(),
            current: (Span::new(end, end), VecDeque::new()),
            pending_spans,
            done_batches: 0,
            watermark: None,
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
            let RangeFetch { context, request, diagnostics, .. } = &mut self.range_fetch;
            let metrics = batches.iter().map(|batch| estimate_billed_metrics(span, context.now, batch)).sum();
            match context.check_cost_limit(&request.source, &Usage { metrics, ..Usage::default() }) {
                Ok(()) => self.current = (span, batches),
                Err(refusal) => diagnostics.warnings.push(refusal),
            }
        }
    }
}

/// The series of a range in batches of a bounded size, each with its metrics.
fn plan_batches(
    range_fetch: &RangeFetch<'_>,
    range: &FetchRange,
    discovery: &Discovery,
    scope: &AwsScope,
) -> Result<VecDeque<Batch>, NotLoaded> {
    let mut batches: VecDeque<Batch> = VecDeque::new();
    let mut batch_size = 0;
    for series in &range.series {
        let Some((indicator, _)) = range_fetch.request.series.get(series) else { continue };
        let ResolvedTraffic { with_ids, lifetimes } = match indicator {
            Indicator::Requests { traffic, .. } => discovery.resolve_ids(scope, traffic, range.span),
            _ => ResolvedTraffic { with_ids: Vec::new(), lifetimes: vec![range.span] },
        };
        let Some(counts) = metric_counts(indicator, &with_ids) else { continue };
        let had_traffic = range_fetch.history.had_traffic(series, range.span.start)?;
        let size = value_count(&counts, range.span);
        let is_custom = matches!(indicator, Indicator::Ratio { .. });
        let query = SeriesQuery { series: series.clone(), counts, had_traffic, lifetimes, is_custom };
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
