//! The route of a request: its method and its path with whatever names one thing, person or secret folded to `{id}`.
//!
//! Paths are text from outsiders. What comes out is short, printable ASCII without a query, and its braces are ours
//! alone.

use super::request_line::RequestLine;

/// Parts of a path that are told apart.
const PARTS_MAX: usize = 6;
/// Bytes of a route; a method and the end of the path come to a little more.
const BYTES_MAX: usize = 120;
/// A longer part is a token or a title, and names one thing.
const PART_BYTES_MAX: usize = 40;
/// From so many hexadecimal digits on, some of which are decimal, a part is an id; UUIDs and hashes are.
const HEX_MIN: usize = 8;
/// From so many characters on a mixture of letters and several digits is an id.
const MIXED_MIN: usize = 16;
const MIXED_DIGITS_MIN: usize = 3;
/// So many digits in a row are an id wherever they stand: `order-12345`.
const RUN_MIN: usize = 4;
/// The longest method that is registered has 17 letters
/// (<https://www.iana.org/assignments/http-methods/http-methods.xhtml>).
const METHOD_BYTES_MAX: usize = 17;

const ID: &str = "{id}";

/// Writes the route of a request: `GET /cart/{id}`. Leaves nothing where the request has no method or path that could
/// be one.
pub fn route(line: &RequestLine<'_>, into: &mut String) {
    into.clear();
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
    let sound = (2..=METHOD_BYTES_MAX).contains(&line.method.len()) && line.method.iter().all(is_method);
    if !sound || line.path.first() != Some(&b'/') {
        return;
    }
    into.extend(line.method.iter().map(|byte| char::from(*byte)));
    into.push(' ');
    let start = into.len();
    let parts = line.path.split(|byte| *byte == b'/').map(without_parameters).filter(|part| !part.is_empty());
    for (place, part) in parts.enumerate() {
        if place == PARTS_MAX || into.len() > BYTES_MAX {
            into.push_str("/...");
            return;
        }
        into.push('/');
        fold(part, into);
    }
    if into.len() == start {
        into.push('/');
    }
}

/// `;jsessionid=...` belongs to one visit.
fn without_parameters(part: &[u8]) -> &[u8] {
    part.split(|byte| *byte == b';').next().unwrap_or_default()
}

fn fold(part: &[u8], into: &mut String) {
    let (stem, ending) = match part.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if is_ending(part.get(dot + 1..).unwrap_or_default()) => part.split_at(dot),
        _ => (part, [].as_slice()),
    };
    if is_id(stem) && !is_mail(part) {
        into.push_str(ID);
        encode(ending, into);
    } else if is_id(part) || is_mail(part) {
        into.push_str(ID);
    } else {
        let before = into.len();
        for run in part.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit()) {
            if run.len() >= RUN_MIN && run.first().is_some_and(u8::is_ascii_digit) {
                into.push_str(ID);
            } else {
                encode(run, into);
            }
        }
        if into.len() > before + PART_BYTES_MAX {
            into.truncate(before);
            into.push_str(ID);
        }
    }
}

/// What stands behind the last dot of a file's name.
fn is_ending(text: &[u8]) -> bool {
    (1..=5).contains(&text.len())
        && text.iter().all(u8::is_ascii_alphanumeric)
        && text.first().is_some_and(u8::is_ascii_alphabetic)
}

fn is_id(part: &[u8]) -> bool {
    let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_number = digits > 0 && part.iter().all(|byte| byte.is_ascii_digit() || b"-_.:,+".contains(byte));
    let is_hex =
        digits > 0 && part.len() >= HEX_MIN && part.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let is_mixed = part.len() >= MIXED_MIN && digits >= MIXED_DIGITS_MIN;
    is_number || is_hex || is_mixed || part.len() > PART_BYTES_MAX
}

/// An address of mail is somebody.
fn is_mail(part: &[u8]) -> bool {
    part.contains(&b'@') || part.windows(3).any(|three| three == b"%40")
}

/// As a URL spells what is not its own: whatever else stands there can neither move a cursor nor end a quotation.
fn encode(text: &[u8], into: &mut String) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~%+:$!,=".contains(byte) {
            into.push(char::from(*byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(request: &[u8]) -> String {
        let mut into = "left from before".to_owned();
        route(&RequestLine::read(request), &mut into);
        into
    }

    #[test]
    fn what_names_one_thing_is_folded() {
        let check = |path: &str, expected: &str| {
            assert_eq!(of(format!("GET https://shop.example.com:443{path} HTTP/2.0").as_bytes()), expected, "{path}");
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
    fn what_outsiders_write_is_harmless() {
        let check = |request: &[u8], expected: &str| assert_eq!(of(request), expected);
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
        fn every_route_is_short_and_plain(path in prop::collection::vec(any::<u8>(), 0..400)) {
            let found = of(&[b"GET http://h:80/", path.as_slice(), b" HTTP/1.1"].concat());
            prop_assert!(found.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'`'), "{}", found);
            prop_assert!(found.len() <= BYTES_MAX + PART_BYTES_MAX + 10 && !found.contains('?'), "{}", found);
            prop_assert_eq!(found.matches(' ').count(), 1);
        }
    }
}
