//! At which minutes of a span a condition holds.
//!
//! Most minutes of most services are calm, and a service that burns does so for hours. So blocks of evaluation minutes are
//! first held against bounds: all windows of a block that end in it lie within an outer run of blocks and contain an inner
//! one, and neither bad events nor traffic can be negative. The bad events of the outer run over the traffic of the inner
//! one is more than any of the windows has; the bad events of the inner run over the traffic of the outer one is less. Only blocks
//! where the threshold lies in between are looked at minute by minute, and every comparison is exact.

use std::ops::Range;

use super::Condition;
use super::columns::{BLOCK, BLOCK_MINUTES};
use super::running::{Running, block_of};
use crate::minute::{Minute, Span};

/// Blocks that are held against the bound of the long window together: enough to keep a processor's wide registers busy.
const STRETCH: i32 = 64;
const FEW: usize = 4;

/// What bounds say of a condition at the minutes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    HoldsNowhere,
    HoldsEverywhere,
    Open,
}

impl Condition {
    /// The evaluation minutes of `span` at which the condition holds, as the fewest spans.
    #[must_use]
    pub fn firing(&self, running: &Running<'_>, span: Span) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut first = block_of(span.start);
        let end = block_of(span.end.plus(BLOCK_MINUTES - 1));
        while first < end {
            let stretch = first..end.min(first + STRETCH);
            first = stretch.end;
            self.firing_in(running, stretch, span, &mut spans);
        }
        spans
    }

    /// Halves the blocks until the bounds decide, and looks at the minutes of a block where they never do.
    fn firing_in(&self, running: &Running<'_>, blocks: Range<i32>, span: Span, spans: &mut Vec<Span>) {
        match self.outlook(running, &blocks) {
            Outlook::HoldsNowhere => {}
            Outlook::HoldsEverywhere => {
                let all = Span::new(start_of(blocks.start), start_of(blocks.end));
                append(spans, all.intersect(span));
            }
            Outlook::Open if blocks.len() > FEW && !self.long_may_exceed(running, &blocks) => {}
            Outlook::Open if blocks.len() > 1 => {
                let middle = blocks.start + (blocks.end - blocks.start) / 2;
                self.firing_in(running, blocks.start..middle, span, spans);
                self.firing_in(running, middle..blocks.end, span, spans);
            }
            Outlook::Open => {
                let start = start_of(blocks.start);
                let minutes = self.minutes_in_block(running, start);
                for at in (start.0..).zip(minutes).filter_map(|(at, holds)| holds.then_some(Minute(at))) {
                    append(spans, Span::new(at, at.plus(1)).intersect(span));
                }
            }
        }
    }

    /// What the bounds of both windows say of the minutes of these blocks. The first windows end with the start of the first
    /// block, the last ones with the last minute of the last.
    fn outlook(&self, running: &Running<'_>, blocks: &Range<i32>) -> Outlook {
        let mut outlook = Outlook::HoldsEverywhere;
        for minutes in [self.long_minutes, self.short_minutes] {
            let (back_outer, back_inner) = reach(minutes);
            let outer = blocks.start.saturating_sub(back_outer)..blocks.end;
            let inner = (blocks.end - 1).saturating_sub(back_inner)..blocks.start;
            if !self.threshold.exceeded(running.total_in(&inner), running.bad_in(&outer)) {
                return Outlook::HoldsNowhere;
            }
            if outlook == Outlook::HoldsEverywhere
                && !self.threshold.exceeded(running.total_in(&outer), running.bad_in(&inner))
            {
                outlook = Outlook::Open;
            }
        }
        outlook
    }

    /// Whether the long window can exceed the threshold at the minutes of any of these blocks, each held against its own
    /// bound; never `false` if it does.
    ///
    /// A window of 2^32 events or more is left to other eyes. Below, the products are below 2^63, and the highest bit of their
    /// difference says which is larger: a stretch is decided without a branch in between.
    fn long_may_exceed(&self, running: &Running<'_>, blocks: &Range<i32>) -> bool {
        let (back_outer, back_inner) = reach(self.long_minutes);
        let ahead = |by: i32| running.entries(blocks.start.saturating_add(by)..blocks.end.saturating_add(by));
        let columns = || {
            let bad = ahead(1)?.1.iter().zip(ahead(-back_outer)?.1);
            let total = ahead(0)?.0.iter().zip(ahead(-back_inner)?.0);
            Some((self.threshold.narrow()?, bad.zip(total)))
        };
        // At the edges of what was summed up, and for a threshold that is no small fraction, block by block.
        let Some(((numerator, denominator), columns)) = columns() else { return true };
        let (mut differences, mut any) = (0, 0);
        for ((bad_end, bad_start), (total_end, total_start)) in columns {
            let (bad, total) = (bad_end - bad_start, total_end - total_start);
            any |= bad | total;
            differences |= ((total & LOW) * u64::from(numerator)).wrapping_sub((bad & LOW) * u64::from(denominator));
        }
        any > LOW || differences > u64::MAX >> 1
    }

    /// At which minutes of a block the condition holds.
    fn minutes_in_block(&self, running: &Running<'_>, start: Minute) -> [bool; BLOCK] {
        let end = running.events_before(start);
        let mut minutes = [true; BLOCK];
        for length in [self.short_minutes, self.long_minutes] {
            let start = running.events_before(start.plus(-i32::try_from(length).unwrap_or(i32::MAX)));
            for (place, holds) in minutes.iter_mut().enumerate() {
                let (total, bad) = (end.total[place] - start.total[place], end.bad[place] - start.bad[place]);
                *holds &= self.threshold.exceeded(total, bad);
            }
        }
        minutes
    }
}

/// The lower half of 64 bits.
const LOW: u64 = u32::MAX as u64;

/// How many blocks before a block the outer and the inner run of a window of so many minutes begin.
const fn reach(minutes: u32) -> (i32, i32) {
    let block = BLOCK_MINUTES.unsigned_abs();
    let inner = minutes.saturating_sub(block - 1) / block;
    (minutes.div_ceil(block).cast_signed(), inner.cast_signed())
}

/// The first minute of the block of this number.
const fn start_of(block: i32) -> Minute {
    Minute(block * BLOCK_MINUTES)
}

/// Adds minutes behind those that are there.
fn append(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        _ if span.is_empty() => {}
        Some(newest) if newest.end == span.start => newest.end = span.end,
        _ => spans.push(span),
    }
}
