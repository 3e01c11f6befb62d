//! Sums of one series over a run of minutes: those of any window are two look-ups and the few minutes at its two edges.
//!
//! Absent on purpose: prefix sums of every minute. Writing them takes longer than everything else together, and hardly
//! any minute of hardly any service is ever asked for.

use super::columns::{BLOCK, BLOCK_MINUTES, BLOCKS_PER_DAY, BlockCounts, DayColumns, DaySums};
use crate::counts::{DaySlice, Sums};
use crate::minute::{Day, Minute, Span};

/// Blocks that are looked at together: enough to keep a processor's wide registers busy.
pub(super) const STRETCH_BLOCKS: i32 = 64;
/// The same as a number of entries.
pub(super) const STRETCH: usize = STRETCH_BLOCKS.unsigned_abs() as usize;

/// Running sums over blocks of minutes, beside the columns they were made of.
///
/// The blocks are those of whole days. Entry `i` sums the first `i` of them, without the minutes outside `span`. `u64`
/// cannot overflow: 400 days of `u32::MAX` a minute stay below 2^52.
#[derive(Clone, Debug)]
pub struct Running<'a> {
    span: Span,
    /// Number of the first block.
    first: i32,
    /// `None` where nothing is known.
    days: Vec<Option<DayColumns<'a>>>,
    total: Vec<u64>,
    bad: Vec<u64>,
    known: Vec<u32>,
}

/// All events and the bad ones before each of [`BLOCK`] minutes in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventsBefore {
    pub(super) total: [u64; BLOCK],
    pub(super) bad: [u64; BLOCK],
}

