//! What is known of listings of logs: which folders there were and when, and which could not be listed.

use std::collections::BTreeMap;

use super::LedgerStore;
use crate::ledger::Unlisted;
use crate::minute::Day;
use crate::store::manifest::{Looked, Walked};

impl LedgerStore {
    /// Whether and what for a finished day's folder in a bucket was looked into.
    #[must_use]
    pub fn looked(&self, place: &str, day: Day) -> Option<&Looked> {
        self.manifest.looked.get(place)?.get(&day)
    }

    /// Keeps what was looked into, and forgets days of the bucket that nothing asks for any more.
    pub fn keep_looked(&mut self, place: &str, looked: BTreeMap<Day, Looked>) {
        self.manifest.looked.insert(place.to_owned(), looked);
        self.manifest.looked.retain(|_, days| !days.is_empty());
    }

    /// The folders of a bucket as they were found last.
    #[must_use]
    pub fn walked(&self, place: &str) -> Option<&Walked> {
        self.manifest.walked.get(place)
    }

    /// Keeps the folders of a bucket.
    pub fn keep_walked(&mut self, place: &str, walked: Walked) {
        self.manifest.walked.insert(place.to_owned(), walked);
    }

    /// Folders of days that were not listed.
    #[must_use]
    pub const fn unlisted(&self) -> &Unlisted {
        &self.manifest.unlisted
    }

    /// The same, to note what was listed and what was not. A ledger that was loaded before goes by what was noted then.
    pub const fn unlisted_mut(&mut self) -> &mut Unlisted {
        &mut self.manifest.unlisted
    }
}
