//! At which minutes of a span a condition holds.
//!
//! Most minutes of most services do not burn, and a service that burns does so for hours. So a block of evaluation
//! minutes is first held against bounds. All windows that end in it lie within an outer run of blocks and contain an
//! inner one: with the bad events of the outer and all events of the inner run a window burns more than any of them
//! does, the other way round less. Only where the threshold lies in between do minutes have to be looked at. Every
//! comparison is exact.

use super::Condition;
use super::simd::{BLOCK_LEN, BLOCK_MINUTES, WindowSums, is_set};
use super::window_sums::{BATCH_BLOCKS, BATCH_LEN, PrefixSums, block_of};
use crate::slo::{Slo, Tier};
use crate::time::{Minute, Span};

/// The evaluation minutes at which the condition of a tier held, as the fewest spans in order.
#[derive(Clone, Debug)]
pub struct TierFiring<'a> {
    pub tier: &'a Tier,
    pub spans: Vec<Span>,
}

/// Evaluates every tier of an SLO at every minute of `span`.
pub fn replay<'a>(slo: &'a Slo, prefix_sums: &PrefixSums<'_>, span: Span) -> Vec<TierFiring<'a>> {
    let tiers = slo.tiers.iter();
    tiers
        .map(|tier| TierFiring { tier, spans: Condition::new(tier, &slo.objective).firing_spans(prefix_sums, span) })
        .collect()
}

impl Condition {
    /// The evaluation minutes of `span` at which the condition holds, as the fewest spans.
    pub fn firing_spans(&self, prefix_sums: &PrefixSums<'_>, span: Span) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut buffers = [[0; BATCH_LEN]; 4];
        let mut block = block_of(span.start);
        while block_start(block) < span.end {
            self.push_firing_in_batch(prefix_sums, block, span, &mut buffers, &mut spans);
            block += BATCH_BLOCKS;
        }
        spans
    }

    fn push_firing_in_batch(
        &self,
        prefix_sums: &PrefixSums<'_>,
        first_block: i32,
        span: Span,
        buffers: &mut BatchBuffers,
        spans: &mut Vec<Span>,
    ) {
        let (long, short) = (self.long_minutes, self.short_minutes);
        if !self.can_exceed(prefix_sums, first_block, long) {
            return;
        }
        let mut may_fire = [u64::MAX; BATCH_LEN];
        if !self.retain_exceeded(prefix_sums, first_block, long, BurnBound::Upper, buffers, &mut may_fire)
            || !self.retain_exceeded(prefix_sums, first_block, short, BurnBound::Upper, buffers, &mut may_fire)
        {
            return;
        }
        // Where one window surely exceeds it, only the other has to be looked at more closely.
        let (mut long_fires, mut short_fires) = (may_fire, may_fire);
        self.retain_exceeded(prefix_sums, first_block, long, BurnBound::Lower, buffers, &mut long_fires);
        self.retain_exceeded(prefix_sums, first_block, short, BurnBound::Lower, buffers, &mut short_fires);
        for (index, block) in (first_block..first_block.saturating_add(BATCH_BLOCKS)).enumerate() {
            if !is_set(may_fire[index]) || block_start(block) >= span.end {
                continue;
            }
            let long = (!is_set(long_fires[index])).then_some(long);
            let short = (!is_set(short_fires[index])).then_some(short);
            for minutes in self.firing_in_block(prefix_sums, block_start(block), [short, long]) {
                push_joined(spans, minutes.intersect(span));
            }
        }
    }

    /// Whether a window can exceed the threshold at all within a batch, as if it were one large block.
    fn can_exceed(&self, prefix_sums: &PrefixSums<'_>, first_block: i32, minutes: u32) -> bool {
        let (outer_blocks, inner_blocks) = blocks_before(minutes);
        let end = first_block.saturating_add(BATCH_BLOCKS);
        let total = prefix_sums.events_between(end.saturating_sub(1 + inner_blocks), first_block).0;
        let bad = prefix_sums.events_between(first_block.saturating_sub(outer_blocks), end).1;
        self.threshold.is_exceeded(total, bad)
    }

