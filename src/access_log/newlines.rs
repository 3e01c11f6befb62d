//! Finds where the lines of a text end, and on the way folds the text, so that to check its CRC costs no look of its
//! own.
//!
//! A CRC takes a text for one long polynomial and is what a division leaves of it. Multiplied so as to stand where the
//! next ones do, and added to them, 128 bytes can be left out without changing that: in the end, 128 bytes stand for
//! all (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009).
//!
//! Absent on purpose: what a CRC is in the end. The door that inflates has a function for that.
#![expect(
    clippy::inline_always,
    reason = "all of it must become part of a function that is compiled for a wider processor"
)]

pub use crate::access_log::simd::FOLDED_BYTES;
use crate::access_log::simd::{BLOCK_BYTES, Block, FoldedCrc, SimdKernel, dispatch_simd};

const NEWLINES: &Block = &[b'\n'; BLOCK_BYTES];

/// The line ends of a text, found piece by piece; its memory is used again for every text.
#[derive(Clone, Debug, Default)]
pub struct NewlineFinder {
    /// Those that were found come first; what follows is room for more.
    offsets: Vec<u32>,
    count: usize,
    /// Where the next piece starts.
    position: usize,
    /// What stands for all whole blocks before that, if this is wanted and the processor folds.
    folded_crc: Option<FoldedCrc>,
}

impl NewlineFinder {
    /// Starts a text of less than 4 GiB.
    pub fn reset(&mut self, with_crc: bool) {
        (self.count, self.position, self.folded_crc) = (0, 0, with_crc.then_some(FoldedCrc::INITIAL));
    }

    /// Finds the line ends among the next so many bytes, a multiple of 128; `false` if there are no more bytes.
    pub fn find_in_next(&mut self, text: &[u8], bytes_max: usize) -> bool {
        let Some(rest) = text.get(self.position..).filter(|rest| !rest.is_empty()) else { return false };
        let chunk = rest.get(..bytes_max).unwrap_or(rest);
        let chunk_offset = u32::try_from(self.position).unwrap_or(u32::MAX);
        // Room for each byte, since to ask for more in between would cost all registers.
        if self.offsets.len() < self.count + chunk.len() {
            self.offsets.resize(self.count + chunk.len(), 0);
        }
        dispatch_simd(FindNewlines {
            chunk,
            chunk_offset,
            offsets: &mut self.offsets,
            count: &mut self.count,
            folded_crc: &mut self.folded_crc,
        });
        self.position += chunk.len();
        true
    }

    /// Those that were found and not taken yet, counted from the start of the text.
    #[must_use]
    pub fn offsets(&self) -> &[u32] {
        self.offsets.get(..self.count).unwrap_or_default()
    }

    /// Leaves out the first of them.
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.count);
        self.offsets.copy_within(count..self.count, 0);
        self.count -= count;
    }

    /// 128 bytes and the end of the text: what they leave of a CRC that starts with zero is the CRC of the text. `None`
    /// if that was not wanted, or is more than this processor can.
    #[must_use]
    pub fn folded_crc<'t>(&self, text: &'t [u8]) -> Option<([u8; FOLDED_BYTES], &'t [u8])> {
        let rest = text.get(text.len() / FOLDED_BYTES * FOLDED_BYTES..)?;
        Some((self.folded_crc.as_ref()?.to_bytes(), rest))
    }
}

/// Work of its own, so that it has all registers.
struct FindNewlines<'t> {
    chunk: &'t [u8],
    /// Where it starts in the text.
    chunk_offset: u32,
    offsets: &'t mut [u32],
    count: &'t mut usize,
    folded_crc: &'t mut Option<FoldedCrc>,
}

impl SimdKernel for FindNewlines<'_> {
    #[inline(always)]
    fn run(
        self,
        equal_mask: impl Fn(&Block, &Block) -> u64,
        any_equal: impl Fn(&Block, &[Block; 2]) -> bool,
        fold: Option<impl Fn(FoldedCrc, &[Block; 2]) -> FoldedCrc>,
    ) {
        let mut found = OffsetBuffer { offsets: self.offsets, count: *self.count };
        *self.folded_crc = if let (Some(folded), Some(fold)) = (*self.folded_crc, fold) {
            Some(scan_chunk(self.chunk, self.chunk_offset, &mut found, equal_mask, any_equal, folded, fold))
        } else {
            scan_chunk(self.chunk, self.chunk_offset, &mut found, equal_mask, any_equal, (), |(), _| ());
            None
        };
        *self.count = found.count;
    }
}

/// Line ends and how many they are.
struct OffsetBuffer<'t> {
    offsets: &'t mut [u32],
    count: usize,
}

/// Looks closely only at blocks that have a newline: lines are much longer than that.
#[inline(always)]
fn scan_chunk<F: Copy>(
    chunk: &[u8],
    mut offset: u32,
    found: &mut OffsetBuffer<'_>,
    equal_mask: impl Fn(&Block, &Block) -> u64,
    any_equal: impl Fn(&Block, &[Block; 2]) -> bool,
    mut folded: F,
    fold: impl Fn(F, &[Block; 2]) -> F,
) -> F {
    let (blocks, rest) = chunk.as_chunks::<BLOCK_BYTES>();
    let (pairs, odd) = blocks.as_chunks::<2>();
    let mut last = [0; BLOCK_BYTES];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    for pair in pairs {
        folded = fold(folded, pair);
        if any_equal(NEWLINES, pair) {
            // Both at once: which of them has it cannot be foreseen.
            let (low, high) = (equal_mask(NEWLINES, &pair[0]), equal_mask(NEWLINES, &pair[1]));
            push_offsets(offset, u128::from(low) | u128::from(high) << 64, found);
        }
        offset += 128;
    }
    for block in odd.iter().chain([&last]) {
        push_offsets(offset, equal_mask(NEWLINES, block).into(), found);
        offset += 64;
    }
    folded
}

#[inline(always)]
fn push_offsets(offset: u32, mut newlines: u128, found: &mut OffsetBuffer<'_>) {
    while newlines != 0 {
        if let Some(end) = found.offsets.get_mut(found.count) {
            *end = offset + newlines.trailing_zeros();
            found.count += 1;
        }
        newlines &= newlines - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_newline_is_found_once() {
        for folding in [false, true] {
            let mut found = NewlineFinder::default();
            for length in 0..900_usize {
                // Lines of all lengths, from none to more than a piece.
                let is_end = |place: usize| place.isqrt().pow(2) == place || place.is_multiple_of(97);
                let text: Vec<u8> = (0..length).map(|place| if is_end(place) { b'\n' } else { b'x' }).collect();
                found.reset(folding);
                let mut ends = Vec::new();
                while found.find_in_next(&text, 256) {
                    let count = found.offsets().len().saturating_sub(2);
                    ends.extend_from_slice(&found.offsets()[..count]);
                    found.consume(count);
                }
                ends.extend_from_slice(found.offsets());
                let expected = (0..length).filter(|place| is_end(*place)).map(|place| u32::try_from(place).unwrap());
                assert_eq!(ends, expected.collect::<Vec<_>>(), "{length}");
            }
        }
    }
}
