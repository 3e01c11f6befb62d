//! Problems of definitions in words: for a terminal, for programs, and as annotations of a pull request on GitHub.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::slo::{DefinitionFile, Problem, Severity};

/// What leaves out promises, of a team's files or of all, a line each: whatever is read without them has to say so.
#[must_use]
pub fn error_lines(problems: &[Problem], team: Option<&str>) -> Vec<String> {
    let is_relevant = |problem: &&Problem| {
        let folder = Path::new(&problem.file).parent().and_then(Path::file_name);
        problem.severity == Severity::Error && team.is_none_or(|team| folder.is_some_and(|folder| folder == team))
    };
    let line = |problem: &Problem| {
        let subject_prefix = if problem.subject.is_empty() { String::new() } else { format!("{}: ", problem.subject) };
        let line_suffix = if problem.line > 0 { format!(":{}", problem.line) } else { String::new() };
        format!("{subject_prefix}{} ({}{line_suffix})", problem.message, problem.file)
    };
    problems.iter().filter(is_relevant).map(line).collect()
}

/// For people: each problem with its line, the text meant underlined, and a hint; an empty text if there is none.
///
/// `files` are the texts that the problems are about; of a problem whose file is not among them only words are shown.
#[must_use]
pub fn terminal(problems: &[Problem], files: &[DefinitionFile], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let bodies: BTreeMap<&str, &str> = files.iter().map(|file| (file.path.as_str(), file.body())).collect();
    let mut text = String::new();
    for problem in problems {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
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

/// The lines that are meant, cut out here so that a file of thousands of lines is not looked through for each problem.
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

/// What it concerns and what is wrong.
fn title_text(problem: &Problem) -> String {
    if problem.subject.is_empty() {
        problem.message.clone()
    } else {
        format!("{}: {}", problem.subject, problem.message)
    }
}

/// For programs: an array of objects, one a problem, and a newline.
#[must_use]
pub fn json(problems: &[Problem]) -> String {
    let list: Vec<serde_json::Value> = problems
        .iter()
        .map(|problem| {
            serde_json::json!({
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "severity": severity_key(problem),
                "subject": problem.subject,
                "message": problem.message,
                "hint": problem.hint,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Array(list))
}

/// For GitHub Actions: one workflow command a problem.
///
/// Form and escapes: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>, and
/// `packages/core/src/command.ts` of <https://github.com/actions/toolkit>.
#[must_use]
pub fn github(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let mut command = format!("::{} file={}", severity_key(problem), escape_property(&problem.file));
        if problem.line > 0 {
            assert_written(write!(command, ",line={},col={}", problem.line, problem.column));
        }
        let title = if problem.subject.is_empty() { "slowburn" } else { &problem.subject };
        let message = escape_data(&format!("{}\nhint: {}", problem.message, problem.hint));
        assert_written(writeln!(text, "{command},title={}::{message}", escape_property(title)));
    }
    text
}

/// Writing to a `String` cannot fail.
fn assert_written(result: std::fmt::Result) {
    debug_assert!(result.is_ok(), "writing to a string cannot fail");
}

const fn severity_key(problem: &Problem) -> &'static str {
    match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}
