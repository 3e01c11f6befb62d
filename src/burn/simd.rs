//! The two innermost loops over plain columns, compiled for the widest registers that the processor turns out to have.
//!
//! Absent on purpose: intrinsics. Each loop is written once, and the compiler makes of it what the registers allow.
//!
//! This is the only file of the room with `unsafe`: a call of the same code compiled for AVX2, after asking the
//! processor.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function with a target feature is unsafe, however sure the feature is")
)]

use super::condition::{WindowSums, is_set};
use super::day_columns::{BLOCK_LEN, as_blocks};
use crate::counts::SLOTS_PER_DAY;

/// The columns of a day.
#[derive(Clone, Copy, Debug)]
pub(super) struct DayArrays<'a> {
    pub(super) total: &'a [u32; SLOTS_PER_DAY],
    pub(super) bad: &'a [u32; SLOTS_PER_DAY],
    pub(super) known: &'a [u8; SLOTS_PER_DAY],
}

/// Continues the running sums of all events and of the bad ones over a day, as if all of its minutes were known;
/// `false` if they are not. The first entries are given.
pub(super) fn accumulate_day(day: DayArrays<'_>, total: &mut [u64], bad: &mut [u64]) -> bool {
    #[cfg(target_arch = "x86_64")]
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
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { retain_above_avx2(sums, fraction, flags) };
    }
    retain_above_generic(sums, fraction, flags)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn accumulate_day_avx2(day: DayArrays<'_>, total: &mut [u64], bad: &mut [u64]) -> bool {
    accumulate_day_generic(day, total, bad)
}

#[cfg(target_arch = "x86_64")]
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
