//! Exists for speed only: compares 64 bytes at once with AVX2 and folds CRCs with VPCLMULQDQ, where the processor has
//! them.
//!
//! Everything that is computed here has a portable version in plain code: [`dispatch_simd`] gives work back that this
//! processor has no instructions for, and its caller then does without. Builds for other architectures, or with
//! `--cfg slowburn_portable`, contain nothing else. Unit tests compare both on the same input by `run_portable`.
//!
//! Fields are short, so what matters is not the bytes per second but that most steps end within one block, without a
//! branch that depends on the field's length.
#![cfg_attr(
    all(target_arch = "x86_64", not(slowburn_portable)),
    expect(unsafe_code, reason = "calling a function with a target feature is unsafe, however sure the feature is")
)]

/// Bytes whose bits fill a word.
pub(super) const BLOCK_BYTES: usize = 64;
pub(super) type Block = [u8; BLOCK_BYTES];
/// Bytes that are searched together.
pub(super) const HALF_BLOCK_BYTES: usize = 32;

/// Says where two blocks are equal: bit i for byte i.
pub(super) trait EqualMask: Fn(&Block, &Block) -> u64 {}
impl<F: Fn(&Block, &Block) -> u64> EqualMask for F {}

/// Work that is quicker where the processor compares many bytes at once. Implementations must be inlined always.
#[cfg_attr(
    not(all(target_arch = "x86_64", not(slowburn_portable))),
    allow(dead_code, reason = "no SIMD in this build")
)]
pub(super) trait SimdKernel {
    /// Does the work. `any_equal` says whether either of two blocks is equal to the first anywhere, and `fold` adds two
    /// blocks to a CRC, if the processor can.
    fn run(
        self,
        equal_mask: impl EqualMask,
        any_equal: impl Fn(&Block, &[Block; 2]) -> bool,
        fold: Option<impl Fn(FoldedCrc, &[Block; 2]) -> FoldedCrc>,
    );
}

/// Runs the work, or gives it back if this build or processor has no SIMD for it.
#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
pub(super) fn dispatch_simd<K: SimdKernel>(kernel: K) -> Result<(), K> {
    let has_avx2 = std::is_x86_feature_detected!("avx2")
        && std::is_x86_feature_detected!("bmi1")
        && std::is_x86_feature_detected!("bmi2");
    if is_switched_off() || !has_avx2 {
        return Err(kernel);
    }
    // SAFETY: the processor has the features that the functions are compiled for; this was just checked.
    unsafe {
        if std::is_x86_feature_detected!("vpclmulqdq") {
            run_vpclmulqdq(kernel);
        } else {
            run_avx2(kernel);
        }
    }
    Ok(())
}

/// Gives the work back: this build has no SIMD.
#[cfg(not(all(target_arch = "x86_64", not(slowburn_portable))))]
pub(super) fn dispatch_simd<K: SimdKernel>(kernel: K) -> Result<(), K> {
    Err(kernel)
}

/// Tests switch SIMD off on their thread.
#[cfg(not(test))]
const fn is_switched_off() -> bool {
    false
}

/// What a kernel gets where nothing can be folded.
#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
type NoFoldFn = fn(FoldedCrc, &[Block; 2]) -> FoldedCrc;

#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn run_avx2(kernel: impl SimdKernel) {
    kernel.run(|one, other| wide::equal_mask(one, other), |one, two| wide::any_equal(one, two), None::<NoFoldFn>);
}

#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
#[target_feature(enable = "avx2,bmi1,bmi2,vpclmulqdq")]
fn run_vpclmulqdq(kernel: impl SimdKernel) {
    let fold = |folded, two: &_| wide::fold_crc(folded, two);
    kernel.run(|one, other| wide::equal_mask(one, other), |one, two| wide::any_equal(one, two), Some(fold));
}

