//! Selectors of load balancers and target groups: by name, with an ID, or by tags. `discovery` knows what they stand
//! for.
//!
//! The ID changes when a load balancer is recreated, and the name stays. So indicators, and with them the series of the
//! ledger, keep the text of the definition, as one word:
//!
//! ```text
//! app/mart   app/mart/50dc6c495c0c9188   classic/mart   {env=prod,service=checkout}     for load balancers
//! mart-blue  mart-blue/73e2d6bc24d8a067                 {service=checkout}              for target groups
//! ```
//!
//! In a name, `*` stands for any characters. Several load balancers are separated by spaces.

use std::collections::BTreeMap;
use std::fmt;

/// Tags that a resource must have, all of them; never empty.
///
/// As text they are in braces, with separators escaped as `%` and two hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    pub const fn new(tags: BTreeMap<String, String>) -> Self {
        Self(tags)
    }

    /// Parses the text of a selector; `None` if it selects by name.
    pub fn parse(selector: &str) -> Option<Self> {
        let inside = selector.strip_prefix('{')?.strip_suffix('}')?;
        let tag = |text: &str| text.split_once('=').map(|(key, value)| Some((unescape(key)?, unescape(value)?)))?;
        inside.split(',').map(tag).collect::<Option<_>>().map(Self)
    }

    pub fn matches(&self, tags: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, value)| tags.get(key) == Some(value))
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
        write!(f, "{{{}}}", tags.join(","))
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_ascii() && (char.is_ascii_whitespace() || char.is_ascii_control() || "{},=%/".contains(char)) {
            safe.push_str(&format!("%{:02x}", u32::from(char)));
        } else {
            safe.push(char);
        }
    }
    safe
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        plain.push(char::from(u8::from_str_radix(code, 16).ok()?));
        plain.push_str(rest);
    }
    Some(plain)
}

/// Whether any of some names, separated by spaces, selects a load balancer. `app/mart` selects it whatever its ID is.
/// Tags select none here, because they must be looked up.
pub fn matches_load_balancer(names: &str, load_balancer: &str) -> bool {
    names.split(' ').any(|name| {
        if name.contains('*') {
            return matches_pattern(name, without_id(load_balancer));
        }
        let rest = load_balancer.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || (lacks_id(name) && rest.starts_with('/')))
    })
}

/// Whether a name, or a name with an ID, selects the target group `name/id`.
pub fn matches_target_group(name: &str, target_group: &str) -> bool {
    let group_name = target_group.split_once('/').map_or(target_group, |(group_name, _)| group_name);
    let has_name = target_group.contains('/') || name.contains('*');
    target_group == name || (!name.is_empty() && has_name && matches_pattern(name, group_name))
}

/// Whether a name is what a pattern says, in which `*` stands for any characters.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').map_or((None, rest), |(middle, end)| (Some(middle), end));
    let Some(inner) = name.strip_suffix(end) else { return false };
    name = inner;
    middle.into_iter().flat_map(|middle| middle.split('*')).all(|part| match name.find(part) {
        Some(index) => {
            name = name.get(index + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

/// Whether the ID of any of some load balancers has to be looked up to know its metrics. A Classic Load Balancer has no
/// ID.
pub fn lacks_id(load_balancer: &str) -> bool {
    let lacks_id = |name: &str| !name.starts_with("classic/") && name.matches('/').count() <= 1;
    load_balancer.split(' ').any(lacks_id)
}

/// A load balancer without its ID, which stays when it is recreated.
pub fn without_id(load_balancer: &str) -> &str {
    let end = load_balancer.match_indices('/').nth(1).map_or(load_balancer.len(), |(index, _)| index);
    load_balancer.get(..end).unwrap_or(load_balancer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_round_trip_through_text() {
        let pairs = [("Service", "check out"), ("a=b,{c}", "50%"), ("größe", ""), ("tab\t", "a/b/c")];
        let tags: BTreeMap<String, String> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let text = Tags::new(tags.clone()).to_string();
        assert_eq!(text, "{Service=check%20out,a%3db%2c%7bc%7d=50%25,größe=,tab%09=a%2fb%2fc}");
        assert_eq!(Tags::parse(&text), Some(Tags(tags.clone())));
        assert!(Tags::parse(&text).unwrap().matches(&tags));
        assert!(!Tags::parse("{größe=x}").unwrap().matches(&tags) && !Tags::parse("{other=}").unwrap().matches(&tags));
        for text in ["", "app/mart", "{", "{}", "{a}", "{a=%}", "{a=%é}", "{a=%zz}"] {
            assert_eq!(Tags::parse(text), None, "{text}");
        }
    }

    fn text_of(value: &str) -> String {
        Tags::new(BTreeMap::from([("a".to_owned(), value.to_owned())])).to_string()
    }

    #[test]
    fn name_without_id_matches_any_id_but_no_longer_name() {
        for (names, balancer, expected) in [
            ("app/mart", "app/mart/0a", true),
            ("app/mart", "app/mart-2/0a", false),
            ("app/mart", "app/mart", true),
            ("app/mart/0a", "app/mart/0a", true),
            ("app/mart/0a", "app/mart/0b", false),
            ("app/mart/0a", "app/mart/0a/x", false),
            ("app/cart app/mart", "app/mart/0a", true),
            ("app/m*t", "app/mart/0a", true),
            ("app/m*t", "app/mart-2/0a", false),
            ("app/*", "classic/mart", false),
            ("app/*a*t*", "app/mart-2/0a", true),
            ("app/ma*rt*t", "app/mart/0a", false),
            ("classic/mart", "classic/mart", true),
            ("classic/mart", "app/mart/0a", false),
            ("{service=mart}", "app/mart/0a", false),
            ("", "app/mart/0a", false),
        ] {
            assert_eq!(matches_load_balancer(names, balancer), expected, "{names} {balancer}");
        }
        assert!(matches_target_group("blue", "blue/0a") && matches_target_group("blue/0a", "blue/0a"));
        assert!(
            !matches_target_group("blue", "blue-2/0a")
                && !matches_target_group("blue/0a", "blue/0b")
                && !matches_target_group("", "/0a")
        );
        assert_eq!((without_id("app/mart/0a"), without_id("classic/mart")), ("app/mart", "classic/mart"));
        assert!(
            lacks_id("app/mart")
                && lacks_id(&text_of("a/b/c"))
                && !lacks_id("app/mart/0a")
                && !lacks_id("classic/mart")
        );
    }
}
