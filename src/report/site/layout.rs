//! What is around every page: its style, its script, and what it may load, which is nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, HtmlEscape, Value, escape_formatter};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::RenderError;
use super::service_row::{StatusMeaning, status_legend};
use crate::format::capitalize;
use crate::text::escape_non_printing;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("filter.js");

/// So much is shown of a text that somebody else wrote: as much as definitions allow.
const MAX_CHARS: usize = 1_000;

/// Style and script of a page, and the policy that names them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PageLayout {
    policy: String,
    style: &'static str,
    script: Option<&'static str>,
    /// The legend of statuses at the foot of the page.
    statuses: Vec<StatusMeaning>,
}

/// The frame without a script, and the one with it.
pub(super) fn page_layouts() -> [PageLayout; 2] {
    let csp_hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let frame = |script: Option<&'static str>| PageLayout {
        // A hash holds wherever the page lies: for a browser, files of a disk are not of the same place as each other.
        policy: format!(
            "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'",
            csp_hash(STYLE),
            script.map_or_else(|| "'none'".to_owned(), csp_hash)
        ),
        style: STYLE,
        script,
        statuses: status_legend(),
    };
    [frame(None), frame(Some(SCRIPT))]
}

/// The templates, and how texts get into them.
pub(super) fn template_environment() -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    // The ending of a name is what makes it escape.
    for (name, text) in [
        ("base.html", include_str!("base.html")),
        ("parts.html", include_str!("parts.html")),
        ("index.html", include_str!("index.html")),
        ("team.html", include_str!("team.html")),
        ("service.html", include_str!("service.html")),
        ("slo.html", include_str!("slo.html")),
    ] {
        environment.add_template(name, text)?;
    }
    environment.add_filter("capitalize_first", |text: &str| capitalize(text));
    environment.add_filter("code", code_filter);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_formatter(|out, state, value| match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) => escape_formatter(out, state, &Value::from(sanitize(text))),
        None => escape_formatter(out, state, value),
    });
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

/// What is shown of a text: nothing that reorders what stands around it, and no more than somebody would read.
fn sanitize(text: &str) -> String {
    let text = escape_non_printing(text);
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
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
}
