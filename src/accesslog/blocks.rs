//! Finds a space or a quote, a block of bytes at a time: the innermost step of reading a line.
//!
//! Fields are short, so what matters is not the bytes per second but that most calls end within one block, without a
//! branch that depends on the field's length.
//!
//! This is the only file of the room with `unsafe`: one call of a function compiled for SSE2, on x86-64 only, where
//! every processor has it. A wider kernel would replace [`bits`] and nothing else.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function with a target feature is unsafe, however sure the feature is")
)]

/// Bytes that are compared together.
const BLOCK: usize = 32;

/// Where the next such byte is, from this place on; the line's length if there is none.
#[inline]
pub(super) fn find(byte: u8, line: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = line.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        let found = bits(byte, block);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    let rest = line.get(at..).unwrap_or_default();
    rest.iter().position(|other| *other == byte).map_or(line.len(), |place| at + place)
}

/// Bit i is set if byte i is the one.
#[cfg(target_arch = "x86_64")]
#[inline]
fn bits(byte: u8, block: &[u8; BLOCK]) -> u32 {
    // SAFETY: SSE2 is part of every x86-64 processor, and the function touches nothing but its arguments.
    unsafe { bits_sse2(byte, block) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn bits_sse2(byte: u8, block: &[u8; BLOCK]) -> u32 {
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
fn bits(byte: u8, block: &[u8; BLOCK]) -> u32 {
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
