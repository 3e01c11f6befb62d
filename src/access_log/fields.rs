//! Splits a line into its fields one by one, and the field `request` into method, host and path.
//!
//! A field ends at a space. One that opens with a quote ends at a quote that a space or the end of the line follows
//! and that no backslash escapes, so a stray quote inside a user agent does not shift the fields behind it.

use crate::access_log::simd::find_byte;

/// A position in a line without its line end.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    line: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    #[inline]
    pub const fn new(line: &'a [u8]) -> Self {
        Self { line, position: 0 }
    }

    /// The next field without its quotes; `None` behind the last one, or if a quote is never closed.
    #[inline]
    pub fn next_field(&mut self) -> Option<&'a [u8]> {
        if self.line.get(self.position) == Some(&b'"') { self.next_quoted() } else { self.next_unquoted() }
    }

    #[inline]
    pub fn skip(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.next_field()?;
        }
        Some(())
    }

    /// The next field up to a space, whether or not it has quotes.
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

    /// The next bytes if a space follows them, without a search. The caller must check that they have no space, so that
    /// they are one field, and then [`Fields::advance`].
    #[inline]
    pub fn peek_fixed<const LENGTH: usize>(&self) -> Option<&'a [u8; LENGTH]> {
        let bytes = self.line.get(self.position..)?.first_chunk::<LENGTH>()?;
        (self.line.get(self.position + LENGTH) == Some(&b' ')).then_some(bytes)
    }

    #[inline]
    pub const fn advance(&mut self, length: usize) {
        self.position += length + 1;
    }

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

    #[inline]
    fn is_closing_quote(&self, start: usize, end: usize) -> bool {
        let before_is_escape = end > start && self.line.get(end - 1) == Some(&b'\\');
        end < self.line.len()
            && matches!(self.line.get(end + 1), None | Some(b' '))
            && !(before_is_escape && ends_with_escape(self.line.get(start..end).unwrap_or_default()))
    }

    pub fn rest(&self) -> &'a [u8] {
        self.line.get(self.position..).unwrap_or_default()
    }
}

/// Whether the last backslash escapes what follows it, and is not escaped itself.
#[cold]
fn ends_with_escape(text: &[u8]) -> bool {
    text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Method, host and path out of `GET https://shop.example.com:443/cart?id=1 HTTP/2.0`.
///
/// The balancer writes the URL as the client sent it, so it may contain spaces, lack parts, or be no URL at all
/// (`- http://host:80- -`, `- - -`). Missing parts are empty. Escapes such as `\x22` are left as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// `GET`; `-` in a malformed request.
    pub method: &'a [u8],
    /// The host without its port, in the case the client wrote; an IPv6 address keeps its brackets.
    pub host: &'a [u8],
    /// The path from its first slash, without the query.
    pub path: &'a [u8],
}

impl<'a> RequestLine<'a> {
    pub fn parse(field: &'a [u8]) -> Self {
        let (method, rest) = split_once_byte(field, b' ');
        let url = strip_protocol(rest);
        let Some(scheme_end) = memchr::memmem::find(url, b"://") else {
            return Self { method, host: b"", path: b"" };
        };
        let after_scheme = url.get(scheme_end + 3..).unwrap_or_default();
        let authority_end = memchr::memchr2(b'/', b'?', after_scheme).unwrap_or(after_scheme.len());
        let (authority, target) = after_scheme.split_at(authority_end);
        let (path, _query) = split_once_byte(target, b'?');
        Self { method, host: strip_port(authority), path: if path.is_empty() { b"/" } else { path } }
    }
}

fn split_once_byte(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(byte, text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, b""),
    }
}

/// Cuts ` HTTP/1.1`, or what stands there in a request that had none: ` -`, ` - ` or a space alone.
fn strip_protocol(text: &[u8]) -> &[u8] {
    if let Some(url) = text.strip_suffix(b" - ") {
        return url;
    }
    match memchr::memrchr(b' ', text) {
        Some(at) => match text.get(at + 1..).unwrap_or_default() {
            b"" | b"-" => text.get(..at).unwrap_or_default(),
            last if last.starts_with(b"HTTP/") => text.get(..at).unwrap_or_default(),
            _ => text,
        },
        None => text,
    }
}

fn strip_port(authority: &[u8]) -> &[u8] {
    let bracket = memchr::memrchr(b']', authority).unwrap_or(0);
    match memchr::memrchr(b':', authority) {
        Some(colon) if colon > bracket => authority.get(..colon).unwrap_or_default(),
        _ => authority,
    }
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

    #[test]
    fn every_request_form_yields_its_parts() {
        let check = |field: &'static str, method: &str, host: &str, path: &str| {
            let expected = RequestLine { method: method.as_bytes(), host: host.as_bytes(), path: path.as_bytes() };
            assert_eq!(RequestLine::parse(field.as_bytes()), expected, "{field}");
        };
        check("GET http://shop.example.com:80/ HTTP/1.1", "GET", "shop.example.com", "/");
        check(
            "POST https://Shop.Example.com:443/v1/orders/7?a=/b&c=? HTTP/2.0",
            "POST",
            "Shop.Example.com",
            "/v1/orders/7",
        );
        check("GET http://h:80/a b c HTTP/1.1", "GET", "h", "/a b c");
        check("GET http://h:80/a ", "GET", "h", "/a");
        check("GET http://h:80/a - ", "GET", "h", "/a");
        check("GET http://h:80?q HTTP/1.1", "GET", "h", "/");
        check("GET http://[2001:db8::1]:80/x HTTP/1.1", "GET", "[2001:db8::1]", "/x");
        check("GET http://[2001:db8::1]/x HTTP/1.1", "GET", "[2001:db8::1]", "/x");
        check("- http://host:80- -", "-", "host", "/");
        check("- http://host:80-/ ", "-", "host", "/");
        check("- - - ", "-", "", "");
        check("- - -", "-", "", "");
        check("", "", "", "");
        check("CONNECT host:443 HTTP/1.1", "CONNECT", "", "");
    }
}
