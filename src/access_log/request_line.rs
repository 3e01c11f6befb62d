//! Method, host and path out of the `request` field: `GET https://shop.example.com:443/cart?id=1 HTTP/2.0`.
//!
//! The balancer writes the URL as the client sent it, so it may hold spaces, lack parts, or be no URL at all
//! (`- http://host:80- -`, `- - -`). Whatever is missing is empty. Escapes such as `\x22` are left as they stand.

/// The parts of a request that definitions may ask for.
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
    /// Takes the field apart.
    #[must_use]
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

/// What stands before the first such byte, and what behind it.
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
