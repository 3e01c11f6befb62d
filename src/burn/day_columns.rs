//! One day's columns, a block of minutes at a time: its sums, and its counts where a window begins or ends in it.

use std::ops::Range;

use super::simd::{self, BLOCK_LEN, BLOCK_MINUTES, DayArrays, as_blocks};
use crate::counts::{MinuteColumns, SLOTS_PER_DAY};

/// Blocks of a day.
pub(super) const BLOCKS_PER_DAY: usize = SLOTS_PER_DAY / BLOCK_LEN;

/// The columns of a day as far as they are part of a span.
#[derive(Clone, Debug)]
pub(super) struct DayBlocks<'a> {
    total: &'a [u32; SLOTS_PER_DAY],
    bad: &'a [u32; SLOTS_PER_DAY],
    known: &'a [u8; SLOTS_PER_DAY],
    /// The minutes of the day that lie in the span.
    slots: Range<usize>,
    /// Whether that is the whole day and all of it is known: then the counts can be taken as they are.
    is_fully_known: bool,
}

/// Running sums of a day: the first entry is given and sums everything before it, the others sum a block more each.
pub(super) struct DayPrefixSums<'a> {
    pub(super) total: &'a mut [u64],
    pub(super) bad: &'a mut [u64],
    pub(super) known: &'a mut [u32],
}

/// The counts of a block's minutes, all 0 where a minute is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BlockCounts {
    pub(super) total: [u32; BLOCK_LEN],
    pub(super) bad: [u32; BLOCK_LEN],
    pub(super) known: [u8; BLOCK_LEN],
}

impl<'a> DayBlocks<'a> {
    /// The minutes `slots` of a day. `None` if the columns are not those of a day.
    pub(super) fn new(slice: &MinuteColumns<'a>, slots: Range<usize>) -> Option<Self> {
        let (total, bad, known) = (slice.total.try_into(), slice.bad.try_into(), slice.known.try_into());
        Some(Self { total: total.ok()?, bad: bad.ok()?, known: known.ok()?, slots, is_fully_known: false })
    }

    /// Continues the running sums over this day.
    pub(super) fn accumulate(&mut self, sums: &mut DayPrefixSums<'_>) {
        self.is_fully_known = self.slots == (0..SLOTS_PER_DAY) && self.accumulate_fully_known(sums);
        if self.is_fully_known {
            return;
        }
        for block in 0..BLOCKS_PER_DAY {
            let counts = self.block_counts(block);
            sums.total[block + 1] = sums.total[block] + sum_counts(&counts.total);
            sums.bad[block + 1] = sums.bad[block] + sum_counts(&counts.bad);
            sums.known[block + 1] = sums.known[block] + counts.known.iter().map(|known| u32::from(*known)).sum::<u32>();
        }
    }

    /// The same as if all minutes were known, as they nearly always are; `false` if they turn out not to be.
    fn accumulate_fully_known(&self, sums: &mut DayPrefixSums<'_>) -> bool {
        let mut known = sums.known[0];
        for entry in &mut sums.known[1..] {
            known += BLOCK_MINUTES.unsigned_abs();
            *entry = known;
        }
        simd::accumulate_day(DayArrays { total: self.total, bad: self.bad, known: self.known }, sums.total, sums.bad)
    }

    /// The columns of all events and of the bad ones from a block to the end of the day, if they can be taken as they
    /// are.
    #[inline]
    pub(super) fn fully_known_from(&self, block: usize) -> Option<(&'a [u32], &'a [u32])> {
        let from = |column: &'a [u32; SLOTS_PER_DAY]| column.get(block * BLOCK_LEN..);
        from(self.total).zip(from(self.bad)).filter(|_| self.is_fully_known)
    }

    /// The counts of a block.
    #[inline]
    pub(super) fn block_counts(&self, block: usize) -> BlockCounts {
        let known = self.known_minutes(block);
        let masks = known.map(|known| u32::from(known).wrapping_neg());
        let masked = |column: &[u32; SLOTS_PER_DAY]| {
            let mut counts = as_blocks(column)[block];
            for (count, mask) in counts.iter_mut().zip(masks) {
                *count &= mask;
            }
            counts
        };
        BlockCounts { total: masked(self.total), bad: masked(self.bad), known }
    }

    /// Which minutes of a block are known and lie in the span.
    #[inline]
    fn known_minutes(&self, block: usize) -> [u8; BLOCK_LEN] {
        let mut known = as_blocks(self.known)[block];
        let start = block * BLOCK_LEN;
        if start < self.slots.start || self.slots.end < start + BLOCK_LEN {
            for (_, known) in (start..).zip(&mut known).filter(|(slot, _)| !self.slots.contains(slot)) {
                *known = 0;
            }
        }
        known
    }
}

/// The sum of counts that may be as large as they like.
fn sum_counts(counts: &[u32]) -> u64 {
    counts.iter().map(|count| u64::from(*count)).sum()
}
