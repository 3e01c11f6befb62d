//! The route of a request: its method and its path, in which what identifies one thing, person or secret is `{id}`.
//!
//! Paths are untrusted. A route is short, printable ASCII without a query, and has no other braces.

use super::fields::RequestLine;

const SEGMENTS_MAX: usize = 6;
/// Bytes of a route after which no segment is added.
const ROUTE_BYTES_MAX: usize = 120;
/// A longer segment is a token or a title, and identifies one thing.
const SEGMENT_BYTES_MAX: usize = 40;
/// So many hexadecimal digits, some of which are decimal, are an id, such as a UUID or hash.
const HEX_ID_CHARS_MIN: usize = 8;
/// So many characters with several digits among them are an id.
const MIXED_ID_CHARS_MIN: usize = 16;
const MIXED_ID_DIGITS_MIN: usize = 3;
/// So many digits in a row are an id, also within a segment: `order-12345`.
const DIGIT_RUN_MIN: usize = 4;
/// The longest method that is registered has 17 letters
/// (<https://www.iana.org/assignments/http-methods/http-methods.xhtml>).
const METHOD_BYTES_MAX: usize = 17;

const ID_PLACEHOLDER: &str = "{id}";

/// Writes the route of a request: `GET /cart/{id}`; nothing if the request has no valid method and path.
pub fn write_route(line: &RequestLine<'_>, output: &mut String) {
    output.clear();
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
    let is_valid = (2..=METHOD_BYTES_MAX).contains(&line.method.len()) && line.method.iter().all(is_method);
    if !is_valid || line.path.first() != Some(&b'/') {
        return;
    }
    output.extend(line.method.iter().map(|byte| char::from(*byte)));
    output.push(' ');
    let start = output.len();
    let segments = line.path.split(|byte| *byte == b'/').map(strip_path_parameters).filter(|part| !part.is_empty());
    for (index, part) in segments.enumerate() {
        if index == SEGMENTS_MAX || output.len() > ROUTE_BYTES_MAX {
            output.push_str("/...");
            return;
        }
        output.push('/');
        write_segment(part, output);
    }
    if output.len() == start {
        output.push('/');
    }
}

/// Cuts off `;jsessionid=...`.
fn strip_path_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|byte| *byte == b';').next().unwrap_or_default()
}

fn write_segment(segment: &[u8], output: &mut String) {
    let (stem, extension) = match segment.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if is_file_extension(segment.get(dot + 1..).unwrap_or_default()) => segment.split_at(dot),
        _ => (segment, [].as_slice()),
    };
    if is_id(stem) && !is_email_address(segment) {
        output.push_str(ID_PLACEHOLDER);
        percent_encode(extension, output);
    } else if is_id(segment) || is_email_address(segment) {
        output.push_str(ID_PLACEHOLDER);
    } else {
        let before = output.len();
        for run in segment.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit()) {
            if run.len() >= DIGIT_RUN_MIN && run.first().is_some_and(u8::is_ascii_digit) {
                output.push_str(ID_PLACEHOLDER);
            } else {
                percent_encode(run, output);
            }
        }
        if output.len() > before + SEGMENT_BYTES_MAX {
            output.truncate(before);
            output.push_str(ID_PLACEHOLDER);
        }
    }
}

fn is_file_extension(text: &[u8]) -> bool {
    (1..=5).contains(&text.len())
        && text.iter().all(u8::is_ascii_alphanumeric)
        && text.first().is_some_and(u8::is_ascii_alphabetic)
}

fn is_id(segment: &[u8]) -> bool {
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_number = digits > 0 && segment.iter().all(|byte| byte.is_ascii_digit() || b"-_.:,+".contains(byte));
    let is_hex = digits > 0
        && segment.len() >= HEX_ID_CHARS_MIN
        && segment.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let is_mixed = segment.len() >= MIXED_ID_CHARS_MIN && digits >= MIXED_ID_DIGITS_MIN;
    is_number || is_hex || is_mixed || segment.len() > SEGMENT_BYTES_MAX
}

