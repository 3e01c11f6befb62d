//! Which folders of days are listed for a source of access logs, and which need not be.
//!
//! The folder of a day holds what was delivered on that day, so it is listed by every run until that day is over, by
//! the first run thereafter, for a week by the first run of each day, and later once for each set of definitions. A
//! directory costs nothing to list, and is listed as a whole.

use std::collections::BTreeMap;

use super::RunOptions;
use crate::access_log::object_key::LATE_DELIVERY_DAYS;
use crate::fetch_plan::AccessLogRequest;
use crate::source::access_logs::{LogFolders, LogRoot, LogTree};
use crate::store::{DayListing, LedgerStore, ListingCache, content_version};
use crate::time::{Day, Minute, Span};

/// Days that the first run of a day looks back to.
const DAILY_RELIST_DAYS: i32 = 7;
/// How long the folders above those of days are known: a new account or region shows within as long. There may be
/// hundreds of folders, and each is a request.
const FOLDER_CACHE_MINUTES: i32 = 60;
/// How long after the end of a day its folder may still get what was delivered on it: clocks differ, and an object
/// appears only when the last of it was written.
const FOLDER_GRACE_MINUTES: i32 = 60;

pub(super) struct ListingPlan<'q> {
    pub(super) request: &'q AccessLogRequest,
    pub(super) root: LogRoot,
    /// The source and its bucket: two sources of one bucket request different load balancers.
    cache_key: Option<String>,
    request_hash: String,
    at: Minute,
    now: Minute,
    today: Day,
    /// The newest day whose folder gets nothing more.
    newest_closed_day: Day,
    listings: BTreeMap<Day, DayListing>,
    skipped_days: usize,
}

impl<'q> ListingPlan<'q> {
    /// Plans the listing of a source, and marks all folders that it needs as not listed yet: until then, no gap in what
    /// other folders hold is taken for silence.
    pub(super) async fn new(
        options: &RunOptions<'_>,
        request: &'q AccessLogRequest,
        store: &mut LedgerStore,
    ) -> Result<Self, String> {
        let root = match request.location.parse() {
            Ok(location) => LogRoot::open(&location, &request.access, options.max_cost).await,
            Err(error) => {
                mark_unlisted(request, |_| false, store);
                return Err(error);
            }
        };
        let cache_key = matches!(root, LogRoot::Bucket(_)).then(|| format!("{}: {root}", request.source));
        let selectors = request.series_by_load_balancer.iter();
        let selectors =
            selectors.flat_map(|(name, series)| series.iter().map(move |series| format!("{name} {series}")));
        let selectors: Vec<String> = selectors.collect();
        let request_hash = content_version(selectors.join("\n").as_bytes()).0;
        // A bucket holds nothing later than the present, and a ledger of an earlier time has even less of it.
        let at = options.at.min(options.now);
        let plan = Self {
            request,
            root,
            cache_key,
            request_hash,
            at,
            now: options.now,
            today: at.day(),
            newest_closed_day: at.plus(-FOLDER_GRACE_MINUTES).day().plus(-1),
            listings: BTreeMap::new(),
            skipped_days: 0,
        };
        let settled: Vec<Day> =
            folder_days(request).filter(|day| plan.settled_listing(store, *day).is_some()).collect();
        mark_unlisted(request, |day| settled.contains(&day), store);
        Ok(plan)
    }

