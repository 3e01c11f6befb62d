//! The stretch of the line that access logs walk: listed, compared with the ledger, read, absorbed, kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::block_in_place;

use super::contributors::RecentLogs;
use super::first_request::{first_requests, record_first_requests};
use super::listing_plan::{ListingPlan, mark_listed};
use super::{EngineError, RunOptions, unparsed_limit};
use crate::access_log::object_key::object_identity;
use crate::access_log::router::SeriesRouter;
use crate::aws::Aws;
use crate::cost::Usage;
use crate::fetch_plan::AccessLogRequest;
use crate::ledger::{Ledger, ListedObject, MergeError, NotLoaded, ObjectCounts, ObjectRecord, filing_partition};
use crate::outcome::{AccessLogSummary, Diagnostics};
use crate::series::SeriesKey;
use crate::source::access_logs::{self, Batch, LogFile, LogRoot, LogTree, ScanResult};
use crate::store::{LedgerStore, LoadRequest};
use crate::time::Day;

/// What all sources of access logs share in a run.
pub(super) struct AccessLogContext<'a> {
    /// Series of target groups by tags.
    pub(super) tagged_series: &'a BTreeSet<SeriesKey>,
    /// Days of which minutes would be known but for a folder that was not listed when it was decided.
    pub(super) withheld_days: BTreeSet<Day>,
}

/// One source of access logs, a day of delivery at a time, so that memory and what a crash can lose stay bounded. Gives
/// what it saw of the newest hour.
pub(super) async fn read_access_logs<'q>(
    options: &RunOptions<'_>,
    mut plan: ListingPlan<'q>,
    context: &mut AccessLogContext<'_>,
    store: &mut LedgerStore,
    diagnostics: &mut Diagnostics,
) -> Result<Option<RecentLogs<'q>>, EngineError> {
    let request = plan.request;
    let mut tree = match plan.open_tree(store).await {
        Ok(tree) => tree,
        Err(error) => {
            diagnostics.warnings.push(error);
            return Ok(None);
        }
    };
    mark_listed(request, &tree, None, store);
    let mut summary = AccessLogSummary::new(matches!(tree.root(), LogRoot::Bucket(_)));
    let mut recent = RecentLogs::new(request, tree.root().clone());
    let days = tree.days();
    // By balancers with their ids: a name may stand for several.
    let mut series_by_load_balancer: BTreeMap<String, BTreeSet<SeriesKey>> = BTreeMap::new();
    for (done, day) in days.iter().enumerate() {
        (options.progress)(done, days.len());
        if plan.try_skip(store, *day) {
            continue;
        }
        let Some(objects) = list_within_limit(options, &mut tree, *day).await else {
            summary.add_skipped(0, days.len() - done);
            plan.restore_unlisted(store, days.get(done..).unwrap_or_default());
            break;
        };
        mark_listed(request, &tree, Some(*day), store);
        for object in &objects {
            if !series_by_load_balancer.contains_key(&*object.load_balancer) {
                series_by_load_balancer
                    .insert(object.load_balancer.to_string(), request.series_for(&object.load_balancer));
            }
        }
        let is_wanted = |object: &&LogFile| {
            series_by_load_balancer.get(&*object.load_balancer).is_some_and(|series| !series.is_empty())
        };
        let listed = ListedObjects::deduplicate(objects.iter().filter(is_wanted));
        recent.add_recent(options, &listed.objects);
        let reader = DayReader {
            options: options,
            request,
            series_by_load_balancer: &series_by_load_balancer,
            root: tree.root(),
            listed: &listed,
        };
        if reader.read(context, store, &mut summary).await? {
            plan.relist(*day);
        }
        if options.stop.load(Ordering::Relaxed) {
            diagnostics.warnings.push("stopped before all logs were read\nhint: run again to read the rest".to_owned());
            break;
        }
    }
    let is_complete = !options.stop.load(Ordering::Relaxed) && tree.unreadable.is_empty();
    diagnostics.add_listing(request, &tree, is_complete && plan.is_complete() && !summary.has_skipped());
    if is_complete {
        plan.save(tree.parent_folders, store);
    }
    summary.report_skipped(&request.source, (Aws::usage().price(), options.max_cost.unwrap_or_default()), diagnostics);
    summary.report(unparsed_limit(options.catalog, &request.source), diagnostics);
    Ok(Some(recent))
}

