//! Methods, hosts and paths of the requests that an SLO counts.
//!
//! Wildcards:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>.

use super::forms::{check_pattern, impl_from_text, matches_pattern, text_types};
use crate::hinted_error::HintedError;

text_types!(Method, HostPattern, PathPattern);

impl_from_text! {
    Method: "an HTTP method", "POST", "^[A-Za-z_-]{1,40}$", read_method;
    HostPattern: "a host pattern", "*.example.com",
        r"^(?=.{1,128}$)([A-Za-z0-9.*?_-]+|\[[A-Fa-f0-9:.*?]+\])$", read_host_pattern;
    PathPattern: "a path pattern", "/v1/orders/*", "^[/*?][!-~]{0,127}$", read_path_pattern;
}

/// A request method, upper-case.
fn read_method(text: &str) -> Result<Method, HintedError> {
    let hint = "write a method such as `GET`, without wildcards, or a list: `[GET, HEAD]`";
    let method = check_pattern::<Method>(text, format!("invalid HTTP method `{text}`"), hint)?;
    Ok(Method(method.to_ascii_uppercase()))
}

/// A host pattern, lower-case.
fn read_host_pattern(text: &str) -> Result<HostPattern, HintedError> {
    // The pattern of the schema without its lookahead, which `regex_lite` does not have.
    let is_valid = matches_pattern(r"^([A-Za-z0-9.*?_-]+|\[[A-Fa-f0-9:.*?]+\])$", text);
    if is_valid && text.len() <= 128 {
        return Ok(HostPattern(text.to_ascii_lowercase()));
    }
    let has_port = matches_pattern("^[A-Za-z0-9.*?_-]*:[0-9]+$", text);
    if let Some((host, port)) = text.rsplit_once(':').filter(|_| has_port) {
        return HintedError::err(format!("a host pattern cannot have a port: `:{port}`"), format!("write `{host}`"));
    }
    HintedError::err(
        format!("invalid host pattern `{text}`"),
        "write a host without a scheme or path, such as `*.example.com`",
    )
}

fn read_path_pattern(text: &str) -> Result<PathPattern, HintedError> {
    if text.starts_with('^') {
        let message = format!("`{text}` is a regular expression; a path is a wildcard pattern");
        return HintedError::err(message, wildcard_hint(text, ": `/v1/*`"));
    }
    let is_path = is_path_text(text);
    let has_valid_braces = matches_pattern(r"^[^{}]*(\{[A-Za-z0-9_]+\}[^{}]*)*$", text);
    if is_path && !has_valid_braces {
        let hint = "write a name in braces for one part of the path, such as `/v1/orders/{id}`";
        return HintedError::err(format!("invalid braces in path pattern `{text}`"), hint);
    }
    if let Some((path, query)) = text.split_once('?').filter(|(_, query)| query.contains('=')) {
        let hint = format!("write `{path}`: requests count with any query string");
        return HintedError::err(format!("a path pattern cannot have a query string: `?{query}`"), hint);
    }
    if is_path && text.starts_with(['/', '*', '?']) {
        return Ok(PathPattern(text.to_owned()));
    }
    let hint = if is_path && !text.contains("://") {
        format!("did you mean `/{text}`?")
    } else {
        "write a path such as `/v1/*`, at most 128 characters, without a scheme, host or spaces".to_owned()
    };
    HintedError::err(format!("invalid path pattern `{text}`"), hint)
}

/// The warning about a path pattern that is written like a regular expression. `/app.*` is not: it matches `/app.js`.
pub(super) fn regex_warning(text: &str) -> Option<HintedError> {
    let has_both = |open: char, close: char| text.contains(open) && text.contains(close);
    let looks_like_regex = text.ends_with('$')
        || ["\\", "/.*", "/.+", ")?", "]+", "]*"].iter().any(|part| text.contains(part))
        || has_both('[', ']')
        || (has_both('(', ')') && text.contains('|'));
    looks_like_regex.then(|| {
        let message = format!("`{text}` looks like a regular expression, but is read as a wildcard pattern");
        HintedError::new(message, wildcard_hint(text, ""))
    })
}

/// The hint for a regular expression, with the wildcard pattern that a simple one stands for.
fn wildcard_hint(regex: &str, example: &str) -> String {
    match wildcard_from_regex(regex) {
        Some(meant) if meant != regex => format!("did you mean `{meant}`?"),
        _ => format!("use `*` for any characters and `?` for one character{example}"),
    }
}

fn is_path_text(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The wildcard pattern that a simple regular expression stands for.
fn wildcard_from_regex(regex: &str) -> Option<String> {
    let mut text = regex.strip_prefix('^').unwrap_or(regex).to_owned();
    text.truncate(text.strip_suffix('$').unwrap_or(&text).len());
    for regex_class in [".*", ".+", "[^/]+", "[^/]*", "\\d+", "\\w+", "[0-9]+", "[a-z]+"] {
        text = text.replace(regex_class, "*");
    }
    text = text.replace("\\.", ".").replace("\\/", "/").replace("(*)", "*").replace("**", "*");
    if !text.starts_with(['/', '*']) {
        text.insert(0, '/');
    }
    (is_path_text(&text) && !text.contains(['\\', '[', ']', '(', ')', '|', '+', '^', '$', '{', '}'])).then_some(text)
}
