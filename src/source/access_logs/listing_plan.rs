//! Which folders of days are listed for a source of access logs, and which need not be.
//!
//! The folder of a day holds what was delivered on that day, so it is listed by every run until that day is over, by
//! the first run thereafter, for a week by the first run of each day, and later once for each set of definitions. A
//! directory costs nothing to list, and is listed as a whole.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_128;

use super::{LogFolders, LogRoot, LogTree};
use crate::fetch_plan::{AccessLogRequest, DayListing, ListingCache, ListingState, ListingUpdate, SavedListing};
use crate::source::count_source::FetchContext;
use crate::time::{Day, Minute};

/// Days that the first run of a day looks back to.
const DAILY_RELIST_DAYS: i32 = 7;
/// How long the folders above those of days are known: a new account or region shows within as long. There may be
/// hundreds of folders, and each is a request.
const FOLDER_CACHE_MINUTES: i32 = 60;
/// How long after the end of a day its folder may still get what was delivered on it: clocks differ, and an object
/// appears only when the last of it was written.
const FOLDER_GRACE_MINUTES: i32 = 60;

pub(super) struct ListingPlan<'a> {
    pub(super) root: LogRoot,
    request: &'a AccessLogRequest,
    state: ListingState,
    request_hash: String,
    at: Minute,
    now: Minute,
    today: Day,
    /// The newest day whose folder gets nothing more.
    newest_closed_day: Day,
    listings: BTreeMap<Day, DayListing>,
    skipped_days: usize,
}

impl<'a> ListingPlan<'a> {
    pub(super) fn new(
        context: &FetchContext<'_>,
        request: &'a AccessLogRequest,
        root: LogRoot,
        state: ListingState,
    ) -> Self {
        let selectors = request.series_by_load_balancer.iter();
        let selectors: Vec<String> =
            selectors.flat_map(|(name, series)| series.iter().map(move |series| format!("{name} {series}"))).collect();
        // A bucket holds nothing later than the present, and a ledger of an earlier time has even less of it.
        let at = context.at.min(context.now);
        Self {
            root,
            request,
            state,
            request_hash: format!("{:032x}", xxh3_128(selectors.join("\n").as_bytes())),
            at,
            now: context.now,
            today: at.day(),
            newest_closed_day: at.plus(-FOLDER_GRACE_MINUTES).day().plus(-1),
            listings: BTreeMap::new(),
            skipped_days: 0,
        }
    }

    pub(super) fn days_to_list(&self) -> impl Iterator<Item = Day> {
        self.request.folder_days().filter(|day| self.settled_listing(*day).is_none())
    }

    /// Whether folders of finished days are not listed by every run.
    const fn is_cached(&self) -> bool {
        matches!(self.root, LogRoot::Bucket(_))
    }

    /// The folders as they were found within the same hour for the same request.
    fn cached_folders(&self) -> Option<&ListingCache> {
        let hour_of = |at: Minute| at.0.div_euclid(FOLDER_CACHE_MINUTES);
        self.state.folders.as_ref().filter(|cached| {
            let is_same_request = cached.query_hash == self.request_hash && cached.from <= self.request.span.start;
            self.is_cached()
                && is_same_request
                && hour_of(cached.evaluated_at) == hour_of(self.at)
                && hour_of(cached.listed_at) == hour_of(self.now)
        })
    }

    /// The folders of days, from the cache if it is recent.
    pub(super) async fn open_tree(&self) -> Result<LogTree, String> {
        let AccessLogRequest { span, classic_minutes, .. } = self.request;
        let root = self.root.clone();
        let mut tree = match self.cached_folders() {
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
    pub(super) fn days_without_folder(&self, tree: &LogTree) -> BTreeSet<Day> {
        let unlisted = self.state.unlisted_days.iter().copied().chain(self.days_to_list());
        unlisted.filter(|day| !tree.folders.contains_key(day)).collect()
    }

    /// How the folder of a day was listed, where nothing new can be in it.
    fn settled_listing(&self, day: Day) -> Option<&DayListing> {
        if !self.is_cached() || day > self.newest_closed_day || self.state.unlisted_days.contains(&day) {
            return None;
        }
        let listing = self.state.days.get(&day).filter(|listing| listing.query_hash == self.request_hash)?;
        let is_recent = listing.listed_on == self.today || day < self.today.plus(-DAILY_RELIST_DAYS);
        (listing.from <= self.request.span.start && is_recent).then_some(listing)
    }

    /// Whether nothing new can be in the folder of a day; otherwise it is taken to be listed now.
    pub(super) fn try_skip(&mut self, day: Day) -> bool {
        let settled_listing = self.settled_listing(day).cloned();
        let is_settled = settled_listing.is_some();
        self.skipped_days += usize::from(is_settled);
        if self.is_cached() && day <= self.newest_closed_day {
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
    pub(super) fn restore_unlisted(&mut self, days: impl Iterator<Item = Day>) {
        for day in days.filter(|_| self.is_cached()).collect::<Vec<Day>>() {
            self.listings.remove(&day);
            self.listings.extend(self.state.days.get(&day).map(|listing| (day, listing.clone())));
        }
    }

    /// Records days that were listed.
    pub(super) fn listed_update(&self, tree: &LogTree, days: impl IntoIterator<Item = Day>) -> ListingUpdate<'a> {
        let failed = tree.unlisted_areas();
        let failed_areas = |day: Day| {
            let date = day.to_string().replace('-', "/");
            failed.iter().filter(|(_, below)| date.starts_with(below)).map(|(area, _)| area.clone()).collect()
        };
        let listed_days = days.into_iter().map(|day| (day, failed_areas(day))).collect();
        ListingUpdate { source: &self.request.source, listed_days, saved: None }
    }

    /// What is kept of a complete listing. Leaves the plan without listings.
    pub(super) fn save(&mut self, folders: LogFolders) -> ListingUpdate<'a> {
        // Where there are no logs yet, the first may come at any moment.
        let is_known = self.cached_folders().is_some() || folders.days.is_empty();
        let new_folders = (!is_known).then(|| ListingCache {
            query_hash: self.request_hash.clone(),
            from: self.request.span.start,
            evaluated_at: self.at,
            listed_at: self.now,
            regions: folders.regions,
            days: folders.days.into_iter().collect(),
        });
        let saved = self.is_cached().then(|| SavedListing {
            location: self.root.listing_key(&self.request.source),
            days: std::mem::take(&mut self.listings),
            folders: new_folders,
        });
        ListingUpdate { source: &self.request.source, listed_days: BTreeMap::new(), saved }
    }
}
