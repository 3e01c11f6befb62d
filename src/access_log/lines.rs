//! Splits chunks of plain bytes into lines, wherever the chunks begin and end.
//!
//! A newline always ends a line: an Application Load Balancer escapes it inside quotes.

use crate::access_log::fast_path::LINES_PER_STEP;
use crate::access_log::newlines::{FOLDED_BYTES, NewlineFinder};

/// The longest line that is parsed. The balancer cuts user agents at 8 KB and URLs at 16 KB.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes whose newlines are found at once, so that they are still in the L1 cache when the lines are read.
const SEARCH_BYTES: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// The start of a line that is longer than [`LINE_BYTES_MAX`].
    TooLong(&'a [u8]),
}

/// Takes the lines of one object.
pub trait LineSink {
    /// Discards all lines: the object is read from its start again.
    fn restart(&mut self);
    fn accept_line(&mut self, line: Line<'_>);
    /// Takes the lines of a text from a start up to these newlines.
    fn accept_lines(&mut self, text: &[u8], start: usize, line_ends: &[u32]) {
        self.accept_each(text, start, line_ends);
    }
    fn accept_each(&mut self, text: &[u8], mut start: usize, line_ends: &[u32]) {
        for end in line_ends {
            if let Some(line) = text.get(start..*end as usize).and_then(trim_line) {
                self.accept_line(line);
            }
            start = *end as usize + 1;
        }
    }
    fn finish(&mut self);
    /// Whether the rest of the object is not needed; asked between chunks.
    fn is_cancelled(&self) -> bool;
}

#[derive(Debug, Default)]
pub struct LineSplitter {
    /// The line that the last chunk left unfinished.
    partial_line: Vec<u8>,
    newlines: NewlineFinder,
    /// The rest of a line that was too long is being skipped.
    is_skipping: bool,
}

impl LineSplitter {
    pub fn reset(&mut self) {
        self.partial_line.clear();
        self.is_skipping = false;
    }

    /// Sends every line that ends in this chunk of less than 4 GiB.
    pub fn feed(&mut self, chunk: &[u8], sink: &mut impl LineSink) {
        self.split(chunk, false, sink);
    }

    /// Returns the chunk's [`NewlineFinder::folded_crc`] too.
    pub fn feed_with_crc<'t>(
        &mut self,
        chunk: &'t [u8],
        sink: &mut impl LineSink,
    ) -> Option<([u8; FOLDED_BYTES], &'t [u8])> {
        self.split(chunk, true, sink);
        self.newlines.folded_crc(chunk)
    }

    /// The line that the last chunk left unfinished is sent alone, the others many at once.
    fn split(&mut self, chunk: &[u8], with_crc: bool, sink: &mut impl LineSink) {
        let mut start = 0;
        self.newlines.reset(with_crc);
        while self.newlines.find_in_next(chunk, SEARCH_BYTES) {
            if (!self.partial_line.is_empty() || self.is_skipping)
                && let Some(&end) = self.newlines.offsets().first()
            {
                self.append_partial(chunk.get(..end as usize).unwrap_or_default(), sink);
                self.end_partial(sink);
                self.newlines.consume(1);
                start = end as usize + 1;
            }
            let count = self.newlines.offsets().len() / LINES_PER_STEP * LINES_PER_STEP;
            start = self.send_lines(chunk, start, count, sink);
        }
        start = self.send_lines(chunk, start, self.newlines.offsets().len(), sink);
        let rest = chunk.get(start..).unwrap_or_default();
        if !rest.is_empty() {
            self.append_partial(rest, sink);
        }
    }

    /// Sends so many lines, and returns where the next one starts.
    fn send_lines(&mut self, chunk: &[u8], start: usize, count: usize, sink: &mut impl LineSink) -> usize {
        let line_ends = self.newlines.offsets().get(..count).unwrap_or_default();
        let Some(last) = line_ends.last().copied() else { return start };
        sink.accept_lines(chunk, start, line_ends);
        self.newlines.consume(count);
        last as usize + 1
    }

    /// Sends the last line if no newline ended it.
    pub fn finish(&mut self, sink: &mut impl LineSink) {
        if !self.partial_line.is_empty() {
            self.end_partial(sink);
        }
        self.reset();
        sink.finish();
    }

    fn append_partial(&mut self, part: &[u8], sink: &mut impl LineSink) {
        if self.is_skipping {
            return;
        }
        if self.partial_line.len() + part.len() > LINE_BYTES_MAX {
            let start = if self.partial_line.is_empty() { part } else { &self.partial_line };
            sink.accept_line(Line::TooLong(start));
            self.partial_line.clear();
            self.is_skipping = true;
            return;
        }
        self.partial_line.extend_from_slice(part);
    }

    fn end_partial(&mut self, sink: &mut impl LineSink) {
        if !self.is_skipping
            && let Some(line) = trim_line(&self.partial_line)
        {
            sink.accept_line(line);
        }
        self.reset();
    }
}

/// A line of any length without its line end; `None` if it is empty.
#[inline]
pub fn trim_line(line: &[u8]) -> Option<Line<'_>> {
    if line.len() > LINE_BYTES_MAX {
        return Some(Line::TooLong(line));
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.is_empty()).then_some(Line::Whole(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct CollectedLines(Vec<String>);

    impl LineSink for CollectedLines {
        fn restart(&mut self) {}

        fn accept_line(&mut self, line: Line<'_>) {
            self.0.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                Line::TooLong(_) => "too long".to_owned(),
            });
        }

        fn finish(&mut self) {}

        fn is_cancelled(&self) -> bool {
            false
        }
    }

    fn split(text: &[u8], piece: usize) -> Vec<String> {
        let (mut lines, mut found) = (LineSplitter::default(), CollectedLines::default());
        text.chunks(piece).for_each(|piece| lines.feed(piece, &mut found));
        lines.finish(&mut found);
        found.0
    }

    #[test]
    fn lines_do_not_depend_on_chunk_boundaries() {
        let text = b"one\n\ntwo\r\nthree\n\nfour";
        for piece in 1..=text.len() {
            assert_eq!(split(text, piece), ["one", "two", "three", "four"], "{piece}");
        }
    }

    #[test]
    fn overlong_line_is_reported_once() {
        let long = [b"one\n".to_vec(), vec![b'x'; 2 * LINE_BYTES_MAX + 7], b"\ntwo\n".to_vec()].concat();
        for piece in [1_000, LINE_BYTES_MAX, 3 * LINE_BYTES_MAX] {
            assert_eq!(split(&long, piece), ["one", "too long", "two"], "{piece}");
        }
    }
}
