//! Explains YAML syntax errors by what was typed: tabs, indentation, quotes, brackets. The parser only knows where it
//! stopped, which is often a line too early or too late, and why in terms of its grammar.

use std::borrow::Cow;
use std::ops::Range;

use crate::hinted_error::HintedError;
use crate::slo::source_spans::RangedError;

/// Longer lines are not repeated in a hint.
const SHOWN_MAX: usize = 80;

#[derive(Clone, Copy)]
struct Line<'a> {
    /// From 1.
    number: usize,
    start: usize,
    /// Without its line break and trailing space.
    text: &'a str,
}

impl<'a> Line<'a> {
    fn indent(&self) -> usize {
        self.text.len() - self.content().len()
    }

    fn content(&self) -> &'a str {
        self.text.trim_start()
    }

    fn has_content(&self) -> bool {
        !self.content().is_empty() && !self.content().starts_with('#')
    }

    fn range(&self) -> Range<usize> {
        self.start + self.indent()..self.start + self.text.len()
    }

    /// The content after the dash of a list item, and its column.
    fn after_dash(&self) -> (usize, &'a str) {
        let inner = self.content().strip_prefix("- ").map_or(self.content(), str::trim_start);
        (self.text.len() - inner.len(), inner)
    }

    /// A plain key and its value, if the line has them.
    fn entry(&self) -> Option<(&'a str, &'a str)> {
        let (key, value) = self.after_dash().1.split_once(':')?;
        let is_plain =
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.%".contains(&byte));
        (is_plain && (value.is_empty() || value.starts_with(' '))).then_some((key, value.trim()))
    }
}

/// Explains a syntax error. `offset` is where the parser stopped, and `info` is its reason.
pub(crate) fn explain_syntax(text: &str, offset: usize, info: &str) -> RangedError {
    let mut start = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        lines.push(Line { number: lines.len() + 1, start, text: line.trim_end() });
        start += line.len();
    }
    let no_line = Line { number: 1, start: 0, text: "" };
    let line = lines.iter().rfind(|line| line.start <= offset).copied().unwrap_or(no_line);
    let error = SyntaxError { text, offset, info, lines, line };
    let (range, explained) = error
        .explain_tab()
        .or_else(|| error.explain_reserved_character())
        .or_else(|| error.explain_quote())
        .or_else(|| error.explain_unquoted_braces())
        .or_else(|| error.explain_bracket())
        .or_else(|| error.explain_missing_colon())
        .or_else(|| error.explain_indentation())
        .or_else(|| error.explain_colon_in_value())
        .unwrap_or_else(|| {
            let hint = "check the indentation, quotes and brackets of this line and the one before";
            mistake(line.range(), simplify_parser_message(info), hint)
        });
    (range, HintedError { message: format!("invalid YAML: {}", explained.message), ..explained })
}

/// The parser's reason without the terms of its grammar.
fn simplify_parser_message(info: &str) -> &str {
    let known = [
        ("block collection", "expected a list item that starts with `- `"),
        ("block mapping", "expected a key"),
        ("mapping values", "unexpected `:`"),
        ("illegal placement of ':'", "unexpected `:`"),
        ("simple key", "expected `key: value`"),
        ("flow mapping", "expected `,` or `}`"),
        ("flow sequence", "expected `,` or `]`"),
        ("unexpected eof", "unexpected end of the file"),
        ("unexpected end of stream", "unexpected end of the file"),
    ];
    known.iter().find(|(part, _)| info.contains(part)).map_or(info, |(_, plain)| *plain)
}

fn mistake(range: Range<usize>, message: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> RangedError {
    (range, HintedError::new(message, hint))
}

struct SyntaxError<'a> {
    text: &'a str,
    offset: usize,
    info: &'a str,
    lines: Vec<Line<'a>>,
    /// The line at `offset`.
    line: Line<'a>,
}

