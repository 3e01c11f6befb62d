//! Log objects of a part of a day: with their names where an object is to be found again, else only what they
//! delivered.
//!
//! A large fleet writes some hundred thousand objects a day. To tell which minutes are known, only their intervals and
//! lines matter, and those of a balancer's nodes together.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Partition;
use crate::series::SeriesKey;
use crate::time::{Day, Span};

/// A log object that was read, and for which series its lines were counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Its whole name.
    pub key: String,
    /// Bytes as stored.
    pub size: u64,
    /// Lines in it.
    pub lines: u64,
    /// Lines that could not be read.
    pub unparsed: u64,
    /// The load balancer that wrote it.
    pub load_balancer: Arc<str>,
    /// The minutes it was delivered for.
    pub interval: Span,
    /// The series its lines were counted for; none if it is there but could not be read.
    pub counted: Arc<BTreeSet<SeriesKey>>,
    /// Series that its lines belong to and were not counted for: it could not be read, or the run ended before.
    pub uncounted: Arc<BTreeSet<SeriesKey>>,
}

impl ObjectRecord {
    /// The day it is filed under: that of the last minute of its interval.
    pub const fn day(&self) -> Day {
        self.partition().day()
    }

    /// The part of a day it is filed under.
    pub const fn partition(&self) -> Partition {
        filing_partition(self.interval)
    }

    /// Account and region at the start of its name, `ACCOUNT_elasticloadbalancing_REGION`: what is delivered together.
    pub fn account_region(&self) -> &str {
        self.key.match_indices('_').nth(2).and_then(|(at, _)| self.key.get(..at)).unwrap_or_default()
    }

    /// A file without a byte whose copy may still go on: nothing was counted, and it may stay empty.
    fn is_pending(&self) -> bool {
        self.size == 0 && self.counted.is_empty()
    }

    /// Whether reading an object of another size under its name adds nothing twice: it had no lines when it was
    /// counted.
    pub(super) const fn can_be_recounted(&self, size: u64) -> bool {
        self.lines == 0 && self.size != size
    }
}

/// The part of a day that an interval is filed under: that of its last minute.
pub const fn filing_partition(interval: Span) -> Partition {
    Partition::containing(interval.end.plus(-1))
}

/// A listed log object, before anybody asks whether it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedObject<'a> {
    /// Its whole name.
    pub key: &'a str,
    /// Bytes as stored.
    pub size: u64,
    /// The load balancer that wrote it.
    pub load_balancer: &'a str,
    /// The minutes it was delivered for.
    pub interval: Span,
}

/// What objects have in common that were written by one balancer and counted for the same series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectGroup {
    pub(crate) load_balancer: Arc<str>,
    /// See [`ObjectRecord::area`].
    pub(crate) account_region: String,
    pub(crate) counted: Arc<BTreeSet<SeriesKey>>,
    /// See [`ObjectRecord::unread`].
    pub(crate) uncounted: Arc<BTreeSet<SeriesKey>>,
    /// Files without a byte whose copies may still go on.
    pub(crate) is_pending: bool,
}

impl ObjectGroup {
    fn from_record(record: &ObjectRecord) -> Self {
        Self {
            load_balancer: Arc::clone(&record.load_balancer),
            account_region: record.account_region().to_owned(),
            counted: Arc::clone(&record.counted),
            uncounted: Arc::clone(&record.uncounted),
            is_pending: record.is_pending(),
        }
    }

    fn matches(&self, record: &ObjectRecord) -> bool {
        let is_same_set = |one: &Arc<_>, other: &Arc<_>| Arc::ptr_eq(one, other) || one == other;
        is_same_set(&self.counted, &record.counted)
            && is_same_set(&self.uncounted, &record.uncounted)
            && self.is_pending == record.is_pending()
            && self.load_balancer == record.load_balancer
            && self.account_region == record.account_region()
    }

    /// The series that the lines of its objects belong to, counted or not.
    pub(crate) fn series(&self) -> impl Iterator<Item = &SeriesKey> {
        self.counted.union(&self.uncounted)
    }
}

/// Objects of one origin and interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeliveredInterval {
    pub(crate) group: Arc<ObjectGroup>,
    pub(crate) interval: Span,
    pub(crate) lines: u64,
}

/// The objects of a part of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartitionObjects {
    /// With everything that is recorded of them, sorted by name.
    Records(Vec<ObjectRecord>),
    /// Without their names.
    Intervals(Vec<DeliveredInterval>),
}

impl PartitionObjects {
    /// What was delivered, in the order of the objects' names.
    pub(crate) fn delivered_intervals(&self) -> Cow<'_, [DeliveredInterval]> {
        match self {
            Self::Intervals(intervals) => Cow::Borrowed(intervals),
            Self::Records(records) => {
                let mut intervals = Vec::new();
                let mut last_group: Option<Arc<ObjectGroup>> = None;
                for record in records {
                    let group = match &last_group {
                        Some(origin) if origin.matches(record) => origin,
                        _ => last_group.insert(Arc::new(ObjectGroup::from_record(record))),
                    };
                    push_interval(&mut intervals, group, record.interval, record.lines);
                }
                Cow::Owned(intervals)
            }
        }
    }

    /// The record of that name, if names are here.
    pub(super) fn record(&self, key: &str) -> Option<&ObjectRecord> {
        match self {
            Self::Records(records) => find_record(records, key).ok().and_then(|index| records.get(index)),
            Self::Intervals(_) => None,
        }
    }
}

/// Adds an object to what was delivered; nodes of a balancer lie near each other and are added up.
pub(crate) fn push_interval(
    intervals: &mut Vec<DeliveredInterval>,
    group: &Arc<ObjectGroup>,
    interval: Span,
    lines: u64,
) {
    match intervals.last_mut() {
        Some(last) if last.interval == interval && Arc::ptr_eq(&last.group, group) => last.lines += lines,
        _ => intervals.push(DeliveredInterval { group: Arc::clone(group), interval, lines }),
    }
}

fn find_record(records: &[ObjectRecord], key: &str) -> Result<usize, usize> {
    records.binary_search_by(|record| record.key.as_str().cmp(key))
}

/// The records of a part with other objects added: what was counted of an object before stays counted.
pub(super) fn merge_records(
    existing: Option<&PartitionObjects>,
    mut new_records: Vec<&ObjectRecord>,
) -> Vec<ObjectRecord> {
    let mut records = match existing {
        Some(PartitionObjects::Records(records)) => records.clone(),
        _ => Vec::new(),
    };
    new_records.sort_by(|one, other| one.key.cmp(&other.key));
    let mut added: Vec<ObjectRecord> = Vec::new();
    for record in new_records {
        let stored = match find_record(&records, &record.key) {
            Ok(index) => records.get_mut(index),
            Err(_) => added.last_mut().filter(|last| last.key == record.key),
        };
        match stored {
            None => added.push(record.clone()),
            // Until it could be read, nothing but its name was known; and what had no lines added nothing.
            Some(held) if held.counted.is_empty() || held.can_be_recounted(record.size) => *held = record.clone(),
            Some(held) => {
                held.counted = Arc::new(held.counted.union(&record.counted).cloned().collect());
                let unread = held.uncounted.union(&record.uncounted).filter(|series| !held.counted.contains(*series));
                held.uncounted = Arc::new(unread.cloned().collect());
            }
        }
    }
    records.append(&mut added);
    // Two sorted runs: the sort merges them.
    records.sort_by(|one, other| one.key.cmp(&other.key));
    records
}
