//! How templates become pages: what a page may load, which is nothing; the names of pages; how texts, numbers and times
//! are shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, HtmlEscape, UndefinedBehavior, Value, context, escape_formatter};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::RenderError;
use crate::format::{capitalize, format_percent, with_thousands_separators};
use crate::report::slo_status::SloStatus;
use crate::text::{escape_non_printing, is_non_printing};
use crate::time::{Minute, format_duration};

const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("filter.js");

/// The longest text from outside that is shown: the longest that definitions allow.
const MAX_CHARS: usize = 1_000;

/// Style and script of a page, and the content security policy that allows them by their hashes and nothing else. A
/// hash holds wherever the page is: to a browser, files on a disk have no origin in common.
pub(super) fn layout(script: Option<&str>) -> Value {
    let csp_hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        csp_hash(STYLE),
        script.map_or_else(|| "'none'".to_owned(), csp_hash)
    );
    context! { policy, style => STYLE, script }
}

pub(super) fn template_environment() -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(|out, state, value| match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) => escape_formatter(out, state, &Value::from(sanitize(text))),
        None => escape_formatter(out, state, value),
    });
    environment.add_filter("capitalize_first", |text: &str| capitalize(text));
    environment.add_filter("code", code_filter);
    environment.add_filter("status_label", |status: Serde<SloStatus>| status.label());
    environment.add_filter("status_sign", |status: Serde<SloStatus>| status.sign());
    environment.add_filter("thousands", |number: u64| with_thousands_separators(number));
    environment.add_filter("percent", |share: Option<f64>, decimals: usize| {
        share.map_or_else(|| "-".to_owned(), |share| format_percent(share, decimals))
    });
    environment.add_filter("tenths", |number: f64| format!("{number:.1}"));
    environment.add_filter("burn_rate", |rate: Option<f64>| rate.map_or("-".to_owned(), |rate| format!("{rate:.1}x")));
    environment.add_filter("time", |at: Serde<Minute>, format: &str| at.timestamp().strftime(format).to_string());
    environment.add_filter("duration", |minutes: u32| format_duration(minutes));
    environment.add_filter("short_duration", format_short_duration);
    environment.add_function("team_path", team_path);
    environment.add_function("service_path", service_path);
    environment.add_test("safe_link", is_safe_link);
    // The extension of a name turns on escaping, or leaves it off.
    for (name, text) in [
        ("base.html", include_str!("base.html")),
        ("parts.html", include_str!("parts.html")),
        ("index.html", include_str!("index.html")),
        ("team.html", include_str!("team.html")),
        ("service.html", include_str!("service.html")),
        ("slo.html", include_str!("slo.html")),
        ("definition.txt", include_str!("definition.txt")),
    ] {
        environment.add_template(name, text)?;
    }
    Ok(environment)
}

/// A text whose parts in backticks are set as code. An unpaired backtick stays as it is.
fn code_filter(text: &str) -> Value {
    let text = sanitize(text);
    let parts: Vec<&str> = text.split('`').collect();
    let html = |(index, part): (usize, &&str)| match HtmlEscape(part) {
        part if index % 2 == 0 => part.to_string(),
        part if index + 1 < parts.len() => format!("<code>{part}</code>"),
        part => format!("`{part}"),
    };
    Value::from_safe_string(parts.iter().enumerate().map(html).collect())
}

/// A text without characters that reorder what stands around it, and of a limited length.
fn sanitize(text: &str) -> String {
    let text = escape_non_printing(text);
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A length of time: `25 min`, `3 h`, `3 h 20 min`, `2 d 4 h`.
fn format_short_duration(minutes: u32) -> String {
    let parts = [(minutes / 1_440, "d"), (minutes % 1_440 / 60, "h"), (minutes % 60, "min")];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0).take(2);
    let parts: Vec<String> = parts.map(|(number, unit)| format!("{number} {unit}")).collect();
    if parts.is_empty() { "0 min".to_owned() } else { parts.join(" ") }
}

pub(super) fn team_path(team: &str) -> String {
    format!("teams/{}.html", path_segment(team))
}

pub(super) fn service_path(team: &str, service: &str) -> String {
    format!("services/{}/{}.html", path_segment(team), path_segment(service))
}

/// A name as a part of a path, which is a file name, a key and an address at once. Any name but a harmless one becomes
/// its hash, so that none leaves its folder, has a meaning in an address, or is that of another on a disk that ignores
/// case.
fn path_segment(name: &str) -> String {
    let is_safe_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let is_safe =
        name.len() <= 100 && !name.is_empty() && !name.starts_with(['.', '-']) && name.bytes().all(is_safe_byte);
    if is_safe { name.to_owned() } else { format!("x-{:016x}", xxh3_64(name.as_bytes())) }
}

fn is_safe_link(url: &str) -> bool {
    let is_forbidden = |char: char| char.is_whitespace() || is_non_printing(char);
    url.split_once("://").is_some_and(|(scheme, rest)| {
        let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
        is_web && !rest.is_empty() && !url.contains(is_forbidden)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_become_code_and_markup_is_escaped() {
        for (text, html) in [
            ("mail to `a@b`; `X`.", "mail to <code>a@b</code>; <code>X</code>."),
            ("one ` alone", "one ` alone"),
            ("`<b>` ` <i>", "<code>&lt;b&gt;</code> ` &lt;i&gt;"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("", ""),
        ] {
            assert_eq!(code_filter(text).to_string(), html);
        }
    }

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
        assert!(is_safe_link("https://wiki.example.com/x?a=b#c") && is_safe_link("HTTP://x"));
        for hostile in [
            "javascript:alert(1)//https://",
            "javascript://x",
            "data:text/html,x",
            "https://",
            "x",
            "https://a b",
            "//x",
        ] {
            assert!(!is_safe_link(hostile), "{hostile}");
        }
    }
}