impl<'a> SyntaxError<'a> {
    /// The lines with content before the current one, nearest first.
    fn lines_before(&self) -> impl Iterator<Item = Line<'a>> {
        self.lines.iter().take(self.line.number - 1).rev().copied().filter(Line::has_content)
    }

    fn info_has(&self, parts: &[&str]) -> bool {
        parts.iter().any(|part| self.info.contains(part))
    }

    fn explain_tab(&self) -> Option<RangedError> {
        let after = self.lines.iter().skip(self.line.number).copied().find(Line::has_content);
        let near = [self.line].into_iter().chain(after).chain(self.lines_before().next());
        let indentation_tab = |line: Line<'a>| Some((line, line.text.find('\t').filter(|tab| *tab < line.indent())?));
        if let Some((line, tab)) = near.filter(Line::has_content).find_map(indentation_tab) {
            let message = format!("line {} is indented with a tab", line.number);
            return Some(mistake(line.start + tab..line.start + line.indent(), message, "use spaces"));
        }
        let tab = self.line.text.find(":\t").filter(|_| self.info_has(&["must be followed"]))?;
        let offset = self.line.start + tab + 1;
        Some(mistake(offset..offset + 1, "a tab follows the `:`", "use a space"))
    }

    /// A value that starts with a character that YAML reserves.
    fn explain_reserved_character(&self) -> Option<RangedError> {
        let sign = match self.info.strip_prefix("unexpected character: `") {
            Some(rest) => rest.chars().next()?,
            None => self.info_has(&["unknown anchor"]).then_some('*')?,
        };
        let line = self.line;
        let is_start = |offset: &usize| line.text.get(..*offset).is_some_and(|head| head.ends_with([' ', '[', ',']));
        let offset = line.text.match_indices(sign).map(|(at, _)| at).find(is_start)?;
        let rest = line.text.get(offset..)?;
        let token = rest.split([' ', ',', '}', ']']).next().unwrap_or(rest);
        let sign_name = if sign == '`' { "a backtick".to_owned() } else { format!("`{sign}`") };
        let hint =
            if token.contains(['`', '"', '\\']) { "quote it".to_owned() } else { format!("quote it: `\"{token}\"`") };
        let start = line.start + offset;
        Some(mistake(start..start + token.len(), format!("a value that starts with {sign_name} must be quoted"), hint))
    }

    fn explain_quote(&self) -> Option<RangedError> {
        let line = self.line;
        if self.info_has(&[
            "invalid indentation in quoted",
            "unexpected end of stream",
            "unexpected document indicator",
        ]) {
            let is_quote = self.text.get(self.offset..).is_some_and(|rest| rest.starts_with(['"', '\'']));
            let offset = if is_quote { self.offset } else { line.start + line.text.find(['"', '\''])? };
            let sign = self.text.get(offset..=offset)?;
            let message = format!("the quote on line {} is not closed", line.number);
            let end = line.range().end.max(offset + 1);
            return Some(mistake(offset..end, message, format!("add the closing `{sign}`")));
        }
        if self.info_has(&["invalid trailing content"]) {
            return Some(mistake(line.range(), "unexpected text after a closing quote", "quote the whole value"));
        }
        let hint = "write `\\\\` for a backslash, or use single quotes";
        let is_escape = self.info_has(&["escape", "hexadecimal"]);
        is_escape.then(|| mistake(line.range(), "invalid escape sequence in double quotes", hint))
    }

    /// An unquoted `/v1/{id}` inside of braces or brackets.
    fn explain_unquoted_braces(&self) -> Option<RangedError> {
        if !self.info_has(&["flow mapping", "flow sequence"]) {
            return None;
        }
        [self.line].into_iter().chain(self.lines_before().next()).find_map(|line| {
            let is_within = |(open, _): &(usize, &str)| {
                line.text.get(..*open).is_some_and(|head| head.ends_with(|last: char| !" :[{,\"'".contains(last)))
            };
            let (open, _) = line.text.match_indices('{').find(is_within)?;
            let start = line.text.get(..open)?.rfind([' ', '[', '{', ',']).map_or(0, |before| before + 1);
            let rest = line.text.get(start..)?;
            let mut depth = 0;
            let is_end = |char: char| {
                match char {
                    '{' => depth += 1,
                    '}' if depth > 0 => depth -= 1,
                    _ => return " ,}]".contains(char),
                }
                false
            };
            let is_plain = |value: &&str| value.contains('}') && !value.contains(['"', '\'', '\\']);
            let value = rest.split(is_end).next().filter(is_plain)?;
            let start = line.start + start;
            let hint = format!("quote it: `\"{value}\"`");
            Some(mistake(start..start + value.len(), "a value that contains braces must be quoted", hint))
        })
    }

    fn explain_bracket(&self) -> Option<RangedError> {
        if self.info_has(&["misplaced bracket"]) {
            let is_bracket = self.text.get(self.offset..).is_some_and(|rest| rest.starts_with([']', '}']));
            let offset = if is_bracket { self.offset } else { self.line.start + self.line.text.rfind([']', '}'])? };
            let (sign, open) = if self.text.get(offset..)?.starts_with(']') { (']', '[') } else { ('}', '{') };
            let message = format!("`{sign}` without an opening `{open}`");
            return Some(mistake(offset..offset + 1, message, format!("remove the `{sign}`")));
        }
        let (offset, open) = innermost_open_bracket(self.text)?;
        let line =
            self.lines.iter().rfind(|line| line.start <= offset).filter(|line| line.number <= self.line.number)?;
        let close = if open == '[' { ']' } else { '}' };
        let message = format!("the `{open}` on line {} is not closed", line.number);
        Some(mistake(offset..offset + 1, message, format!("add the closing `{close}`")))
    }

    /// A line that should be a key and a value, and has no `: `.
    fn explain_missing_colon(&self) -> Option<RangedError> {
        let current = self.line;
        let line = if self.info_has(&["simple key"]) {
            let is_before_error = current.has_content() && current.start + current.indent() < self.offset;
            if is_before_error { current } else { self.lines_before().next()? }
        } else {
            let is_sibling = |line: &Line<'_>| self.info_has(&["mapping values"]) && current.indent() == line.indent();
            self.lines_before().next().filter(is_sibling)?
        };
        let content = line.content();
        if line.entry().is_some() || content.starts_with(['-', '"', '\'', '[', '{']) || line.text.len() > SHOWN_MAX {
            return None;
        }
        let (key, value, message) = match content.split_once(':') {
            Some((key, value)) if !key.contains(' ') => (key, value, format!("no space after `{key}:`")),
            Some(_) => return None,
            None => {
                let (key, value) = content.split_once(' ').unwrap_or((content, "..."));
                (key, value, format!("no `:` after `{key}`"))
            }
        };
        Some(mistake(line.range(), message, format!("write `{key}: {}`", value.trim())))
    }

    /// A line that is neither beside nor below the one it seems to belong to.
    fn explain_indentation(&self) -> Option<RangedError> {
        let line = Some(self.line).filter(Line::has_content)?;
        let indent = line.indent();
        let outer = self.lines_before().find(|line| line.indent() <= indent);
        if outer.is_some_and(|line| [line.indent(), line.after_dash().0].contains(&indent)) {
            return None;
        }
        let deeper = self.lines_before().take_while(|line| line.indent() > indent).min_by_key(Line::indent);
        let other = deeper.or(outer.filter(|line| !line.after_dash().1.ends_with([':', '|', '>'])))?;
        let name = |line: &Line<'_>| line.entry().map(|(key, _)| format!("`{key}`"));
        let line_name = name(&line).unwrap_or_else(|| format!("line {}", line.number));
        let other_name = name(&other).map_or_else(String::new, |name| format!("{name} on "));
        let other_indentation = match other.indent() {
            spaces if indent > 0 && spaces > 0 => format!("by {spaces}"),
            spaces => indentation_text(spaces),
        };
        let message = format!(
            "{line_name} {}, but {other_name}line {} {other_indentation}",
            indentation_text(indent),
            other.number
        );
        Some(mistake(line.range(), message, "indent both by the same number of spaces"))
    }

    /// `reason: note: text`, which YAML reads as a key within a value.
    fn explain_colon_in_value(&self) -> Option<RangedError> {
        let line = self.line;
        let is_nested = |(_, value): &(&str, &str)| self.info_has(&["mapping values"]) && value.contains(": ");
        let (key, value) = line.entry().filter(is_nested)?;
        let hint = if value.contains(['"', '\\', '`']) || line.text.len() > SHOWN_MAX {
            "put the value in single quotes".to_owned()
        } else {
            format!("write `{key}: \"{value}\"`")
        };
        let end = line.start + line.text.len();
        Some(mistake(end - value.len()..end, "a value that contains `: ` must be quoted", hint))
    }
}

