//! Log objects of a partition: with their names where an object has to be found again, else only what they delivered.
//!
//! A large fleet writes some hundred thousand objects a day. Which minutes are known depends on their intervals and
//! lines only, and on those of a load balancer's nodes together.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Partition;
use crate::series::SeriesKey;
use crate::time::{Day, Span};

/// A log object that was read, and for which series its lines were counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    pub key: String,
    pub size: u64,
    pub lines: u64,
    pub unparsed: u64,
    pub load_balancer: Arc<str>,
    pub interval: Span,
    /// The series its lines were counted for; none if it is there but could not be read.
    pub counted: Arc<BTreeSet<SeriesKey>>,
    /// Series that its lines belong to and were not counted for: it could not be read, or the run ended before.
    pub uncounted: Arc<BTreeSet<SeriesKey>>,
}

impl ObjectRecord {
    pub const fn day(&self) -> Day {
        self.partition().day()
    }

    pub const fn partition(&self) -> Partition {
        filing_partition(self.interval)
    }

    /// Account and region at the start of its name, `ACCOUNT_elasticloadbalancing_REGION`: what is delivered together.
    pub fn account_region(&self) -> &str {
        self.key.match_indices('_').nth(2).and_then(|(at, _)| self.key.get(..at)).unwrap_or_default()
    }

    /// An empty file that may still be copied: nothing was counted, and it may stay empty.
    fn is_pending(&self) -> bool {
        self.size == 0 && self.counted.is_empty()
    }

    /// Whether an object of another size may be counted under its name: it had no lines when it was counted.
    pub(super) const fn can_be_recounted(&self, size: u64) -> bool {
        self.lines == 0 && self.size != size
    }
}

/// The partition of an interval: that of its last minute.
pub const fn filing_partition(interval: Span) -> Partition {
    Partition::containing(interval.end.plus(-1))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedObject<'a> {
    pub key: &'a str,
    pub size: u64,
    pub load_balancer: &'a str,
    pub interval: Span,
}

/// What objects have in common that were written by one load balancer and counted for the same series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectGroup {
    pub(crate) load_balancer: Arc<str>,
    pub(crate) account_region: String,
    pub(crate) counted: Arc<BTreeSet<SeriesKey>>,
    pub(crate) uncounted: Arc<BTreeSet<SeriesKey>>,
    /// See [`ObjectRecord::is_pending`].
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

    /// The series that the lines of its objects belong to, counted or not.
    pub(crate) fn series(&self) -> impl Iterator<Item = &SeriesKey> {
        self.counted.union(&self.uncounted)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeliveredInterval {
    pub(crate) group: Arc<ObjectGroup>,
    pub(crate) interval: Span,
    pub(crate) lines: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartitionObjects {
    /// Sorted by name.
    Records(Vec<ObjectRecord>),
    Intervals(Vec<DeliveredInterval>),
}

impl PartitionObjects {
    pub(crate) fn delivered_intervals(&self) -> Cow<'_, [DeliveredInterval]> {
        match self {
            Self::Intervals(intervals) => Cow::Borrowed(intervals),
            Self::Records(records) => {
                let mut intervals = Vec::new();
                let mut last_group: Option<Arc<ObjectGroup>> = None;
                for record in records {
                    let group = ObjectGroup::from_record(record);
                    let group = match &last_group {
                        Some(last) if **last == group => last,
                        _ => last_group.insert(Arc::new(group)),
                    };
                    let (group, interval, lines) = (Arc::clone(group), record.interval, record.lines);
                    push_interval(&mut intervals, DeliveredInterval { group, interval, lines });
                }
                Cow::Owned(intervals)
            }
        }
    }

    /// Sorted by name; empty if only intervals were loaded.
    pub(super) fn records(&self) -> &[ObjectRecord] {
        match self {
            Self::Records(records) => records,
            Self::Intervals(_) => &[],
        }
    }

    pub(super) fn record(&self, key: &str) -> Option<&ObjectRecord> {
        let records = self.records();
        records.binary_search_by(|record| record.key.as_str().cmp(key)).ok().and_then(|index| records.get(index))
    }
}

/// Adds an object; those of a load balancer's nodes lie side by side and are added up.
pub(crate) fn push_interval(intervals: &mut Vec<DeliveredInterval>, new: DeliveredInterval) {
    match intervals.last_mut() {
        Some(last) if last.interval == new.interval && Arc::ptr_eq(&last.group, &new.group) => last.lines += new.lines,
        _ => intervals.push(new),
    }
}

/// The records of a partition with others added: what was counted of an object before stays counted.
pub(super) fn merge_records(existing: Option<&PartitionObjects>, new_records: &[&ObjectRecord]) -> Vec<ObjectRecord> {
    let existing = existing.map(PartitionObjects::records).unwrap_or_default();
    let mut records: BTreeMap<&str, ObjectRecord> = existing.iter().map(|held| (&*held.key, held.clone())).collect();
    for record in new_records {
        match records.get_mut(&*record.key) {
            // An object that could not be read, or had no lines, has added nothing.
            Some(held) if !held.counted.is_empty() && !held.can_be_recounted(record.size) => {
                held.counted = Arc::new(held.counted.union(&record.counted).cloned().collect());
                let unread = held.uncounted.union(&record.uncounted).filter(|series| !held.counted.contains(*series));
                held.uncounted = Arc::new(unread.cloned().collect());
            }
            _ => {
                records.insert(&record.key, (*record).clone());
            }
        }
    }
    records.into_values().collect()
}