    /// Keeps the flags of the blocks of a batch in which a window's bound exceeds the threshold. `false` if none is
    /// left.
    fn retain_exceeded(
        &self,
        prefix_sums: &PrefixSums<'_>,
        first_block: i32,
        minutes: u32,
        bound: BurnBound,
        [total_start, total_end, bad_start, bad_end]: &mut BatchBuffers,
        flags: &mut [u64; BATCH_LEN],
    ) -> bool {
        let (outer_blocks, inner_blocks) = blocks_before(minutes);
        let outer = (first_block.saturating_sub(outer_blocks), first_block.saturating_add(1));
        let inner = (first_block.saturating_sub(inner_blocks), first_block);
        let (total_range, bad_range) = match bound {
            BurnBound::Upper => (inner, outer),
            BurnBound::Lower => (outer, inner),
        };
        let PrefixSums { total, bad, .. } = prefix_sums;
        let sums = WindowSums {
            total: (
                prefix_sums.batch(total, total_range.0, total_start),
                prefix_sums.batch(total, total_range.1, total_end),
            ),
            bad: (prefix_sums.batch(bad, bad_range.0, bad_start), prefix_sums.batch(bad, bad_range.1, bad_end)),
        };
        self.threshold.retain_exceeded(&sums, flags)
    }

    /// The minutes of a block at which these windows exceed the threshold.
    fn firing_in_block(
        &self,
        prefix_sums: &PrefixSums<'_>,
        start: Minute,
        windows: [Option<u32>; 2],
    ) -> impl Iterator<Item = Span> + use<> {
        let mut flags = [u64::MAX; BLOCK_LEN];
        if windows != [None; 2] {
            let ends = prefix_sums.events_before(start);
            for minutes in windows.into_iter().flatten() {
                let starts = prefix_sums.events_before(start.plus(-i32::try_from(minutes).unwrap_or(i32::MAX)));
                let sums = WindowSums { total: (&starts.total, &ends.total), bad: (&starts.bad, &ends.bad) };
                if !self.threshold.retain_exceeded(&sums, &mut flags) {
                    break;
                }
            }
        }
        let mut remaining_bits = flags.iter().rfold(0_u32, |bits, flag| bits << 1 | u32::from(is_set(*flag)));
        std::iter::from_fn(move || {
            let first = remaining_bits.trailing_zeros();
            let count = remaining_bits.checked_shr(first)?.trailing_ones();
            remaining_bits &= u32::MAX << (first + count);
            let first = start.plus(first.cast_signed());
            Some(Span::new(first, first.plus(count.cast_signed())))
        })
    }
}

/// Space for the sums of an interval with unknown minutes.
type BatchBuffers = [[u64; BATCH_LEN]; 4];

/// The burn of a window that is above, or below, the burn of all windows that end in a block.
#[derive(Clone, Copy)]
enum BurnBound {
    Upper,
    Lower,
}

/// How many blocks before a block the outer and the inner run of a window of so many minutes begin. The outer one
/// starts with the first window, which ends with the start of the block, and includes the block; the inner one starts
/// with the last window, which ends with the last minute of the block, and does not.
const fn blocks_before(minutes: u32) -> (i32, i32) {
    let block = BLOCK_MINUTES.unsigned_abs();
    let inner = minutes.saturating_sub(block - 1) / block;
    (minutes.div_ceil(block).cast_signed(), inner.cast_signed())
}

const fn block_start(block: i32) -> Minute {
    Minute(block.saturating_mul(BLOCK_MINUTES))
}

/// Adds minutes behind those that are there.
fn push_joined(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        _ if span.is_empty() => {}
        Some(last) if last.end == span.start => last.end = span.end,
        _ => spans.push(span),
    }
}
