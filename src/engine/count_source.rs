//! What every source of counts has in common: it is asked for one batch after another, and each batch is a value.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::contributors::RecentLogs;
use super::listing_plan::ListingUpdate;
use super::{EngineError, RunOptions};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::counts::{Counts, MinuteCount};
use crate::fetch_plan::{ImportedFile, RangeRequest};
use crate::ledger::{Ledger, ObjectRecord};
use crate::outcome::Diagnostics;
use crate::series::SeriesKey;
use crate::source::counts_file::PackedDay;
use crate::store::LedgerStore;
use crate::time::{Day, Minute, Span};

/// Hexadecimal digits of the hash of a query's text.
const QUERY_HASH_LENGTH: usize = 32;

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
pub(super) struct SourceSummary<'a> {
    pub(super) diagnostics: Diagnostics,
    pub(super) recent_logs: Option<RecentLogs<'a>>,
}

/// A source with nothing to fetch, and the reason.
#[async_trait(?Send)]
impl<'a> CountSource<'a> for Diagnostics {
    async fn fetch_next(&mut self, _: &LedgerStore) -> Result<Option<Fetched<'a>>, EngineError> {
        Ok(None)
    }

    fn progress(&self) -> (usize, usize) {
        (0, 0)
    }

    fn finish(self: Box<Self>) -> SourceSummary<'a> {
        SourceSummary { diagnostics: *self, recent_logs: None }
    }
}

/// One batch of a source.
#[derive(Default)]
pub(super) struct Fetched<'a> {
    /// Minutes that replace what the ledger holds.
    pub(super) counts: PackedCounts,
    /// Spans whose other minutes are unknown from now on.
    pub(super) replaced_spans: BTreeMap<SeriesKey, Vec<Span>>,
    pub(super) objects: Option<FetchedObjects>,
    /// What completely answered which series.
    pub(super) range: Option<AnsweredRange<'a>>,
    /// First values of metrics, and first requests, by series.
    pub(super) first_values: BTreeMap<SeriesKey, BTreeMap<String, Minute>>,
    pub(super) listing: Option<ListingUpdate<'a>>,
    pub(super) counts_files: Option<CountsFileStates>,
    pub(super) scanned_bytes: Option<ScannedBytes>,
    /// It is published at once: a run that is killed must not pay for it again.
    pub(super) is_paid: bool,
}

/// Counts by day, packed: a month of a fleet fits into memory.
pub(super) type PackedCounts = BTreeMap<Day, Vec<(SeriesKey, PackedDay)>>;

pub(super) fn pack_counts(counts: &Counts) -> PackedCounts {
    let mut packed = PackedCounts::new();
    for ((series, day), minutes) in counts {
        packed.entry(*day).or_default().push((series.clone(), PackedDay::pack(minutes)));
    }
    packed
}

/// Log objects that are added to the ledger.
pub(super) struct FetchedObjects {
    /// The ledger that they were compared with.
    pub(super) ledger: Ledger,
    pub(super) records: Vec<ObjectRecord>,
    pub(super) counts: BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
}

pub(super) struct AnsweredRange<'a> {
    pub(super) request: &'a RangeRequest,
    pub(super) span: Span,
    pub(super) series: Vec<SeriesKey>,
    /// The first minute at which silence counts as no traffic, for series without earlier traffic.
    pub(super) first_known: BTreeMap<SeriesKey, Minute>,
}

/// Which counts files are in the ledger while the counts of others are merged, and thereafter.
pub(super) struct CountsFileStates {
    pub(super) while_merging: BTreeMap<SeriesKey, ImportedFile>,
    pub(super) merged: BTreeMap<SeriesKey, ImportedFile>,
}

/// Bytes that a day of an Athena table or query scans.
pub(super) struct ScannedBytes {
    pub(super) target_key: String,
    /// The target, and the hash of its text if it is a custom query.
    pub(super) scan_key: String,
    pub(super) day_bytes: u64,
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

/// Whether a stored scan size is one of a target, whatever the text of its query was.
pub(super) fn is_scan_key_of(scan_key: &str, target_key: &str) -> bool {
    let suffix = scan_key.strip_prefix(target_key).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
    suffix.is_some_and(|query_hash| {
        query_hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && [0, QUERY_HASH_LENGTH].contains(&query_hash.len())
    })
}

/// The source, and the table or file, of a stored scan size.
pub(super) fn split_scan_key(scan_key: &str) -> Option<(String, String)> {
    let (source, target) = scan_key.split_once(' ')?;
    let target = target
        .rsplit_once(' ')
        .filter(|(part, _)| is_scan_key_of(scan_key, &format!("{source} {part}")))
        .map_or(target, |(part, _)| part);
    Some((source.to_owned(), target.to_owned()))
}
