//! Commits what sources fetched: the one place that merges counts into the ledger, marks what was fetched and stores
//! both.
//!
//! **Invariant:** nothing counts as fetched before its counts are stored. What a crash loses is fetched again.

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::counts::{Counts, DayCounts, MinuteCount};
use crate::fetch_plan::{
    FetchPlan, FetchRange, FetchedRange, ListingUpdate, RangeRequest, discard_future, invalidate, mark_fetched,
    missing_ranges,
};
use crate::ledger::{Ledger, MergeError, NotLoaded, ObjectCounts, ObjectRecord, Partition, UnlistedFolders};
use crate::queries::LedgerError;
use crate::series::SeriesKey;
use crate::slo::SourceKind;
use crate::source::counts_file::PackedDay;
use crate::source::{AnsweredRange, Fetched, FetchedObjects, PackedCounts};
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{Day, Minute, Span};

/// The name under which the minute of the first request of a tagged series is stored.
const FIRST_REQUEST_KEY: &str = "request";
/// No window is longer.
const LOOKBACK_DAYS: i32 = 400;

/// What all batches of a run share.
pub(super) struct Committer {
    fetched_ranges: BTreeMap<SeriesKey, FetchedRange>,
    /// Series of target groups by tags, of all access logs, with the end of their requests. Logs contain the names of
    /// target groups, and not what had the tags before discovery looked: silence before the first request is unknown.
    tagged_series: BTreeMap<SeriesKey, Minute>,
    unlisted_before: UnlistedFolders,
    /// Days with minutes that would be known but for a folder that was not listed.
    withheld_days: BTreeSet<Day>,
}

impl Committer {
    pub(super) async fn open(plan: &FetchPlan, store: &LedgerStore) -> Result<Self, LedgerError> {
        let has_ranges = !plan.ranges.is_empty();
        Ok(Self {
            fetched_ranges: if has_ranges { store.fetched_ranges().await? } else { BTreeMap::new() },
            tagged_series: plan
                .access_logs
                .iter()
                .flat_map(|request| request.tagged_series.iter().map(|series| (series.clone(), request.span.end)))
                .collect(),
            unlisted_before: store.manifest.unlisted.clone(),
            withheld_days: BTreeSet::new(),
        })
    }

    pub(super) fn missing_ranges(&self, request: &RangeRequest) -> Vec<FetchRange> {
        missing_ranges(request, &self.fetched_ranges)
    }

