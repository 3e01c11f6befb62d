//! Cuts pieces of plain bytes into lines, whichever way the pieces fall.
//!
//! A newline always ends a line: an Application Load Balancer escapes it inside quotes.

/// The longest line that is looked at. The balancer cuts user agents at 8 KB and URLs at 16 KB.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

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
    /// The next lines, each with its newline.
    fn lines(&mut self, text: &[u8]);
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
    /// The rest of a line that was too long is being skipped.
    skipping: bool,
}

impl Lines {
    /// Forgets what the last object left behind.
    pub(super) fn reset(&mut self) {
        self.begun.clear();
        self.skipping = false;
    }

    /// Tells the sink every line that ends in this piece: one by one where a piece cuts them, the others all at once.
    pub(super) fn feed(&mut self, mut piece: &[u8], sink: &mut impl LineSink) {
        if !self.begun.is_empty() || self.skipping {
            let Some(end) = memchr::memchr(b'\n', piece) else { return self.go_on(piece, sink) };
            let (line, rest) = piece.split_at(end);
            self.go_on(line, sink);
            self.end(sink);
            piece = rest.get(1..).unwrap_or_default();
        }
        let (lines, rest) = piece.split_at(memchr::memrchr(b'\n', piece).map_or(0, |end| end + 1));
        sink.lines(lines);
        if !rest.is_empty() {
            self.go_on(rest, sink);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Found(Vec<String>);

    impl LineSink for Found {
        fn restart(&mut self) {}

        fn lines(&mut self, text: &[u8]) {
            assert_eq!(text.last().copied().unwrap_or(b'\n'), b'\n');
            text.split(|byte| *byte == b'\n').filter_map(whole).for_each(|line| self.line(line));
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
