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

/// Bytes whose bits fill a word.
pub(super) const BLOCK: usize = 64;
/// Bytes that are searched together.
pub(super) const SEARCHED: usize = 32;

/// Work that becomes quicker where the processor compares more bytes at once.
pub(super) trait Work {
    /// Does it, with a function that tells of a byte where it is in a block, bit i for byte i.
    fn work(self, equal: impl Fn(u8, &[u8; BLOCK]) -> u64);
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
    work.work(|byte, block| {
        let (halves, _) = block.as_chunks::<SEARCHED>();
        halves.iter().rev().fold(0, |found, half| found << SEARCHED | u64::from(bits(byte, half)))
    });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn with_avx2(work: impl Work) {
    use std::arch::x86_64::{_mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8};
    work.work(|byte, block| {
        let wanted = _mm256_set1_epi8(byte.cast_signed());
        // SAFETY: both halves of the block are 32 bytes that may be read, wherever they lie.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(block.as_ptr().cast()), _mm256_loadu_si256(block.as_ptr().add(32).cast())) };
        let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)).cast_unsigned();
        let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)).cast_unsigned();
        u64::from(low) | u64::from(high) << 32
    });
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
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn bits(byte: u8, block: &[u8; SEARCHED]) -> u32 {
    // SAFETY: SSE2 is part of every x86-64 processor, and the function touches nothing but its arguments.
    unsafe { bits_sse2(byte, block) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn bits_sse2(byte: u8, block: &[u8; SEARCHED]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    let wanted = _mm_set1_epi8(byte.cast_signed());
    let mut found = 0;
    let (eights, _) = block.as_chunks::<8>();
    let (pairs, _) = eights.as_chunks::<2>();
    for (place, [low, high]) in pairs.iter().enumerate() {
        let bytes = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
        found |= _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted)).cast_unsigned() << (16 * place);
    }
    found
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn bits(byte: u8, block: &[u8; SEARCHED]) -> u32 {
    block.iter().enumerate().fold(0, |found, (place, other)| found | (u32::from(*other == byte) << place))
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
