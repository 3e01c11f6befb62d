//! One day's columns, a block of minutes at a time: its sums, and its counts where a window begins or ends in it.

use std::ops::Range;

use super::lanes::{self, Day};
use crate::counts::{DaySlice, SLOTS};

/// Minutes of a block. It divides the day, so that a block lies in one; it is as many counts as a processor adds up in
/// a few steps; and it adds little to a window of an hour.
pub(super) const BLOCK_MINUTES: i32 = 16;
/// Counts of a block.
pub(super) const BLOCK: usize = BLOCK_MINUTES.unsigned_abs() as usize;
/// Blocks of a day.
pub(super) const BLOCKS_PER_DAY: usize = SLOTS / BLOCK;

/// The columns of a day as far as they are part of a span.
#[derive(Clone, Debug)]
pub(super) struct DayColumns<'a> {
    total: &'a [u32; SLOTS],
    bad: &'a [u32; SLOTS],
    known: &'a [u8; SLOTS],
    /// The minutes of the day that lie in the span.
    slots: Range<usize>,
    /// Whether that is the whole day and all of it is known: then the counts can be taken as they are.
    is_plain: bool,
}

/// Running sums of a day: the first entry is given and sums everything before it, the others sum a block more each.
pub(super) struct DaySums<'a> {
    pub(super) total: &'a mut [u64],
    pub(super) bad: &'a mut [u64],
    pub(super) known: &'a mut [u32],
}

/// The counts of a block's minutes, all 0 where a minute is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlockCounts {
    pub(super) total: [u32; BLOCK],
    pub(super) bad: [u32; BLOCK],
    pub(super) known: [u8; BLOCK],
}

impl<'a> DayColumns<'a> {
    /// The minutes `slots` of a day. `None` if the columns are not those of a day.
    pub(super) fn of(slice: &DaySlice<'a>, slots: Range<usize>) -> Option<Self> {
        let (total, bad, known) = (slice.total.try_into(), slice.bad.try_into(), slice.known.try_into());
        Some(Self { total: total.ok()?, bad: bad.ok()?, known: known.ok()?, slots, is_plain: false })
    }

    /// Continues the running sums over this day.
    pub(super) fn sum_up(&mut self, sums: &mut DaySums<'_>) {
        self.is_plain = self.slots == (0..SLOTS) && self.sum_up_plainly(sums);
        if self.is_plain {
            return;
        }
        for block in 0..BLOCKS_PER_DAY {
            let counts = self.counts(block);
            sums.total[block + 1] = sums.total[block] + sum(&counts.total);
            sums.bad[block + 1] = sums.bad[block] + sum(&counts.bad);
            sums.known[block + 1] = sums.known[block] + counts.known.iter().map(|known| u32::from(*known)).sum::<u32>();
        }
    }

    /// The same as if all minutes were known, as they nearly always are; `false` if they turn out not to be.
    fn sum_up_plainly(&self, sums: &mut DaySums<'_>) -> bool {
        let mut known = sums.known[0];
        for entry in &mut sums.known[1..] {
            known += BLOCK_MINUTES.unsigned_abs();
            *entry = known;
        }
        lanes::sum_up(Day { total: self.total, bad: self.bad, known: self.known }, sums.total, sums.bad)
    }

    /// The columns of all events and of the bad ones from a block to the end of the day, if they can be taken as they
    /// are.
    #[inline]
    pub(super) fn plain_from(&self, block: usize) -> Option<(&'a [u32], &'a [u32])> {
        let from = |column: &'a [u32; SLOTS]| column.get(block * BLOCK..);
        from(self.total).zip(from(self.bad)).filter(|_| self.is_plain)
    }

    /// The counts of a block.
    #[inline]
    pub(super) fn counts(&self, block: usize) -> BlockCounts {
        let known = self.known(block);
        let masks = known.map(|known| u32::from(known).wrapping_neg());
        let masked = |column: &[u32; SLOTS]| {
            let mut counts = blocks(column)[block];
            for (count, mask) in counts.iter_mut().zip(masks) {
                *count &= mask;
            }
            counts
        };
        BlockCounts { total: masked(self.total), bad: masked(self.bad), known }
    }

    /// Which minutes of a block are known and lie in the span.
    #[inline]
    fn known(&self, block: usize) -> [u8; BLOCK] {
        let mut known = blocks(self.known)[block];
        let start = block * BLOCK;
        if start < self.slots.start || self.slots.end < start + BLOCK {
            for (_, known) in (start..).zip(&mut known).filter(|(slot, _)| !self.slots.contains(slot)) {
                *known = 0;
            }
        }
        known
    }
}

/// A column, block by block.
pub(super) fn blocks<T>(column: &[T; SLOTS]) -> &[[T; BLOCK]] {
    column.as_chunks().0
}

/// The sum of counts that may be as large as they like.
fn sum(counts: &[u32]) -> u64 {
    counts.iter().map(|count| u64::from(*count)).sum()
}