#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
mod wide {
    use std::arch::x86_64::{
        __m256i, _mm256_clmulepi64_epi128, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set_epi64x, _mm256_storeu_si256, _mm256_xor_si256,
    };

    use super::{BLOCK_BYTES, Block, FOLDED_BYTES, FoldedCrc, power_mod_polynomial};

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(block: &[u8; 32]) -> __m256i {
        // SAFETY: 32 bytes may be read at any alignment.
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

    /// Moves each 16 bytes by 1,024 bits: their first half is that and 64 bits before the end, where a reflected
    /// product is one bit and 32 more off.
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
            // SAFETY: 32 bytes may be written at any alignment.
            unsafe { _mm256_storeu_si256(next[place].as_mut_ptr().cast(), sum) };
        }
        FoldedCrc(bytes)
    }
}

/// Bytes that have the same CRC as a text.
pub const FOLDED_BYTES: usize = 2 * BLOCK_BYTES;

/// The end of what was read, changed so that a CRC-32 leaves the same of it as of all that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoldedCrc([u8; FOLDED_BYTES]);

impl FoldedCrc {
    /// Nothing was read: 128 bytes further on this becomes the ones that every CRC-32 starts with.
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

/// The remainder of a power of x divided by the polynomial.
#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
const fn power_mod_polynomial(power: usize) -> u32 {
    let (mut left, mut step) = (1 << 31, 0);
    while step < power {
        left = (left >> 1) ^ ((left & 1) * POLYNOMIAL);
        step += 1;
    }
    left
}

/// Whether each byte is at most so far from the reference: digits and what stands between them are checked at once,
/// since the bits that differ between a digit and `0` are its value.
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

/// The offset of the next such byte; the line's length if there is none.
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
#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
#[inline]
fn equal_mask_32(one: &[u8; HALF_BLOCK_BYTES], other: &[u8; HALF_BLOCK_BYTES]) -> u32 {
    // SAFETY: SSE2 is part of every x86-64 processor, and the function touches nothing but its arguments.
    unsafe { equal_mask_32_sse2(one, other) }
}

#[cfg(all(target_arch = "x86_64", not(slowburn_portable)))]
#[inline]
#[target_feature(enable = "sse2")]
fn equal_mask_32_sse2(one: &[u8; HALF_BLOCK_BYTES], other: &[u8; HALF_BLOCK_BYTES]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};
    // SAFETY: both halves are 16 bytes that may be read at any alignment.
    let load = |block: &[u8; HALF_BLOCK_BYTES]| unsafe {
        (_mm_loadu_si128(block.as_ptr().cast()), _mm_loadu_si128(block.as_ptr().add(16).cast()))
    };
    let ((one_low, one_high), (other_low, other_high)) = (load(one), load(other));
    let low = _mm_movemask_epi8(_mm_cmpeq_epi8(one_low, other_low)).cast_unsigned();
    let high = _mm_movemask_epi8(_mm_cmpeq_epi8(one_high, other_high)).cast_unsigned();
    low | high << 16
}

#[cfg(not(all(target_arch = "x86_64", not(slowburn_portable))))]
#[inline]
fn equal_mask_32(one: &[u8; HALF_BLOCK_BYTES], other: &[u8; HALF_BLOCK_BYTES]) -> u32 {
    one.iter().zip(other).enumerate().fold(0, |found, (place, (one, other))| found | (u32::from(one == other) << place))
}

#[cfg(test)]
use tests::is_switched_off;
#[cfg(test)]
pub(crate) use tests::run_portable;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static IS_SWITCHED_OFF: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn is_switched_off() -> bool {
        IS_SWITCHED_OFF.get()
    }

    /// Runs code on this thread with the portable twin of everything here.
    pub(crate) fn run_portable<T>(run: impl FnOnce() -> T) -> T {
        IS_SWITCHED_OFF.set(true);
        let result = run();
        IS_SWITCHED_OFF.set(false);
        result
    }

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
