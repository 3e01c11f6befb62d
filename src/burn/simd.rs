//! This file exists only for speed: the two innermost loops over plain columns, compiled for the widest registers that
//! the processor has.
//!
//! Each loop is written once, without intrinsics. The same code, compiled for AVX2, is called after asking the
//! processor; other architectures and `--cfg slowburn_portable` use the portable build of it.
#![cfg_attr(
    all(target_arch = "x86_64", not(slowburn_portable)),
    expect(unsafe_code, reason = "calling a function with a target feature is unsafe, however sure the feature is")
)]

use crate::counts::SLOTS_PER_DAY;

/// Minutes of a block. It divides the day, so that a block lies in one; it is as many counts as a processor adds up in
/// a few steps; and it adds little to a window of an hour.
pub(super) const BLOCK_MINUTES: i32 = 16;
pub(super) const BLOCK_LEN: usize = BLOCK_MINUTES.unsigned_abs() as usize;

#[derive(Clone, Copy, Debug)]
pub(super) struct DayArrays<'a> {
    pub(super) total: &'a [u32; SLOTS_PER_DAY],
    pub(super) bad: &'a [u32; SLOTS_PER_DAY],
    pub(super) known: &'a [u8; SLOTS_PER_DAY],
}

/// The running sums of all events and of the bad ones at the starts and at the ends of some windows.
pub(super) struct WindowSums<'a, const N: usize> {
    pub(super) total: (&'a [u64; N], &'a [u64; N]),
    pub(super) bad: (&'a [u64; N], &'a [u64; N]),
}

impl<const N: usize> WindowSums<'_, N> {
    /// Whether none is larger: running sums never fall, so none is larger than from the first start to the last end.
    #[inline]
    pub(super) fn are_at_most(&self, largest: u64) -> bool {
        let all = |(starts, ends): (&[u64; N], &[u64; N])| ends[N - 1] - starts[0];
        all(self.total) <= largest && all(self.bad) <= largest
    }

    #[inline]
    pub(super) fn events_in(&self, index: usize) -> (u64, u64) {
        (self.total.1[index] - self.total.0[index], self.bad.1[index] - self.bad.0[index])
    }
}

/// Whether a flag of `Threshold::retain_exceeded` is set.
pub(super) const fn is_set(flag: u64) -> bool {
    flag >> 63 == 1
}

pub(super) fn as_blocks<T>(column: &[T; SLOTS_PER_DAY]) -> &[[T; BLOCK_LEN]] {
    column.as_chunks().0
}

/// Continues the running sums of all events and of the bad ones over a day, as if all of its minutes were known;
/// `false` if they are not. The first entries are given.
pub(super) fn accumulate_day(day: DayArrays<'_>, total: &mut [u64], bad: &mut [u64]) -> bool {
    #[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { accumulate_day_avx2(day, total, bad) };
    }
    accumulate_day_generic(day, total, bad)
}

/// Keeps the flags of windows whose bad / total is above a fraction. `false` if none is left. All numbers have to fit
/// 32 bits, those of the fraction 31.
pub(super) fn retain_above<const N: usize>(
    sums: &WindowSums<'_, N>,
    fraction: (u32, u32),
    flags: &mut [u64; N],
) -> bool {
    #[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { retain_above_avx2(sums, fraction, flags) };
    }
    retain_above_generic(sums, fraction, flags)
}

#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
#[target_feature(enable = "avx2")]
fn accumulate_day_avx2(day: DayArrays<'_>, total: &mut [u64], bad: &mut [u64]) -> bool {
    accumulate_day_generic(day, total, bad)
}

#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
#[target_feature(enable = "avx2")]
fn retain_above_avx2<const N: usize>(sums: &WindowSums<'_, N>, fraction: (u32, u32), flags: &mut [u64; N]) -> bool {
    retain_above_generic(sums, fraction, flags)
}