/// The objects of a day, unless to list them would cost more than the run may: half a listing would look like silence.
async fn list_within_limit(options: &RunOptions<'_>, tree: &mut LogTree, day: Day) -> Option<Vec<LogFile>> {
    let is_within_limit = |pages: usize| {
        Aws::is_within_cost_limit(options.max_cost, &Usage { s3_writes: pages as u64, ..Usage::default() })
    };
    if matches!(tree.root(), LogRoot::Directory(_)) {
        return Some(tree.list_objects(day).await);
    }
    if !is_within_limit(tree.folder_count(day)) {
        return None;
    }
    let unreadable_before = tree.unreadable.len();
    let objects = tree.list_objects(day).await;
    if tree.unreadable.len() > unreadable_before && !is_within_limit(1) {
        tree.unreadable.truncate(unreadable_before);
        return None;
    }
    Some(objects)
}

/// The objects of a day of delivery, each once.
struct ListedObjects<'l> {
    /// The copy of each that is read.
    objects: Vec<&'l LogFile>,
    /// Other copies, by identity: packed and unpacked, or of two folders. They are read where the first one is faulty.
    copies: BTreeMap<&'l str, Vec<&'l LogFile>>,
}

impl<'l> ListedObjects<'l> {
    fn deduplicate(found: impl Iterator<Item = &'l LogFile>) -> Self {
        let mut listed = Self { objects: Vec::new(), copies: BTreeMap::new() };
        let mut indices: BTreeMap<&str, usize> = BTreeMap::new();
        for file in found {
            match indices.get(object_identity(&file.key)).and_then(|index| listed.objects.get_mut(*index)) {
                None => {
                    indices.insert(object_identity(&file.key), listed.objects.len());
                    listed.objects.push(file);
                }
                // A file without a byte has nothing to say beside one with some.
                Some(kept) if kept.size == 0 && file.size > 0 => *kept = file,
                Some(_) if file.size == 0 => {}
                // Only of a packed file it can be told whether it is whole.
                Some(kept) if !is_packed(kept) && is_packed(file) => {
                    let uncompressed = std::mem::replace(kept, file);
                    listed.copies.entry(object_identity(&file.key)).or_default().push(uncompressed);
                }
                Some(_) => listed.copies.entry(object_identity(&file.key)).or_default().push(file),
            }
        }
        listed
    }
}

fn is_packed(file: &LogFile) -> bool {
    Path::new(&*file.key).extension().is_some_and(|extension| extension == "gz")
}

/// Objects by identity, each with the series that it was not counted for yet.
type UncountedObjects<'l> = BTreeMap<&'l str, (&'l LogFile, Arc<BTreeSet<SeriesKey>>)>;

/// One day of delivery of one source.
struct DayReader<'d> {
    options: &'d RunOptions<'d>,
    request: &'d AccessLogRequest,
    series_by_load_balancer: &'d BTreeMap<String, BTreeSet<SeriesKey>>,
    root: &'d LogRoot,
    listed: &'d ListedObjects<'d>,
}

