//! What a source returns: good and total per minute, and which minutes are known.
//!
//! **Invariant:** `bad <= total` in every minute, and an unobserved minute is absent, never zero.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::series::SeriesKey;
use crate::time::{Day, MINUTES_PER_DAY};

pub const SLOTS_PER_DAY: usize = MINUTES_PER_DAY.unsigned_abs() as usize;

/// Counts of one minute. `u32` holds 71 million events a second, and halves every pass over the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinuteCount {
    pub total: u32,
    pub bad: u32,
}

impl MinuteCount {
    /// Adds up, and stops at the largest number instead of wrapping round.
    pub fn add(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.bad = self.bad.saturating_add(other.bad);
    }
}

/// One day of one series as a source saw it: a slot a minute, `None` where the source says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCounts(pub Box<[Option<MinuteCount>]>);

impl Default for DayCounts {
    fn default() -> Self {
        Self(vec![None; SLOTS_PER_DAY].into_boxed_slice())
    }
}

pub type Counts = BTreeMap<(SeriesKey, Day), DayCounts>;

/// Sums over a run of minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u32)", into = "(u64, u64, u32)")]
pub struct Sums {
    pub total: u64,
    pub bad: u64,
    /// How many minutes were observed, with or without traffic.
    pub known: u32,
}

impl Sums {
    pub const fn add(&mut self, other: Self) {
        self.total += other.total;
        self.bad += other.bad;
        self.known += other.known;
    }

    pub const fn minus(self, part: Self) -> Self {
        Self { total: self.total - part.total, bad: self.bad - part.bad, known: self.known - part.known }
    }
}

impl From<(u64, u64, u32)> for Sums {
    fn from((total, bad, known): (u64, u64, u32)) -> Self {
        Self { total, bad, known }
    }
}

impl From<Sums> for (u64, u64, u32) {
    fn from(Sums { total, bad, known }: Sums) -> Self {
        (total, bad, known)
    }
}

/// Minutes of one series, or of several one after the other, as three columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinuteColumns<'a> {
    pub total: &'a [u32],
    pub bad: &'a [u32],
    /// 1 where the minute was observed whole, else 0: then its counts are part of no sum.
    pub known: &'a [u8],
}

impl<'a> MinuteColumns<'a> {
    pub fn to_table(&self) -> MinuteTable {
        MinuteTable { total: self.total.to_vec(), bad: self.bad.to_vec(), known: self.known.to_vec() }
    }

    pub fn slice(&self, range: Range<usize>) -> MinuteColumns<'a> {
        MinuteColumns { total: &self.total[range.clone()], bad: &self.bad[range.clone()], known: &self.known[range] }
    }

    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for ((total, bad), known) in self.total.iter().zip(self.bad).zip(self.known) {
            // A factor of 0 or 1 instead of a branch: a day is summed several at a time.
            let known = u64::from(*known);
            sums.total += u64::from(*total) * known;
            sums.bad += u64::from(*bad) * known;
        }
        sums.known = self.known.iter().map(|known| u32::from(*known)).sum();
        sums
    }

    /// Whether anything was observed or counted.
    pub fn has_data(&self) -> bool {
        self.known.contains(&1) || self.total.iter().any(|total| *total > 0)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinuteTable {
    pub total: Vec<u32>,
    pub bad: Vec<u32>,
    pub known: Vec<u8>,
}

impl MinuteTable {
    /// Unknown minutes.
    pub fn new(length: usize) -> Self {
        Self { total: vec![0; length], bad: vec![0; length], known: vec![0; length] }
    }

    pub fn for_day() -> Self {
        Self::new(SLOTS_PER_DAY)
    }

    pub fn columns(&self) -> MinuteColumns<'_> {
        MinuteColumns { total: &self.total, bad: &self.bad, known: &self.known }
    }

    pub fn slice(&self, range: Range<usize>) -> MinuteColumns<'_> {
        self.columns().slice(range)
    }

    pub fn slice_mut(&mut self, range: Range<usize>) -> MinuteColumnsMut<'_> {
        MinuteColumnsMut {
            total: &mut self.total[range.clone()],
            bad: &mut self.bad[range.clone()],
            known: &mut self.known[range],
        }
    }

    pub fn set(&mut self, index: usize, count: MinuteCount, known: u8) {
        (self.total[index], self.bad[index], self.known[index]) = (count.total, count.bad, known);
    }
}

/// The minutes of one series, as a part of a table that holds those of others too. Cloning copies no minutes.
#[derive(Clone, Debug)]
pub struct MinuteRow {
    table: Arc<MinuteTable>,
    slots: Range<usize>,
}

impl MinuteRow {
    pub const fn new(table: Arc<MinuteTable>, slots: Range<usize>) -> Self {
        Self { table, slots }
    }

    pub fn columns(&self) -> MinuteColumns<'_> {
        self.table.slice(self.slots.clone())
    }

    /// Rows with one identity have equal minutes, which saves comparing them.
    pub fn identity(&self) -> (*const MinuteTable, usize) {
        (Arc::as_ptr(&self.table), self.slots.start)
    }
}

impl From<MinuteTable> for MinuteRow {
    fn from(table: MinuteTable) -> Self {
        let slots = 0..table.total.len();
        Self::new(Arc::new(table), slots)
    }
}

pub struct MinuteColumnsMut<'a> {
    pub total: &'a mut [u32],
    pub bad: &'a mut [u32],
    pub known: &'a mut [u8],
}

impl MinuteColumnsMut<'_> {
    pub fn copy_from(&mut self, source: &MinuteColumns<'_>) {
        self.total.copy_from_slice(source.total);
        self.bad.copy_from_slice(source.bad);
        self.known.copy_from_slice(source.known);
    }
}
