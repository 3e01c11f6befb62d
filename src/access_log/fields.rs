//! Walks the fields of a line one by one, as far as somebody asks and no further.
//!
//! A field ends at a space. One that opens with a quote ends at a quote that a space or the end of the line follows
//! and that no backslash escapes, so a stray quote inside a user agent does not shift the fields behind it.

use crate::access_log::simd::find_byte;

/// A position in a line.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    line: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    /// Starts at the first field of a line that has no line end.
    #[must_use]
    #[inline]
    pub const fn new(line: &'a [u8]) -> Self {
        Self { line, position: 0 }
    }

    /// The next field without its quotes; `None` behind the last one, or if a quote is never closed.
    #[inline]
    pub fn next_field(&mut self) -> Option<&'a [u8]> {
        if self.line.get(self.position) == Some(&b'"') { self.next_quoted() } else { self.next_unquoted() }
    }

    /// Steps over this many fields.
    #[inline]
    pub fn skip(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.next_field()?;
        }
        Some(())
    }

    /// The next field if it bears no quotes.
    #[inline]
    pub fn next_unquoted(&mut self) -> Option<&'a [u8]> {
        let start = self.position;
        if start >= self.line.len() {
            return None;
        }
        let end = find_byte(b' ', self.line, start);
        self.position = end + 1;
        self.line.get(start..end)
    }

    /// The next bytes if a space follows them, without a search. They are one field only if they hold no space, which
    /// the caller must know from what they are; if so, [`Fields::step_over`] takes them.
    #[inline]
    #[must_use]
    pub fn peek_fixed<const LENGTH: usize>(&self) -> Option<&'a [u8; LENGTH]> {
        let bytes = self.line.get(self.position..)?.first_chunk::<LENGTH>()?;
        (self.line.get(self.position + LENGTH) == Some(&b' ')).then_some(bytes)
    }

    /// Goes on behind a field of this length.
    #[inline]
    pub const fn advance(&mut self, length: usize) {
        self.position += length + 1;
    }

    /// The next field if it bears quotes, without them.
    #[inline]
    pub fn next_quoted(&mut self) -> Option<&'a [u8]> {
        if self.line.get(self.position) != Some(&b'"') {
            return None;
        }
        let start = self.position + 1;
        let mut end = find_byte(b'"', self.line, start);
        while !self.is_closing_quote(start, end) {
            if end >= self.line.len() {
                return None;
            }
            end = find_byte(b'"', self.line, end + 1);
        }
        // Over the closing quote and the space.
        self.position = end + 2;
        self.line.get(start..end)
    }

    /// Whether the quote at this place closes what started at that one.
    #[inline]
    fn is_closing_quote(&self, start: usize, end: usize) -> bool {
        let before_is_escape = end > start && self.line.get(end - 1) == Some(&b'\\');
        end < self.line.len()
            && matches!(self.line.get(end + 1), None | Some(b' '))
            && !(before_is_escape && ends_with_escape(self.line.get(start..end).unwrap_or_default()))
    }

    /// All that no field was taken from yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.line.get(self.position..).unwrap_or_default()
    }
}

/// Whether the last backslash escapes what follows it, and is not escaped itself.
#[cold]
fn ends_with_escape(text: &[u8]) -> bool {
    text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_fields(line: &str, expected: &[&str]) {
        let mut fields = Fields::new(line.as_bytes());
        let mut found = Vec::new();
        while let Some(field) = fields.next_field() {
            found.push(String::from_utf8_lossy(field).into_owned());
        }
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn fields_end_at_spaces_and_closing_quotes() {
        assert_fields("", &[]);
        assert_fields("a", &["a"]);
        assert_fields("a b  c", &["a", "b", "", "c"]);
        assert_fields(r#"a "b c" d"#, &["a", "b c", "d"]);
        assert_fields(r#""" "-""#, &["", "-"]);
        assert_fields(r#"a "b c "#, &["a"]);
    }

    #[test]
    fn stray_quote_does_not_shift_later_fields() {
        assert_fields(r#""a"b c" d"#, &[r#"a"b c"#, "d"]);
        assert_fields(r#""a\" b" d"#, &[r#"a\" b"#, "d"]);
        assert_fields(r#""a\\" d"#, &[r"a\\", "d"]);
        assert_fields(r#""a\x22 b" d"#, &[r"a\x22 b", "d"]);
    }

    #[test]
    fn fields_longer_than_block_are_found() {
        for length in 0..200 {
            let long = "x".repeat(length);
            assert_fields(
                &format!("{long}a {long}b \"{long} c\" d"),
                &[&format!("{long}a"), &format!("{long}b"), &format!("{long} c"), "d"],
            );
        }
    }
}
