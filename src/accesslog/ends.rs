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

pub use crate::accesslog::blocks::FOLDED;
use crate::accesslog::blocks::{BLOCK, Block, Folded, Work, widely};

const NEWLINES: &Block = &[b'\n'; BLOCK];

/// The line ends of a text, found piece by piece; its memory is used again for every text.
#[derive(Clone, Debug, Default)]
pub struct LineEnds {
    /// Those that were found come first; what follows is room for more.
    ends: Vec<u32>,
    count: usize,
    /// Where the next piece starts.
    at: usize,
    /// What stands for all whole blocks before that, if this is wanted and the processor folds.
    folded: Option<Folded>,
}

impl LineEnds {
    /// Starts a text of less than 4 GiB.
    pub fn start(&mut self, folding: bool) {
        (self.count, self.at, self.folded) = (0, 0, folding.then_some(Folded::START));
    }

    /// Finds the line ends among the next so many bytes, a multiple of 128; `false` if there are no more bytes.
    pub fn find(&mut self, text: &[u8], bytes: usize) -> bool {
        let Some(rest) = text.get(self.at..).filter(|rest| !rest.is_empty()) else { return false };
        let piece = rest.get(..bytes).unwrap_or(rest);
        let place = u32::try_from(self.at).unwrap_or(u32::MAX);
        // Room for each byte, since to ask for more in between would cost all registers.
        if self.ends.len() < self.count + piece.len() {
            self.ends.resize(self.count + piece.len(), 0);
        }
        widely(Finding { piece, place, ends: &mut self.ends, count: &mut self.count, folded: &mut self.folded });
        self.at += piece.len();
        true
    }

    /// Those that were found and not taken yet, counted from the start of the text.
    #[must_use]
    pub fn found(&self) -> &[u32] {
        self.ends.get(..self.count).unwrap_or_default()
    }

    /// Leaves out the first of them.
    pub fn take(&mut self, count: usize) {
        let count = count.min(self.count);
        self.ends.copy_within(count..self.count, 0);
        self.count -= count;
    }

    /// 128 bytes and the end of the text: what they leave of a CRC that starts with zero is the CRC of the text. `None`
    /// if that was not wanted, or is more than this processor can.
    #[must_use]
    pub fn folded<'t>(&self, text: &'t [u8]) -> Option<([u8; FOLDED], &'t [u8])> {
        let rest = text.get(text.len() / FOLDED * FOLDED..)?;
        Some((self.folded.as_ref()?.bytes(), rest))
    }
}

/// Work of its own, so that it has all registers.
struct Finding<'t> {
    piece: &'t [u8],
    /// Where it starts in the text.
    place: u32,
    ends: &'t mut [u32],
    count: &'t mut usize,
    folded: &'t mut Option<Folded>,
}

impl Work for Finding<'_> {
    #[inline(always)]
    fn work(
        self,
        equal: impl Fn(&Block, &Block) -> u64,
        either: impl Fn(&Block, &[Block; 2]) -> bool,
        fold: Option<impl Fn(Folded, &[Block; 2]) -> Folded>,
    ) {
        let mut found = Found { ends: self.ends, count: *self.count };
        *self.folded = if let (Some(folded), Some(fold)) = (*self.folded, fold) {
            Some(find(self.piece, self.place, &mut found, equal, either, folded, fold))
        } else {
            find(self.piece, self.place, &mut found, equal, either, (), |(), _| ());
            None
        };
        *self.count = found.count;
    }
}

/// Line ends and how many they are.
struct Found<'t> {
    ends: &'t mut [u32],
    count: usize,
}

/// Looks closely only at blocks that have a newline: lines are much longer than that.
#[inline(always)]
fn find<F: Copy>(
    piece: &[u8],
    mut place: u32,
    found: &mut Found<'_>,
    equal: impl Fn(&Block, &Block) -> u64,
    either: impl Fn(&Block, &[Block; 2]) -> bool,
    mut folded: F,
    fold: impl Fn(F, &[Block; 2]) -> F,
) -> F {
    let (blocks, rest) = piece.as_chunks::<BLOCK>();
    let (pairs, odd) = blocks.as_chunks::<2>();
    let mut last = [0; BLOCK];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    for pair in pairs {
        folded = fold(folded, pair);
        if either(NEWLINES, pair) {
            // Both at once: which of them has it cannot be foreseen.
            let (low, high) = (equal(NEWLINES, &pair[0]), equal(NEWLINES, &pair[1]));
            push_ends(place, u128::from(low) | u128::from(high) << 64, found);
        }
        place += 128;
    }
    for block in odd.iter().chain([&last]) {
        push_ends(place, equal(NEWLINES, block).into(), found);
        place += 64;
    }
    folded
}

#[inline(always)]
fn push_ends(place: u32, mut newlines: u128, found: &mut Found<'_>) {
    while newlines != 0 {
        if let Some(end) = found.ends.get_mut(found.count) {
            *end = place + newlines.trailing_zeros();
            found.count += 1;
        }
        newlines &= newlines - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_is_found_once() {
        for folding in [false, true] {
            let mut found = LineEnds::default();
            for length in 0..900_usize {
                // Lines of all lengths, from none to more than a piece.
                let is_end = |place: usize| place.isqrt().pow(2) == place || place.is_multiple_of(97);
                let text: Vec<u8> = (0..length).map(|place| if is_end(place) { b'\n' } else { b'x' }).collect();
                found.start(folding);
                let mut ends = Vec::new();
                while found.find(&text, 256) {
                    let count = found.found().len().saturating_sub(2);
                    ends.extend_from_slice(&found.found()[..count]);
                    found.take(count);
                }
                ends.extend_from_slice(found.found());
                let expected = (0..length).filter(|place| is_end(*place)).map(|place| u32::try_from(place).unwrap());
                assert_eq!(ends, expected.collect::<Vec<_>>(), "{length}");
            }
        }
    }
}
