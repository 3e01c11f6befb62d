//! Compares a block of bytes at once: the innermost step of reading a line.
//!
//! Fields are short, so what matters is not the bytes per second but that most steps end within one block, without a
//! branch that depends on the field's length.
//!
//! This is the only file of the room with `unsafe`: calls of functions that are compiled for SSE2, which every x86-64
//! processor has, and for AVX2 and VPCLMULQDQ where the processor says that it has them.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function with a target feature is unsafe, however sure the feature is")
)]
#![expect(
    clippy::inline_always,
    reason = "what is done to every line must become part of a function that is compiled for a wider processor"
)]

/// Bytes whose bits fill a word.
pub(super) const BLOCK_BYTES: usize = 64;
/// As many bytes.
pub(super) type Block = [u8; BLOCK_BYTES];
/// Bytes that are searched together.
pub(super) const HALF_BLOCK_BYTES: usize = 32;

/// Work that becomes quicker where the processor compares more bytes at once.
pub(super) trait SimdKernel {
    /// Does it, with a function that tells where two blocks are equal, bit i for byte i, one that tells whether either
    /// of two is equal to the first anywhere, and one that folds two more blocks, where the processor can.
    fn run(
        self,
        equal_mask: impl Fn(&Block, &Block) -> u64,
        any_equal: impl Fn(&Block, &[Block; 2]) -> bool,
        fold: Option<impl Fn(FoldedCrc, &[Block; 2]) -> FoldedCrc>,
    );
}

/// What [`Work`] has where nothing can be folded.
type NoFoldFn = fn(FoldedCrc, &[Block; 2]) -> FoldedCrc;

/// Does the work as this processor does it best. The work must be marked to be inlined always.
pub(super) fn dispatch_simd(kernel: impl SimdKernel) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("bmi1")
        && std::is_x86_feature_detected!("bmi2")
    {
        // SAFETY: the processor has just said that it has what the functions are compiled for.
        return unsafe {
            if std::is_x86_feature_detected!("vpclmulqdq") { run_vpclmulqdq(kernel) } else { run_avx2(kernel) }
        };
    }
    let equal_mask = |one: &Block, other: &Block| {
        let ((ones, _), (others, _)) = (one.as_chunks::<HALF_BLOCK_BYTES>(), other.as_chunks::<HALF_BLOCK_BYTES>());
        ones.iter()
            .zip(others)
            .rev()
            .fold(0, |found, (one, other)| found << HALF_BLOCK_BYTES | u64::from(equal_mask_32(one, other)))
    };
    kernel.run(
        equal_mask,
        |one, [first, second]| equal_mask(one, first) | equal_mask(one, second) != 0,
        None::<NoFoldFn>,
    );
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn run_avx2(kernel: impl SimdKernel) {
    kernel.run(|one, other| wide::equal_mask(one, other), |one, two| wide::any_equal(one, two), None::<NoFoldFn>);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,vpclmulqdq")]
fn run_vpclmulqdq(kernel: impl SimdKernel) {
    let fold = |folded, two: &_| wide::fold_crc(folded, two);
    kernel.run(|one, other| wide::equal_mask(one, other), |one, two| wide::any_equal(one, two), Some(fold));
}

/// The same on 32 bytes at once.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m256i, _mm256_clmulepi64_epi128, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set_epi64x, _mm256_storeu_si256, _mm256_xor_si256,
    };

    use super::{BLOCK_BYTES, Block, FOLDED_BYTES, FoldedCrc, power_mod_polynomial};

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(block: &[u8; 32]) -> __m256i {
        // SAFETY: 32 bytes may be read, wherever they lie.
        unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn compare_halves(one: &Block, other: &Block) -> [__m256i; 2] {
        let ((ones, _), (others, _)) = (one.as_chunks(), other.as_chunks());
        [_mm256_cmpeq_epi8(load(&ones[0]), load(&others[0])), _mm256_cmpeq_epi8(load(&ones[1]), load(&others[1]))]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn equal_mask(one: &Block, other: &Block) -> u64 {
        let [low, high] = compare_halves(one, other);
        let (low, high) = (_mm256_movemask_epi8(low).cast_unsigned(), _mm256_movemask_epi8(high).cast_unsigned());
        u64::from(low) | u64::from(high) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn any_equal(one: &Block, [first, second]: &[Block; 2]) -> bool {
        let ([a, b], [c, d]) = (compare_halves(one, first), compare_halves(one, second));
        _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d))) != 0
    }

    /// Each 16 bytes, 1,024 bits further on: their first half is that and 64 bits before the end, where a reflected
    /// product lies one bit and 32 more aside.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn fold_crc(folded: FoldedCrc, blocks: &[Block; 2]) -> FoldedCrc {
        const BITS: usize = 8 * FOLDED_BYTES;
        const FIRST: i64 = power_mod_polynomial(BITS + 31) as i64;
        const SECOND: i64 = power_mod_polynomial(BITS - 33) as i64;
        let factors = _mm256_set_epi64x(SECOND, FIRST, SECOND, FIRST);
        let mut bytes = [0; FOLDED_BYTES];
        let (held, _) = folded.0.as_chunks();
        let (text, _) = blocks.as_flattened().as_chunks();
        let (next, _) = bytes.as_chunks_mut::<32>();
        for place in 0..2 * BLOCK_BYTES / 32 {
            let held = load(&held[place]);
            let (first, second) =
                (_mm256_clmulepi64_epi128(held, factors, 0x00), _mm256_clmulepi64_epi128(held, factors, 0x11));
            let sum = _mm256_xor_si256(_mm256_xor_si256(first, second), load(&text[place]));
            // SAFETY: 32 bytes may be written, wherever they lie.
            unsafe { _mm256_storeu_si256(next[place].as_mut_ptr().cast(), sum) };
        }
        FoldedCrc(bytes)
    }
}

