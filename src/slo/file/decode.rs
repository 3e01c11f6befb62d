//! One file from text to its twin, with all that is wrong with it.
//!
//! Serde stops at the first mistake. So a mistake is noted, cut out of the document, and the rest is read again, until
//! nothing is left to note: the twin holds what is sound, and the places that were cut are known.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_yaml::Value;

use super::doubts::doubts;
use super::foreign::format_of;
use super::names::Name;
use super::syntax::explain as explain_syntax;
use super::typed::FromText;
use crate::exact::decimal;
use crate::slo::positions::{Path, Positions, Step};
use crate::slo::problem::{DefinitionFile, FILE_BYTES_MAX, Problem, Refusal, Severity};
use crate::slo::suggest::nearest;
use crate::slo::{CORRECTIONS, FLEET};

/// The most mistakes that are looked for in one file.
const MISTAKES_MAX: usize = 20;

/// Fields whose entries stand below them.
const MAPPINGS: [&str; 12] = [
    "slos",
    "sources",
    "classes",
    "teams",
    "alerts",
    "tiers",
    "significance",
    "severe",
    "policy",
    "where",
    "scope",
    "labels",
];

/// What fields are called in other tools and were called before, and their names here.
const OTHER_NAMES: [(&str, &str); 10] = [
    ("evidence", "significance"),
    ("bad", "min_bad_events"),
    ("blind_above", "max_unknown"),
    ("also", "notify_also"),
    ("collapse", "traffic_drop"),
    ("name", "service"),
    ("target", "objective"),
    ("goal", "objective"),
    ("threshold", "under"),
    ("filter", "where"),
];

/// A file with its positions.
#[derive(Debug)]
pub(in crate::slo) struct Page<'a> {
    pub(in crate::slo) file: &'a str,
    body: &'a str,
    positions: Positions,
}

impl<'a> Page<'a> {
    /// Looks over the text; gives the problems instead when it is no single plain YAML document.
    pub(in crate::slo) fn open(file: &'a DefinitionFile) -> Result<Self, Vec<Problem>> {
        if file.text.len() > FILE_BYTES_MAX {
            return Err(vec![Problem::of_file(
                &file.path,
                format!("the file is too large: {} bytes", file.text.len()),
                "split it by service; the limit is 1 MiB per file",
            )]);
        }
        let body = file.body();
        if let Some((range, format)) = format_of(body) {
            let message = format!("this is {format} file, not a slowburn definition");
            let refusal = Refusal::new(message, "see docs/migration.md to convert it, or move it out of this folder");
            return Err(vec![Problem::at(&file.path, body, range, refusal)]);
        }
        let positions = Positions::of(body).map_err(|faults| {
            faults
                .into_iter()
                .map(|fault| Problem::at(&file.path, body, fault.range, fault.refusal))
                .collect::<Vec<_>>()
        })?;
        if positions.is_empty() {
            let hint = match file.path.split_once('/') {
                Some((CORRECTIONS, _)) => {
                    "add `id`, `reason`, `category`, `author`, `scope`, `start` and `end`, or delete the file"
                }
                None if file.path == FLEET => "add a setting such as `teams:`, or delete the file to use the defaults",
                _ => "add `service:` and `load_balancer:`, or delete the file",
            };
            return Err(vec![Problem::at(&file.path, body, 0..0, Refusal::new("the file is empty", hint))]);
        }
        Ok(Self { file: &file.path, body, positions })
    }

    /// A problem of the value at a path, or of the nearest one around it.
    pub(in crate::slo) fn of_value(
        &self,
        path: &[Step],
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        self.problem(self.positions.value(path), Refusal::new(message, hint))
    }

    /// A problem of the key at a path.
    pub(in crate::slo) fn of_key(&self, path: &[Step], message: impl Into<String>, hint: impl Into<String>) -> Problem {
        self.problem(self.positions.key(path), Refusal::new(message, hint))
    }

    fn problem(&self, range: Range<usize>, refusal: Refusal) -> Problem {
        Problem::at(self.file, self.body, range, refusal)
    }
}

/// What could be read, and where it could not.
pub(in crate::slo) struct Decoded<T> {
    pub(in crate::slo) twin: T,
    /// Where something was cut out.
    pub(in crate::slo) cut: Vec<Path>,
}

