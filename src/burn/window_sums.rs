//! Sums of one series over a run of minutes: those of any window are two look-ups and the few minutes at its two edges.
//!
//! Absent on purpose: prefix sums of every minute. Writing them takes longer than everything else together, and hardly
//! any minute of hardly any service is ever asked for.

use super::day_columns::{BLOCKS_PER_DAY, BlockCounts, DayBlocks};
use super::simd::{BLOCK_LEN, BLOCK_MINUTES};
use crate::counts::{MinuteColumns, Sums};
use crate::time::{Day, Minute, Span};

/// Blocks that are looked at together: enough to keep a processor's wide registers busy.
pub(super) const BATCH_BLOCKS: i32 = 64;
pub(super) const BATCH_LEN: usize = BATCH_BLOCKS.unsigned_abs() as usize;

/// Running sums over blocks of minutes, beside the columns they were made of.
///
/// The blocks are those of whole days. Entry `i` sums the first `i` of them, without minutes outside the span. `u64`
/// cannot overflow: 400 days of `u32::MAX` a minute stay below 2^52.
#[derive(Clone, Debug)]
pub struct PrefixSums<'a> {
    first_block: i32,
    /// `None` where nothing is known.
    days: Vec<Option<DayBlocks<'a>>>,
    pub(super) total: Vec<u64>,
    pub(super) bad: Vec<u64>,
    known: Vec<u32>,
}

/// All events and the bad ones before each of [`BLOCK_LEN`] minutes in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct MinutePrefixSums {
    pub(super) total: [u64; BLOCK_LEN],
    pub(super) bad: [u64; BLOCK_LEN],
}