fn is_email_address(segment: &[u8]) -> bool {
    segment.contains(&b'@') || segment.windows(3).any(|three| three == b"%40")
}

/// Percent-encodes everything that could move a cursor or end a quotation.
fn percent_encode(text: &[u8], output: &mut String) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~%+:$!,=".contains(byte) {
            output.push(char::from(*byte));
        } else {
            output.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route_of_request(request: &[u8]) -> String {
        let mut into = "left from before".to_owned();
        write_route(&RequestLine::parse(request), &mut into);
        into
    }

    #[test]
    fn identifiers_in_path_are_replaced() {
        let check = |path: &str, expected: &str| {
            assert_eq!(
                route_of_request(format!("GET https://shop.example.com:443{path} HTTP/2.0").as_bytes()),
                expected,
                "{path}"
            );
        };
        check("/", "GET /");
        check("", "GET /");
        check("/cart", "GET /cart");
        check("/cart/", "GET /cart");
        check("//cart///items", "GET /cart/items");
        check("/v1/orders/81723/items/9", "GET /v1/orders/{id}/items/{id}");
        check("/u/6f1d2c3b-0a9e-4f7d-8c6b-5a4e3d2c1b0f", "GET /u/{id}");
        check("/u/6F1D2C3B0A9E4F7D8C6B5A4E3D2C1B0F?token=secret", "GET /u/{id}");
        check("/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "GET /t/{id}");
        check("/assets/0a1b2c3d4e5f6071.js", "GET /assets/{id}.js");
        check("/assets/app.min.js", "GET /assets/app.min.js");
        check("/order-12345/pay", "GET /order-{id}/pay");
        check("/day/2026-10-01", "GET /day/{id}");
        check("/reset/jane@example.com", "GET /reset/{id}");
        check("/reset/jane%40example.com", "GET /reset/{id}");
        check("/from/198.51.100.7", "GET /from/{id}");
        check("/cart;jsessionid=0A1B2C/pay", "GET /cart/pay");
        check("/decade/facade", "GET /decade/facade");
        check("/a/b/c/d/e/f/g/h", "GET /a/b/c/d/e/f/...");
        check("/shop.Cart/AddItem", "GET /shop.Cart/AddItem");
    }

    #[test]
    fn untrusted_text_is_escaped() {
        let check = |request: &[u8], expected: &str| assert_eq!(route_of_request(request), expected);
        check(b"GET http://h:80/a b`c*<!here> HTTP/1.1", "GET /a%20b%60c%2A%3C!here%3E");
        check(b"GET http://h:80/\x1b[31m\xe2\x80\xae HTTP/1.1", "GET /%1B%5B31m%E2%80%AE");
        check(b"GET http://h:80/{id} HTTP/1.1", "GET /%7Bid%7D");
        check(b"GET http://h:80/go/https://evil.example.com/ HTTP/1.1", "GET /go/https:/evil.example.com");
        check(b"- http://h:80- -", "");
        check(b"- - -", "");
        check(b"get http://h:80/ HTTP/1.1", "");
        check(b"CALL-ME-AT-555-0100-AND-MORE http://h:80/ HTTP/1.1", "");
        let long = format!("GET http://h:80/{} HTTP/1.1", "word/".repeat(3_000));
        check(long.as_bytes(), "GET /word/word/word/word/word/word/...");
        let long = format!("GET http://h:80/{} HTTP/1.1", "w".repeat(3_000));
        check(long.as_bytes(), "GET /{id}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn every_route_is_short_printable_ascii(path in prop::collection::vec(any::<u8>(), 0..400)) {
            let found = route_of_request(&[b"GET http://h:80/", path.as_slice(), b" HTTP/1.1"].concat());
            prop_assert!(found.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'`'), "{}", found);
            prop_assert!(found.len() <= ROUTE_BYTES_MAX + SEGMENT_BYTES_MAX + 10 && !found.contains('?'), "{}", found);
            prop_assert_eq!(found.matches(' ').count(), 1);
        }
    }
}