/// Reads a file. `variables` says where `${NAME}` may stand.
pub(in crate::slo) fn decode<T: DeserializeOwned + Default>(
    page: &Page<'_>,
    variables: fn(&[Step]) -> bool,
    problems: &mut Vec<Problem>,
) -> Decoded<T> {
    let nothing = || Decoded { twin: T::default(), cut: vec![Path::new()] };
    let mut value: Value = match serde_yaml::from_str(page.body) {
        Ok(value) => value,
        Err(error) => {
            let at = error.location().map_or(0, |location| location.index());
            let (range, refusal) = explain_syntax(page.body, at, &error.to_string());
            problems.push(page.problem(range, refusal));
            return nothing();
        }
    };
    let mut cut = Vec::new();
    for path in &page.positions.nulls {
        let problem = match path.last() {
            Some(Step::Key(key)) if MAPPINGS.contains(&key.as_str()) => {
                page.of_key(path, format!("`{key}` is empty"), "indent its entries under it, or remove the line")
            }
            Some(Step::Key(key)) => {
                page.of_key(path, format!("`{key}` has no value"), "add a value, or remove the line")
            }
            _ => page.of_key(path, "empty list item", "add a value, or remove the line"),
        };
        problems.push(Problem { subject: subject(path), ..problem });
        cut.push(prune(&mut value, path));
    }
    for path in page.positions.variables.iter().filter(|path| !variables(path)) {
        let hint = "write the value itself; variables are only expanded in destinations in `fleet.yaml`";
        let problem = page.of_value(path, "environment variables are not expanded here", hint);
        problems.push(Problem { subject: subject(path), ..problem });
        cut.push(prune(&mut value, path));
    }
    while cut.len() < MISTAKES_MAX {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(twin) => {
                problems.extend(doubts(&value).into_iter().map(|(path, refusal)| {
                    let problem = page.of_value(&path, refusal.message, refusal.hint);
                    Problem { subject: subject(&path), severity: Severity::Warning, ..problem }
                }));
                return Decoded { twin, cut };
            }
            Err(error) => error,
        };
        let path = path_of(&error);
        let text = error.into_inner().to_string();
        let (path, problem) = explain(page, path, &text);
        problems.push(Problem { subject: subject(&path), ..problem });
        if path.is_empty() {
            return nothing();
        }
        let gone = prune(&mut value, &path);
        if gone.is_empty() || cut.contains(&gone) {
            return nothing();
        }
        cut.push(gone);
    }
    nothing()
}

/// What a place concerns: `/name` for an SLO of a service, whose name the caller knows.
fn subject(path: &[Step]) -> String {
    let (Some(Step::Key(section)), Some(Step::Key(name))) = (path.first(), path.get(1)) else { return String::new() };
    match section.as_str() {
        "slos" => format!("/{name}"),
        "classes" => format!("class {name}"),
        "sources" => format!("source {name}"),
        "teams" => format!("team {name}"),
        _ => String::new(),
    }
}

