//! What earlier runs know of the folders of a source of access logs, and what a listing changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::time::{Day, Minute};

/// How a finished day's folder was listed, so that it need not be listed by every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayListing {
    pub query_hash: String,
    /// The first requested minute; objects of earlier ones were not read.
    pub from: Minute,
    pub listed_on: Day,
}

/// The folders of accounts, regions and days of a location, so that they need not be listed by every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingCache {
    pub query_hash: String,
    /// The first requested minute; folders of earlier days were left out.
    pub from: Minute,
    pub evaluated_at: Minute,
    pub listed_at: Minute,
    pub regions: Vec<String>,
    /// Folders of days that any of them has: `2026/10/31`.
    pub days: Vec<String>,
}

/// What earlier runs know of a source.
#[derive(Clone, Debug, Default)]
pub struct ListingState {
    /// Days of which some folder was not listed.
    pub unlisted_days: BTreeSet<Day>,
    pub days: BTreeMap<Day, DayListing>,
    pub folders: Option<ListingCache>,
}

/// What a listing changes.
#[derive(Debug)]
pub struct ListingUpdate<'a> {
    pub source: &'a str,
    /// Days that were listed, with the areas, `ACCOUNT_elasticloadbalancing_REGION`, whose folders could not be.
    pub listed_days: BTreeMap<Day, Vec<String>>,
    pub saved: Option<SavedListing>,
}

/// What is kept of a complete listing of a bucket.
#[derive(Debug)]
pub struct SavedListing {
    /// The source and its bucket: two sources of one bucket request different load balancers.
    pub location: String,
    pub days: BTreeMap<Day, DayListing>,
    /// `None` if the known ones are still recent.
    pub folders: Option<ListingCache>,
}