    pub(super) async fn commit(
        &mut self,
        mut fetched: Fetched<'_>,
        store: &mut LedgerStore,
    ) -> Result<(), LedgerError> {
        if let Some(listing) = fetched.listing {
            store_listing(listing, store);
        }
        if let Some(range) = &fetched.range {
            drop_before_first_request(range, &mut fetched.counts, store).await?;
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
        if let Some(scanned_bytes) = fetched.scanned_bytes {
            scanned_bytes.record_in(&mut store.manifest.scanned_bytes_per_day);
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
    ) -> Result<bool, LedgerError> {
        let discarded = discard_future(&mut self.fetched_ranges, request, now);
        if !discarded.is_empty() {
            store_counts(PackedCounts::new(), &discarded, store).await?;
            store.save_fetched_ranges(&self.fetched_ranges).await?;
        }
        Ok(!discarded.is_empty())
    }

    /// Decides again which minutes are known on days whose folders were listed only after they had been decided.
    pub(super) async fn finish(mut self, store: &mut LedgerStore) -> Result<(), LedgerError> {
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

    async fn merge_objects(&mut self, objects: FetchedObjects, store: &mut LedgerStore) -> Result<(), LedgerError> {
        let FetchedObjects { mut ledger, records, counts } = objects;
        for (series, end) in &self.tagged_series {
            let days = counts.iter().filter(|((one, _), _)| one == series);
            let found = first_minute_with_traffic(days.map(|((_, day), minutes)| (*day, minutes.iter().copied())));
            store_first_request(series, found, &ledger, *end, store);
        }
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
        // A series without any request is unknown for ever.
        let first_request =
            |series: &SeriesKey| store.first_values(series).get(FIRST_REQUEST_KEY).copied().unwrap_or(Minute(i32::MAX));
        let first_requests = self.tagged_series.keys().map(|series| (series.clone(), first_request(series))).collect();
        ObjectCounts { objects, counts, first_requests, recheck_days: BTreeSet::new() }
    }

    async fn mark_answered(&mut self, range: &AnsweredRange<'_>, store: &mut LedgerStore) -> Result<(), LedgerError> {
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
    ) -> Result<(), LedgerError> {
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

fn store_listing(listing: ListingUpdate<'_>, store: &mut LedgerStore) {
    let unlisted = &mut store.manifest.unlisted;
    for (day, failed_areas) in listing.listed_days {
        unlisted.remove(listing.source, day);
        for area in failed_areas {
            unlisted.insert(listing.source, day, &area);
        }
    }
    if let Some(saved) = listing.saved {
        let listed_days = &mut store.manifest.listed_days;
        listed_days.insert(saved.location.clone(), saved.days);
        // Days that no request reaches any more are left out.
        listed_days.retain(|_, days| !days.is_empty());
        store.manifest.listed_folders.extend(saved.folders.map(|folders| (saved.location, folders)));
    }
}

/// Removes counts of tagged series of Athena before their first request. Spans come newest first, so that what lies
/// before the first request of a span stays unknown unless an older one is already known.
async fn drop_before_first_request(
    range: &AnsweredRange<'_>,
    counts: &mut PackedCounts,
    store: &mut LedgerStore,
) -> Result<(), LedgerError> {
    let request = range.request;
    if request.tagged_series.is_empty() || !matches!(request.kind, SourceKind::Athena { .. }) {
        return Ok(());
    }
    let ledger = store.load(&LoadRequest::default()).await?;
    for series in &request.tagged_series {
        let mut days: Vec<(Day, &mut PackedDay, DayCounts)> = Vec::new();
        for (day, packed_counts) in counts.iter_mut() {
            for (_, packed) in packed_counts.iter_mut().filter(|(one, _)| one == series) {
                let minutes = packed.unpack();
                days.push((*day, packed, minutes));
            }
        }
        let minutes =
            days.iter().map(|(day, _, minutes)| (*day, minutes.0.iter().map(|count| count.unwrap_or_default())));
        let found = first_minute_with_traffic(minutes);
        let first = store_first_request(series, found, &ledger, request.end, store);
        for (day, packed, minutes) in &mut days {
            let dropped = first.map_or(i32::MAX, |first| first.0.saturating_sub(day.start().0));
            minutes.0.iter_mut().take(usize::try_from(dropped).unwrap_or(0)).for_each(|count| *count = None);
            **packed = PackedDay::pack(minutes);
        }
    }
    Ok(())
}

fn first_minute_with_traffic<M: Iterator<Item = MinuteCount>>(
    mut days: impl Iterator<Item = (Day, M)>,
) -> Option<Minute> {
    days.find_map(|(day, mut minutes)| {
        let slot = minutes.position(|count| count.total > 0)?;
        Some(day.start().plus(i32::try_from(slot).ok()?))
    })
}

/// Stores and returns the first request of a series before a minute: what was found now, or is known.
fn store_first_request(
    series: &SeriesKey,
    found: Option<Minute>,
    ledger: &Ledger,
    end: Minute,
    store: &mut LedgerStore,
) -> Option<Minute> {
    // An older ledger has not stored it, and has its day.
    let mut days = (0..=LOOKBACK_DAYS).rev().map(|back| end.day().plus(-back));
    let first_ledger_day = || days.find(|day| ledger.day_sums(series, *day).total > 0).map(Day::start);
    let known = store.first_values(series).get(FIRST_REQUEST_KEY).copied().or_else(first_ledger_day);
    let first = found.into_iter().chain(known).min()?;
    store
        .add_first_values(&BTreeMap::from([(series.clone(), BTreeMap::from([(FIRST_REQUEST_KEY.to_owned(), first)]))]));
    Some(first)
}

/// Stores counts and clears the other minutes of replaced spans, a day at a time: a fleet's past is larger than memory.
async fn store_counts(
    mut counts: PackedCounts,
    replaced_spans: &BTreeMap<SeriesKey, Vec<Span>>,
    store: &mut LedgerStore,
) -> Result<(), LedgerError> {
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
) -> Result<BTreeSet<Day>, LedgerError> {
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
