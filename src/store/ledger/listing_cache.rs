//! What is known of listings of logs: which folders there were and when, and which could not be listed.

use std::collections::BTreeMap;

use super::LedgerStore;
use crate::ledger::UnlistedFolders;
use crate::store::manifest::{DayListing, ListingCache};
use crate::time::Day;

impl LedgerStore {
    /// Whether and what for a finished day's folder in a bucket was looked into.
    #[must_use]
    pub fn day_listing(&self, location: &str, day: Day) -> Option<&DayListing> {
        self.manifest.listed_days.get(location)?.get(&day)
    }

    /// Keeps what was looked into, and forgets days of the bucket that nothing asks for any more.
    pub fn set_day_listings(&mut self, location: &str, listings: BTreeMap<Day, DayListing>) {
        self.manifest.listed_days.insert(location.to_owned(), listings);
        self.manifest.listed_days.retain(|_, days| !days.is_empty());
    }

    /// The folders of a bucket as they were found last.
    #[must_use]
    pub fn listing_cache(&self, location: &str) -> Option<&ListingCache> {
        self.manifest.listed_folders.get(location)
    }

    /// Keeps the folders of a bucket.
    pub fn set_listing_cache(&mut self, location: &str, cache: ListingCache) {
        self.manifest.listed_folders.insert(location.to_owned(), cache);
    }

    /// Folders of days that were not listed.
    #[must_use]
    pub const fn unlisted_folders(&self) -> &UnlistedFolders {
        &self.manifest.unlisted
    }

    /// The same, to note what was listed and what was not. A ledger that was loaded before goes by what was noted then.
    pub const fn unlisted_folders_mut(&mut self) -> &mut UnlistedFolders {
        &mut self.manifest.unlisted
    }
}
