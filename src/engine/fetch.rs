//! Fetches what the ledger lacks from all sources side by side.
//!
//! Every round asks each open source for its next batch and commits the batches in the order of the sources, so that
//! the ledger does not depend on which source answers first.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tracing::{Instrument, Span, info_span};

use super::access_logs::AccessLogSource;
use super::athena::AthenaTables;
use super::cloudwatch::CloudWatchMetrics;
use super::commit::Committer;
use super::count_source::{CountSource, Fetched, SourceSummary};
use super::counts_files::CountsFileSource;
use super::{EngineError, RunOptions};
use crate::discovery::Discovery;
use crate::fetch_plan::{FetchPlan, RangeRequest};
use crate::outcome::Diagnostics;
use crate::slo::SourceKind;
use crate::store::LedgerStore;

/// Each open source holds one batch in memory.
const CONCURRENT_SOURCES_MAX: usize = 8;

pub(super) type BoxedSource<'a> = Box<dyn CountSource<'a> + 'a>;

pub(super) struct OpenSource<'a> {
    source: BoxedSource<'a>,
    span: Span,
    is_done: bool,
}

impl<'a> OpenSource<'a> {
    pub(super) const fn new(source: BoxedSource<'a>, span: Span) -> Self {
        Self { source, span, is_done: false }
    }

    async fn fetch_next(&mut self, store: &LedgerStore) -> Result<Option<Fetched<'a>>, EngineError> {
        if self.is_done {
            return Ok(None);
        }
        let fetched = self.source.fetch_next(store).instrument(self.span.clone()).await?;
        self.is_done = fetched.is_none();
        Ok(fetched)
    }
}

/// Fetches and commits what the plan asks for. Returns the summaries in the order of the sources.
pub(super) async fn fetch_all<'a>(
    options: &'a RunOptions<'a>,
    discovery: &'a Discovery,
    plan: &'a FetchPlan,
    store: &mut LedgerStore,
) -> Result<Vec<SourceSummary<'a>>, EngineError> {
    let mut committer = Committer::open(plan, store).await?;
    let mut sources = open_sources(options, discovery, plan, &mut committer, store).await?;
    // Below a cost limit, each source must know what the ones before it have spent.
    let limit = if options.max_cost.is_some() { 1 } else { CONCURRENT_SOURCES_MAX };
    let mut summaries = Vec::new();
    while !sources.is_empty() {
        let group = sources.drain(..limit.min(sources.len())).collect();
        summaries.extend(fetch_side_by_side(options.progress, group, &mut committer, store).await?);
    }
    committer.finish(store).await?;
    Ok(summaries)
}

async fn open_sources<'a>(
    options: &'a RunOptions<'a>,
    discovery: &'a Discovery,
    plan: &'a FetchPlan,
    committer: &mut Committer,
    store: &mut LedgerStore,
) -> Result<Vec<OpenSource<'a>>, EngineError> {
    let mut sources = Vec::new();
    if !plan.counts_files.is_empty() {
        let source = CountsFileSource::open(options, &plan.counts_files, store).await?;
        sources.push(OpenSource::new(Box::new(source), info_span!(target: "slowburn::engine", "counts")));
    }
    // All folders are marked as not listed before any object is read: a gap in one source says nothing until then.
    let scan_lock = Arc::new(Mutex::new(()));
    for request in &plan.access_logs {
        let (source, location) = (&request.source, &request.location);
        let span = info_span!(target: "slowburn::engine", "access_logs", source, location);
        let is_only_source = plan.access_logs.len() == 1;
        let source: BoxedSource<'a> =
            match AccessLogSource::open(options, request, is_only_source, Arc::clone(&scan_lock), store).await {
                Ok(source) => Box::new(source),
                Err(error) => Box::new(Diagnostics::from_warning(error)),
            };
        sources.push(OpenSource::new(source, span));
    }
    for request in &plan.ranges {
        let kind = request.kind.yaml_key();
        let span = info_span!(target: "slowburn::engine", "ranges", source = request.source, kind);
        // The future of all that AWS may be asked is large.
        let opening = Box::pin(open_range_source(options, discovery, request, committer, store));
        sources.push(OpenSource::new(opening.instrument(span.clone()).await?, span));
    }
    Ok(sources)
}

/// Opens a source that returns the counts of any span.
async fn open_range_source<'a>(
    options: &'a RunOptions<'a>,
    discovery: &'a Discovery,
    request: &'a RangeRequest,
    committer: &mut Committer,
    store: &mut LedgerStore,
) -> Result<BoxedSource<'a>, EngineError> {
    let mut diagnostics = Diagnostics::default();
    if committer.discard_future(request, options.now, store).await? {
        diagnostics.notes.push(format!(
            "discarded data from `{}` that an earlier run recorded for a time in the future; it is fetched again",
            request.source
        ));
    }
    let missing = committer.missing_ranges(request);
    if missing.is_empty() {
        diagnostics.notes.push(format!("`{}` is already fetched up to {}", request.source, request.end));
        return Ok(Box::new(diagnostics));
    }
    Ok(match &request.kind {
        SourceKind::CloudWatch { aws, account } => {
            let target = (aws, account.as_deref(), discovery);
            Box::new(CloudWatchMetrics::open(options, request, &missing, target, diagnostics, store).await?)
        }
        SourceKind::Athena { aws, athena } => {
            Box::new(AthenaTables::open(options, request, &missing, (aws, athena), diagnostics, store).await?)
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => Box::new(diagnostics),
    })
}

/// Asks each source for its next batch, commits all of them, and begins again until no source has any left.
pub(super) async fn fetch_side_by_side<'a>(
    report_progress: &dyn Fn(usize, usize),
    mut sources: Vec<OpenSource<'a>>,
    committer: &mut Committer,
    store: &mut LedgerStore,
) -> Result<Vec<SourceSummary<'a>>, EngineError> {
    loop {
        let (done, all): (Vec<usize>, Vec<usize>) = sources.iter().map(|open| open.source.progress()).unzip();
        report_progress(done.iter().sum(), all.iter().sum());
        let readable: &LedgerStore = store;
        let round = join_all(sources.iter_mut().map(|source| source.fetch_next(readable))).await;
        let batches = round.into_iter().filter_map(Result::transpose).collect::<Vec<_>>();
        if batches.is_empty() {
            return Ok(sources.into_iter().map(|open| open.source.finish()).collect());
        }
        for fetched in batches {
            committer.commit(fetched?, store).await?;
        }
    }
}