impl<'a> PrefixSums<'a> {
    /// Sums up the days; the minutes of a day that is `None` or absent are unknown.
    pub fn new(span: Span, days: impl Iterator<Item = (Day, Option<MinuteColumns<'a>>)>) -> Self {
        let first_day = span.start.day();
        let mut columns = vec![None; span.days().count()];
        for (day, slice) in days {
            let part = day.span().intersect(span);
            if let Some(slice) = slice
                && !part.is_empty()
            {
                let start = part.start.minute_of_day();
                let slots = start..start + part.minutes() as usize;
                columns[day.0.abs_diff(first_day.0) as usize] = DayBlocks::new(slice, slots);
            }
        }
        let entries = columns.len() * BLOCKS_PER_DAY + 1;
        let (mut total, mut bad, mut known) = (vec![0; entries], vec![0; entries], vec![0; entries]);
        for (day_index, day) in columns.iter_mut().enumerate() {
            let entries = day_index * BLOCKS_PER_DAY..(day_index + 1) * BLOCKS_PER_DAY + 1;
            let (total, bad, known) = (&mut total[entries.clone()], &mut bad[entries.clone()], &mut known[entries]);
            if let Some(day) = day {
                day.accumulate(total, bad, known);
            } else {
                total.fill(total[0]);
                bad.fill(bad[0]);
                known.fill(known[0]);
            }
        }
        Self { first_block: block_of(first_day.start()), days: columns, total, bad, known }
    }

    /// Sums over a span; minutes outside what was summed up are unknown.
    pub fn sums_in(&self, span: Span) -> Sums {
        let (start, end) = (self.sums_before(span.start), self.sums_before(span.end));
        Sums { total: end.total - start.total, bad: end.bad - start.bad, known: end.known - start.known }
    }

    fn sums_before(&self, minute: Minute) -> Sums {
        let entry = self.entry_index(block_of(minute));
        let mut sums = Sums { total: self.total[entry], bad: self.bad[entry], known: self.known[entry] };
        let minute_index = minute_in_block(minute);
        if minute_index > 0 {
            let BlockCounts { total, bad, known } = self.block_counts(block_of(minute));
            for ((total, bad), known) in total.into_iter().zip(bad).zip(known).take(minute_index) {
                sums.add(Sums { total: total.into(), bad: bad.into(), known: known.into() });
            }
        }
        sums
    }

    /// The events before each of [`BLOCK_LEN`] minutes in a row, from this one on.
    pub(super) fn events_before(&self, first: Minute) -> MinutePrefixSums {
        let (block, minute_index) = (block_of(first), minute_in_block(first));
        let entry = self.entry_index(block);
        let (total, bad) = (self.total[entry], self.bad[entry]);
        let fully_known = self.day_and_block(block).and_then(|(day, block)| day.fully_known_from(block));
        if let Some((totals, bads)) = fully_known.filter(|(totals, _)| totals.len() >= minute_index + BLOCK_LEN) {
            return MinutePrefixSums {
                total: minute_prefix_sums(total, totals, minute_index),
                bad: minute_prefix_sums(bad, bads, minute_index),
            };
        }
        let (counts, next) = (self.block_counts(block), self.block_counts(block.saturating_add(1)));
        let (totals, bads) = ([counts.total, next.total], [counts.bad, next.bad]);
        MinutePrefixSums {
            total: minute_prefix_sums(total, totals.as_flattened(), minute_index),
            bad: minute_prefix_sums(bad, bads.as_flattened(), minute_index),
        }
    }

    /// All events and the bad ones from a block to before another; none if they are out of order.
    pub(super) fn events_between(&self, start: i32, end: i32) -> (u64, u64) {
        let (start, end) = (self.entry_index(start), self.entry_index(end));
        (self.total[end].saturating_sub(self.total[start]), self.bad[end].saturating_sub(self.bad[start]))
    }

    /// The running sums `total` or `bad` before each block of a batch. They are copied to `buffer` if the batch reaches
    /// beyond the days that were summed up: the first sum holds before them, and the last one behind them.
    #[inline]
    pub(super) fn batch<'b>(
        &self,
        entries: &'b [u64],
        first_block: i32,
        buffer: &'b mut [u64; BATCH_LEN],
    ) -> &'b [u64; BATCH_LEN] {
        let index = first_block.saturating_sub(self.first_block);
        let slice = usize::try_from(index).ok().and_then(|index| entries.get(index..)?.first_chunk());
        slice.unwrap_or_else(|| {
            for (offset, sum) in (0..).zip(buffer.iter_mut()) {
                *sum = entries[self.entry_index(first_block.saturating_add(offset))];
            }
            buffer
        })
    }

    /// The entry that sums everything before the block of this number.
    #[inline]
    fn entry_index(&self, block: i32) -> usize {
        usize::try_from(block.saturating_sub(self.first_block)).unwrap_or(0).min(self.total.len() - 1)
    }

    /// The day that the block of this number lies in, and which of the day's blocks it is. `None` if nothing is known.
    #[inline]
    fn day_and_block(&self, block: i32) -> Option<(&DayBlocks<'a>, usize)> {
        let block_index = usize::try_from(block.saturating_sub(self.first_block)).ok()?;
        let day = self.days.get(block_index / BLOCKS_PER_DAY)?.as_ref()?;
        Some((day, block_index % BLOCKS_PER_DAY))
    }

    fn block_counts(&self, block: i32) -> BlockCounts {
        self.day_and_block(block).map_or_else(BlockCounts::default, |(day, block)| day.block_counts(block))
    }
}

/// The sum before each of the counts from a place on, if it is `sum` before the first.
#[inline]
fn minute_prefix_sums(sum: u64, counts: &[u32], index: usize) -> [u64; BLOCK_LEN] {
    let (preceding, counts) = counts.split_at(index);
    let mut sum = preceding.iter().fold(sum, |sum, count| sum + u64::from(*count));
    let mut sums = [0; BLOCK_LEN];
    for (entry, count) in sums.iter_mut().zip(counts) {
        *entry = sum;
        sum += u64::from(*count);
    }
    sums
}

/// The number of the block that a minute lies in, counted from 1970-01-01T00:00Z.
pub(super) const fn block_of(minute: Minute) -> i32 {
    minute.0.div_euclid(BLOCK_MINUTES)
}

/// How many minutes of its block lie before a minute.
const fn minute_in_block(minute: Minute) -> usize {
    minute.0.rem_euclid(BLOCK_MINUTES).unsigned_abs() as usize
}