impl<'a> Running<'a> {
    /// Sums up the days; the minutes of a day that is `None` or absent are unknown.
    #[must_use]
    pub fn of(span: Span, days: impl Iterator<Item = (Day, Option<DaySlice<'a>>)>) -> Self {
        let first_day = span.start.day();
        let mut columns = vec![None; span.days().count()];
        for (day, slice) in days {
            let part = day.span().intersect(span);
            if let Some(slice) = slice
                && !part.is_empty()
            {
                let start = part.start.of_day();
                let slots = start..start + part.minutes() as usize;
                columns[day.0.abs_diff(first_day.0) as usize] = DayColumns::of(&slice, slots);
            }
        }
        let entries = columns.len() * BLOCKS_PER_DAY + 1;
        let (mut total, mut bad, mut known) = (vec![0; entries], vec![0; entries], vec![0; entries]);
        for (place, day) in columns.iter_mut().enumerate() {
            let entries = place * BLOCKS_PER_DAY..(place + 1) * BLOCKS_PER_DAY + 1;
            let (total, bad, known) = (&mut total[entries.clone()], &mut bad[entries.clone()], &mut known[entries]);
            if let Some(day) = day {
                day.sum_up(&mut DaySums { total, bad, known });
            } else {
                total.fill(total[0]);
                bad.fill(bad[0]);
                known.fill(known[0]);
            }
        }
        Self { span, first: block_of(first_day.start()), days: columns, total, bad, known }
    }

    /// The minutes that were summed up.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Sums over a span; minutes outside what was summed up are unknown.
    #[must_use]
    pub fn over(&self, span: Span) -> Sums {
        let (start, end) = (self.before(span.start), self.before(span.end));
        Sums { total: end.total - start.total, bad: end.bad - start.bad, known: end.known - start.known }
    }

    /// Sums over everything before a minute.
    fn before(&self, minute: Minute) -> Sums {
        let entry = self.entry(block_of(minute));
        let mut sums = Sums { total: self.total[entry], bad: self.bad[entry], known: self.known[entry] };
        let edge = place_in_block(minute);
        if edge > 0 {
            let BlockCounts { total, bad, known } = self.counts(block_of(minute));
            for ((total, bad), known) in total.into_iter().zip(bad).zip(known).take(edge) {
                sums.add(Sums { total: total.into(), bad: bad.into(), known: known.into() });
            }
        }
        sums
    }

    /// The events before each of [`BLOCK`] minutes in a row, from this one on.
    pub(super) fn events_before(&self, first: Minute) -> EventsBefore {
        let (block, edge) = (block_of(first), place_in_block(first));
        let entry = self.entry(block);
        let (total, bad) = (self.total[entry], self.bad[entry]);
        let plain = self.day(block).and_then(|(day, block)| day.plain_from(block));
        if let Some((totals, bads)) = plain.filter(|(totals, _)| totals.len() >= edge + BLOCK) {
            return EventsBefore { total: running(total, totals, edge), bad: running(bad, bads, edge) };
        }
        let (counts, next) = (self.counts(block), self.counts(block.saturating_add(1)));
        let (totals, bads) = ([counts.total, next.total], [counts.bad, next.bad]);
        EventsBefore {
            total: running(total, totals.as_flattened(), edge),
            bad: running(bad, bads.as_flattened(), edge),
        }
    }

    /// All events and the bad ones from a block to before another; none if they are out of order.
    pub(super) fn events_between(&self, start: i32, end: i32) -> (u64, u64) {
        let (start, end) = (self.entry(start), self.entry(end));
        (self.total[end].saturating_sub(self.total[start]), self.bad[end].saturating_sub(self.bad[start]))
    }

    /// All events before each block of the stretch that begins with this one. They are kept in `held` where the stretch
    /// reaches beyond what was summed up, in which nothing is known.
    #[inline]
    pub(super) fn total_before<'b>(&'b self, first: i32, held: &'b mut [u64; STRETCH]) -> &'b [u64; STRETCH] {
        stretch(&self.total, first.saturating_sub(self.first), held)
    }

    /// The bad events before each block of a stretch, as [`Self::total_before`].
    #[inline]
    pub(super) fn bad_before<'b>(&'b self, first: i32, held: &'b mut [u64; STRETCH]) -> &'b [u64; STRETCH] {
        stretch(&self.bad, first.saturating_sub(self.first), held)
    }

    /// The entry that sums everything before the block of this number.
    #[inline]
    fn entry(&self, block: i32) -> usize {
        usize::try_from(block.saturating_sub(self.first)).unwrap_or(0).min(self.total.len() - 1)
    }

    /// The day that the block of this number lies in, and which of the day's blocks it is. `None` if nothing is known.
    #[inline]
    fn day(&self, block: i32) -> Option<(&DayColumns<'a>, usize)> {
        let place = usize::try_from(block.saturating_sub(self.first)).ok()?;
        let day = self.days.get(place / BLOCKS_PER_DAY)?.as_ref()?;
        Some((day, place % BLOCKS_PER_DAY))
    }

    /// The counts of the block of this number.
    fn counts(&self, block: i32) -> BlockCounts {
        self.day(block).map_or_else(BlockCounts::default, |(day, block)| day.counts(block))
    }
}

/// Entries from a place on; before the first of all it is the first that counts, behind the last the last.
#[inline]
fn stretch<'a>(entries: &'a [u64], place: i32, held: &'a mut [u64; STRETCH]) -> &'a [u64; STRETCH] {
    let within = usize::try_from(place).ok().and_then(|place| entries.get(place..)?.first_chunk());
    within.unwrap_or_else(|| {
        let before = place.min(0).unsigned_abs() as usize;
        let (before, rest) = held.split_at_mut(before.min(STRETCH));
        let there = entries.get(usize::try_from(place).unwrap_or(0)..).unwrap_or_default();
        let (there_held, behind) = rest.split_at_mut(there.len().min(rest.len()));
        before.fill(entries[0]);
        there_held.copy_from_slice(&there[..there_held.len()]);
        behind.fill(entries[entries.len() - 1]);
        held
    })
}

/// The sum before each of the counts from a place on, if it is `sum` before the first.
#[inline]
fn running(sum: u64, counts: &[u32], place: usize) -> [u64; BLOCK] {
    let (before, counts) = counts.split_at(place);
    let mut sum = before.iter().fold(sum, |sum, count| sum + u64::from(*count));
    let mut sums = [0; BLOCK];
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
const fn place_in_block(minute: Minute) -> usize {
    minute.0.rem_euclid(BLOCK_MINUTES).unsigned_abs() as usize
}
