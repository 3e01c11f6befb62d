//! Log objects of a part of a day: with their names where an object is to be found again, else only what they
//! delivered.
//!
//! A large fleet writes some hundred thousand objects a day. To tell which minutes are known, only their intervals and
//! lines matter, and those of a balancer's nodes together.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Part;
use crate::minute::{Day, Span};
use crate::series::SeriesKey;

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
    pub unread: Arc<BTreeSet<SeriesKey>>,
}

impl ObjectRecord {
    /// The day it is filed under: that of the last minute of its interval.
    #[must_use]
    pub const fn day(&self) -> Day {
        self.part().day()
    }

    /// The part of a day it is filed under.
    #[must_use]
    pub const fn part(&self) -> Part {
        filed_under(self.interval)
    }

    /// Account and region at the start of its name, `ACCOUNT_elasticloadbalancing_REGION`: what is delivered together.
    #[must_use]
    pub fn area(&self) -> &str {
        self.key.match_indices('_').nth(2).and_then(|(at, _)| self.key.get(..at)).unwrap_or_default()
    }

    /// A file without a byte whose copy may still go on: nothing was counted, and it may stay empty.
    fn is_pending(&self) -> bool {
        self.size == 0 && self.counted.is_empty()
    }

    /// Whether reading an object of another size under its name adds nothing twice: it had no lines when it was
    /// counted.
    pub(super) const fn is_replaced_by(&self, size: u64) -> bool {
        self.lines == 0 && self.size != size
    }
}

/// The part of a day that an interval is filed under: that of its last minute.
#[must_use]
pub const fn filed_under(interval: Span) -> Part {
    Part::of(interval.end.plus(-1))
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
pub(crate) struct Origin {
    pub(crate) load_balancer: Arc<str>,
    /// See [`ObjectRecord::area`].
    pub(crate) area: String,
    pub(crate) counted: Arc<BTreeSet<SeriesKey>>,
    /// See [`ObjectRecord::unread`].
    pub(crate) unread: Arc<BTreeSet<SeriesKey>>,
    /// Files without a byte whose copies may still go on.
    pub(crate) is_pending: bool,
}

impl Origin {
    fn of(record: &ObjectRecord) -> Self {
        Self {
            load_balancer: Arc::clone(&record.load_balancer),
            area: record.area().to_owned(),
            counted: Arc::clone(&record.counted),
            unread: Arc::clone(&record.unread),
            is_pending: record.is_pending(),
        }
    }

    fn is_of(&self, record: &ObjectRecord) -> bool {
        let same = |one: &Arc<_>, other: &Arc<_>| Arc::ptr_eq(one, other) || one == other;
        same(&self.counted, &record.counted)
            && same(&self.unread, &record.unread)
            && self.is_pending == record.is_pending()
            && self.load_balancer == record.load_balancer
            && self.area == record.area()
    }

    /// The series that the lines of its objects belong to, counted or not.
    pub(crate) fn series(&self) -> impl Iterator<Item = &SeriesKey> {
        self.counted.union(&self.unread)
    }
}

/// Objects of one origin and interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) origin: Arc<Origin>,
    pub(crate) interval: Span,
    pub(crate) lines: u64,
}

/// The objects of a part of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartObjects {
    /// With everything that is recorded of them, sorted by name.
    Records(Vec<ObjectRecord>),
    /// Without their names.
    Deliveries(Vec<Delivery>),
}

impl PartObjects {
    /// What was delivered, in the order of the objects' names.
    pub(crate) fn deliveries(&self) -> Cow<'_, [Delivery]> {
        match self {
            Self::Deliveries(deliveries) => Cow::Borrowed(deliveries),
            Self::Records(records) => {
                let mut deliveries = Vec::new();
                let mut last: Option<Arc<Origin>> = None;
                for record in records {
                    let origin = match &last {
                        Some(origin) if origin.is_of(record) => origin,
                        _ => last.insert(Arc::new(Origin::of(record))),
                    };
                    deliver(&mut deliveries, origin, record.interval, record.lines);
                }
                Cow::Owned(deliveries)
            }
        }
    }

    /// The record of that name, if names are here.
    pub(super) fn record(&self, key: &str) -> Option<&ObjectRecord> {
        match self {
            Self::Records(records) => place(records, key).ok().and_then(|place| records.get(place)),
            Self::Deliveries(_) => None,
        }
    }
}

/// Adds an object to what was delivered; nodes of a balancer lie near each other and are added up.
pub(crate) fn deliver(deliveries: &mut Vec<Delivery>, origin: &Arc<Origin>, interval: Span, lines: u64) {
    match deliveries.last_mut() {
        Some(last) if last.interval == interval && Arc::ptr_eq(&last.origin, origin) => last.lines += lines,
        _ => deliveries.push(Delivery { origin: Arc::clone(origin), interval, lines }),
    }
}

fn place(records: &[ObjectRecord], key: &str) -> Result<usize, usize> {
    records.binary_search_by(|record| record.key.as_str().cmp(key))
}

/// The records of a part with other objects added: what was counted of an object before stays counted.
pub(super) fn merged(held: Option<&PartObjects>, mut new: Vec<&ObjectRecord>) -> Vec<ObjectRecord> {
    let mut records = match held {
        Some(PartObjects::Records(records)) => records.clone(),
        _ => Vec::new(),
    };
    new.sort_by(|one, other| one.key.cmp(&other.key));
    let mut fresh: Vec<ObjectRecord> = Vec::new();
    for object in new {
        let held = match place(&records, &object.key) {
            Ok(place) => records.get_mut(place),
            Err(_) => fresh.last_mut().filter(|last| last.key == object.key),
        };
        match held {
            None => fresh.push(object.clone()),
            // Until it could be read, nothing but its name was known; and what had no lines added nothing.
            Some(held) if held.counted.is_empty() || held.is_replaced_by(object.size) => *held = object.clone(),
            Some(held) => {
                held.counted = Arc::new(held.counted.union(&object.counted).cloned().collect());
                let unread = held.unread.union(&object.unread).filter(|series| !held.counted.contains(*series));
                held.unread = Arc::new(unread.cloned().collect());
            }
        }
    }
    records.append(&mut fresh);
    // Two sorted runs: the sort merges them.
    records.sort_by(|one, other| one.key.cmp(&other.key));
    records
}
