//! Names of pages, which are file names, keys and addresses at once.

use xxhash_rust::xxh3::xxh3_64;

/// The page of a team.
pub(super) fn team_path(team: &str) -> String {
    format!("teams/{}.html", path_segment(team))
}

/// The page of a service.
pub(super) fn service_path(team: &str, service: &str) -> String {
    format!("services/{}/{}.html", path_segment(team), path_segment(service))
}

/// A name as a part of a path. Names of definitions are harmless as they are; what is not becomes its hash, so that no
/// name leaves its folder, means something in an address, or is that of another on a disk that knows no case.
fn path_segment(name: &str) -> String {
    let is_safe_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let is_safe =
        name.len() <= 100 && !name.is_empty() && !name.starts_with(['.', '-']) && name.bytes().all(is_safe_byte);
    if is_safe { name.to_owned() } else { format!("x-{:016x}", xxh3_64(name.as_bytes())) }
}

/// A link that somebody wrote, if following it does no harm.
pub(super) fn safe_link(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let is_forbidden = |char: char| char.is_whitespace() || crate::text::is_non_printing(char);
    (is_web && !rest.is_empty() && !url.contains(is_forbidden)).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_names_become_hashes_within_their_folder() {
        assert_eq!(service_path("mart", "checkout.v2"), "services/mart/checkout.v2.html");
        for hostile in ["", "..", "../x", "a/b", "A", ".hidden", "a b", "a%2f", "ä", &"a".repeat(10_000)] {
            let name = team_path(hostile);
            let inside = name.strip_prefix("teams/x-").and_then(|name| name.strip_suffix(".html"));
            assert!(inside.is_some_and(|hash| hash.len() == 16), "{hostile}: {name}");
        }
        assert_ne!(team_path("A"), team_path("B"));
    }

    #[test]
    fn only_http_and_https_urls_are_links() {
        assert!(safe_link("https://wiki.example.com/x?a=b#c").is_some() && safe_link("HTTP://x").is_some());
        for hostile in [
            "javascript:alert(1)//https://",
            "javascript://x",
            "data:text/html,x",
            "https://",
            "x",
            "https://a b",
            "//x",
        ] {
            assert_eq!(safe_link(hostile), None, "{hostile}");
        }
    }
}
