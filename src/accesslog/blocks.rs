//! Finds a space or a quote, a block of bytes at a time: the innermost step of reading a line.
//!
//! Fields are short, so what matters is not the bytes per second but that most calls end within one block, without a
//! branch that depends on the field's length.
//!
//! This is the only file of the room with `unsafe`: calls of functions that are compiled for SSE2, which every x86-64
//! processor has, and for AVX2 where the processor says that it has it.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function with a target feature is unsafe, however sure the feature is")
)]

/// Bytes that are marked together, a bit each.
pub(super) const BLOCK: usize = 64;
/// Bytes that are searched together.
pub(super) const SEARCHED: usize = 32;

/// Where to write what stands in a text.
pub(super) struct Marks<'a> {
    /// A bit for each byte, a word for each block: a space.
    pub(super) spaces: &'a mut [[u8; 8]],
    /// The same: a space behind a quote.
    pub(super) behind_quotes: &'a mut [[u8; 8]],
    /// The places of newlines, with room for one more than there are bytes.
    pub(super) ends: &'a mut [u32],
}

/// Marks a text and gives the number of its newlines.
pub(super) fn mark(text: &[u8], marks: Marks<'_>) -> usize {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("bmi1")
        && std::is_x86_feature_detected!("bmi2")
    {
        // SAFETY: the processor has just said that it has what the function is compiled for.
        return unsafe { mark_avx2(text, marks) };
    }
    mark_blocks(text, marks, |block| {
        let of = |byte: u8| {
            let (halves, _) = block.as_chunks::<SEARCHED>();
            halves.iter().rev().fold(0, |found, half| found << SEARCHED | u64::from(bits(byte, half)))
        };
        [of(b' '), of(b'"'), of(b'\n')]
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn mark_avx2(text: &[u8], marks: Marks<'_>) -> usize {
    use std::arch::x86_64::{_mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8};
    let wanted = [b' ', b'"', b'\n'].map(|byte| _mm256_set1_epi8(byte.cast_signed()));
    mark_blocks(text, marks, |block| {
        // SAFETY: both halves of the block are 32 bytes that may be read, wherever they lie.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(block.as_ptr().cast()), _mm256_loadu_si256(block.as_ptr().add(32).cast())) };
        wanted.map(|wanted| {
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)).cast_unsigned();
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)).cast_unsigned();
            u64::from(low) | u64::from(high) << 32
        })
    })
}

/// Marks block by block with what `bits` says of spaces, quotes and newlines.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it must become part of the function that is compiled for a wider processor")]
fn mark_blocks(text: &[u8], marks: Marks<'_>, bits: impl Fn(&[u8; BLOCK]) -> [u64; 3]) -> usize {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let (mut lines, mut quote_before, mut place) = (0, 0, 0);
    let words = marks.spaces.iter_mut().zip(marks.behind_quotes);
    for (block, (space, behind_quote)) in blocks.iter().chain([&last]).zip(words) {
        let [spaces, quotes, mut newlines] = bits(block);
        *space = spaces.to_le_bytes();
        *behind_quote = (spaces & (quotes << 1 | quote_before)).to_le_bytes();
        quote_before = quotes >> 63;
        // Most blocks have no newline: a place is written before it is known whether there is one, which needs no jump.
        loop {
            if let Some(end) = marks.ends.get_mut(lines) {
                *end = place + newlines.trailing_zeros();
            }
            lines += usize::from(newlines != 0);
            newlines &= newlines.wrapping_sub(1);
            if newlines == 0 {
                break;
            }
        }
        place += 64;
    }
    lines
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
