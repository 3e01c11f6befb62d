//! Cuts pieces of plain bytes into lines, whichever way the pieces fall.
//!
//! A newline always ends a line: an Application Load Balancer escapes it inside quotes.

use crate::accesslog::ends::{FOLDED, LineEnds};
use crate::accesslog::usual::LANES;

/// The longest line that is looked at. The balancer cuts user agents at 8 KB and URLs at 16 KB.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes whose lines are found at once, so that they are still in the nearest cache when they are read.
const NEAR_BYTES: usize = 16 << 10;

/// What a line turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line without its end.
    Whole(&'a [u8]),
    /// The start of a line that is longer than [`LINE_BYTES_MAX`].
    TooLong(&'a [u8]),
}

/// Told of each line; asked between pieces whether to go on.
pub(super) trait LineSink {
    /// Forget all lines: the object is read from its start again.
    fn restart(&mut self);
    /// The next lines: of this text, from here on, up to newlines that stand here.
    fn lines(&mut self, text: &[u8], start: usize, ends: &[u32]);
    /// The next line.
    fn line(&mut self, line: Line<'_>);
    /// There are no more lines.
    fn finish(&mut self);
    /// Whether the rest of the object is of no interest any more.
    fn is_cancelled(&self) -> bool;
}

/// Holds the line that the last piece left unfinished.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    ends: LineEnds,
    /// The rest of a line that was too long is being skipped.
    skipping: bool,
}

impl Lines {
    /// Forgets what the last object left behind.
    pub(super) fn reset(&mut self) {
        self.begun.clear();
        self.skipping = false;
    }

    /// Tells the sink every line that ends in this piece of less than 4 GiB.
    pub(super) fn feed(&mut self, piece: &[u8], sink: &mut impl LineSink) {
        self.cut(piece, false, sink);
    }

    /// The same, and gives what [`LineEnds::folded`] makes of the piece.
    pub(super) fn feed_folding<'t>(
        &mut self,
        piece: &'t [u8],
        sink: &mut impl LineSink,
    ) -> Option<([u8; FOLDED], &'t [u8])> {
        self.cut(piece, true, sink);
        self.ends.folded(piece)
    }

    /// The line that the last piece left unfinished goes one way, the others many at once.
    fn cut(&mut self, piece: &[u8], folding: bool, sink: &mut impl LineSink) {
        let mut start = 0;
        self.ends.start(folding);
        while self.ends.find(piece, NEAR_BYTES) {
            if (!self.begun.is_empty() || self.skipping)
                && let Some(&end) = self.ends.found().first()
            {
                self.go_on(piece.get(..end as usize).unwrap_or_default(), sink);
                self.end(sink);
                self.ends.take(1);
                start = end as usize + 1;
            }
            let count = self.ends.found().len() / LANES * LANES;
            start = self.hand_over(piece, start, count, sink);
        }
        start = self.hand_over(piece, start, self.ends.found().len(), sink);
        let rest = piece.get(start..).unwrap_or_default();
        if !rest.is_empty() {
            self.go_on(rest, sink);
        }
    }

    /// Tells the sink so many lines; gives where the next one starts.
    fn hand_over(&mut self, piece: &[u8], start: usize, count: usize, sink: &mut impl LineSink) -> usize {
        let ends = self.ends.found().get(..count).unwrap_or_default();
        let Some(last) = ends.last().copied() else { return start };
        sink.lines(piece, start, ends);
        self.ends.take(count);
        last as usize + 1
    }

    /// Tells the sink the last line if no newline ended it.
    pub(super) fn finish(&mut self, sink: &mut impl LineSink) {
        if !self.begun.is_empty() {
            self.end(sink);
        }
        self.reset();
        sink.finish();
    }

    fn go_on(&mut self, part: &[u8], sink: &mut impl LineSink) {
        if self.skipping {
            return;
        }
        if self.begun.len() + part.len() > LINE_BYTES_MAX {
            let start = if self.begun.is_empty() { part } else { &self.begun };
            sink.line(Line::TooLong(start));
            self.begun.clear();
            self.skipping = true;
            return;
        }
        self.begun.extend_from_slice(part);
    }

    fn end(&mut self, sink: &mut impl LineSink) {
        if !self.skipping
            && let Some(line) = whole(&self.begun)
        {
            sink.line(line);
        }
        self.reset();
    }
}

/// What a line of any length is without its line end; an empty one is none.
#[inline]
pub(super) fn whole(line: &[u8]) -> Option<Line<'_>> {
    if line.len() > LINE_BYTES_MAX {
        return Some(Line::TooLong(line));
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.is_empty()).then_some(Line::Whole(line))
}

/// Tells of each of the lines that [`LineSink::lines`] is told of.
pub(super) fn each_line(text: &[u8], mut start: usize, ends: &[u32], mut each: impl FnMut(Line<'_>)) {
    for end in ends {
        text.get(start..*end as usize).and_then(whole).map(&mut each);
        start = *end as usize + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Found(Vec<String>);

    impl LineSink for Found {
        fn restart(&mut self) {}

        fn lines(&mut self, text: &[u8], start: usize, ends: &[u32]) {
            each_line(text, start, ends, |line| self.line(line));
        }

        fn line(&mut self, line: Line<'_>) {
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

    fn cut(text: &[u8], piece: usize) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Found::default());
        text.chunks(piece).for_each(|piece| lines.feed(piece, &mut found));
        lines.finish(&mut found);
        found.0
    }

    #[test]
    fn lines_do_not_depend_on_the_pieces() {
        let text = b"one\n\ntwo\r\nthree\n\nfour";
        for piece in 1..=text.len() {
            assert_eq!(cut(text, piece), ["one", "two", "three", "four"], "{piece}");
        }
    }

    #[test]
    fn a_line_without_bounds_is_one_line() {
        let long = [b"one\n".to_vec(), vec![b'x'; 2 * LINE_BYTES_MAX + 7], b"\ntwo\n".to_vec()].concat();
        for piece in [1_000, LINE_BYTES_MAX, 3 * LINE_BYTES_MAX] {
            assert_eq!(cut(&long, piece), ["one", "too long", "two"], "{piece}");
        }
    }
}
