//! Reads access logs, a day of delivery at a time: lists the objects, compares them with the ledger, and counts the
//! lines of those that are new.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::resume_unwind;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::contributors::{RECENT_MINUTES, RecentLogs};
use super::listed_objects::ListedObjects;
use super::listing_plan::ListingPlan;
use super::summary::{AccessLogSummary, listing_diagnostics};
use super::{Batch, LogFile, LogRoot, LogTree, ObjectRead, ScanResult, scan};
use crate::access_log::object_key::object_identity;
use crate::access_log::router::SeriesRouter;
use crate::aws::Aws;
use crate::cost::Usage;
use crate::diagnostics::Diagnostics;
use crate::fetch_plan::{AccessLogRequest, ListingState};
use crate::ledger::{Ledger, ObjectRecord, Partition, filing_partition};
use crate::rational::Rational;
use crate::series::SeriesKey;
use crate::source::count_source::{CountSource, FetchContext, Fetched, FetchedObjects, SourceSummary};
use crate::time::{Day, Span};

pub struct AccessLogSource<'a> {
    context: &'a FetchContext<'a>,
    request: &'a AccessLogRequest,
    plan: ListingPlan<'a>,
    /// Whether messages need no name of the source: the keys of several sources look alike.
    is_only_source: bool,
    /// Sources are listed side by side, and scanned one after another: each scan takes all threads.
    scan_lock: Arc<Mutex<()>>,
    /// `None` until the folders of days were looked for, or if they were not found.
    tree: Option<LogTree>,
    pending_days: VecDeque<Day>,
    all_days: usize,
    /// The day that is counted next, with its objects.
    listed: Option<(Day, Vec<LogFile>)>,
    /// At the end, whether every folder was listed and every object tried.
    completion: Option<bool>,
    /// By load balancer with its id: a name may stand for several.
    series_by_load_balancer: BTreeMap<String, BTreeSet<SeriesKey>>,
    recent: RecentLogs<'a>,
    diagnostics: Diagnostics,
    summary: AccessLogSummary,
}

#[async_trait(?Send)]
impl<'a> CountSource<'a> for AccessLogSource<'a> {
    /// Lists the next day whose folder may have changed.
    async fn list_next(&mut self) -> BTreeSet<Partition> {
        let Some(tree) = &mut self.tree else { return BTreeSet::new() };
        while let Some(day) = self.pending_days.pop_front() {
            if self.plan.try_skip(day) {
                continue;
            }
            let Some(mut objects) = list_within_limit(self.context, tree, day).await else {
                self.summary.add_skipped(0, self.pending_days.len() + 1);
                self.plan.restore_unlisted([day].into_iter().chain(self.pending_days.drain(..)));
                break;
            };
            objects.retain(|object| {
                let name = &*object.load_balancer;
                if !self.series_by_load_balancer.contains_key(name) {
                    self.series_by_load_balancer.insert(name.to_owned(), self.request.series_for(name));
                }
                self.series_by_load_balancer.get(name).is_some_and(|series| !series.is_empty())
            });
            let partitions = objects.iter().map(|object| filing_partition(object.interval)).collect();
            self.listed = Some((day, objects));
            return partitions;
        }
        BTreeSet::new()
    }

    /// Opens the tree, then counts the listed day; at the end, returns what the listing leaves for later runs.
    async fn fetch_next(&mut self, ledger: Ledger) -> Option<Fetched<'a>> {
        if self.completion.is_some() {
            return None;
        }
        if self.tree.is_none() {
            return self.open_tree().await;
        }
        let Some((day, objects)) = self.listed.take() else {
            let tree = self.tree.as_mut()?;
            let is_complete = !self.context.is_stopped() && tree.report.unreadable.is_empty();
            self.completion = Some(is_complete);
            let listing = is_complete.then(|| self.plan.save(std::mem::take(&mut tree.parent_folders)));
            return Some(Fetched { listing, ..Fetched::default() });
        };
        let objects = self.count_day(day, &objects, ledger).await;
        if self.context.is_stopped() {
            let warning = "stopped before all logs were read\nhint: run again to read the rest";
            self.diagnostics.warnings.push(warning.to_owned());
            self.pending_days.clear();
        }
        let listing = self.tree.as_ref().map(|tree| self.plan.listed_update(tree, [day]));
        Some(Fetched { objects, listing, ..Fetched::default() })
    }

    fn progress(&self) -> (usize, usize) {
        (self.all_days - self.pending_days.len(), self.all_days)
    }

    fn finish(mut self: Box<Self>) -> SourceSummary<'a> {
        if let Some(tree) = &self.tree {
            let is_all_listed = self.completion == Some(true) && self.plan.is_complete() && !self.summary.has_skipped();
            self.diagnostics.append(listing_diagnostics(self.request, tree, is_all_listed));
            self.diagnostics.append(self.summary.report(self.context, &self.request.source));
        }
        let is_named = !self.is_only_source;
        let diagnostics = if is_named { self.diagnostics.with_source(&self.request.source) } else { self.diagnostics };
        SourceSummary { diagnostics, recent_logs: self.tree.is_some().then_some(self.recent) }
    }
}

