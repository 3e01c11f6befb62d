//! Problems of definitions for a terminal, for programs, and as annotations of a pull request on GitHub.

use std::collections::BTreeMap;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::json;

use crate::slo::{DefinitionFile, Problem, Severity};

/// The errors in the definitions of a team or of all teams, one line for each.
pub fn error_lines(problems: &[Problem], team: Option<&str>) -> Vec<String> {
    let is_relevant = |problem: &&Problem| {
        let folder = Path::new(&problem.file).parent().and_then(Path::file_name);
        problem.severity == Severity::Error && team.is_none_or(|team| folder.is_some_and(|folder| folder == team))
    };
    let line = |problem: &Problem| {
        let line_suffix = if problem.line > 0 { format!(":{}", problem.line) } else { String::new() };
        format!("{} ({}{line_suffix})", title_text(problem), problem.file)
    };
    problems.iter().filter(is_relevant).map(line).collect()
}

/// The text output: each problem with its underlined text in the file, if it is among `files`, and a hint.
pub fn terminal(problems: &[Problem], files: &[DefinitionFile], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let bodies: BTreeMap<&str, &str> = files.iter().map(|file| (file.path.as_str(), file.body())).collect();
    let mut text = String::new();
    for problem in problems {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let title = level.primary_title(title_text(problem));
        let group = match bodies.get(problem.file.as_str()).filter(|_| problem.line > 0) {
            Some(body) => title.element(snippet(problem, body)),
            None => Group::with_title(title).element(annotate_snippets::Origin::path(problem.file.as_str())),
        };
        let report = [group.element(Level::HELP.with_name("hint").message(problem.hint.as_str()))];
        text.push_str(&renderer.render(&report));
        text.push_str("\n\n");
    }
    text
}

/// Only the lines of the problem, so that a file of thousands of lines is not scanned for each problem.
fn snippet<'a>(problem: &'a Problem, body: &'a str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let start = problem.range.start.min(body.len());
    let end = problem.range.end.clamp(start, body.len());
    let line_start = body.get(..start).and_then(|head| head.rfind('\n')).map_or(0, |newline| newline + 1);
    let line_end = body.get(end..).and_then(|tail| tail.find('\n')).map_or(body.len(), |newline| end + newline);
    let lines = body.get(line_start..line_end).unwrap_or("").trim_end_matches('\r');
    Snippet::source(lines).path(problem.file.as_str()).line_start(problem.line).annotation(
        AnnotationKind::Primary.span((start - line_start).min(lines.len())..(end - line_start).min(lines.len())),
    )
}

fn title_text(problem: &Problem) -> String {
    if problem.subject.is_empty() {
        problem.message.clone()
    } else {
        format!("{}: {}", problem.subject, problem.message)
    }
}

pub fn json(problems: &[Problem]) -> String {
    format!("{:#}\n", json!(problems))
}

/// For GitHub Actions: one workflow command for each problem.
///
/// Form and escapes: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>, and
/// `packages/core/src/command.ts` of <https://github.com/actions/toolkit>.
pub fn github(problems: &[Problem]) -> String {
    let command = |problem: &Problem| {
        let position =
            if problem.line > 0 { format!(",line={},col={}", problem.line, problem.column) } else { String::new() };
        let title = if problem.subject.is_empty() { "slowburn" } else { &problem.subject };
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        format!(
            "::{severity} file={}{position},title={}::{}\n",
            escape_property(&problem.file),
            escape_property(title),
            escape_data(&format!("{}\nhint: {}", problem.message, problem.hint))
        )
    };
    problems.iter().map(command).collect()
}

fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}
