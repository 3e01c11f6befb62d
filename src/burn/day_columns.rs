//! One day's columns, a block of minutes at a time: its sums, and its counts where a window begins or ends in it.

use std::ops::Range;

use super::simd::{self, BLOCK_LEN, BLOCK_MINUTES, DayArrays, as_blocks};
use crate::counts::{MinuteColumns, SLOTS_PER_DAY};

pub(super) const BLOCKS_PER_DAY: usize = SLOTS_PER_DAY / BLOCK_LEN;

/// The columns of a day as far as they are part of a span.
#[derive(Clone, Debug)]
pub(super) struct DayBlocks<'a> {
    columns: DayArrays<'a>,
    /// The minutes of the day that lie in the span.
    slots: Range<usize>,
    /// Whether that is the whole day and all of it is known: then the counts can be taken as they are.
    is_fully_known: bool,
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
    pub(super) fn new(slice: MinuteColumns<'a>, slots: Range<usize>) -> Option<Self> {
        let MinuteColumns { total, bad, known } = slice;
        let (total, bad, known) = (total.try_into().ok()?, bad.try_into().ok()?, known.try_into().ok()?);
        Some(Self { columns: DayArrays { total, bad, known }, slots, is_fully_known: false })
    }

    /// Continues the running sums over this day. The first entries are given and sum everything before it, the others
    /// sum a block more each. Nearly always, all minutes of a day are known.
    pub(super) fn accumulate(&mut self, total: &mut [u64], bad: &mut [u64], known: &mut [u32]) {
        self.is_fully_known = self.slots == (0..SLOTS_PER_DAY) && simd::accumulate_day(self.columns, total, bad);
        for block in 0..BLOCKS_PER_DAY {
            if self.is_fully_known {
                known[block + 1] = known[block] + BLOCK_MINUTES.unsigned_abs();
                continue;
            }
            let counts = self.block_counts(block);
            total[block + 1] = total[block] + sum_counts(&counts.total);
            bad[block + 1] = bad[block] + sum_counts(&counts.bad);
            known[block + 1] = known[block] + counts.known.iter().map(|known| u32::from(*known)).sum::<u32>();
        }
    }

    /// The columns of all events and of the bad ones from a block to the end of the day, if they can be taken as they
    /// are.
    #[inline]
    pub(super) fn fully_known_from(&self, block: usize) -> Option<(&'a [u32], &'a [u32])> {
        let from = |column: &'a [u32; SLOTS_PER_DAY]| column.get(block * BLOCK_LEN..);
        from(self.columns.total).zip(from(self.columns.bad)).filter(|_| self.is_fully_known)
    }

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
        BlockCounts { total: masked(self.columns.total), bad: masked(self.columns.bad), known }
    }

    /// Which minutes of a block are known and lie in the span.
    #[inline]
    fn known_minutes(&self, block: usize) -> [u8; BLOCK_LEN] {
        let mut known = as_blocks(self.columns.known)[block];
        let start = block * BLOCK_LEN;
        if start < self.slots.start || self.slots.end < start + BLOCK_LEN {
            for (_, known) in (start..).zip(&mut known).filter(|(slot, _)| !self.slots.contains(slot)) {
                *known = 0;
            }
        }
        known
    }
}

fn sum_counts(counts: &[u32]) -> u64 {
    counts.iter().map(|count| u64::from(*count)).sum()
}