/// Bytes that stand for a text.
pub const FOLDED_BYTES: usize = 2 * BLOCK_BYTES;

/// The end of what was read, changed so that a CRC-32 leaves the same of it as of all that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoldedCrc([u8; FOLDED_BYTES]);

impl FoldedCrc {
    /// Nothing was read: what becomes of this 128 bytes further on is the ones that every CRC-32 starts with.
    pub(super) const INITIAL: Self = {
        let (mut ones, mut step) = (u32::MAX, 0);
        while step < 8 * FOLDED_BYTES {
            let carry = ones >> 31;
            ones = ((ones ^ (carry * POLYNOMIAL)) << 1) | carry;
            step += 1;
        }
        let (mut bytes, [a, b, c, d]) = ([0; FOLDED_BYTES], ones.to_le_bytes());
        (bytes[0], bytes[1], bytes[2], bytes[3]) = (a, b, c, d);
        Self(bytes)
    };

    pub(super) const fn to_bytes(self) -> [u8; FOLDED_BYTES] {
        self.0
    }
}

/// The polynomial of CRC-32 (RFC 1952, section 8), its highest power in the lowest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What a division by the polynomial leaves of a power of x.
#[cfg(target_arch = "x86_64")]
const fn power_mod_polynomial(power: usize) -> u32 {
    let (mut left, mut step) = (1 << 31, 0);
    while step < power {
        left = (left >> 1) ^ ((left & 1) * POLYNOMIAL);
        step += 1;
    }
    left
}

/// Whether each byte is at most so far from another one: digits and what stands between them are told at once, since
/// the bits that differ between a digit and `0` are its value.
#[inline(always)]
pub(super) fn all_within<const BYTES: usize>(
    text: &[u8; BYTES],
    reference: &[u8; BYTES],
    max_distance: &[u8; BYTES],
) -> bool {
    let mut excess = 0;
    for index in 0..BYTES {
        excess |= (text[index] ^ reference[index]).saturating_sub(max_distance[index]);
    }
    excess == 0
}

/// Where the next such byte is, from this place on; the line's length if there is none.
#[inline]
pub(super) fn find_byte(byte: u8, line: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = line.get(at..).and_then(|rest| rest.first_chunk::<HALF_BLOCK_BYTES>()) {
        let found = byte_mask(byte, block);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += HALF_BLOCK_BYTES;
    }
    let rest = line.get(at..).unwrap_or_default();
    rest.iter().position(|other| *other == byte).map_or(line.len(), |place| at + place)
}

/// Bit i is set if byte i is the one.
#[inline]
pub(super) fn byte_mask(byte: u8, block: &[u8; HALF_BLOCK_BYTES]) -> u32 {
    equal_mask_32(&[byte; HALF_BLOCK_BYTES], block)
}

/// Bit i is set if byte i is the same in both.
#[cfg(target_arch = "x86_64")]
#[inline]
fn equal_mask_32(one: &[u8; HALF_BLOCK_BYTES], other: &[u8; HALF_BLOCK_BYTES]) -> u32 {
    // SAFETY: SSE2 is part of every x86-64 processor, and the function touches nothing but its arguments.
    unsafe { equal_mask_32_sse2(one, other) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn equal_mask_32_sse2(one: &[u8; HALF_BLOCK_BYTES], other: &[u8; HALF_BLOCK_BYTES]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};
    // SAFETY: both halves are 16 bytes that may be read, wherever they lie.
    let load = |block: &[u8; HALF_BLOCK_BYTES]| unsafe {
        (_mm_loadu_si128(block.as_ptr().cast()), _mm_loadu_si128(block.as_ptr().add(16).cast()))
    };
    let ((one_low, one_high), (other_low, other_high)) = (load(one), load(other));
    let low = _mm_movemask_epi8(_mm_cmpeq_epi8(one_low, other_low)).cast_unsigned();
    let high = _mm_movemask_epi8(_mm_cmpeq_epi8(one_high, other_high)).cast_unsigned();
    low | high << 16
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn equal(one: &[u8; HALF_BLOCK_BYTES], other: &[u8; HALF_BLOCK_BYTES]) -> u32 {
    one.iter().zip(other).enumerate().fold(0, |found, (place, (one, other))| found | (u32::from(one == other) << place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_byte_finds_every_position_in_every_length() {
        for length in 0..100 {
            let mut line = vec![b'x'; length];
            assert_eq!(find_byte(b' ', &line, 0), length);
            for place in (0..length).rev() {
                line[place] = b' ';
                for from in 0..=length {
                    assert_eq!(find_byte(b' ', &line, from), from.max(place), "{length} {place} {from}");
                }
            }
            assert_eq!(find_byte(b' ', &line, length + 5), length);
        }
        assert_eq!(find_byte(b' ', &[0x20 | 0x80; 40], 0), 40);
    }
}
