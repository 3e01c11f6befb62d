//! Commits what sources fetched: the one place that merges counts into the ledger, marks what was fetched and stores
//! both.
//!
//! **Invariant:** nothing counts as fetched before its counts are stored. What a crash loses is fetched again.

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::EngineError;
use super::count_source::{AnsweredRange, Fetched, FetchedObjects, PackedCounts, ScannedBytes, is_scan_key_of};
use super::first_request::first_requests;
use crate::counts::{Counts, MinuteCount};
use crate::fetch_plan::{
    FetchPlan, FetchRange, FetchedRange, RangeRequest, discard_future, invalidate, mark_fetched, missing_ranges,
};
use crate::ledger::{Ledger, MergeError, NotLoaded, ObjectCounts, ObjectRecord, Partition, UnlistedFolders};
use crate::series::SeriesKey;
use crate::source::counts_file::PackedDay;
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{Day, Minute, Span};

/// What all batches of a run share.
pub(super) struct Committer {
    fetched_ranges: BTreeMap<SeriesKey, FetchedRange>,
    /// Series of target groups by tags, of all access logs.
    tagged_series: BTreeSet<SeriesKey>,
    unlisted_before: UnlistedFolders,
    /// Days with minutes that would be known but for a folder that was not listed.
    withheld_days: BTreeSet<Day>,
}

impl Committer {
    pub(super) async fn open(plan: &FetchPlan, store: &LedgerStore) -> Result<Self, EngineError> {
        let has_ranges = !plan.ranges.is_empty();
        Ok(Self {
            fetched_ranges: if has_ranges { store.fetched_ranges().await? } else { BTreeMap::new() },
            tagged_series: plan.access_logs.iter().flat_map(|request| request.tagged_series.iter().cloned()).collect(),
            unlisted_before: store.manifest.unlisted.clone(),
            withheld_days: BTreeSet::new(),
        })
    }

    pub(super) fn missing_ranges(&self, request: &RangeRequest) -> Vec<FetchRange> {
        missing_ranges(request, &self.fetched_ranges)
    }

    pub(super) async fn commit(&mut self, fetched: Fetched<'_>, store: &mut LedgerStore) -> Result<(), EngineError> {
        if let Some(listing) = fetched.listing {
            listing.apply(store);
        }
        store.add_first_values(&fetched.first_values);
        if let Some(files) = &fetched.counts_files {
            // If the run ends early, no file counts as read of which only some days are in the ledger.
            store.save_counts_files(&files.while_merging).await?;
        }
        store_counts(fetched.counts, &fetched.replaced_spans, store).await?;
        if let Some(objects) = fetched.objects {
            self.merge_objects(objects, store).await?;
        }
        if let Some(files) = &fetched.counts_files {
            store.save_counts_files(&files.merged).await?;
        }
        if let Some(range) = fetched.range {
            self.mark_answered(&range, store).await?;
        }
        if let Some(ScannedBytes { target_key, scan_key, day_bytes }) = fetched.scanned_bytes {
            let scanned = &mut store.manifest.scanned_bytes_per_day;
            // What an earlier text of a query scanned says nothing of this one.
            scanned.retain(|known_key, _| !is_scan_key_of(known_key, &target_key));
            scanned.insert(scan_key, day_bytes);
        }
        if fetched.is_paid {
            store.publish().await?;
        }
        Ok(())
    }

    /// Discards what an earlier run recorded for minutes after `now`. Returns whether there was anything.
    pub(super) async fn discard_future(
        &mut self,
        request: &RangeRequest,
        now: Minute,
        store: &mut LedgerStore,
    ) -> Result<bool, EngineError> {
        let discarded = discard_future(&mut self.fetched_ranges, request, now);
        if !discarded.is_empty() {
            store_counts(PackedCounts::new(), &discarded, store).await?;
            store.save_fetched_ranges(&self.fetched_ranges).await?;
        }
        Ok(!discarded.is_empty())
    }

    /// Decides again which minutes are known on days whose folders were listed only after they had been decided.
    pub(super) async fn finish(mut self, store: &mut LedgerStore) -> Result<(), EngineError> {
        let mut recheck_days = std::mem::take(&mut self.withheld_days);
        for (source, unlisted) in &self.unlisted_before.0 {
            let listed = unlisted.keys().filter(|day| !store.manifest.unlisted.contains(source, **day));
            // The last minutes of a day lie in the folder of the next one.
            recheck_days.extend(listed.flat_map(|day| [day.plus(-1), *day]));
        }
        if !recheck_days.is_empty() {
            let mut ledger = store.load(&LoadRequest::default()).await?;
            let objects = ObjectCounts { recheck_days, ..self.object_counts(Vec::new(), BTreeMap::new(), store) };
            merge_object_counts(&mut ledger, &objects, store).await?;
        }
        Ok(())
    }

    async fn merge_objects(&mut self, objects: FetchedObjects, store: &mut LedgerStore) -> Result<(), EngineError> {
        let FetchedObjects { mut ledger, records, counts } = objects;
        if store.is_current(&ledger) {
            ledger.unlisted = store.manifest.unlisted.clone();
        } else {
            // Another source of the round has added objects since.
            let partitions = records.iter().map(ObjectRecord::partition).collect();
            ledger = store.load(&LoadRequest { objects: partitions, ..LoadRequest::default() }).await?;
        }
        let object_counts = self.object_counts(records, counts, store);
        self.withheld_days.extend(merge_object_counts(&mut ledger, &object_counts, store).await?);
        Ok(())
    }

