//! How answers enter the ledger: a source's minutes replace, a log object's counts are added exactly once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ledger, NotLoaded, ObjectRecord};
use crate::counts::{Count, Counts};
use crate::minute::{Day, Minute};
use crate::series::SeriesKey;

/// Counts of log objects, added up over all of `objects`.
#[derive(Clone, Debug, Default)]
pub struct ObjectsAnswer {
    /// What was read; `counted` names the series of this reading only, none if the object could not be read.
    pub objects: Vec<ObjectRecord>,
    /// Their lines, by series and day: a slot a minute, zero where they have no event.
    pub counts: BTreeMap<(SeriesKey, Day), Box<[Count]>>,
}

/// An answer was refused as a whole; the ledger is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbsorbError {
    /// A day that the answer touches is kept but was not loaded.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// The object's lines are already in the counts of this series.
    #[error("`{key}` is already counted for `{series}`\nhint: ask `unread` which objects are new")]
    AlreadyCounted {
        /// The object.
        key: String,
        /// The series.
        series: SeriesKey,
    },
    /// A minute would hold more events than a `u32`.
    #[error("`{series}` has more than 4294967295 events in the minute {minute}\nhint: split the series")]
    TooMany {
        /// The series.
        series: SeriesKey,
        /// The minute.
        minute: Minute,
    },
}

impl Ledger {
    /// What is still to be read of listed objects: each with the wanted series that it was not counted for.
    #[must_use]
    pub fn unread(
        &self,
        listed: &[ObjectRecord],
        wanted: &BTreeMap<String, BTreeSet<SeriesKey>>,
    ) -> Vec<(ObjectRecord, BTreeSet<SeriesKey>)> {
        let none = BTreeSet::new();
        let missing = |object: &ObjectRecord| {
            let counted = self.object(object.day(), &object.key).map_or(&none, |record| &record.counted);
            wanted.get(&object.load_balancer).unwrap_or(&none).difference(counted).cloned().collect::<BTreeSet<_>>()
        };
        listed.iter().map(|o| (o.clone(), missing(o))).filter(|(_, missing)| !missing.is_empty()).collect()
    }

    /// The records of listed objects that were counted when they had another size. That may be a copy in another form,
    /// which the lines in it tell apart from one that has changed.
    #[must_use]
    pub fn changed_since_read(&self, listed: &[ObjectRecord]) -> Vec<&ObjectRecord> {
        let changed = |object: &ObjectRecord| {
            let record = self.object(object.day(), &object.key)?;
            (!record.counted.is_empty() && record.size != object.size).then_some(record)
        };
        listed.iter().filter_map(changed).collect()
    }

    /// Sets every minute that the source knows and leaves the others; the same again changes nothing.
    ///
    /// # Errors
    /// [`AbsorbError::NotLoaded`].
    pub fn absorb_counts(&mut self, counts: &Counts) -> Result<(), AbsorbError> {
        for (_, day) in counts.keys() {
            self.minutes_loaded(*day)?;
        }
        let mut days = BTreeSet::new();
        for ((series, day), answer) in counts {
            let table = self.minutes.entry(*day).or_default().entry(series.clone()).or_default();
            let before = table.clone();
            let slots = table.total.iter_mut().zip(&mut table.bad).zip(&mut table.known);
            for (((total, bad), known), count) in slots.zip(&answer.0) {
                if let Some(count) = count {
                    (*total, *bad, *known) = (count.total, count.bad, 1);
                }
            }
            if *table != before {
                days.insert(*day);
            }
        }
        self.minutes.retain(|_, tables| {
            tables.retain(|_, table| table.says_something());
            !tables.is_empty()
        });
        for day in days {
            self.settle(day);
        }
        Ok(())
    }

    /// Adds the counts of objects and decides anew which minutes around them are known.
    ///
    /// # Errors
    /// Any [`AbsorbError`]; nothing of the answer is kept then.
    pub fn absorb_objects(&mut self, answer: &ObjectsAnswer) -> Result<(), AbsorbError> {
        self.check_objects(answer)?;
        self.check_sums(&answer.counts)?;
        for ((series, day), counts) in &answer.counts {
            let table = self.minutes.entry(*day).or_default().entry(series.clone()).or_default();
            let slots = table.total.iter_mut().zip(&mut table.bad);
            for ((total, bad), count) in slots.zip(counts) {
                (*total, *bad) = (*total + count.total, *bad + count.bad);
            }
        }
        let mut days: BTreeSet<Day> = answer.counts.keys().map(|(_, day)| *day).collect();
        let mut around = BTreeSet::new();
        for object in &answer.objects {
            let record = self.objects.entry(object.day()).or_default();
            record
                .entry(object.key.clone())
                .and_modify(|record| {
                    let counted = record.counted.union(&object.counted).cloned().collect();
                    // Until it could be read, nothing but its name was known.
                    if record.counted.is_empty() {
                        *record = object.clone();
                    }
                    record.counted = counted;
                })
                .or_insert_with(|| object.clone());
            around.extend([-1, 0, 1].map(|days| object.day().plus(days)));
        }
        self.cover(&around);
        days.extend(around);
        for day in days {
            self.settle(day);
        }
        Ok(())
    }

    fn check_objects(&self, answer: &ObjectsAnswer) -> Result<(), AbsorbError> {
        let mut seen = BTreeSet::new();
        for object in &answer.objects {
            let day = object.day();
            for near in -2..=2 {
                self.objects_loaded(day.plus(near))?;
            }
            for near in -1..=1 {
                self.minutes_loaded(day.plus(near))?;
            }
            let record = self.object(day, &object.key);
            for series in &object.counted {
                let recorded = record.is_some_and(|record| record.counted.contains(series));
                if recorded || !seen.insert((&object.key, series)) {
                    return Err(AbsorbError::AlreadyCounted { key: object.key.clone(), series: series.clone() });
                }
            }
        }
        Ok(())
    }

    fn check_sums(&self, counts: &BTreeMap<(SeriesKey, Day), Box<[Count]>>) -> Result<(), AbsorbError> {
        for ((series, day), answer) in counts {
            self.minutes_loaded(*day)?;
            let Some(table) = self.table(series, *day) else { continue };
            for ((minute, count), total) in (day.start().0..).zip(answer).zip(&table.total) {
                if total.checked_add(count.total).is_none() {
                    return Err(AbsorbError::TooMany { series: series.clone(), minute: Minute(minute) });
                }
            }
        }
        Ok(())
    }

    fn minutes_loaded(&self, day: Day) -> Result<(), NotLoaded> {
        if self.minutes_left.contains(&day) { Err(NotLoaded(day)) } else { Ok(()) }
    }

    fn objects_loaded(&self, day: Day) -> Result<(), NotLoaded> {
        if self.objects_left.contains(&day) { Err(NotLoaded(day)) } else { Ok(()) }
    }
}