/// The columns are read side by side, a block of each: several streams from memory at once are a good deal faster than
/// one column after the other.
#[expect(clippy::inline_always, reason = "it has to become part of the function that was compiled for wider registers")]
#[inline(always)]
fn accumulate_day_generic(day: DayArrays<'_>, total: &mut [u64], bad: &mut [u64]) -> bool {
    let (mut total_sum, mut bad_sum) = (total[0], bad[0]);
    let mut all_known = [1; BLOCK_LEN];
    let entries = total[1..].iter_mut().zip(&mut bad[1..]);
    let columns = as_blocks(day.total).iter().zip(as_blocks(day.bad)).zip(as_blocks(day.known));
    for ((total_entry, bad_entry), ((totals, bads), knowns)) in entries.zip(columns) {
        total_sum += totals.iter().map(|count| u64::from(*count)).sum::<u64>();
        bad_sum += bads.iter().map(|count| u64::from(*count)).sum::<u64>();
        (*total_entry, *bad_entry) = (total_sum, bad_sum);
        for (all, known) in all_known.iter_mut().zip(knowns) {
            *all &= known;
        }
    }
    all_known == [1; BLOCK_LEN]
}

/// The products are below 2^63, and the highest bit of their difference says which is larger: no branch is needed.
#[inline(always)]
fn retain_above_generic<const N: usize>(
    sums: &WindowSums<'_, N>,
    (numerator, denominator): (u32, u32),
    flags: &mut [u64; N],
) -> bool {
    const LOW: u64 = u32::MAX as u64;
    let (numerator, denominator) = (u64::from(numerator), u64::from(denominator));
    let mut any = 0;
    for (index, flag) in flags.iter_mut().enumerate() {
        let (total, bad) = sums.events_in(index);
        *flag &= ((total & LOW) * numerator).wrapping_sub((bad & LOW) * denominator);
        any |= *flag;
    }
    is_set(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avx2_and_generic_loops_agree() {
        let column = |factor: u32| -> [u32; SLOTS_PER_DAY] {
            std::array::from_fn(|slot| u32::try_from(slot).unwrap().wrapping_mul(factor) >> (slot % 32))
        };
        let (total, bad) = (column(0x9e37_79b9), column(0x85eb_ca6b));
        for unknown in [None, Some(0), Some(777), Some(SLOTS_PER_DAY - 1)] {
            let known = std::array::from_fn(|slot| u8::from(Some(slot) != unknown));
            let day = DayArrays { total: &total, bad: &bad, known: &known };
            let sums = |accumulate: fn(DayArrays<'_>, &mut [u64], &mut [u64]) -> bool| {
                let (mut total, mut bad) = ([5; SLOTS_PER_DAY / BLOCK_LEN + 1], [3; SLOTS_PER_DAY / BLOCK_LEN + 1]);
                let all_known = accumulate(day, &mut total, &mut bad);
                (all_known, total, bad)
            };
            assert_eq!(sums(accumulate_day), sums(accumulate_day_generic));
            assert_eq!(sums(accumulate_day).0, unknown.is_none());
            assert_eq!(
                sums(accumulate_day).1[SLOTS_PER_DAY / BLOCK_LEN],
                5 + total.iter().map(|count| u64::from(*count)).sum::<u64>()
            );
        }
        let wide = |column: &[u32; SLOTS_PER_DAY]| column.map(u64::from);
        let (starts, total, bad) = ([0; SLOTS_PER_DAY], wide(&total), wide(&bad));
        let sums = WindowSums { total: (&starts, &total), bad: (&starts, &bad) };
        let (mut flags, mut flags_here) = ([u64::MAX; SLOTS_PER_DAY], [u64::MAX; SLOTS_PER_DAY]);
        let fraction = (i32::MAX.unsigned_abs(), i32::MAX.unsigned_abs());
        assert!(retain_above(&sums, fraction, &mut flags) && retain_above_generic(&sums, fraction, &mut flags_here));
        assert_eq!(flags, flags_here);
        assert!((0..SLOTS_PER_DAY).all(|slot| is_set(flags[slot]) == (bad[slot] > total[slot])));
    }
}
