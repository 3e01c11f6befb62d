//! The wildcards of an ALB listener rule: `*` for any run of characters, `?` for exactly one.
//!
//! Source: "Listener rules for your Application Load Balancer", host and path conditions, in the ELB user guide.

/// A pattern over bytes. The balancer escapes what is not ASCII, so a byte is a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<[u8]>,
    ignore_case: bool,
}

impl Pattern {
    /// A pattern for paths: case matters, and `*` runs over slashes too.
    #[must_use]
    pub fn path(text: &str) -> Self {
        Self { text: text.as_bytes().into(), ignore_case: false }
    }

    /// A pattern for hosts: case does not matter.
    #[must_use]
    pub fn host(text: &str) -> Self {
        Self { text: text.to_ascii_lowercase().as_bytes().into(), ignore_case: true }
    }

    /// Whether all of the text fits. The work is bounded by the two lengths multiplied.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut at, mut in_pattern) = (0, 0);
        // Where to go on if the last star has to swallow one byte more.
        let mut star: Option<(usize, usize)> = None;
        while let Some(&byte) = text.get(at) {
            let byte = if self.ignore_case { byte.to_ascii_lowercase() } else { byte };
            match self.text.get(in_pattern) {
                Some(b'*') => {
                    star = Some((in_pattern + 1, at));
                    in_pattern += 1;
                }
                Some(&wanted) if wanted == b'?' || wanted == byte => {
                    at += 1;
                    in_pattern += 1;
                }
                _ => {
                    let Some((behind, swallowed)) = star else { return false };
                    star = Some((behind, swallowed + 1));
                    (at, in_pattern) = (swallowed + 1, behind);
                }
            }
        }
        self.text.get(in_pattern..).unwrap_or_default().iter().all(|byte| *byte == b'*')
    }
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
        assert!(Pattern::host("*.Example.com").matches(b"SHOP.example.COM"));
        assert!(!Pattern::host("*.example.com").matches(b"example.com"));
    }
}
