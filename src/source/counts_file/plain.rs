//! Text without quotes and carriage returns: there every line is a record and every comma ends a field. Nearly all
//! files are such text, and to look for commas takes a third of the time of a CSV parser. Absent on purpose: what a
//! record means.

use std::io::{self, Cursor, Read};

use memchr::{memchr, memchr2, memrchr};

/// Bytes that are looked at together. A longer line is left to the CSV parser.
const BLOCK_BYTES: usize = 1 << 18;

/// A text in blocks of whole lines, as far as it is plain.
pub(super) struct PlainBlocks<R> {
    source: R,
    buffer: Vec<u8>,
    /// Of what is held, the bytes that were given.
    consumed: usize,
}

impl<R: Read> PlainBlocks<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, buffer: Vec::with_capacity(BLOCK_BYTES), consumed: 0 }
    }

    /// The next lines. `None` at the end, and where something follows that a CSV parser has to tell apart.
    pub(super) fn next_block(&mut self) -> io::Result<Option<&[u8]>> {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        let free_bytes = BLOCK_BYTES - self.buffer.len();
        let limit = u64::try_from(free_bytes).unwrap_or(u64::MAX);
        let is_end = (&mut self.source).take(limit).read_to_end(&mut self.buffer)? < free_bytes;
        let end =
            if is_end { self.buffer.len() } else { memrchr(b'\n', &self.buffer).map_or(0, |newline| newline + 1) };
        let lines = self.buffer.get(..end).unwrap_or_default();
        if lines.is_empty() || memchr2(b'"', b'\r', lines).is_some() {
            return Ok(None);
        }
        self.consumed = end;
        Ok(Some(lines))
    }

    /// Takes the last block back, as if it had not been given.
    pub(super) const fn unread_block(&mut self) {
        self.consumed = 0;
    }

    /// What was not given.
    pub(super) fn into_remaining(mut self) -> impl Read {
        self.buffer.drain(..self.consumed);
        Cursor::new(self.buffer).chain(self.source)
    }
}

/// The first line of some lines and the others.
pub(super) fn split_line(lines: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', lines) {
        Some(newline) => {
            let (line, rest) = lines.split_at(newline);
            (line, rest.get(1..).unwrap_or_default())
        }
        None => (lines, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks of a text, and what is left.
    fn blocks(text: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut plain, mut given, mut rest) = (PlainBlocks::new(text), Vec::new(), Vec::new());
        while let Some(block) = plain.next_block().unwrap() {
            given.push(block.to_vec());
        }
        plain.into_remaining().read_to_end(&mut rest).unwrap();
        (given, rest)
    }

    #[test]
    fn whole_lines_are_returned_and_nothing_is_lost() {
        let text = "2026-10-01T00:00Z,100,0\n".repeat(40_000).into_bytes();
        let (given, rest) = blocks(&text);
        assert!(given.len() > 3 && given.iter().all(|block| block.ends_with(b"\n")));
        assert!(given.concat() == text && rest.is_empty());
        assert_eq!(blocks(b"a\nb"), (vec![b"a\nb".to_vec()], Vec::new()));
        assert_eq!(blocks(b""), (Vec::new(), Vec::new()));
    }

    #[test]
    fn text_is_left_to_the_csv_parser_from_the_first_line_that_is_not_plain() {
        for late in ["\"a\"\n", "a\r\nb\n", &"x".repeat(2 * BLOCK_BYTES)] {
            assert_eq!(blocks(late.as_bytes()), (Vec::new(), late.as_bytes().to_vec()));
            let text = "a,b\n".repeat(100_000) + late + "c,d\n";
            let (given, rest) = blocks(text.as_bytes());
            assert!(!given.is_empty() && [given.concat(), rest].concat() == text.as_bytes(), "{}", late.len());
        }
    }

    #[test]
    fn line_ends_at_its_newline() {
        assert_eq!(split_line(b"a\nb\n"), (&b"a"[..], &b"b\n"[..]));
        assert_eq!(split_line(b"a"), (&b"a"[..], &b""[..]));
        assert_eq!(split_line(b"\na"), (&b""[..], &b"a"[..]));
    }
}