    fn object_counts(
        &self,
        objects: Vec<ObjectRecord>,
        counts: BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
        store: &LedgerStore,
    ) -> ObjectCounts {
        let first_requests = first_requests(&self.tagged_series, store);
        ObjectCounts { objects, counts, first_requests, recheck_days: BTreeSet::new() }
    }

    async fn mark_answered(&mut self, range: &AnsweredRange<'_>, store: &mut LedgerStore) -> Result<(), EngineError> {
        for series in &range.series {
            mark_fetched(&mut self.fetched_ranges, range.request, series, range.span);
        }
        self.invalidate_later_gaps(range, store).await?;
        Ok(store.save_fetched_ranges(&self.fetched_ranges).await?)
    }

    /// Where a series turns out to have had traffic before all that was fetched of it, silence after the span was no
    /// traffic: the next run fetches it again.
    async fn invalidate_later_gaps(
        &mut self,
        range: &AnsweredRange<'_>,
        store: &LedgerStore,
    ) -> Result<(), EngineError> {
        let span = range.span;
        let is_older = |series: &&SeriesKey| {
            let is_first_in_span = range.first_known.get(*series).is_some_and(|first| span.contains(*first));
            let marked = self.fetched_ranges.get(*series);
            is_first_in_span && marked.is_some_and(|marked| marked.from <= span.start && marked.end > span.end)
        };
        let older: Vec<&SeriesKey> = range.series.iter().filter(is_older).collect();
        if older.is_empty() {
            return Ok(());
        }
        let next_minute = Span::new(span.end, span.end.plus(1));
        let minutes = Partition::in_span(next_minute).collect();
        let ledger = store.load(&LoadRequest { minutes, ..LoadRequest::default() }).await?;
        for series in older {
            if ledger.sums(series, next_minute)?.known == 0 {
                invalidate(&mut self.fetched_ranges, series, span.end);
            }
        }
        Ok(())
    }
}

/// Stores counts and clears the other minutes of replaced spans, a day at a time: a fleet's past is larger than memory.
async fn store_counts(
    mut counts: PackedCounts,
    replaced_spans: &BTreeMap<SeriesKey, Vec<Span>>,
    store: &mut LedgerStore,
) -> Result<(), EngineError> {
    for day in replaced_spans.values().flatten().flat_map(|span| span.days()) {
        counts.entry(day).or_default();
    }
    while let Some((day, packed)) = counts.pop_first() {
        let unpack = |(series, packed): (SeriesKey, PackedDay)| ((series, day), packed.unpack());
        let day_counts: Counts = packed.into_par_iter().map(unpack).collect();
        let clip_to_day = |(series, spans): (&SeriesKey, &Vec<Span>)| {
            let spans = spans.iter().map(|span| span.intersect(day.span())).filter(|span| !span.is_empty());
            (series.clone(), spans.collect())
        };
        let replaced: BTreeMap<SeriesKey, Vec<Span>> = replaced_spans.iter().map(clip_to_day).collect();
        let spans: BTreeSet<Span> = replaced.values().flatten().copied().collect();
        let has_changes = |part: &Partition| {
            let is_replaced = spans.iter().any(|span| !span.intersect(part.span()).is_empty());
            is_replaced || day_counts.values().any(|counts| counts.0[part.slots()].iter().any(Option::is_some))
        };
        let minutes = Partition::in_day(day).filter(has_changes).collect();
        let mut ledger = store.load(&LoadRequest { minutes, ..LoadRequest::default() }).await?;
        ledger.replace_counts(&day_counts, &replaced)?;
        store.commit(&mut ledger).await?;
    }
    Ok(())
}

/// Adds objects to the days they touch, with as many neighbours as coverage looks at. Returns the days of which some
/// minutes are withheld because a folder was not listed.
async fn merge_object_counts(
    ledger: &mut Ledger,
    objects: &ObjectCounts,
    store: &mut LedgerStore,
) -> Result<BTreeSet<Day>, EngineError> {
    let touched: BTreeSet<Day> =
        objects.objects.iter().map(ObjectRecord::day).chain(objects.recheck_days.iter().copied()).collect();
    let within = |distance: i32| {
        let days = touched.iter().flat_map(move |day| (-distance..=distance).map(|near| day.plus(near)));
        days.flat_map(Partition::in_day).collect::<BTreeSet<Partition>>()
    };
    let mut request =
        LoadRequest { minutes: objects.partitions(), delivered_intervals: within(2), ..LoadRequest::default() };
    request.partial_sums.known_partitions = within(1);
    store.load_more(ledger, &request).await?;
    let withheld_days = match ledger.merge_objects(objects) {
        // Coverage rarely changes beyond the partitions of the objects: where a gap closes, or at the end of one.
        Err(MergeError::NotLoaded(NotLoaded(minutes))) => {
            store.load_more(ledger, &LoadRequest { minutes, ..LoadRequest::default() }).await?;
            ledger.merge_objects(objects)?
        }
        merged => merged?,
    };
    store.commit(ledger).await?;
    Ok(withheld_days)
}