fn indentation_text(spaces: usize) -> String {
    match spaces {
        0 => "is not indented".to_owned(),
        1 => "is indented by 1 space".to_owned(),
        _ => format!("is indented by {spaces} spaces"),
    }
}

/// The innermost bracket that is open at the end of the text.
fn innermost_open_bracket(text: &str) -> Option<(usize, char)> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut quote = None;
    let mut is_value_start = true;
    let mut last = '\n';
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match (quote, char) {
            (Some('"'), '\\') => {
                chars.next();
            }
            (Some(sign), _) => quote = Some(sign).filter(|sign| *sign != char),
            (None, '#') if last.is_whitespace() => {
                last = '\n';
                is_value_start = is_value_start || open.is_empty();
                if !chars.any(|(_, char)| char == '\n') {
                    break;
                }
                continue;
            }
            (None, '\n') => is_value_start = is_value_start || open.is_empty(),
            (None, ' ' | '\t' | '\r' | '-') => {}
            (None, '[' | '{') if is_value_start => open.push((at, char)),
            (None, ']' | '}') => {
                open.pop();
                is_value_start = false;
            }
            (None, '"' | '\'') if is_value_start => {
                quote = Some(char);
                is_value_start = false;
            }
            (None, _) => is_value_start = char == ':' || (char == ',' && !open.is_empty()),
        }
        last = char;
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use crate::slo::source_spans::Positions;

    /// The line, the underlined text, the message and the hint of a text.
    fn explained(text: &str) -> (usize, String, String, String) {
        let faults = Positions::parse(text).unwrap_err();
        let (range, explained) = faults.into_iter().next().unwrap();
        let line = text.get(..range.start).unwrap().matches('\n').count() + 1;
        (line, text.get(range).unwrap().to_owned(), explained.message, explained.hint.into_owned())
    }

    #[test]
    fn syntax_errors_name_the_line_and_the_fix() {
        for (text, line, marked, message, hint) in [
            (
                "slos:\n  availability: 99.9%\n   latency: 99%\n",
                3,
                "latency: 99%",
                "`latency` is indented by 3 spaces, but `availability` on line 2 by 2",
                "indent both by the same number of spaces",
            ),
            (
                "slos:\n   availability: 99.9%\n\n  latency: 99%\n",
                4,
                "latency: 99%",
                "`latency` is indented by 2 spaces, but `availability` on line 2 by 3",
                "indent both by the same number of spaces",
            ),
            (
                "slos:\n  a: { objective: 99% }\n  # note\n   b: 99%\n",
                4,
                "b: 99%",
                "`b` is indented by 3 spaces, but `a` on line 2 by 2",
                "indent both by the same number of spaces",
            ),
            (
                " service: x\nload_balancer: app/m\n",
                2,
                "load_balancer: app/m",
                "`load_balancer` is not indented, but `service` on line 1 is indented by 1 space",
                "indent both by the same number of spaces",
            ),
            ("a: b\nslos:\n  x: 9\n\ty: 9\n", 4, "\t", "line 4 is indented with a tab", "use spaces"),
            ("slos:\n\tx: 9\n", 2, "\t", "line 2 is indented with a tab", "use spaces"),
            (
                "runbook: note: see wiki\n",
                1,
                "note: see wiki",
                "a value that contains `: ` must be quoted",
                "write `runbook: \"note: see wiki\"`",
            ),
            (
                "service: x\nload_balancer:app/m\nslos: {}\n",
                2,
                "load_balancer:app/m",
                "no space after `load_balancer:`",
                "write `load_balancer: app/m`",
            ),
            (
                "service: x\nload_balancer app/m\n",
                2,
                "load_balancer app/m",
                "no `:` after `load_balancer`",
                "write `load_balancer: app/m`",
            ),
            ("a: x\nb: [c, d\ne:\n  f: 9\n", 2, "[", "the `[` on line 2 is not closed", "add the closing `]`"),
            ("a: { b: 9, c: 9\nd: 9\n", 1, "{", "the `{` on line 1 is not closed", "add the closing `}`"),
            (
                "a: { path: *.html }\n",
                1,
                "*.html",
                "a value that starts with `*` must be quoted",
                "quote it: `\"*.html\"`",
            ),
            (
                "a: 1\nb: { under: 1s, where: { path: /v1/{id}/x } }\n",
                2,
                "/v1/{id}/x",
                "a value that contains braces must be quoted",
                "quote it: `\"/v1/{id}/x\"`",
            ),
            (
                "b: { path: [/v1/{id}, /b] }\n",
                1,
                "/v1/{id}",
                "a value that contains braces must be quoted",
                "quote it: `\"/v1/{id}\"`",
            ),
            ("a: @wiki\n", 1, "@wiki", "a value that starts with `@` must be quoted", "quote it: `\"@wiki\"`"),
            ("a: \"x\nb: y\n", 1, "\"x", "the quote on line 1 is not closed", "add the closing `\"`"),
        ] {
            let expected = (line, marked.to_owned(), format!("invalid YAML: {message}"), hint.to_owned());
            assert_eq!(explained(text), expected, "{text}");
        }
    }
}