impl<'a> AccessLogSource<'a> {
    pub fn new(
        context: &'a FetchContext<'a>,
        request: &'a AccessLogRequest,
        root: LogRoot,
        listing_state: ListingState,
        is_only_source: bool,
        scan_lock: Arc<Mutex<()>>,
    ) -> Self {
        Self {
            context,
            request,
            is_only_source,
            scan_lock,
            tree: None,
            pending_days: VecDeque::new(),
            all_days: 0,
            listed: None,
            completion: None,
            series_by_load_balancer: BTreeMap::new(),
            recent: RecentLogs { request, root: root.clone(), files: Vec::new() },
            summary: AccessLogSummary::new(matches!(root, LogRoot::Bucket(_))),
            plan: ListingPlan::new(context, request, root, listing_state),
            diagnostics: Diagnostics::default(),
        }
    }

    /// Days whose folders have to be listed. Until then, no gap in what other folders hold is taken for silence.
    pub fn days_to_list(&self) -> impl Iterator<Item = Day> {
        self.plan.days_to_list()
    }

    async fn open_tree(&mut self) -> Option<Fetched<'a>> {
        match self.plan.open_tree().await {
            Ok(tree) => {
                self.pending_days = tree.folders.keys().copied().collect();
                self.all_days = self.pending_days.len();
                let listing = Some(self.plan.listed_update(&tree, self.plan.days_without_folder(&tree)));
                self.tree = Some(tree);
                Some(Fetched { listing, ..Fetched::default() })
            }
            Err(error) => {
                self.diagnostics.warnings.push(error);
                None
            }
        }
    }

    /// Counts what is new among the objects of a day; `None` if there is nothing.
    async fn count_day(&mut self, day: Day, objects: &[LogFile], ledger: Ledger) -> Option<FetchedObjects> {
        let listed = ListedObjects::deduplicate(objects.iter());
        self.keep_recent(&listed.objects);
        let candidates = listed.to_ledger_objects();
        self.compare_changed(&listed, &ledger.resized_objects(&candidates)).await;
        let unread = ledger.unread_objects(&candidates, &self.series_by_load_balancer).into_iter();
        let uncounted: UncountedObjects<'_> = unread
            .filter_map(|(index, series)| Some((candidates.get(index)?.key, (*listed.objects.get(index)?, series))))
            .collect();
        if uncounted.is_empty() {
            return None;
        }
        let mut affordable = uncounted.clone();
        affordable.retain(|_, (object, _)| !object.is_pending);
        self.summary.add_pending(uncounted.values().map(|(object, _)| *object).filter(|object| object.is_pending));
        let mut budget = ReadBudget { context: self.context, root: &self.plan.root, reads: 0 };
        let candidates = affordable.len();
        affordable.retain(|_, (object, _)| budget.admit(object));
        self.summary.add_skipped(candidates - affordable.len(), 0);
        let scanned = self.scan(&listed, &affordable).await;
        let limit = self.context.unparsed_limit(&self.request.source);
        self.summary.add_scan(&scanned, limit);
        let read: BTreeMap<&str, &ObjectRead> =
            scanned.read.iter().map(|object| (object_identity(&object.key), object)).collect();
        if read.len() < uncounted.len() {
            self.plan.relist(day);
        }
        let mut records = Vec::with_capacity(uncounted.len());
        for (key, (object, series)) in &uncounted {
            records.push(to_record(object, series, read.get(key).copied(), limit));
        }
        Some(FetchedObjects { ledger, records, counts: scanned.counts })
    }

    fn keep_recent(&mut self, listed: &[&LogFile]) {
        let FetchContext { catalog, at, .. } = *self.context;
        let end = catalog.sources.get(&self.request.source).map_or(at, |source| source.settled_until(at));
        let newest = Span::ending_at(end, RECENT_MINUTES.cast_signed());
        let recent = listed.iter().filter(|file| !file.interval.intersect(newest).is_empty());
        self.recent.files.extend(recent.map(|file| (*file).clone()));
    }

    /// Counts objects. Where one is faulty and has another copy, that copy is read.
    async fn scan(&mut self, listed: &ListedObjects<'_>, uncounted: &UncountedObjects<'_>) -> ScanResult {
        let mut scanned = self.scan_batch(uncounted).await;
        let mut copies = listed.copies.clone();
        loop {
            let mut retried: UncountedObjects<'_> = BTreeMap::new();
            for faulty in &scanned.failed {
                let Some((key, (_, series))) = uncounted.get_key_value(object_identity(&faulty.key)) else { continue };
                if let Some(copy) = copies.get_mut(key).and_then(Vec::pop) {
                    self.summary.add_fallback_copy(faulty, copy);
                    retried.insert(*key, (copy, Arc::clone(series)));
                }
            }
            if retried.is_empty() || scanned.is_cancelled {
                return scanned;
            }
            scanned.failed.retain(|faulty| !retried.contains_key(object_identity(&faulty.key)));
            scanned.merge(self.scan_batch(&retried).await);
        }
    }

    async fn scan_batch(&self, uncounted: &UncountedObjects<'_>) -> ScanResult {
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
        let routed = files.into_iter().map(|((load_balancer, series), files)| {
            let rules = series.iter().filter_map(|series| {
                let (traffic, measure) = self.request.rules.get(series)?;
                Some((series.clone(), (traffic, measure)))
            });
            (SeriesRouter::from_series(load_balancer, rules), files)
        });
        self.scan_routed(routed.collect()).await
    }

    async fn scan_routed(&self, routed: Vec<(SeriesRouter, Vec<LogFile>)>) -> ScanResult {
        let _scanning = self.scan_lock.lock().await;
        let (root, threads, stop) = (self.plan.root.clone(), self.context.threads, Arc::clone(&self.context.stop));
        let scan_all = move || {
            let batches: Vec<Batch<'_>> = routed.iter().map(|(router, objects)| Batch { objects, router }).collect();
            scan(&root, &batches, threads, &stop)
        };
        spawn_blocking(scan_all).await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => ScanResult { is_cancelled: true, ..ScanResult::default() },
        })
    }

    /// Reads objects that had another size when they were counted, without counting them, to see whether their lines
    /// are the same.
    async fn compare_changed(&mut self, listed: &ListedObjects<'_>, changed: &[&ObjectRecord]) {
        let previous_records: BTreeMap<&str, &ObjectRecord> =
            changed.iter().map(|record| (&*record.key, *record)).collect();
        // What the run cannot afford is compared by a later one.
        let mut budget = ReadBudget { context: self.context, root: &self.plan.root, reads: 0 };
        let mut files: BTreeMap<&str, Vec<LogFile>> = BTreeMap::new();
        for object in &listed.objects {
            let key = object_identity(&object.key);
            let Some(record) = previous_records.get(key) else { continue };
            // Another copy may be the one that was counted.
            let is_counted = |copies: &Vec<&LogFile>| copies.iter().any(|copy| copy.size == record.size);
            if !listed.copies.get(key).is_some_and(is_counted) && budget.admit(object) {
                files.entry(&object.load_balancer).or_default().push((*object).clone());
            }
        }
        if files.is_empty() {
            return;
        }
        let routed = files.into_iter().map(|(load_balancer, files)| (SeriesRouter::new(load_balancer, []), files));
        let scanned = self.scan_routed(routed.collect()).await;
        self.summary.add_comparison(&scanned, |key| previous_records.get(object_identity(key)).copied());
    }
}

