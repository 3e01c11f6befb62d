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

    /// Tells `each` every line that ends in this piece.
    #[inline]
    pub(super) fn feed(&mut self, piece: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            let line = piece.get(start..end).unwrap_or_default();
            start = end + 1;
            if self.begun.is_empty() && !self.skipping {
                give(line, &mut each);
            } else {
                self.go_on(line, &mut each);
                self.end(&mut each);
            }
        }
        let rest = piece.get(start..).unwrap_or_default();
        if !rest.is_empty() {
            self.go_on(rest, &mut each);
        }
    }

    /// Tells `each` the last line if no newline ended it.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.begun.is_empty() {
            self.end(&mut each);
        }
        self.reset();
    }

    fn go_on(&mut self, part: &[u8], each: &mut impl FnMut(Line<'_>)) {
        if self.skipping {
            return;
        }
        if self.begun.len() + part.len() > LINE_BYTES_MAX {
            let start = if self.begun.is_empty() { part } else { &self.begun };
            each(Line::TooLong(start));
            self.begun.clear();
            self.skipping = true;
            return;
        }
        self.begun.extend_from_slice(part);
    }

    fn end(&mut self, each: &mut impl FnMut(Line<'_>)) {
        if !self.skipping {
            give(&self.begun, each);
        }
        self.reset();
    }
}

#[inline]
fn give(line: &[u8], each: &mut impl FnMut(Line<'_>)) {
    if line.len() > LINE_BYTES_MAX {
        return each(Line::TooLong(line));
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        each(Line::Whole(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], piece: usize) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut each = |line: Line<'_>| match line {
            Line::Whole(line) => found.push(String::from_utf8_lossy(line).into_owned()),
            Line::TooLong(_) => found.push("too long".to_owned()),
        };
        text.chunks(piece).for_each(|piece| lines.feed(piece, &mut each));
        lines.finish(&mut each);
        found
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
