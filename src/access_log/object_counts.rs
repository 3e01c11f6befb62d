//! Counts of one object while it is read, and of all objects that have been read to their ends.
//!
//! A damaged object leaves no counts: they are added to the sum only at its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;

use crate::access_log::alb::Request;
use crate::access_log::request_reader::RequestSink;
use crate::access_log::router::{Classification, SeriesRouter};
use crate::counts::{MinuteCount, SLOTS_PER_DAY};
use crate::time::{Day, MINUTES_PER_DAY, Minute, Span};

/// Minutes around the object's interval that have a row in its table, for lines written a little early or late.
const MARGIN_MINUTES: i32 = 2;

/// Counts of one minute and series in one number, so that an event is one addition: bad events in the upper half. No
/// object has as many lines as one half holds.
type PackedCount = u64;
const ONE_BAD: PackedCount = 1 << 32;

/// Series that are checked together for any count.
const SERIES_PER_CHECK: usize = 16;

/// Counts of one object, by minute and series.
#[derive(Debug, Default)]
pub struct ObjectTally {
    first_minute: i32,
    series_count: usize,
    minutes: usize,
    /// `minutes` rows of `series_count`.
    table: Vec<PackedCount>,
    /// The few events outside the table.
    outliers: HashMap<(usize, Minute), PackedCount>,
}

/// A minute and its index in the table, far beyond the table's end if it has none.
#[derive(Clone, Copy)]
pub struct TableRow {
    table_index: usize,
    minute: Minute,
}

impl ObjectTally {
    pub fn reset(&mut self, series_count: usize, interval: Span) {
        self.first_minute = interval.start.plus(-MARGIN_MINUTES).0;
        self.minutes = interval.minutes() as usize + 2 * MARGIN_MINUTES.unsigned_abs() as usize;
        self.series_count = series_count;
        self.table.clear();
        self.table.resize(series_count * self.minutes, 0);
        self.outliers.clear();
    }

    #[inline(always)]
    pub fn row(&self, minute: Minute) -> TableRow {
        let near = usize::try_from(minute.0.wrapping_sub(self.first_minute)).ok().filter(|place| *place < self.minutes);
        TableRow { table_index: near.map_or(usize::MAX / 2, |near| near * self.series_count), minute }
    }

    #[inline(always)]
    pub fn add(&mut self, series_index: usize, row: TableRow, classification: Classification) {
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

    pub fn merge_into(&self, batch: &mut BatchCounts) {
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

/// Counts the requests of one object as events of the router's series.
pub struct EventCounter<'a> {
    router: &'a SeriesRouter,
    interval: Span,
    /// Minutes that its requests may lie in: a day to either side, so that a wrong clock cannot touch any day.
    plausible_span: Span,
    tally: &'a mut ObjectTally,
    cancel: &'a AtomicBool,
}

impl<'a> EventCounter<'a> {
    pub fn new(router: &'a SeriesRouter, interval: Span, tally: &'a mut ObjectTally, cancel: &'a AtomicBool) -> Self {
        let plausible_span = Span::new(interval.start.plus(-MINUTES_PER_DAY), interval.end.plus(MINUTES_PER_DAY));
        Self { router, interval, plausible_span, tally, cancel }
    }
}

impl RequestSink for EventCounter<'_> {
    fn restart(&mut self) {
        self.tally.reset(self.router.series.len(), self.interval);
    }

    #[inline(always)]
    fn includes(&self, minute: Minute) -> bool {
        self.plausible_span.contains(minute)
    }

    #[inline(always)]
    fn count(&mut self, request: &Request<'_>, _: &[u8]) {
        let tally = &mut *self.tally;
        let row = tally.row(request.minute);
        self.router.classify(request, |series_index, event| tally.add(series_index, row, event));
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

/// Counts of all objects of a batch, dense by day.
#[derive(Debug, Default)]
pub struct BatchCounts(pub BTreeMap<(usize, Day), Box<[MinuteCount]>>);

impl BatchCounts {
    fn add(&mut self, series_index: usize, minute: Minute, count: MinuteCount) {
        let day = self.0.entry((series_index, minute.day())).or_insert_with(empty_day);
        if let Some(held) = day.get_mut(minute.minute_of_day()) {
            held.add(count);
        }
    }
}

pub fn empty_day() -> Box<[MinuteCount]> {
    vec![MinuteCount::default(); SLOTS_PER_DAY].into_boxed_slice()
}