    /// The folders as they were found within the same hour for the same request.
    fn cached_folders<'s>(&self, store: &'s LedgerStore) -> Option<&'s ListingCache> {
        let hour_of = |at: Minute| at.0.div_euclid(FOLDER_CACHE_MINUTES);
        store.manifest.listed_folders.get(self.cache_key.as_ref()?).filter(|cached| {
            let is_same_request = cached.query_hash == self.request_hash && cached.from <= self.request.span.start;
            is_same_request
                && hour_of(cached.evaluated_at) == hour_of(self.at)
                && hour_of(cached.listed_at) == hour_of(self.now)
        })
    }

    /// The folders of days, from the cache if it is recent.
    pub(super) async fn open_tree(&self, store: &LedgerStore) -> Result<LogTree, String> {
        let AccessLogRequest { span, classic_minutes, .. } = self.request;
        let root = self.root.clone();
        let mut tree = match self.cached_folders(store) {
            Some(ListingCache { regions, days, .. }) => {
                let folders = LogFolders { regions: regions.clone(), days: days.iter().cloned().collect() };
                LogTree::from_folders(root, *span, *classic_minutes, folders, self.today)
            }
            None => LogTree::open(root, *span, *classic_minutes).await.map_err(|error| error.to_string())?,
        };
        tree.wanted_balancers = self.request.series_by_load_balancer.keys().cloned().collect();
        tree.now = self.now;
        Ok(tree)
    }

    /// Days that have no folder, so that there is nothing to list.
    pub(super) fn days_without_folder(&self, tree: &LogTree, store: &LedgerStore) -> Vec<Day> {
        let unlisted = store.manifest.unlisted.days(&self.request.source);
        unlisted.filter(|day| !tree.folders.contains_key(day)).collect()
    }

    /// How the folder of a day was listed, where nothing new can be in it.
    fn settled_listing<'s>(&self, store: &'s LedgerStore, day: Day) -> Option<&'s DayListing> {
        let cache_key = self.cache_key.as_ref().filter(|_| day <= self.newest_closed_day)?;
        if store.manifest.unlisted.contains(&self.request.source, day) {
            return None;
        }
        let listing = store.day_listing(cache_key, day).filter(|looked| looked.query_hash == self.request_hash)?;
        let is_recent = listing.listed_on == self.today || day < self.today.plus(-DAILY_RELIST_DAYS);
        (listing.from <= self.request.span.start && is_recent).then_some(listing)
    }

    /// Whether nothing new can be in the folder of a day; otherwise it is taken to be listed now.
    pub(super) fn try_skip(&mut self, store: &LedgerStore, day: Day) -> bool {
        let settled_listing = self.settled_listing(store, day).cloned();
        let is_settled = settled_listing.is_some();
        self.skipped_days += usize::from(is_settled);
        if self.cache_key.is_some() && day <= self.newest_closed_day {
            let from = self.request.span.start;
            let new_listing = DayListing { query_hash: self.request_hash.clone(), from, listed_on: self.today };
            self.listings.insert(day, settled_listing.unwrap_or(new_listing));
        }
        is_settled
    }

    /// Whether every folder was listed, as far as this plan left none out.
    pub(super) const fn is_complete(&self) -> bool {
        self.skipped_days == 0
    }

    /// Something in the folder of a day could not be read, and may be by the next run.
    pub(super) fn relist(&mut self, day: Day) {
        self.listings.remove(&day);
    }

    /// Days that were not listed are known as they were.
    pub(super) fn restore_unlisted(&mut self, store: &LedgerStore, days: impl IntoIterator<Item = Day>) {
        let Some(cache_key) = &self.cache_key else { return };
        for day in days {
            self.listings.remove(&day);
            self.listings.extend(store.day_listing(cache_key, day).map(|listing| (day, listing.clone())));
        }
    }

    /// What is kept of a complete listing. Leaves the plan without listings.
    pub(super) fn save(&mut self, folders: LogFolders, store: &LedgerStore) -> ListingUpdate<'q> {
        let source = &self.request.source;
        let Some(cache_key) = self.cache_key.clone() else {
            return ListingUpdate { source, listed_days: BTreeMap::new(), saved: None };
        };
        // Where there are no logs yet, the first may come at any moment.
        let is_cached = self.cached_folders(store).is_some() || folders.days.is_empty();
        let cache = (!is_cached).then(|| ListingCache {
            query_hash: self.request_hash.clone(),
            from: self.request.span.start,
            evaluated_at: self.at,
            listed_at: self.now,
            regions: folders.regions,
            days: folders.days.into_iter().collect(),
        });
        let saved = Some((cache_key, std::mem::take(&mut self.listings), cache));
        ListingUpdate { source, listed_days: BTreeMap::new(), saved }
    }
}

/// What a listing changes in the ledger.
pub(super) struct ListingUpdate<'q> {
    source: &'q str,
    /// Days that were listed, with the areas whose folders could not be.
    listed_days: BTreeMap<Day, Vec<String>>,
    /// By cache key, what was listed for which request, and the folders above those of days if they are new.
    saved: Option<(String, BTreeMap<Day, DayListing>, Option<ListingCache>)>,
}

impl<'q> ListingUpdate<'q> {
    /// Days that were listed.
    pub(super) fn for_days(request: &'q AccessLogRequest, tree: &LogTree, days: impl IntoIterator<Item = Day>) -> Self {
        let failed = tree.unlisted_areas();
        let failed_areas = |day: Day| {
            let date = day.to_string().replace('-', "/");
            failed.iter().filter(|(_, below)| date.starts_with(below)).map(|(area, _)| area.clone()).collect()
        };
        let listed_days = days.into_iter().map(|day| (day, failed_areas(day))).collect();
        Self { source: &request.source, listed_days, saved: None }
    }

    pub(super) fn apply(self, store: &mut LedgerStore) {
        let unlisted = &mut store.manifest.unlisted;
        for (day, failed_areas) in self.listed_days {
            unlisted.remove(self.source, day);
            for area in failed_areas {
                unlisted.insert(self.source, day, &area);
            }
        }
        if let Some((cache_key, listings, cache)) = self.saved {
            let listed_days = &mut store.manifest.listed_days;
            listed_days.insert(cache_key.clone(), listings);
            // Days that no request reaches any more are left out.
            listed_days.retain(|_, days| !days.is_empty());
            store.manifest.listed_folders.extend(cache.map(|cache| (cache_key, cache)));
        }
    }
}

/// The days in whose folders the objects of a question lie.
fn folder_days(request: &AccessLogRequest) -> impl Iterator<Item = Day> {
    let Span { start, end } = request.span;
    Span::new(start.day().start(), end.day().plus(LATE_DELIVERY_DAYS + 1).start()).days()
}

/// Marks the folders of all days as not listed, but for those that need not be.
fn mark_unlisted(request: &AccessLogRequest, is_settled: impl Fn(Day) -> bool, store: &mut LedgerStore) {
    for day in folder_days(request).filter(|day| !is_settled(*day)) {
        store.manifest.unlisted.insert(&request.source, day, "");
    }
}
