//! All known minutes of all series, and which log objects they were counted from; absent on purpose: where it is kept.
//!
//! **Invariant:** the state depends on the set of answers absorbed, never on their order or batching.

mod absorb;
mod coverage;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use crate::counts::{DaySlice, SLOTS, Sums};
use crate::minute::{Day, Minute, Span};
use crate::series::SeriesKey;

pub use absorb::{AbsorbError, ObjectsAnswer};
pub use view::View;

/// One day of one series, a slot a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Events that were counted.
    pub total: Vec<u32>,
    /// Bad ones among them.
    pub bad: Vec<u32>,
    /// 1 where the minute was observed whole, else 0. What was counted of another minute waits here until the rest of it is
    /// known, and is part of no sum before.
    pub known: Vec<u8>,
}

impl Default for Table {
    fn default() -> Self {
        Self { total: vec![0; SLOTS], bad: vec![0; SLOTS], known: vec![0; SLOTS] }
    }
}

impl Table {
    /// Whether anything was observed or counted.
    pub(crate) fn says_something(&self) -> bool {
        self.known.contains(&1) || self.total.iter().any(|total| *total > 0)
    }

    /// Sums of the known minutes among the slots `from..to`, at most [`SLOTS`].
    #[must_use]
    pub fn sums(&self, from: usize, to: usize) -> Sums {
        let rows = self.total.iter().zip(&self.bad).zip(&self.known).take(to).skip(from);
        let mut sums = Sums::default();
        for ((total, bad), known) in rows.filter(|(_, known)| **known == 1) {
            sums.add(Sums { total: u64::from(*total), bad: u64::from(*bad), known: u32::from(*known) });
        }
        sums
    }
}

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
    pub load_balancer: String,
    /// The minutes it was delivered for.
    pub interval: Span,
    /// The series its lines were counted for; none if it is there but could not be read.
    pub counted: BTreeSet<SeriesKey>,
}

impl ObjectRecord {
    /// The day it is filed under: that of the last minute of its interval.
    #[must_use]
    pub const fn day(&self) -> Day {
        self.interval.end.plus(-1).day()
    }
}

/// A day is in the ledger, but was not loaded for this question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the minutes or objects of {0} were not loaded\nhint: load that day before asking for it")]
pub struct NotLoaded(pub Day);

/// What has been loaded of the ledger.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub(crate) minutes: BTreeMap<Day, BTreeMap<SeriesKey, Table>>,
    pub(crate) objects: BTreeMap<Day, BTreeMap<String, ObjectRecord>>,
    pub(crate) sums: BTreeMap<SeriesKey, BTreeMap<Day, Sums>>,
    /// Days that are kept, but whose minutes or objects were left where they are.
    pub(crate) minutes_left: BTreeSet<Day>,
    pub(crate) objects_left: BTreeSet<Day>,
    pub(crate) changed: BTreeSet<Day>,
}

impl Ledger {
    /// Exact sums over any span: day sums for whole days, minutes for partial ones.
    ///
    /// # Errors
    /// [`NotLoaded`] if a partial day of the span is kept but was not loaded.
    pub fn sums(&self, series: &SeriesKey, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = Sums::default();
        for day in span.days() {
            let part = span.intersect(day.span());
            sums.add(if part == day.span() { self.day_sums(series, day) } else { self.part_sums(series, day, part)? });
        }
        Ok(sums)
    }

    fn part_sums(&self, series: &SeriesKey, day: Day, part: Span) -> Result<Sums, NotLoaded> {
        if self.minutes_left.contains(&day) {
            return Err(NotLoaded(day));
        }
        let from = part.start.of_day();
        let to = from + part.minutes() as usize;
        Ok(self.table(series, day).map_or_else(Sums::default, |table| table.sums(from, to)))
    }

    /// Sums of a whole UTC day.
    #[must_use]
    pub fn day_sums(&self, series: &SeriesKey, day: Day) -> Sums {
        self.sums.get(series).and_then(|days| days.get(&day)).copied().unwrap_or_default()
    }

    /// The minutes of a day; `None` if nothing is known of it.
    ///
    /// # Errors
    /// [`NotLoaded`] if the day is kept but was not loaded.
    pub fn day(&self, series: &SeriesKey, day: Day) -> Result<Option<DaySlice<'_>>, NotLoaded> {
        if self.minutes_left.contains(&day) {
            return Err(NotLoaded(day));
        }
        Ok(self.table(series, day).map(|t| DaySlice { total: &t.total, bad: &t.bad, known: &t.known }))
    }

    /// The end of the newest known minute before `before`; `None` if no minute is known.
    ///
    /// # Errors
    /// [`NotLoaded`] if the day of that minute was not loaded.
    pub fn watermark(&self, series: &SeriesKey, before: Minute) -> Result<Option<Minute>, NotLoaded> {
        let Some(days) = self.sums.get(series) else { return Ok(None) };
        for day in days.range(..=before.plus(-1).day()).rev().map(|(day, _)| *day) {
            let part = Span::new(day.start(), before).intersect(day.span()).minutes() as usize;
            let known = self.day(series, day)?.and_then(|slice| slice.known.get(..part));
            if let Some(slot) = known.and_then(|known| known.iter().rposition(|known| *known == 1)) {
                return Ok(i32::try_from(slot + 1).ok().map(|minutes| day.start().plus(minutes)));
            }
        }
        Ok(None)
    }

    /// The newest day before `before` with a known minute.
    #[must_use]
    pub fn newest_day(&self, series: &SeriesKey, before: Minute) -> Option<Day> {
        self.sums.get(series)?.range(..=before.plus(-1).day()).next_back().map(|(day, _)| *day)
    }

    /// All series with a known minute, sorted.
    pub fn series(&self) -> impl Iterator<Item = &SeriesKey> {
        self.sums.keys()
    }

    /// The recorded object of this name; its day is that of [`ObjectRecord::day`].
    #[must_use]
    pub fn object(&self, day: Day, key: &str) -> Option<&ObjectRecord> {
        self.objects.get(&day).and_then(|day| day.get(key))
    }

    fn table(&self, series: &SeriesKey, day: Day) -> Option<&Table> {
        self.minutes.get(&day).and_then(|tables| tables.get(series))
    }

    /// Drops tables that know nothing, and sums the day anew.
    fn settle(&mut self, day: Day) {
        for days in self.sums.values_mut() {
            days.remove(&day);
        }
        if let Some(tables) = self.minutes.get_mut(&day) {
            tables.retain(|_, table| table.says_something());
            for (series, table) in tables.iter() {
                self.sums.entry(series.clone()).or_default().insert(day, table.sums(0, SLOTS));
            }
        }
        self.sums.retain(|_, days| !days.is_empty());
        self.minutes.retain(|_, tables| !tables.is_empty());
        self.changed.insert(day);
    }
}