impl DayReader<'_> {
    /// What is new of a day is read, absorbed and kept. Tells whether any of it could not be read.
    async fn read(
        &self,
        context: &mut AccessLogContext<'_>,
        store: &mut LedgerStore,
        summary: &mut AccessLogSummary,
    ) -> Result<bool, EngineError> {
        let objects: Vec<ListedObject<'_>> =
            self.listed.objects.iter().map(|object| to_listed_object(object)).collect();
        let partitions = objects.iter().map(|object| filing_partition(object.interval)).collect();
        let mut ledger = store.load(&LoadRequest { objects: partitions, ..LoadRequest::default() }).await?;
        self.compare_changed(&ledger.resized_objects(&objects), summary);
        let mut uncounted: UncountedObjects<'_> = ledger
            .unread_objects(&objects, self.series_by_load_balancer)
            .into_iter()
            .filter_map(|(index, series)| Some((objects.get(index)?.key, (*self.listed.objects.get(index)?, series))))
            .collect();
        if uncounted.is_empty() {
            return Ok(false);
        }
        let all_uncounted = uncounted.clone();
        uncounted.retain(|_, (object, _)| !object.is_pending);
        summary.add_pending(all_uncounted.values().map(|(object, _)| *object).filter(|object| object.is_pending));
        let skipped = drop_unaffordable(self.options, self.root, &mut uncounted);
        summary.add_skipped(skipped, 0);
        let scanned = self.scan(&uncounted, summary);
        let limit = unparsed_limit(self.options.catalog, &self.request.source);
        summary.add_scan(&scanned, limit);
        let mut records: BTreeMap<&str, ObjectRecord> = BTreeMap::new();
        for result in &scanned.read {
            let Some((key, (object, series))) = all_uncounted.get_key_value(object_identity(&result.key)) else {
                continue;
            };
            // A log of nothing but strange lines is as good as one that cannot be read.
            let (counted, unread) = if result.has_only_unparsed_lines(limit) {
                (Arc::default(), Arc::clone(series))
            } else {
                (Arc::clone(series), Arc::default())
            };
            let record = ObjectRecord {
                size: result.size,
                lines: result.lines,
                unparsed: result.unparsed,
                ..uncounted_record(object)
            };
            records.insert(key, ObjectRecord { counted, uncounted: unread, ..record });
        }
        // An object that is there and was not read is recorded too: what it would have said is unknown, and not
        // silence.
        let is_whole = records.len() == all_uncounted.len();
        for (key, (object, series)) in &all_uncounted {
            let uncounted_record = || ObjectRecord { uncounted: Arc::clone(series), ..uncounted_record(object) };
            records.entry(*key).or_insert_with(uncounted_record);
        }
        record_first_requests(self.request, &ledger, &scanned.counts, store);
        let (objects, counts) = (records.into_values().collect(), scanned.counts);
        let first_minutes = first_requests(context.tagged_series, store);
        let object_counts =
            ObjectCounts { objects, counts, first_requests: first_minutes, recheck_days: BTreeSet::new() };
        context.withheld_days.extend(merge_objects(store, &mut ledger, &object_counts).await?);
        Ok(!is_whole)
    }

    /// Counts objects. Where one is faulty and there is another copy of it, that one is read.
    fn scan(&self, uncounted: &UncountedObjects<'_>, summary: &mut AccessLogSummary) -> ScanResult {
        let mut scanned = self.scan_batch(uncounted);
        let mut copies = self.listed.copies.clone();
        loop {
            let mut retried: UncountedObjects<'_> = BTreeMap::new();
            for faulty in &scanned.failed {
                let Some((key, (_, series))) = uncounted.get_key_value(object_identity(&faulty.key)) else { continue };
                if let Some(copy) = copies.get_mut(key).and_then(Vec::pop) {
                    summary.add_fallback_copy(faulty, copy);
                    retried.insert(*key, (copy, Arc::clone(series)));
                }
            }
            if retried.is_empty() || scanned.is_cancelled {
                return scanned;
            }
            scanned.failed.retain(|faulty| !retried.contains_key(object_identity(&faulty.key)));
            scanned.merge(self.scan_batch(&retried));
        }
    }

    fn scan_batch(&self, uncounted: &UncountedObjects<'_>) -> ScanResult {
        let mut files: BTreeMap<(&str, &BTreeSet<SeriesKey>), Vec<LogFile>> = BTreeMap::new();
        // Neighbours mostly share one set, and to compare all series for every object would cost more than to count it.
        let objects: Vec<_> = uncounted.values().collect();
        for same_load_balancer in objects.chunk_by(|(one, _), (other, _)| one.load_balancer == other.load_balancer) {
            for same_series in same_load_balancer.chunk_by(|(_, one), (_, other)| Arc::ptr_eq(one, other)) {
                let Some((object, series)) = same_series.first() else { continue };
                let same = files.entry((&object.load_balancer, series)).or_default();
                same.extend(same_series.iter().map(|(object, _)| (*object).clone()));
            }
        }
        let routed: Vec<(SeriesRouter, Vec<LogFile>)> = files
            .into_iter()
            .map(|((balancer, series), files)| {
                let requests = series.iter().filter_map(|series| {
                    let (traffic, measure) = self.request.rules.get(series)?;
                    Some((series.clone(), (traffic, measure)))
                });
                (SeriesRouter::from_series(balancer, requests), files)
            })
            .collect();
        let batches: Vec<Batch<'_>> =
            routed.iter().map(|(routes, files)| Batch { objects: files, router: routes }).collect();
        block_in_place(|| access_logs::scan(self.root, &batches, self.options.threads, &self.options.stop))
    }

    /// Objects that had another size when they were counted are read once more, without being counted, to see whether
    /// their lines are the same.
    fn compare_changed(&self, changed: &[&ObjectRecord], summary: &mut AccessLogSummary) {
        let previous_records: BTreeMap<&str, &ObjectRecord> =
            changed.iter().map(|record| (&*record.key, *record)).collect();
        // Another copy of it may be the one that was counted.
        let has_counted_copy = |key: &str, size: u64| {
            self.listed.copies.get(key).is_some_and(|copies| copies.iter().any(|copy| copy.size == size))
        };
        let to_compare = self.listed.objects.iter().filter(|object| {
            let key = object_identity(&object.key);
            previous_records.get(key).is_some_and(|record| !has_counted_copy(key, record.size))
        });
        let mut to_compare: BTreeMap<&str, (&LogFile, ())> =
            to_compare.map(|object| (&*object.key, (*object, ()))).collect();
        // What the run cannot afford is compared by a later one.
        drop_unaffordable(self.options, self.root, &mut to_compare);
        let mut files: Vec<LogFile> = to_compare.into_values().map(|(object, ())| object.clone()).collect();
        files.sort_by(|one, other| one.load_balancer.cmp(&other.load_balancer));
        if files.is_empty() {
            return;
        }
        let balancers = files.chunk_by(|a, b| a.load_balancer == b.load_balancer);
        let routed: Vec<(SeriesRouter, &[LogFile])> = balancers
            .map(|files| (SeriesRouter::new(files.first().map_or("", |file| &file.load_balancer), []), files))
            .collect();
        let batches: Vec<Batch<'_>> =
            routed.iter().map(|(routes, objects)| Batch { objects, router: routes }).collect();
        let scanned =
            block_in_place(|| access_logs::scan(self.root, &batches, self.options.threads, &self.options.stop));
        let record = |key: &str| previous_records.get(object_identity(key)).copied();
        summary.add_comparison(&scanned, record);
    }
}

