//! Where spaces, closing quotes and line ends stand in a piece of text, found in one pass without a branch on what it says.
//!
//! A line has some thirty fields of any length. Searching the end of each takes a jump that the processor cannot foresee;
//! here a block of 64 bytes becomes three words of bits first, and a field's end is a count of zeros away.

use super::blocks::{BLOCK, Marks, mark};

/// Spaces of which fewer than this many bytes are left in a window are looked for in the next one.
const WINDOW: usize = 57;

/// Words behind the last block.
const SPARE: usize = 4;

/// The marks of one piece of text, by their place in it.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// A bit for each byte: a space.
    spaces: Vec<[u8; 8]>,
    /// A bit for each byte: a space behind a quote.
    behind_quotes: Vec<[u8; 8]>,
    /// The places of newlines; only the first so many count.
    ends: Vec<u32>,
    lines: usize,
}

impl Index {
    /// Marks a piece of at most 4 GiB.
    pub fn mark(&mut self, text: &[u8]) {
        // One for the last block, and some so that what begins at the very end can be read whole.
        let words = text.len() / BLOCK + 1 + SPARE;
        self.spaces.resize(words, [0; 8]);
        self.behind_quotes.resize(words, [0; 8]);
        if self.ends.len() <= text.len() {
            self.ends.resize(text.len() + 1, 0);
        }
        for bits in [&mut self.spaces, &mut self.behind_quotes] {
            bits.iter_mut().skip(words - SPARE).for_each(|spare| *spare = [0; 8]);
        }
        let marks = Marks { spaces: &mut self.spaces, behind_quotes: &mut self.behind_quotes, ends: &mut self.ends };
        self.lines = mark(text, marks);
    }

    /// The places of newlines, in order.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        self.ends.get(..self.lines).unwrap_or_default()
    }

    /// Spaces among the bytes from a place on, the first in the lowest bit: at least 57 of them.
    #[inline]
    #[must_use]
    pub fn spaces(&self, from: usize) -> u64 {
        window(&self.spaces, from)
    }

    /// The next space from a place on, and whether there is one within 114 bytes.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::inline_always, reason = "a call costs as much as what it does")]
    pub fn space(&self, from: usize) -> (usize, bool) {
        let (near, far) = (self.spaces(from), self.spaces(from + WINDOW));
        let (bits, from) = if near == 0 { (far, from + WINDOW) } else { (near, from) };
        (from + bits.trailing_zeros() as usize, bits != 0)
    }

    /// The next space behind a quote from a place on, and whether there is one within 192 bytes. Which of four words it is in
    /// cannot be foreseen, so all are looked at: no jump is cheaper than one that goes wrong every other time.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::inline_always, reason = "a call costs as much as what it does")]
    pub fn behind_quote(&self, from: usize) -> (usize, bool) {
        let (first, bit) = (from / BLOCK, from % BLOCK);
        let none = [[0; 8]; 4];
        let words = self.behind_quotes.get(first..).and_then(<[_]>::first_chunk::<4>).unwrap_or(&none);
        let words = words.map(u64::from_le_bytes);
        let words = [words[0] & (u64::MAX << bit), words[1], words[2], words[3]];
        let mut found = (words[3], 3);
        for word in [2, 1, 0] {
            found = if words[word] == 0 { found } else { (words[word], word) };
        }
        ((first + found.1) * BLOCK + found.0.trailing_zeros() as usize, found.0 != 0)
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "a call costs as much as what it does")]
fn window(bits: &[[u8; 8]], from: usize) -> u64 {
    let word = bits.as_flattened().get(from / 8..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |bytes| u64::from_le_bytes(*bytes)) >> (from % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_of_every_length_is_found() {
        let letters = [b' ', b'"', b'\n', b'x', b'x', b'x', 0xa0, 0x80];
        let mut state = 7_u32;
        for length in (0..300).chain([4_096, 5_000]) {
            let text: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    letters[(state >> 24) as usize % letters.len()]
                })
                .collect();
            let mut index = Index::default();
            index.mark(&text);
            let places = |wanted: &dyn Fn(usize) -> bool| (0..length).filter(|at| wanted(*at)).collect::<Vec<_>>();
            let space = places(&|at| text[at] == b' ');
            let behind = places(&|at| at > 0 && text[at] == b' ' && text[at - 1] == b'"');
            let ends = places(&|at| text[at] == b'\n');
            assert_eq!(index.ends().iter().map(|end| *end as usize).collect::<Vec<_>>(), ends);
            for from in 0..length + 70 {
                let near = |(place, found): (usize, bool)| found.then_some(place);
                let next = |places: &[usize], reach| {
                    places.iter().copied().find(|at| *at >= from).filter(|at| *at < from + reach)
                };
                assert_eq!(near(index.space(from)).filter(|at| *at < from + 114), next(&space, 114), "{length} {from}");
                let found = near(index.behind_quote(from)).filter(|at| *at < from + 192);
                assert_eq!(found, next(&behind, 192), "{length} {from}");
                let bits = index.spaces(from);
                assert!((0..57).all(|bit| bits >> bit & 1 == u64::from(space.contains(&(from + bit)))));
            }
        }
    }
}
