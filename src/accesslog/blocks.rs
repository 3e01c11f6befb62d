//! Compares a block of bytes at once: the innermost step of reading a line.
//!
//! Fields are short, so what matters is not the bytes per second but that most steps end within one block, without a
//! branch that depends on the field's length.
//!
//! This is the only file of the room with `unsafe`: calls of functions that are compiled for SSE2, which every x86-64
//! processor has, and for AVX2 where the processor says that it has it.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function with a target feature is unsafe, however sure the feature is")
)]
#![expect(
    clippy::inline_always,
    reason = "what is done to every line must become part of a function that is compiled for a wider processor"
)]

/// Bytes whose bits fill a word.
pub(super) const BLOCK: usize = 64;
/// As many bytes.
pub(super) type Block = [u8; BLOCK];
/// Bytes that are searched together.
pub(super) const SEARCHED: usize = 32;

/// Work that becomes quicker where the processor compares more bytes at once.
pub(super) trait Work {
    /// Does it, with a function that tells where two blocks are equal, bit i for byte i, and one that tells whether either of
    /// two is equal to the first anywhere.
    fn work(self, same: impl Fn(&Block, &Block) -> u64, either: impl Fn(&Block, &[Block; 2]) -> bool);
}

/// Does the work as this processor does it best. The work must be marked to be inlined always.
pub(super) fn widely(work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("bmi1")
        && std::is_x86_feature_detected!("bmi2")
    {
        // SAFETY: the processor has just said that it has what the function is compiled for.
        return unsafe { with_avx2(work) };
    }
    let same = |one: &Block, other: &Block| {
        let ((ones, _), (others, _)) = (one.as_chunks::<SEARCHED>(), other.as_chunks::<SEARCHED>());
        ones.iter().zip(others).rev().fold(0, |found, (one, other)| found << SEARCHED | u64::from(equal(one, other)))
    };
    work.work(same, |one, [first, second]| same(one, first) | same(one, second) != 0);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn with_avx2(work: impl Work) {
    use std::arch::x86_64::{__m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256};
    let halves = |one: &Block, other: &Block| -> [__m256i; 2] {
        // SAFETY: both halves of a block are 32 bytes that may be read, wherever they lie.
        let load = |block: &Block| unsafe {
            (_mm256_loadu_si256(block.as_ptr().cast()), _mm256_loadu_si256(block.as_ptr().add(32).cast()))
        };
        let ((one_low, one_high), (other_low, other_high)) = (load(one), load(other));
        [_mm256_cmpeq_epi8(one_low, other_low), _mm256_cmpeq_epi8(one_high, other_high)]
    };
    let same = |one: &Block, other: &Block| {
        let [low, high] = halves(one, other).map(|half| _mm256_movemask_epi8(half).cast_unsigned());
        u64::from(low) | u64::from(high) << 32
    };
    work.work(same, |one, [first, second]| {
        let ([a, b], [c, d]) = (halves(one, first), halves(one, second));
        _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d))) != 0
    });
}

/// Whether each byte is at most so far from another one: digits and what stands between them are told at once, since the bits
/// that differ between a digit and `0` are its value.
#[inline(always)]
pub(super) fn within<const BYTES: usize>(text: &[u8; BYTES], from: &[u8; BYTES], most: &[u8; BYTES]) -> bool {
    let mut beyond = 0;
    for place in 0..BYTES {
        beyond |= (text[place] ^ from[place]).saturating_sub(most[place]);
    }
    beyond == 0
}

/// Where the next such byte is, from this place on; the line's length if there is none.
#[inline]
pub(super) fn find(byte: u8, line: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = line.get(at..).and_then(|rest| rest.first_chunk::<SEARCHED>()) {
        let found = bits(byte, block);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += SEARCHED;
    }
    let rest = line.get(at..).unwrap_or_default();
    rest.iter().position(|other| *other == byte).map_or(line.len(), |place| at + place)
}

/// Bit i is set if byte i is the one.
#[inline]
pub(super) fn bits(byte: u8, block: &[u8; SEARCHED]) -> u32 {
    equal(&[byte; SEARCHED], block)
}

/// Bit i is set if byte i is the same in both.
#[cfg(target_arch = "x86_64")]
#[inline]
fn equal(one: &[u8; SEARCHED], other: &[u8; SEARCHED]) -> u32 {
    // SAFETY: SSE2 is part of every x86-64 processor, and the function touches nothing but its arguments.
    unsafe { equal_sse2(one, other) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn equal_sse2(one: &[u8; SEARCHED], other: &[u8; SEARCHED]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};
    // SAFETY: both halves are 16 bytes that may be read, wherever they lie.
    let load = |block: &[u8; SEARCHED]| unsafe {
        (_mm_loadu_si128(block.as_ptr().cast()), _mm_loadu_si128(block.as_ptr().add(16).cast()))
    };
    let ((one_low, one_high), (other_low, other_high)) = (load(one), load(other));
    let low = _mm_movemask_epi8(_mm_cmpeq_epi8(one_low, other_low)).cast_unsigned();
    let high = _mm_movemask_epi8(_mm_cmpeq_epi8(one_high, other_high)).cast_unsigned();
    low | high << 16
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn equal(one: &[u8; SEARCHED], other: &[u8; SEARCHED]) -> u32 {
    one.iter().zip(other).enumerate().fold(0, |found, (place, (one, other))| found | (u32::from(one == other) << place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_every_length_is_found() {
        for length in 0..100 {
            let mut line = vec![b'x'; length];
            assert_eq!(find(b' ', &line, 0), length);
            for place in (0..length).rev() {
                line[place] = b' ';
                for from in 0..=length {
                    assert_eq!(find(b' ', &line, from), from.max(place), "{length} {place} {from}");
                }
            }
            assert_eq!(find(b' ', &line, length + 5), length);
        }
        assert_eq!(find(b' ', &[0x20 | 0x80; 40], 0), 40);
    }
}
