//! At which minutes of a span a condition holds.
//!
//! Most minutes of most services are calm, and a service that burns does so for hours. So a block of evaluation minutes
//! is first held against bounds. All windows that end in it lie within an outer run of blocks and contain an inner one:
//! with the bad events of the outer and all events of the inner run a window burns more than any of them does, the
//! other way round less. Only where the threshold lies in between do minutes have to be looked at. Every comparison is
//! exact.

use super::Condition;
use super::columns::{BLOCK, BLOCK_MINUTES};
use super::condition::{WindowSums, is_set};
use super::running::{Running, STRETCH, STRETCH_BLOCKS, block_of};
use crate::minute::{Minute, Span};

impl Condition {
    /// The evaluation minutes of `span` at which the condition holds, as the fewest spans.
    #[must_use]
    pub fn firing(&self, running: &Running<'_>, span: Span) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut held = [[0; STRETCH]; 4];
        let mut block = block_of(span.start);
        while start_of(block) < span.end {
            self.firing_in_stretch(running, block, span, &mut held, &mut spans);
            block += STRETCH_BLOCKS;
        }
        spans
    }

    /// The same for the minutes of a stretch of blocks.
    fn firing_in_stretch(&self, running: &Running<'_>, first: i32, span: Span, held: &mut Held, spans: &mut Vec<Span>) {
        let (long, short) = (self.long_minutes, self.short_minutes);
        if !self.may_be_exceeded(running, first, long) {
            return;
        }
        let mut may_hold = [u64::MAX; STRETCH];
        if !self.keep_exceeded(running, first, long, Bound::Most, held, &mut may_hold)
            || !self.keep_exceeded(running, first, short, Bound::Most, held, &mut may_hold)
        {
            return;
        }
        // Where one window surely exceeds it, only the other has to be looked at more closely.
        let (mut long_holds, mut short_holds) = (may_hold, may_hold);
        self.keep_exceeded(running, first, long, Bound::Least, held, &mut long_holds);
        self.keep_exceeded(running, first, short, Bound::Least, held, &mut short_holds);
        for (place, block) in (first..first.saturating_add(STRETCH_BLOCKS)).enumerate() {
            if !is_set(may_hold[place]) || start_of(block) >= span.end {
                continue;
            }
            let long = (!is_set(long_holds[place])).then_some(long);
            let short = (!is_set(short_holds[place])).then_some(short);
            for minutes in self.firing_in_block(running, start_of(block), [short, long]) {
                append(spans, minutes.intersect(span));
            }
        }
    }

    /// Whether a window can exceed the threshold at all within a stretch, as if it were one large block.
    fn may_be_exceeded(&self, running: &Running<'_>, first: i32, minutes: u32) -> bool {
        let (back_outer, back_inner) = reach(minutes);
        let end = first.saturating_add(STRETCH_BLOCKS);
        let all = running.events_between(end.saturating_sub(1 + back_inner), first).0;
        let bad = running.events_between(first.saturating_sub(back_outer), end).1;
        self.threshold.exceeded(all, bad)
    }

    /// Keeps the flags of the blocks of a stretch in which a window's bound exceeds the threshold. `false` if none is
    /// left.
    fn keep_exceeded(
        &self,
        running: &Running<'_>,
        first: i32,
        minutes: u32,
        bound: Bound,
        [total_start, total_end, bad_start, bad_end]: &mut Held,
        flags: &mut [u64; STRETCH],
    ) -> bool {
        let (back_outer, back_inner) = reach(minutes);
        let outer = (first.saturating_sub(back_outer), first.saturating_add(1));
        let inner = (first.saturating_sub(back_inner), first);
        let (all, bad) = match bound {
            Bound::Most => (inner, outer),
            Bound::Least => (outer, inner),
        };
        let sums = WindowSums {
            total: (running.total_before(all.0, total_start), running.total_before(all.1, total_end)),
            bad: (running.bad_before(bad.0, bad_start), running.bad_before(bad.1, bad_end)),
        };
        self.threshold.keep_exceeded(&sums, flags)
    }

    /// The minutes of a block at which these windows exceed the threshold.
    fn firing_in_block(
        &self,
        running: &Running<'_>,
        start: Minute,
        windows: [Option<u32>; 2],
    ) -> impl Iterator<Item = Span> + use<> {
        let mut flags = [u64::MAX; BLOCK];
        if windows != [None; 2] {
            let ends = running.events_before(start);
            for minutes in windows.into_iter().flatten() {
                let starts = running.events_before(start.plus(-i32::try_from(minutes).unwrap_or(i32::MAX)));
                let sums = WindowSums { total: (&starts.total, &ends.total), bad: (&starts.bad, &ends.bad) };
                if !self.threshold.keep_exceeded(&sums, &mut flags) {
                    break;
                }
            }
        }
        let mut left = flags.iter().rfold(0_u32, |bits, flag| bits << 1 | u32::from(is_set(*flag)));
        std::iter::from_fn(move || {
            let first = left.trailing_zeros();
            let count = left.checked_shr(first)?.trailing_ones();
            left &= u32::MAX << (first + count);
            let first = start.plus(first.cast_signed());
            Some(Span::new(first, first.plus(count.cast_signed())))
        })
    }
}

/// Room for the sums of a stretch that are not all there.
type Held = [[u64; STRETCH]; 4];

/// The burn of a window that is above, or below, the burn of all windows that end in a block.
#[derive(Clone, Copy)]
enum Bound {
    Most,
    Least,
}

/// How many blocks before a block the outer and the inner run of a window of so many minutes begin. The outer one
/// starts with the first window, which ends with the start of the block, and includes the block; the inner one starts
/// with the last window, which ends with the last minute of the block, and does not.
const fn reach(minutes: u32) -> (i32, i32) {
    let block = BLOCK_MINUTES.unsigned_abs();
    let inner = minutes.saturating_sub(block - 1) / block;
    (minutes.div_ceil(block).cast_signed(), inner.cast_signed())
}

/// The first minute of the block of this number.
const fn start_of(block: i32) -> Minute {
    Minute(block.saturating_mul(BLOCK_MINUTES))
}

/// Adds minutes behind those that are there.
fn append(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        _ if span.is_empty() => {}
        Some(newest) if newest.end == span.start => newest.end = span.end,
        _ => spans.push(span),
    }
}
