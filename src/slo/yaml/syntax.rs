//! Explains YAML syntax errors by what was typed: tabs, indentation, quotes, brackets. The parser only knows where it
//! stopped, which is often a line too early or too late, and why in terms of its grammar.

use std::ops::Range;

use crate::slo::problem::Explained;
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
        self.text.len() - self.text.trim_start().len()
    }

    fn indentation(&self) -> &'a str {
        self.text.get(..self.indent()).unwrap_or("")
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

/// The mistake behind a syntax error. `at` is where the parser stopped, and `info` is its reason.
pub(in crate::slo) fn explain_syntax(text: &str, offset: usize, info: &str) -> RangedError {
    let lines = lines(text);
    let line_index = lines.iter().rposition(|line| line.start <= offset).unwrap_or(0);
    let diagnosis = find_tab(&lines, line_index, info)
        .or_else(|| find_reserved_character(&lines, line_index, info))
        .or_else(|| find_unclosed_quote(text, &lines, line_index, offset, info))
        .or_else(|| find_unquoted_braces(&lines, line_index, info))
        .or_else(|| find_unclosed_bracket(text, &lines, line_index, offset, info))
        .or_else(|| find_missing_colon(&lines, line_index, offset, info))
        .or_else(|| find_wrong_indentation(&lines, line_index))
        .or_else(|| find_colon_in_value(&lines, line_index, info));
    let (range, explained) = diagnosis.unwrap_or_else(|| {
        let hint = "check the indentation, quotes and brackets of this line and the one before";
        (lines.get(line_index).map_or(offset..offset, Line::range), Explained::new(simplify_parser_message(info), hint))
    });
    (range, Explained { message: format!("invalid YAML: {}", explained.message), hint: explained.hint })
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

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        lines.push(Line { number: index + 1, start, text: line.trim_end() });
        start += line.len();
    }
    lines
}

/// The nearest line before with something on it.
fn lines_before<'l, 'a>(lines: &'l [Line<'a>], line_index: usize) -> impl Iterator<Item = &'l Line<'a>> {
    lines.get(..line_index).unwrap_or(lines).iter().rev().filter(|line| line.has_content())
}

