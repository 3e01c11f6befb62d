//! Fetches what the ledger lacks from all sources side by side.
//!
//! Every round asks each open source for its next batch and commits the batches in the order of the sources, so that
//! the ledger does not depend on which source answers first.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tracing::{Instrument, Span, info_span};

use super::access_logs::AccessLogSource;
use super::commit::{Committer, Fetched};
use super::contributors::RecentLogs;
use super::counts_files::CountsFileSource;
use super::{EngineError, RunOptions, ranges};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::discovery::Discovery;
use crate::fetch_plan::FetchPlan;
use crate::outcome::Diagnostics;
use crate::store::LedgerStore;

/// Each open source holds one batch in memory.
const CONCURRENT_SOURCES_MAX: usize = 8;

/// Where counts come from: access logs, CloudWatch, Athena or counts files.
#[async_trait(?Send)]
pub(super) trait CountSource<'a> {
    /// The next batch, of a size that fits into memory; `None` when nothing is left. What fails at the source is part
    /// of its summary.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    async fn fetch_next(&mut self, store: &LedgerStore) -> Result<Option<Fetched<'a>>, EngineError>;

    /// How many steps are done, of how many.
    fn progress(&self) -> (usize, usize);

    /// What was fetched, and what failed.
    fn finish(self: Box<Self>) -> SourceSummary<'a>;
}

/// What remains of a source after its last batch.
#[derive(Default)]
pub(super) struct SourceSummary<'a> {
    pub(super) diagnostics: Diagnostics,
    pub(super) recent_logs: Option<RecentLogs<'a>>,
}

/// A source with nothing to fetch, and the reason.
pub(super) struct EmptySource(pub(super) Diagnostics);

#[async_trait(?Send)]
impl<'a> CountSource<'a> for EmptySource {
    async fn fetch_next(&mut self, _: &LedgerStore) -> Result<Option<Fetched<'a>>, EngineError> {
        Ok(None)
    }

    fn progress(&self) -> (usize, usize) {
        (0, 0)
    }

    fn finish(self: Box<Self>) -> SourceSummary<'a> {
        SourceSummary { diagnostics: self.0, recent_logs: None }
    }
}

struct OpenSource<'a> {
    source: Box<dyn CountSource<'a> + 'a>,
    span: Span,
    is_done: bool,
}

impl<'a> OpenSource<'a> {
    fn new(span: Span, source: Box<dyn CountSource<'a> + 'a>) -> Self {
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
        summaries.extend(fetch_side_by_side(options, group, &mut committer, store).await?);
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
        sources.push(OpenSource::new(info_span!(target: "slowburn::engine", "counts"), Box::new(source)));
    }
    // All folders are marked as not listed before any object is read: a gap in one source says nothing until then.
    let scan_lock = Arc::new(Mutex::new(()));
    let is_only_source = plan.access_logs.len() == 1;
    for request in &plan.access_logs {
        let (source, location) = (&request.source, &request.location);
        let span = info_span!(target: "slowburn::engine", "access_logs", source, location);
        let source: Box<dyn CountSource<'a> + 'a> =
            match AccessLogSource::open(options, request, is_only_source, Arc::clone(&scan_lock), store).await {
                Ok(source) => Box::new(source),
                Err(error) => Box::new(EmptySource(Diagnostics { warnings: vec![error], ..Diagnostics::default() })),
            };
        sources.push(OpenSource::new(span, source));
    }
    for request in &plan.ranges {
        let kind = request.kind.yaml_key();
        let span = info_span!(target: "slowburn::engine", "ranges", source = request.source, kind);
        // The future of all that AWS may be asked is large.
        let opening = Box::pin(ranges::open(options, discovery, request, committer, store));
        let source = opening.instrument(span.clone()).await?;
        sources.push(OpenSource::new(span, source));
    }
    Ok(sources)
}

async fn fetch_side_by_side<'a>(
    options: &RunOptions<'_>,
    mut sources: Vec<OpenSource<'a>>,
    committer: &mut Committer,
    store: &mut LedgerStore,
) -> Result<Vec<SourceSummary<'a>>, EngineError> {
    while sources.iter().any(|source| !source.is_done) {
        let (mut done, mut all) = (0, 0);
        for (source_done, source_all) in sources.iter().map(|open| open.source.progress()) {
            done += source_done;
            all += source_all;
        }
        (options.progress)(done, all);
        let readable: &LedgerStore = store;
        let round = join_all(sources.iter_mut().map(|source| source.fetch_next(readable))).await;
        for fetched in round {
            if let Some(fetched) = fetched? {
                committer.commit(fetched, store).await?;
            }
        }
    }
    Ok(sources.into_iter().map(|open| open.source.finish()).collect())
}

/// Whether what a source is about to be asked stays within the cost limit of the run; the message if it does not.
pub(super) fn check_cost_limit(options: &RunOptions<'_>, source: &str, usage: &Usage) -> Result<(), String> {
    if Aws::is_within_cost_limit(options.max_cost, usage) {
        return Ok(());
    }
    let (price, used, limit) = (usage.price(), Aws::usage().price(), options.max_cost.unwrap_or_default());
    Err(format!(
        "skipped `{source}` to stay within `--max-cost`: spent {used} of {limit}, and {usage} would cost \
         {price}\nhint: raise `--max-cost`, fetch less often with a longer `every` for the source, or fetch fewer days with \
         `--days`"
    ))
}