/// The objects of a day, unless to list them would cost more than the run may: half a listing would look like silence.
async fn list_within_limit(context: &FetchContext<'_>, tree: &mut LogTree, day: Day) -> Option<Vec<LogFile>> {
    let is_within_limit = |pages: usize| {
        Aws::is_within_cost_limit(context.max_cost, &Usage { s3_writes: pages as u64, ..Usage::default() })
    };
    if matches!(tree.root, LogRoot::Directory(_)) {
        return Some(tree.list_objects(day).await);
    }
    if !is_within_limit(tree.folders.get(&day).map_or(0, Vec::len)) {
        return None;
    }
    let unreadable_before = tree.report.unreadable.len();
    let objects = tree.list_objects(day).await;
    if tree.report.unreadable.len() > unreadable_before && !is_within_limit(1) {
        tree.report.unreadable.truncate(unreadable_before);
        return None;
    }
    Some(objects)
}

/// What reading objects may cost.
struct ReadBudget<'a> {
    context: &'a FetchContext<'a>,
    root: &'a LogRoot,
    reads: u64,
}

impl ReadBudget<'_> {
    fn admit(&mut self, object: &LogFile) -> bool {
        let reads = self.reads + self.root.request_count(object.size);
        let usage = Usage { s3_reads: reads, ..Usage::default() };
        let is_within_limit = Aws::is_within_cost_limit(self.context.max_cost, &usage);
        if is_within_limit {
            self.reads = reads;
        }
        is_within_limit
    }
}

/// Objects by identity, each with the series that it was not counted for yet.
type UncountedObjects<'l> = BTreeMap<&'l str, (&'l LogFile, Arc<BTreeSet<SeriesKey>>)>;

/// The record of an object, also of one that was not read: what that contains is unknown, and not silence.
fn to_record(
    file: &LogFile,
    series: &Arc<BTreeSet<SeriesKey>>,
    read: Option<&ObjectRead>,
    unparsed_limit: Rational,
) -> ObjectRecord {
    // A log without a line that can be parsed is as good as one that cannot be read.
    let is_counted = read.is_some_and(|read| !read.has_only_unparsed_lines(unparsed_limit));
    let (counted, uncounted) =
        if is_counted { (Arc::clone(series), Arc::default()) } else { (Arc::default(), Arc::clone(series)) };
    ObjectRecord {
        key: object_identity(&file.key).to_owned(),
        size: read.map_or(file.size, |read| read.size),
        lines: read.map_or(0, |read| read.lines),
        unparsed: read.map_or(0, |read| read.unparsed),
        load_balancer: Arc::clone(&file.load_balancer),
        interval: file.interval,
        counted,
        uncounted,
    }
}
