//! Fetches what the ledger lacks from all sources side by side.
//!
//! Every round asks each open source for its next batch and commits the batches in the order of the sources, so that
//! the ledger does not depend on which source answers first.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tracing::{Instrument, Span, info_span};

use super::commit::Committer;
use crate::diagnostics::Diagnostics;
use crate::discovery::Discovery;
use crate::fetch_plan::{AccessLogRequest, FetchPlan, FetchRange, RangeRequest};
use crate::ledger::{Ledger, Partition};
use crate::queries::LedgerError;
use crate::series::SeriesKey;
use crate::slo::SourceKind;
use crate::source::access_logs::{AccessLogSource, LogRoot};
use crate::source::athena::AthenaTables;
use crate::source::cloudwatch::CloudWatchMetrics;
use crate::source::counts_file::CountsFileSource;
use crate::source::{CountSource, FetchContext, Fetched, RangeFetch, SourceSummary};
use crate::store::{LedgerStore, LoadRequest};
use crate::time;

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

    async fn fetch_next(&mut self, store: &LedgerStore) -> Result<Option<Fetched<'a>>, LedgerError> {
        if self.is_done {
            return Ok(None);
        }
        let fetching = async {
            let objects = self.source.list_next().await;
            let ledger = if objects.is_empty() {
                Ledger::default()
            } else {
                store.load(&LoadRequest { objects, ..LoadRequest::default() }).await?
            };
            Ok::<_, LedgerError>(self.source.fetch_next(ledger).await)
        };
        let fetched = fetching.instrument(self.span.clone()).await?;
        self.is_done = fetched.is_none();
        Ok(fetched)
    }
}

/// Fetches and commits what the plan asks for. Returns the summaries in the order of the sources.
pub(super) async fn fetch_all<'a>(
    context: &'a FetchContext<'a>,
    discovery: &'a Discovery,
    plan: &'a FetchPlan,
    store: &mut LedgerStore,
) -> Result<Vec<SourceSummary<'a>>, LedgerError> {
    let mut committer = Committer::open(plan, store).await?;
    let mut sources = open_sources(context, discovery, plan, &mut committer, store).await?;
    // Below a cost limit, each source must know what the ones before it have spent.
    let limit = if context.max_cost.is_some() { 1 } else { CONCURRENT_SOURCES_MAX };
    let mut summaries = Vec::new();
    while !sources.is_empty() {
        let group = sources.drain(..limit.min(sources.len())).collect();
        summaries.extend(fetch_side_by_side(context.progress, group, &mut committer, store).await?);
    }
    committer.finish(store).await?;
    Ok(summaries)
}

async fn open_sources<'a>(
    context: &'a FetchContext<'a>,
    discovery: &'a Discovery,
    plan: &'a FetchPlan,
    committer: &mut Committer,
    store: &mut LedgerStore,
) -> Result<Vec<OpenSource<'a>>, LedgerError> {
    let mut sources = Vec::new();
    if !plan.counts_files.is_empty() {
        let source = CountsFileSource::new(context, &plan.counts_files, store.counts_files().await?);
        sources.push(OpenSource::new(Box::new(source), info_span!(target: "slowburn::engine", "counts")));
    }
    // All folders are marked as not listed before any object is read: a gap in one source says nothing until then.
    let scan_lock = Arc::new(Mutex::new(()));
    for request in &plan.access_logs {
        let (source, location) = (&request.source, &request.location);
        let span = info_span!(target: "slowburn::engine", "access_logs", source, location);
        let is_only_source = plan.access_logs.len() == 1;
        let source = open_access_logs(context, request, is_only_source, Arc::clone(&scan_lock), store).await;
        sources.push(OpenSource::new(source, span));
    }
    for request in &plan.ranges {
        let kind = request.kind.yaml_key();
        let span = info_span!(target: "slowburn::engine", "ranges", source = request.source, kind);
        // The future of all that AWS may be asked is large.
        let opening = Box::pin(open_range_source(context, discovery, request, committer, store));
        sources.push(OpenSource::new(opening.instrument(span.clone()).await?, span));
    }
    Ok(sources)
}

/// Opens a source of access logs, and marks the folders that it has to list.
async fn open_access_logs<'a>(
    context: &'a FetchContext<'a>,
    request: &'a AccessLogRequest,
    is_only_source: bool,
    scan_lock: Arc<Mutex<()>>,
    store: &mut LedgerStore,
) -> BoxedSource<'a> {
    let location = match request.location.parse() {
        Ok(location) => location,
        Err(error) => {
            store.mark_unlisted(&request.source, request.folder_days());
            return Box::new(Diagnostics::from_warning(error));
        }
    };
    let root = LogRoot::open(&location, &request.access, context.max_cost).await;
    let known = store.listing_state(&request.source, &root.listing_key(&request.source));
    let source = AccessLogSource::new(context, request, root, known, is_only_source, scan_lock);
    store.mark_unlisted(&request.source, source.days_to_list());
    Box::new(source)
}

/// Opens a source that returns the counts of any span.
async fn open_range_source<'a>(
    context: &'a FetchContext<'a>,
    discovery: &'a Discovery,
    request: &'a RangeRequest,
    committer: &mut Committer,
    store: &mut LedgerStore,
) -> Result<BoxedSource<'a>, LedgerError> {
    let mut diagnostics = Diagnostics::default();
    if committer.discard_future(request, context.now, store).await? {
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
    let mut history = store.load(&LoadRequest::default()).await?;
    Ok(match &request.kind {
        SourceKind::CloudWatch { aws, account } => {
            load_traffic_history(request, &missing, &mut history, store).await?;
            let first_values =
                request.series.keys().map(|series| (series.clone(), store.first_values(series))).collect();
            let range_fetch = RangeFetch { context, request, missing, history, diagnostics };
            Box::new(CloudWatchMetrics::open(range_fetch, aws, account.as_deref(), discovery, first_values).await?)
        }
        SourceKind::Athena { aws, athena } => {
            let range_fetch = RangeFetch { context, request, missing, history, diagnostics };
            Box::new(AthenaTables::open(range_fetch, aws, athena, store.manifest.scanned_bytes_per_day.clone()).await)
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => Box::new(diagnostics),
    })
}

/// Loads the minutes that show whether a series had traffic before a missing range.
async fn load_traffic_history(
    request: &RangeRequest,
    missing: &[FetchRange],
    history: &mut Ledger,
    store: &LedgerStore,
) -> Result<(), LedgerError> {
    let mut minutes = BTreeSet::new();
    for FetchRange { span, series } in missing {
        let is_undecided = |series: &SeriesKey| history.had_traffic(series, span.start).is_err();
        if series.iter().filter(|series| request.series.contains_key(*series)).any(is_undecided) {
            minutes.extend(Partition::in_span(time::Span::new(span.start.day().start(), span.start)));
        }
    }
    Ok(store.load_more(history, &LoadRequest { minutes, ..LoadRequest::default() }).await?)
}

/// Asks each source for its next batch, commits all of them, and begins again until no source has any left.
pub(super) async fn fetch_side_by_side<'a>(
    report_progress: &dyn Fn(usize, usize),
    mut sources: Vec<OpenSource<'a>>,
    committer: &mut Committer,
    store: &mut LedgerStore,
) -> Result<Vec<SourceSummary<'a>>, LedgerError> {
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
