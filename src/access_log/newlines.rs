//! Exists for speed only: finds where the lines of a text end, and folds the text for its CRC in the same pass.
//!
//! A CRC is the remainder of the text as one long polynomial. 128 bytes that are multiplied so as to line up with the
//! next ones, and added to them, can be left out without a change of the remainder: in the end, 128 bytes stand for all
//! (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009). Without
//! SIMD it finds newlines with memchr and leaves the CRC to its caller.

pub use crate::access_log::simd::FOLDED_BYTES;
use crate::access_log::simd::{BLOCK_BYTES, Block, EqualMask, FoldedCrc, SimdKernel, dispatch_simd};

const NEWLINES: &Block = &[b'\n'; BLOCK_BYTES];

/// The newlines of a text, found chunk by chunk; its memory is used again for every text.
#[derive(Clone, Debug, Default)]
pub struct NewlineFinder {
    /// The first `count` are newlines that were found and not consumed.
    offsets: Vec<u32>,
    count: usize,
    /// Where the next chunk starts.
    position: usize,
    /// Stands for all whole blocks before that, if this is wanted and the processor folds.
    folded_crc: Option<FoldedCrc>,
}

impl NewlineFinder {
    /// Starts a text of less than 4 GiB.
    pub fn reset(&mut self, with_crc: bool) {
        (self.count, self.position, self.folded_crc) = (0, 0, with_crc.then_some(FoldedCrc::INITIAL));
    }

    /// Searches at most so many bytes more, a multiple of 128; `false` if there are no more bytes.
    pub fn find_in_next(&mut self, text: &[u8], bytes_max: usize) -> bool {
        let Some(rest) = text.get(self.position..).filter(|rest| !rest.is_empty()) else { return false };
        let chunk = rest.get(..bytes_max).unwrap_or(rest);
        let chunk_offset = u32::try_from(self.position).unwrap_or(u32::MAX);
        // One entry for each byte, since growing within the loop would spill all registers.
        if self.offsets.len() < self.count + chunk.len() {
            self.offsets.resize(self.count + chunk.len(), 0);
        }
        self.position += chunk.len();
        if let Err(kernel) = dispatch_simd(FindNewlines { chunk, chunk_offset, found: self }) {
            kernel.run_portable();
        }
        true
    }

    /// Newlines that were found and not consumed, from the start of the text.
    pub fn offsets(&self) -> &[u32] {
        self.offsets.get(..self.count).unwrap_or_default()
    }

    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.count);
        self.offsets.copy_within(count..self.count, 0);
        self.count -= count;
    }

    /// 128 bytes and the end of the text, whose CRC that starts with zero is the CRC of the text. `None` if that was
    /// not wanted, or the processor cannot fold.
    pub fn folded_crc<'t>(&self, text: &'t [u8]) -> Option<([u8; FOLDED_BYTES], &'t [u8])> {
        let rest = text.get(text.len() / FOLDED_BYTES * FOLDED_BYTES..)?;
        Some((self.folded_crc.as_ref()?.to_bytes(), rest))
    }
}

struct FindNewlines<'t> {
    chunk: &'t [u8],
    /// Offset of the chunk in the text.
    chunk_offset: u32,
    found: &'t mut NewlineFinder,
}

impl SimdKernel for FindNewlines<'_> {
    #[inline(always)]
    fn run(
        self,
        equal_mask: impl EqualMask,
        any_equal: impl Fn(&Block, &[Block; 2]) -> bool,
        fold: Option<impl Fn(FoldedCrc, &[Block; 2]) -> FoldedCrc>,
    ) {
        let NewlineFinder { offsets, count, folded_crc, .. } = self.found;
        let mut found = OffsetBuffer { offsets, count: *count };
        *folded_crc = if let (Some(folded), Some(fold)) = (*folded_crc, fold) {
            Some(scan_chunk(self.chunk, self.chunk_offset, &mut found, equal_mask, any_equal, folded, fold))
        } else {
            scan_chunk(self.chunk, self.chunk_offset, &mut found, equal_mask, any_equal, (), |(), _| ());
            None
        };
        *count = found.count;
    }
}

impl FindNewlines<'_> {
    fn run_portable(self) {
        let NewlineFinder { offsets, count, folded_crc, .. } = self.found;
        *folded_crc = None;
        for (newline, offset) in memchr::memchr_iter(b'\n', self.chunk).zip(offsets.iter_mut().skip(*count)) {
            // A chunk is shorter than 4 GB.
            *offset = self.chunk_offset + u32::try_from(newline).unwrap_or(u32::MAX);
            *count += 1;
        }
    }
}

struct OffsetBuffer<'t> {
    offsets: &'t mut [u32],
    count: usize,
}

/// Locates newlines only in blocks that contain one: lines are much longer than blocks.
#[inline(always)]
fn scan_chunk<F: Copy>(
    chunk: &[u8],
    mut offset: u32,
    found: &mut OffsetBuffer<'_>,
    equal_mask: impl EqualMask,
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
            // Both at once: which of them has it cannot be predicted.
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
    use crate::access_log::simd::run_portable;

    #[test]
    fn every_newline_is_found_once() {
        let check = |folding| {
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
        };
        for folding in [false, true] {
            check(folding);
            run_portable(|| check(folding));
        }
    }
}
