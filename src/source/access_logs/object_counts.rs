//! Counts of one object while it is read, and of all objects once they have been read whole.
//!
//! An object that turns out to be damaged leaves nothing behind: its counts are poured into the sum only at its end.
#![expect(
    clippy::inline_always,
    reason = "what is done to every line must become part of a function that is compiled for a wider processor"
)]

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::access_log::classify::Classification;
use crate::counts::{MinuteCount, SLOTS_PER_DAY};
use crate::time::{Day, Minute, Span};

/// Minutes around the object's interval that have a place in its table, for lines written a little early or late.
const MARGIN_MINUTES: i32 = 2;

/// A minute of one slot in one number, so that an event is one addition: bad events in the upper half. No object has as
/// many lines as one half holds.
type PackedCount = u64;
const ONE_BAD: PackedCount = 1 << 32;

/// Slots that are looked at together for whether they have any count.
const SERIES_PER_CHECK: usize = 16;

/// Counts of one object, by slot and minute.
#[derive(Debug, Default)]
pub(super) struct ObjectTally {
    first_minute: i32,
    series_count: usize,
    /// Minutes in [`Self::near`].
    minutes: usize,
    /// Minute by minute, a number for each slot.
    table: Vec<PackedCount>,
    /// The few lines whose time lies outside the table.
    outliers: HashMap<(usize, Minute), PackedCount>,
}

/// A minute, and its place in the table; far beyond its end if it has none.
#[derive(Clone, Copy)]
pub(super) struct TableRow {
    table_index: usize,
    minute: Minute,
}

impl ObjectTally {
    /// Starts an object with counts for this many slots.
    pub(super) fn reset(&mut self, series_count: usize, interval: Span) {
        self.first_minute = interval.start.plus(-MARGIN_MINUTES).0;
        self.minutes = interval.minutes() as usize + 2 * MARGIN_MINUTES.unsigned_abs() as usize;
        self.series_count = series_count;
        self.table.clear();
        self.table.resize(series_count * self.minutes, 0);
        self.outliers.clear();
    }

    /// Where a minute has its place, to count events in.
    #[inline(always)]
    pub(super) fn row(&self, minute: Minute) -> TableRow {
        let near = usize::try_from(minute.0.wrapping_sub(self.first_minute)).ok().filter(|place| *place < self.minutes);
        TableRow { table_index: near.map_or(usize::MAX / 2, |near| near * self.series_count), minute }
    }

    /// Counts an event.
    #[inline(always)]
    pub(super) fn add(&mut self, series_index: usize, row: TableRow, classification: Classification) {
        let increment = if classification == Classification::Bad { 1 + ONE_BAD } else { 1 };
        match self.table.get_mut(row.table_index + series_index) {
            Some(packed) => *packed += increment,
            None => self.add_outlier(series_index, row.minute, increment),
        }
    }

    #[cold]
    fn add_outlier(&mut self, series_index: usize, minute: Minute, increment: PackedCount) {
        *self.outliers.entry((series_index, minute)).or_default() += increment;
    }

    /// Adds all that was counted to the sum.
    pub(super) fn merge_into(&self, batch: &mut BatchCounts) {
        for (minute, slots) in (self.first_minute..).zip(self.table.chunks(self.series_count.max(1))) {
            // Most slots have nothing in one object, so several are looked at together.
            for (first, some) in (0..).step_by(SERIES_PER_CHECK).zip(slots.chunks(SERIES_PER_CHECK)) {
                if some.iter().fold(0, |all, packed| all | packed) == 0 {
                    continue;
                }
                for (slot, packed) in (first..).zip(some).filter(|(_, packed)| **packed > 0) {
                    batch.add(slot, Minute(minute), unpack(*packed));
                }
            }
        }
        for (&(slot, minute), packed) in &self.outliers {
            batch.add(slot, minute, unpack(*packed));
        }
    }
}

fn unpack(packed: PackedCount) -> MinuteCount {
    let half = |number: PackedCount| u32::try_from(number).unwrap_or(u32::MAX);
    MinuteCount { total: half(packed % ONE_BAD), bad: half(packed / ONE_BAD) }
}

/// Counts of all objects of a batch, dense by day.
#[derive(Debug, Default)]
pub(super) struct BatchCounts(pub(super) BTreeMap<(usize, Day), Box<[MinuteCount]>>);

impl BatchCounts {
    fn add(&mut self, series_index: usize, minute: Minute, count: MinuteCount) {
        let day = self.0.entry((series_index, minute.day())).or_insert_with(empty_day);
        if let Some(held) = day.get_mut(minute.minute_of_day()) {
            held.add(count);
        }
    }
}

/// A day without events.
pub(super) fn empty_day() -> Box<[MinuteCount]> {
    vec![MinuteCount::default(); SLOTS_PER_DAY].into_boxed_slice()
}
