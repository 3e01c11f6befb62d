//! What every source of counts has in common: it is asked for one batch after another, and each batch is a value.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::access_logs::RecentLogs;
use super::athena::ScannedBytes;
use super::counts_file::PackedDay;
use crate::aws::Aws;
use crate::cost::{NanoDollars, Usage};
use crate::counts::{Counts, MinuteCount};
use crate::diagnostics::Diagnostics;
use crate::fetch_plan::{FetchRange, ImportedFile, ListingUpdate, RangeRequest};
use crate::ledger::{Ledger, ObjectRecord, Partition};
use crate::rational::Rational;
use crate::series::SeriesKey;
use crate::slo::Catalog;
use crate::time::{Day, Minute, Span};

/// What all sources of a run share.
pub struct FetchContext<'a> {
    pub catalog: &'a Catalog,
    /// The minute that is evaluated.
    pub at: Minute,
    /// The present: how finely CloudWatch still has the past depends on it.
    pub now: Minute,
    /// The folder of custom queries.
    pub queries: &'a Path,
    /// What all requests to AWS may cost by list price.
    pub max_cost: Option<NanoDollars>,
    /// Threads that read logs.
    pub threads: usize,
    /// Set when the run should keep what it has and end.
    pub stop: Arc<AtomicBool>,
    /// Called with the number of fetched steps, and of all.
    pub progress: &'a dyn Fn(usize, usize),
}

impl FetchContext<'_> {
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The share of a source's lines that may fail to parse.
    pub fn unparsed_limit(&self, source: &str) -> Rational {
        self.catalog.sources.get(source).map_or(Rational::from_integer(0), |source| source.unparsed_limit)
    }

    /// Whether what a source is about to be asked stays within the cost limit; the message if it does not.
    pub fn check_cost_limit(&self, source: &str, usage: &Usage) -> Result<(), String> {
        if Aws::is_within_cost_limit(self.max_cost, usage) {
            return Ok(());
        }
        let (price, used, limit) = (usage.price(), Aws::usage().price(), self.max_cost.unwrap_or_default());
        Err(format!(
            "skipped `{source}` to stay within `--max-cost`: spent {used} of {limit}, and {usage} would cost \
             {price}\nhint: raise `--max-cost`, fetch less often with a longer `every` for the source, or fetch fewer \
             days with `--days`"
        ))
    }
}

/// Where counts come from: access logs, CloudWatch, Athena or counts files.
#[async_trait(?Send)]
pub trait CountSource<'a> {
    /// Lists what the next batch is made from. Returns the partitions whose log objects it is compared with.
    async fn list_next(&mut self) -> BTreeSet<Partition> {
        BTreeSet::new()
    }

    /// The next batch, of a size that fits into memory; `None` when nothing is left. `ledger` holds the log objects of
    /// the listed partitions. What fails at the source is part of its summary.
    async fn fetch_next(&mut self, ledger: Ledger) -> Option<Fetched<'a>>;

    /// How many steps are done, of how many.
    fn progress(&self) -> (usize, usize);

    /// What was fetched, and what failed.
    fn finish(self: Box<Self>) -> SourceSummary<'a>;
}

/// What remains of a source after its last batch.
pub struct SourceSummary<'a> {
    pub diagnostics: Diagnostics,
    pub recent_logs: Option<RecentLogs<'a>>,
}

/// A source with nothing to fetch, and the reason.
#[async_trait(?Send)]
impl<'a> CountSource<'a> for Diagnostics {
    async fn fetch_next(&mut self, _: Ledger) -> Option<Fetched<'a>> {
        None
    }

    fn progress(&self) -> (usize, usize) {
        (0, 0)
    }

    fn finish(self: Box<Self>) -> SourceSummary<'a> {
        SourceSummary { diagnostics: *self, recent_logs: None }
    }
}

/// What is fetched from a source that answers with the counts of any span.
pub struct RangeFetch<'a> {
    pub context: &'a FetchContext<'a>,
    pub request: &'a RangeRequest,
    /// Newest first.
    pub missing: Vec<FetchRange>,
    /// The ledger before the run.
    pub history: Ledger,
    pub diagnostics: Diagnostics,
}

/// One batch of a source.
#[derive(Default)]
pub struct Fetched<'a> {
    /// Minutes that replace what the ledger holds.
    pub counts: PackedCounts,
    /// Spans whose other minutes are unknown from now on.
    pub replaced_spans: BTreeMap<SeriesKey, Vec<Span>>,
    pub objects: Option<FetchedObjects>,
    /// What completely answered which series.
    pub range: Option<AnsweredRange<'a>>,
    /// First values of metrics, by series.
    pub first_values: BTreeMap<SeriesKey, BTreeMap<String, Minute>>,
    pub listing: Option<ListingUpdate<'a>>,
    pub counts_files: Option<CountsFileStates>,
    pub scanned_bytes: Option<ScannedBytes>,
    /// It is published at once: a run that is killed must not pay for it again.
    pub is_paid: bool,
}

/// Counts by day, packed: a month of a fleet fits into memory.
pub type PackedCounts = BTreeMap<Day, Vec<(SeriesKey, PackedDay)>>;

pub fn pack_counts(counts: &Counts) -> PackedCounts {
    let mut packed = PackedCounts::new();
    for ((series, day), minutes) in counts {
        packed.entry(*day).or_default().push((series.clone(), PackedDay::pack(minutes)));
    }
    packed
}

/// Log objects that are added to the ledger.
pub struct FetchedObjects {
    /// The ledger that they were compared with.
    pub ledger: Ledger,
    pub records: Vec<ObjectRecord>,
    pub counts: BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
}

pub struct AnsweredRange<'a> {
    pub request: &'a RangeRequest,
    pub span: Span,
    pub series: Vec<SeriesKey>,
    /// The first minute at which silence counts as no traffic, for series without earlier traffic.
    pub first_known: BTreeMap<SeriesKey, Minute>,
}

/// Which counts files are in the ledger while the counts of others are merged, and thereafter.
pub struct CountsFileStates {
    pub while_merging: BTreeMap<SeriesKey, ImportedFile>,
    pub merged: BTreeMap<SeriesKey, ImportedFile>,
}