/// Decides anew which minutes of some days are known: folders were listed that had not been when that was decided last.
pub(super) async fn reevaluate_coverage(
    tagged_series: &BTreeSet<SeriesKey>,
    days: BTreeSet<Day>,
    store: &mut LedgerStore,
) -> Result<(), EngineError> {
    let mut ledger = store.load(&LoadRequest::default()).await?;
    let first_minutes = first_requests(tagged_series, store);
    let object_counts = ObjectCounts { first_requests: first_minutes, recheck_days: days, ..ObjectCounts::default() };
    merge_objects(store, &mut ledger, &object_counts).await?;
    Ok(())
}

/// Takes out the objects that would cost more than the run may; tells how many.
fn drop_unaffordable<T>(
    options: &RunOptions<'_>,
    root: &LogRoot,
    objects: &mut BTreeMap<&str, (&LogFile, T)>,
) -> usize {
    let (mut read_count, object_count) = (0, objects.len());
    objects.retain(|_, (object, _)| {
        let new_read_count = read_count + root.request_count(object.size);
        let is_within_limit =
            Aws::is_within_cost_limit(options.max_cost, &Usage { s3_reads: new_read_count, ..Usage::default() });
        read_count = if is_within_limit { new_read_count } else { read_count };
        is_within_limit
    });
    object_count - objects.len()
}

/// Adds an answer to the days it touches, with as many neighbours as coverage looks at. Gives the days of which some
/// minutes are held back because a folder was not listed.
async fn merge_objects(
    store: &mut LedgerStore,
    ledger: &mut Ledger,
    object_counts: &ObjectCounts,
) -> Result<BTreeSet<Day>, EngineError> {
    let days_within = |distance: i32| {
        let days =
            object_counts.objects.iter().map(ObjectRecord::day).chain(object_counts.recheck_days.iter().copied());
        days.flat_map(move |day| (-distance..=distance).map(move |near| day.plus(near))).collect::<BTreeSet<Day>>()
    };
    let mut load_request = LoadRequest::for_days([], days_within(2));
    load_request.delivered_intervals = std::mem::take(&mut load_request.objects);
    load_request.partial_sums.known_partitions = LoadRequest::for_days(days_within(1), []).minutes;
    load_request.minutes = object_counts.partitions();
    store.load_more(ledger, &load_request).await?;
    // That more minutes are decided anew than those of the answer is rare: where a gap closes, or at the end of a part.
    let withheld_days = match ledger.merge_objects(object_counts) {
        Err(MergeError::NotLoaded(NotLoaded(minutes))) => {
            store.load_more(ledger, &LoadRequest { minutes, ..LoadRequest::default() }).await?;
            ledger.merge_objects(object_counts)?
        }
        absorbed => absorbed?,
    };
    store.commit(ledger).await?;
    Ok(withheld_days)
}

/// A listed object as the ledger asks for it.
fn to_listed_object(file: &LogFile) -> ListedObject<'_> {
    let LogFile { key, size, load_balancer, interval, .. } = file;
    ListedObject { key: object_identity(key), size: *size, load_balancer, interval: *interval }
}

/// A listed object before anything was counted in it.
fn uncounted_record(file: &LogFile) -> ObjectRecord {
    ObjectRecord {
        key: object_identity(&file.key).to_owned(),
        size: file.size,
        lines: 0,
        unparsed: 0,
        load_balancer: Arc::clone(&file.load_balancer),
        interval: file.interval,
        counted: Arc::default(),
        uncounted: Arc::default(),
    }
}
