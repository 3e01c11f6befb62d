//! Names of pages, which are file names, keys and addresses at once.

use xxhash_rust::xxh3::xxh3_64;

/// The page of a team.
pub(super) fn of_team(team: &str) -> String {
    format!("teams/{}.html", part(team))
}

/// The page of a service.
pub(super) fn of_service(team: &str, service: &str) -> String {
    format!("services/{}/{}.html", part(team), part(service))
}

/// A name as a part of a path. Names of definitions are harmless as they are; what is not becomes its hash, so that no
/// name leaves its folder, means something in an address, or is that of another on a disk that knows no case.
fn part(name: &str) -> String {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let is_sound = name.len() <= 100 && !name.is_empty() && !name.starts_with(['.', '-']) && name.bytes().all(sound);
    if is_sound { name.to_owned() } else { format!("x-{:016x}", xxh3_64(name.as_bytes())) }
}

/// A link that somebody wrote, if following it does no harm.
pub(super) fn harmless(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let is_plain = |char: char| char.is_whitespace() || crate::visible::is_unsafe(char);
    (is_web && !rest.is_empty() && !url.contains(is_plain)).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        assert_eq!(of_service("mart", "checkout.v2"), "services/mart/checkout.v2.html");
        for hostile in ["", "..", "../x", "a/b", "A", ".hidden", "a b", "a%2f", "ä", &"a".repeat(10_000)] {
            let name = of_team(hostile);
            let inside = name.strip_prefix("teams/x-").and_then(|name| name.strip_suffix(".html"));
            assert!(inside.is_some_and(|hash| hash.len() == 16), "{hostile}: {name}");
        }
        assert_ne!(of_team("A"), of_team("B"));
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        assert!(harmless("https://wiki.example.com/x?a=b#c").is_some() && harmless("HTTP://x").is_some());
        for hostile in [
            "javascript:alert(1)//https://",
            "javascript://x",
            "data:text/html,x",
            "https://",
            "x",
            "https://a b",
            "//x",
        ] {
            assert_eq!(harmless(hostile), None, "{hostile}");
        }
    }
}
