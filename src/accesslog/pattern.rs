//! The wildcards of an ALB listener rule, `*` for any run of characters and `?` for exactly one, and `{id}` for a part
//! of a path.
//!
//! Source: "Listener rules for your Application Load Balancer", host and path conditions, in the ELB user guide. `{id}`
//! is how API frameworks write a path parameter; it stands for one or more characters other than `/`.

/// The most characters of a pattern, as in a listener rule; a bit of a `u128` stands for each.
pub const LENGTH_MAX: usize = 128;

/// A pattern over bytes. The balancer escapes what is not ASCII, so a byte is a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    tokens: Box<[Token]>,
    ignore_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    Any,
    /// Any bytes, or none.
    Run,
    /// One byte of a part of a path.
    Part,
    /// The rest of that part, or nothing.
    RestOfPart,
}

/// Which tokens may come next, a bit each, and whether the pattern may end here.
#[derive(Clone, Copy, Default)]
struct Expected {
    tokens: u128,
    end: bool,
}

impl Pattern {
    /// A pattern for paths: case matters, and `*` runs over slashes too.
    #[must_use]
    pub fn path(text: &str) -> Self {
        Self { tokens: tokens(text), ignore_case: false }
    }

    /// A pattern for hosts and user agents: case does not matter.
    #[must_use]
    pub fn any_case(text: &str) -> Self {
        Self { tokens: tokens(&text.to_ascii_lowercase()), ignore_case: true }
    }

    /// Whether all of the text fits. The work is bounded by the two lengths multiplied.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut now = Expected::default();
        self.expect(0, &mut now);
        for byte in text {
            let byte = if self.ignore_case { byte.to_ascii_lowercase() } else { *byte };
            let mut next = Expected::default();
            let mut left = now.tokens;
            while left != 0 {
                let place = left.trailing_zeros() as usize;
                left &= left - 1;
                match self.tokens.get(place) {
                    Some(Token::Byte(wanted)) if *wanted == byte => self.expect(place + 1, &mut next),
                    Some(Token::Any) => self.expect(place + 1, &mut next),
                    Some(Token::Part) if byte != b'/' => self.expect(place + 1, &mut next),
                    Some(Token::Run) => self.expect(place, &mut next),
                    Some(Token::RestOfPart) if byte != b'/' => self.expect(place, &mut next),
                    _ => {}
                }
            }
            now = next;
            if now.tokens == 0 && !now.end {
                return false;
            }
        }
        now.end
    }

    /// Adds a token, and those behind it that it may be skipped for.
    fn expect(&self, mut place: usize, expected: &mut Expected) {
        loop {
            let Some(token) = self.tokens.get(place) else {
                expected.end = true;
                return;
            };
            expected.tokens |= 1 << place;
            if !matches!(token, Token::Run | Token::RestOfPart) {
                return;
            }
            place += 1;
        }
    }
}

/// What lies beyond [`LENGTH_MAX`] is cut off; definitions refuse such a pattern.
fn tokens(text: &str) -> Box<[Token]> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let name = rest.strip_prefix(b"{").and_then(|name| name.iter().position(|byte| *byte == b'}'));
        rest = behind;
        match (first, name) {
            (b'{', Some(length)) if length > 0 => {
                tokens.extend([Token::Part, Token::RestOfPart]);
                rest = behind.get(length + 1..).unwrap_or_default();
            }
            (b'*', _) => tokens.push(Token::Run),
            (b'?', _) => tokens.push(Token::Any),
            (byte, _) => tokens.push(Token::Byte(*byte)),
        }
    }
    tokens.truncate(LENGTH_MAX);
    tokens.into()
}

/// The same as a regular expression of Trino's, Java's or RE2's, for the whole of a text. Athena is asked with it; the
/// texts of a log have no line breaks, at which a dot would stop.
#[must_use]
pub fn expression(text: &str) -> String {
    let mut expression = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        rest = rest.get(sign.len_utf8()..).unwrap_or_default();
        let name = if sign == '{' { rest.split_once('}').filter(|(name, _)| !name.is_empty()) } else { None };
        match (sign, name) {
            (_, Some((_, behind))) => {
                expression.push_str("[^/]+");
                rest = behind;
            }
            ('*', _) => expression.push_str(".*"),
            ('?', _) => expression.push('.'),
            (sign, _) => {
                if r".^$+()[]{}|\".contains(sign) {
                    expression.push('\\');
                }
                expression.push(sign);
            }
        }
    }
    expression
}

/// Whether the text has no wildcard, so that equality is enough.
#[must_use]
pub fn is_exact(text: &str) -> bool {
    !text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_listener_rules_do() {
        let check = |pattern: &str, text: &str, fits: bool| {
            assert_eq!(Pattern::path(pattern).matches(text.as_bytes()), fits, "{pattern} {text}");
        };
        check("/v1/orders/*", "/v1/orders/", true);
        check("/v1/orders/*", "/v1/orders/7/items", true);
        check("/v1/orders/*", "/v1/orders", false);
        check("/v1/orders", "/V1/orders", false);
        check("/img/?.png", "/img/a.png", true);
        check("/img/?.png", "/img/.png", false);
        check("*", "", true);
        check("", "", true);
        check("", "a", false);
        check("**a*b**", "xxaxxb", true);
        check("*ab", "aab", true);
        check("*a*a*a*a*a*a*a*a*b", &"a".repeat(2_000), false);
        check("/v1/orders/{id}", "/v1/orders/7", true);
        check("/v1/orders/{id}", "/v1/orders/", false);
        check("/v1/orders/{id}", "/v1/orders/7/items", false);
        check("/v1/orders/{id}/items/{item}", "/v1/orders/7/items/a-b", true);
        check("/v1/{kind}s/*", "/v1/orders/7", true);
        check("/v1/{kind}s", "/v1/s", false);
        check("{a}{b}", "x", false);
        check("{a}{b}", "xy", true);
        check("/{}", "/{}", true);
        check("/{open", "/{open", true);
        check(&"a".repeat(128), &"a".repeat(128), true);
        check(&"a".repeat(128), &"a".repeat(127), false);
        check(&"?".repeat(128), &"a".repeat(129), false);
        assert_eq!(expression("/v1/{id}/*.(a|b)?{}{open\\"), r"/v1/[^/]+/.*\.\(a\|b\).\{\}\{open\\");
        assert_eq!(expression("/ä'\"{ü}"), "/ä'\"[^/]+");
        assert!(Pattern::any_case("*.Example.com").matches(b"SHOP.example.COM"));
        assert!(!Pattern::any_case("*.example.com").matches(b"example.com"));
    }
}