fn find_tab(lines: &[Line<'_>], line_index: usize, info: &str) -> Option<RangedError> {
    let after = lines.get(line_index + 1..).unwrap_or(&[]).iter().find(|line| line.has_content());
    let mut near = lines.get(line_index).into_iter().chain(after).chain(lines_before(lines, line_index).next());
    if let Some(line) = near.find(|line| line.has_content() && line.indentation().contains('\t')) {
        let offset = line.start + line.indentation().find('\t')?;
        let message = format!("line {} is indented with a tab", line.number);
        return Some((offset..line.start + line.indent(), Explained::new(message, "use spaces")));
    }
    let line = lines.get(line_index).filter(|_| info.contains("must be followed"))?;
    let offset = line.start + line.text.find(":\t")? + 1;
    Some((offset..offset + 1, Explained::new("a tab follows the `:`", "use a space")))
}

/// A value that starts with a character that YAML reserves.
fn find_reserved_character(lines: &[Line<'_>], line_index: usize, info: &str) -> Option<RangedError> {
    let sign = match info.strip_prefix("unexpected character: `") {
        Some(rest) => rest.chars().next()?,
        None => info.contains("unknown anchor").then_some('*')?,
    };
    let line = lines.get(line_index)?;
    let is_start = |offset: &usize| line.text.get(..*offset).is_some_and(|head| head.ends_with([' ', '[', ',']));
    let offset = line.text.match_indices(sign).map(|(at, _)| at).find(is_start)?;
    let rest = line.text.get(offset..)?;
    let token = rest.split([' ', ',', '}', ']']).next().unwrap_or(rest);
    let sign_name = if sign == '`' { "a backtick".to_owned() } else { format!("`{sign}`") };
    let hint =
        if token.contains(['`', '"', '\\']) { "quote it".to_owned() } else { format!("quote it: `\"{token}\"`") };
    let range = line.start + offset..line.start + offset + token.len();
    Some((range, Explained::new(format!("a value that starts with {sign_name} must be quoted"), hint)))
}

fn find_unclosed_quote(
    text: &str,
    lines: &[Line<'_>],
    line_index: usize,
    offset: usize,
    info: &str,
) -> Option<RangedError> {
    let line = lines.get(line_index)?;
    let is_open = ["invalid indentation in quoted", "unexpected end of stream", "unexpected document indicator"];
    if is_open.iter().any(|part| info.contains(part)) {
        let is_quote = text.get(offset..).is_some_and(|rest| rest.starts_with(['"', '\'']));
        let offset = if is_quote { offset } else { line.start + line.text.find(['"', '\''])? };
        let sign = text.get(offset..=offset)?;
        let hint = format!("add the closing `{sign}`");
        return Some((
            offset..line.range().end.max(offset + 1),
            Explained::new(format!("the quote on line {} is not closed", line.number), hint),
        ));
    }
    let (message, hint) = if info.contains("invalid trailing content") {
        ("unexpected text after a closing quote", "quote the whole value")
    } else if info.contains("escape") || info.contains("hexadecimal") {
        ("invalid escape sequence in double quotes", "write `\\\\` for a backslash, or use single quotes")
    } else {
        return None;
    };
    Some((line.range(), Explained::new(message, hint)))
}

/// An unquoted `/v1/{id}` inside of braces or brackets.
fn find_unquoted_braces(lines: &[Line<'_>], line_index: usize, info: &str) -> Option<RangedError> {
    let is_inside = info.contains("flow mapping") || info.contains("flow sequence");
    let mut near =
        lines.get(line_index).into_iter().chain(lines_before(lines, line_index).next()).filter(|_| is_inside);
    near.find_map(|line| {
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
        let explained =
            Explained::new("a value that contains braces must be quoted", format!("quote it: `\"{value}\"`"));
        Some((line.start + start..line.start + start + value.len(), explained))
    })
}

fn find_unclosed_bracket(
    text: &str,
    lines: &[Line<'_>],
    line_index: usize,
    offset: usize,
    info: &str,
) -> Option<RangedError> {
    if info.contains("misplaced bracket") {
        let line = lines.get(line_index)?;
        let offset = if text.get(offset..).is_some_and(|rest| rest.starts_with([']', '}'])) {
            offset
        } else {
            line.start + line.text.rfind([']', '}'])?
        };
        let (sign, open) = if text.get(offset..)?.starts_with(']') { (']', '[') } else { ('}', '{') };
        return Some((
            offset..offset + 1,
            Explained::new(format!("`{sign}` without an opening `{open}`"), format!("remove the `{sign}`")),
        ));
    }
    let (offset, open) = innermost_open_bracket(text)?;
    let line = lines.iter().rfind(|line| line.start <= offset).filter(|line| line.number <= line_index + 1)?;
    let close = if open == '[' { ']' } else { '}' };
    let message = format!("the `{open}` on line {} is not closed", line.number);
    Some((offset..offset + 1, Explained::new(message, format!("add the closing `{close}`"))))
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

/// A line that should be a key and a value, and has no `: `.
fn find_missing_colon(lines: &[Line<'_>], line_index: usize, offset: usize, info: &str) -> Option<RangedError> {
    let current = lines.get(line_index);
    let line = if info.contains("simple key") {
        match current.filter(|line| line.has_content() && line.start + line.indent() < offset) {
            Some(line) => line,
            None => lines_before(lines, line_index).next()?,
        }
    } else {
        let line = lines_before(lines, line_index).next().filter(|_| info.contains("mapping values"))?;
        current.filter(|current| current.indent() == line.indent()).and(Some(line))?
    };
    if line.entry().is_some() || line.content().starts_with(['-', '"', '\'', '[', '{']) || line.text.len() > SHOWN_MAX {
        return None;
    }
    let content = line.content();
    let (message, hint) = match content.split_once(':') {
        Some((key, value)) if !key.contains(' ') => {
            (format!("no space after `{key}:`"), format!("write `{key}: {}`", value.trim()))
        }
        Some(_) => return None,
        None => {
            let (key, value) = content.split_once(' ').unwrap_or((content, "..."));
            (format!("no `:` after `{key}`"), format!("write `{key}: {}`", value.trim()))
        }
    };
    Some((line.range(), Explained::new(message, hint)))
}

/// A line that is neither beside nor below the one it seems to belong to.
fn find_wrong_indentation(lines: &[Line<'_>], line_index: usize) -> Option<RangedError> {
    let line = lines.get(line_index).filter(|line| line.has_content())?;
    let indent = line.indent();
    let mut earlier = lines_before(lines, line_index);
    let last = earlier.next()?;
    let other = if last.indent() < indent {
        let (column, inner) = last.after_dash();
        let is_parent = inner.ends_with(':') || inner.ends_with('|') || inner.ends_with('>');
        Some(last).filter(|_| column != indent && !is_parent)?
    } else {
        let mut deeper = last;
        for one in earlier {
            if deeper.indent() <= indent {
                break;
            }
            if one.after_dash().0 == indent {
                return None;
            }
            if one.indent() < indent {
                break;
            }
            if one.indent() < deeper.indent() {
                deeper = one;
            }
        }
        Some(deeper).filter(|deeper| deeper.indent() > indent)?
    };
    let name = |line: &Line<'_>| line.entry().map(|(key, _)| format!("`{key}`"));
    let other_line = format!("line {}", other.number);
    let other_name = name(other).map_or_else(|| other_line.clone(), |name| format!("{name} on {other_line}"));
    let message = format!(
        "{} {}, but {other_name} {}",
        name(line).unwrap_or_else(|| format!("line {}", line.number)),
        indentation_text(indent),
        if indent == 0 || other.indent() == 0 {
            indentation_text(other.indent())
        } else {
            format!("by {}", other.indent())
        }
    );
    Some((line.range(), Explained::new(message, "indent both by the same number of spaces")))
}

fn indentation_text(spaces: usize) -> String {
    match spaces {
        0 => "is not indented".to_owned(),
        1 => "is indented by 1 space".to_owned(),
        _ => format!("is indented by {spaces} spaces"),
    }
}

/// `reason: note: text`, which YAML reads as a key within a value.
fn find_colon_in_value(lines: &[Line<'_>], line_index: usize, info: &str) -> Option<RangedError> {
    let line = lines.get(line_index).filter(|_| info.contains("mapping values"))?;
    let (key, value) = line.entry().filter(|(_, value)| value.contains(": "))?;
    let hint = if value.contains(['"', '\\', '`']) || line.text.len() > SHOWN_MAX {
        "put the value in single quotes".to_owned()
    } else {
        format!("write `{key}: \"{value}\"`")
    };
    let end = line.start + line.text.len();
    Some((end - value.len()..end, Explained::new("a value that contains `: ` must be quoted", hint)))
}

#[cfg(test)]
mod tests {
    use crate::slo::source_spans::Positions;

    /// The line, the underlined text, the message and the hint of a text.
    fn explained(text: &str) -> (usize, String, String, String) {
        let faults = Positions::parse(text).unwrap_err();
        let (range, explained) = faults.into_iter().next().unwrap();
        let line = text.get(..range.start).unwrap().matches('\n').count() + 1;
        (line, text.get(range).unwrap().to_owned(), explained.message, explained.hint)
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