fn path_of(error: &serde_path_to_error::Error<serde_yaml::Error>) -> Path {
    let mut path = Path::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => path.push(Step::Item(*index)),
            Segment::Map { key } => path.push(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    path
}

/// Cuts the value out; of a list all of it, since its items must keep their numbers and fields.
fn prune(value: &mut Value, path: &[Step]) -> Path {
    let length = path.iter().position(|step| matches!(step, Step::Item(_))).unwrap_or(path.len());
    let mut inner = value;
    for (depth, step) in path.iter().take(length).enumerate() {
        let next = match step {
            Step::Key(key) if depth + 1 == length => {
                if let Some(map) = inner.as_mapping_mut() {
                    map.shift_remove(key.as_str());
                }
                break;
            }
            Step::Key(key) => inner.get_mut(key.as_str()),
            Step::Item(index) => inner.get_mut(*index),
        };
        match next {
            Some(next) => inner = next,
            None => return Path::new(),
        }
    }
    path.iter().take(length).cloned().collect()
}

/// Puts serde's words into ours, and finds what they are about.
fn explain(page: &Page<'_>, mut path: Path, text: &str) -> (Path, Problem) {
    if let Some((message, hint)) = text.split_once('\n') {
        let problem = page.of_value(&path, message, hint);
        return (path, problem);
    }
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let (first, rest) = (quoted.first().copied().unwrap_or(""), quoted.get(1..).unwrap_or(&[]));
    if text.starts_with("unknown field") {
        let inside: Path = path.iter().cloned().chain([Step::Key(first.to_owned())]).collect();
        if page.positions.has(&inside) {
            path = inside;
        }
        let of_service = first == "team" && rest.contains(&"load_balancer");
        let hint = if of_service { team_hint(page, &path) } else { choice(first, rest, "valid fields") };
        let problem = page.of_key(&path, format!("unknown field `{first}`"), hint);
        return (path, problem);
    }
    if text.starts_with("unknown variant") {
        let message = match key_of(&path) {
            Some(key) => format!("invalid value `{first}` for `{key}`"),
            None => format!("invalid value `{first}`"),
        };
        let problem = page.of_value(&path, message, choice(first, rest, "valid values"));
        return (path, problem);
    }
    if text.starts_with("missing field") {
        let problem = page.of_value(&path, format!("missing field `{first}`"), format!("add `{first}: ...`"));
        return (path, problem);
    }
    let (found, expected) = text.split_once(", expected ").unwrap_or((text, "another value"));
    let found = plain(found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: "));
    let name = key_of(&path).map_or_else(|| "the file".to_owned(), |key| format!("`{key}`"));
    let (message, hint) = match expected {
        "a map" => (
            format!("{name} must be a mapping of names to settings, not {found}"),
            "write each entry as `<name>: <settings>`".to_owned(),
        ),
        // Names are the only plain strings: a key is a number, or `true`.
        "a string" => {
            let key = found.trim_matches('`');
            let inside: Path = path.iter().cloned().chain([Step::Key(key.to_owned())]).collect();
            let problem = match key_of(&path) {
                Some("policy") if decimal(key).is_some() => {
                    page.of_key(&inside, format!("invalid percentage {found}"), format!("did you mean `{key}%`?"))
                }
                _ => page.of_key(&inside, format!("invalid name {found} in {name}"), format!("quote it: `\"{key}\"`")),
            };
            return (path, problem);
        }
        "a boolean" => (format!("{name} must be `true` or `false`, not {found}"), "write `true` or `false`".to_owned()),
        _ if expected.starts_with("struct ") => (
            format!("{name} must be a mapping of fields, not {found}"),
            "write each field as `<field>: <value>`".to_owned(),
        ),
        _ => (format!("{name} cannot be {found}"), format!("write {expected}")),
    };
    let problem = page.of_value(&path, message, hint);
    (path, problem)
}

/// Where a file with the field `team` belongs.
fn team_hint(page: &Page<'_>, path: &[Step]) -> String {
    let value = page.body.get(page.positions.value(path)).unwrap_or_default().trim_matches(['"', '\'']);
    match page.file.split_once('/') {
        Some((folder, _)) if folder != value && Name::from_text(value).is_ok() => {
            format!("the folder is the team: move the file to `{value}/`")
        }
        _ => "the folder is the team: remove the line".to_owned(),
    }
}

/// The innermost key of a path.
fn key_of(path: &[Step]) -> Option<&str> {
    path.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Item(_) => None,
    })
}

/// Serde's names of what it found, in the words of YAML.
fn plain(found: &str) -> String {
    match found {
        "sequence" => return "a list".to_owned(),
        "map" => return "a mapping".to_owned(),
        "unit value" => return "empty".to_owned(),
        _ => {}
    }
    if let Some(text) = found.strip_prefix("string \"").and_then(|rest| rest.strip_suffix('"')) {
        return format!("`{text}`");
    }
    found.trim_start_matches("integer ").trim_start_matches("floating point ").trim_start_matches("boolean ").to_owned()
}

/// The choice that was probably meant, or all of them.
fn choice(word: &str, choices: &[&str], all: &str) -> String {
    let former =
        OTHER_NAMES.iter().find(|(other, name)| *other == word && choices.contains(name)).map(|(_, name)| *name);
    match former.or_else(|| nearest(word, choices.iter().copied())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{all}: `{}`", choices.join("`, `")),
    }
}
