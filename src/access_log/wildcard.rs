//! The wildcards of an ALB listener rule, `*` for any run of characters and `?` for exactly one, and `{id}` for a part
//! of a path.
//!
//! Source: "Listener rules for your Application Load Balancer", host and path conditions, in the ELB user guide. `{id}`
//! is how API frameworks write a path parameter; it stands for one or more characters other than `/`.

/// The most characters of a pattern, as in a listener rule; each is a bit of a `u128`.
pub const PATTERN_CHARS_MAX: usize = 128;

/// A pattern over bytes. The balancer escapes what is not ASCII, so a byte is a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WildcardPattern {
    tokens: Box<[Token]>,
    ignore_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    AnyByte,
    AnyBytes,
    /// One byte of a path segment.
    SegmentByte,
    /// The rest of that segment, or nothing.
    SegmentRest,
}

/// Which tokens may come next, as bits, and whether the pattern may end here.
#[derive(Clone, Copy, Default)]
struct NfaStates {
    tokens: u128,
    is_accepting: bool,
}

impl WildcardPattern {
    /// Case matters, and `*` runs over slashes too.
    pub fn for_path(text: &str) -> Self {
        Self { tokens: tokenize(text), ignore_case: false }
    }

    pub fn case_insensitive(text: &str) -> Self {
        Self { tokens: tokenize(&text.to_ascii_lowercase()), ignore_case: true }
    }

    /// Whether all of the text fits. The work is bounded by the two lengths multiplied.
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut current = NfaStates::default();
        self.add_state(0, &mut current);
        for byte in text {
            let byte = if self.ignore_case { byte.to_ascii_lowercase() } else { *byte };
            let mut next = NfaStates::default();
            let mut remaining = current.tokens;
            while remaining != 0 {
                let index = remaining.trailing_zeros() as usize;
                remaining &= remaining - 1;
                match self.tokens.get(index) {
                    Some(Token::Byte(expected)) if *expected == byte => self.add_state(index + 1, &mut next),
                    Some(Token::AnyByte) => self.add_state(index + 1, &mut next),
                    Some(Token::SegmentByte) if byte != b'/' => self.add_state(index + 1, &mut next),
                    Some(Token::AnyBytes) => self.add_state(index, &mut next),
                    Some(Token::SegmentRest) if byte != b'/' => self.add_state(index, &mut next),
                    _ => {}
                }
            }
            current = next;
            if current.tokens == 0 && !current.is_accepting {
                return false;
            }
        }
        current.is_accepting
    }

    /// Adds a token, and those that follow where it may match nothing.
    fn add_state(&self, mut index: usize, states: &mut NfaStates) {
        loop {
            let Some(token) = self.tokens.get(index) else {
                states.is_accepting = true;
                return;
            };
            states.tokens |= 1 << index;
            if !matches!(token, Token::AnyBytes | Token::SegmentRest) {
                return;
            }
            index += 1;
        }
    }
}

fn tokenize(text: &str) -> Box<[Token]> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after_first)) = rest.split_first() {
        let name = rest.strip_prefix(b"{").and_then(|name| name.iter().position(|byte| *byte == b'}'));
        rest = after_first;
        match (first, name) {
            (b'{', Some(length)) if length > 0 => {
                tokens.extend([Token::SegmentByte, Token::SegmentRest]);
                rest = after_first.get(length + 1..).unwrap_or_default();
            }
            (b'*', _) => tokens.push(Token::AnyBytes),
            (b'?', _) => tokens.push(Token::AnyByte),
            (byte, _) => tokens.push(Token::Byte(*byte)),
        }
    }
    // Definitions refuse longer patterns.
    tokens.truncate(PATTERN_CHARS_MAX);
    tokens.into()
}

/// A regular expression of Trino, Java or RE2 that matches the same whole texts, for Athena. The texts of a log have no
/// line breaks, which a dot would not match.
pub fn to_regex(text: &str) -> String {
    let mut expression = Vec::with_capacity(text.len());
    for token in tokenize(text) {
        match token {
            Token::SegmentByte => expression.extend_from_slice(b"[^/]+"),
            Token::SegmentRest => {}
            Token::AnyBytes => expression.extend_from_slice(b".*"),
            Token::AnyByte => expression.push(b'.'),
            Token::Byte(byte) => {
                if br".^$+()[]{}|\".contains(&byte) {
                    expression.push(b'\\');
                }
                expression.push(byte);
            }
        }
    }
    String::from_utf8_lossy(&expression).into_owned()
}

pub fn has_no_wildcard(text: &str) -> bool {
    !text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_like_alb_listener_rules() {
        let check = |pattern: &str, text: &str, fits: bool| {
            assert_eq!(WildcardPattern::for_path(pattern).matches(text.as_bytes()), fits, "{pattern} {text}");
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
        assert_eq!(to_regex("/v1/{id}/*.(a|b)?{}{open\\"), r"/v1/[^/]+/.*\.\(a\|b\).\{\}\{open\\");
        assert_eq!(to_regex("/ä'\"{ü}"), "/ä'\"[^/]+");
        assert!(WildcardPattern::case_insensitive("*.Example.com").matches(b"SHOP.example.COM"));
        assert!(!WildcardPattern::case_insensitive("*.example.com").matches(b"example.com"));
    }
}
