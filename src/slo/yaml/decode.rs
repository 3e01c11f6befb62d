//! One file from text to its twin, with all that is wrong with it.
//!
//! Serde stops at the first mistake. So a mistake is noted, cut out of the document, and the rest is read again, until
//! nothing is left to note: the twin holds what is sound, and the places that were cut are known.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_yaml::Value;

use super::doubts::find_warnings;
use super::foreign::detect_format;
use super::identifier::Name;
use super::scalar::FromText;
use super::syntax::explain_syntax;
use crate::rational::parse_decimal;
use crate::slo::problem::{DefinitionFile, Explained, FILE_BYTES_MAX, Problem, Severity};
use crate::slo::source_spans::{PathStep, Positions, YamlPath, innermost_key, key_path};
use crate::slo::suggest::nearest;
use crate::slo::{CORRECTIONS_FOLDER, FLEET_FILE};

/// The most mistakes that are looked for in one file.
const ERRORS_MAX: usize = 20;

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
const FIELD_ALIASES: [(&str, &str); 10] = [
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
pub(in crate::slo) struct YamlFile<'a> {
    pub(in crate::slo) path: &'a str,
    body: &'a str,
    positions: Positions,
}

impl<'a> YamlFile<'a> {
    /// Looks over the text; gives the problems instead when it is no single plain YAML document.
    pub(in crate::slo) fn open(file: &'a DefinitionFile) -> Result<Self, Vec<Problem>> {
        if file.text.len() > FILE_BYTES_MAX {
            return Err(vec![Problem::for_file(
                &file.path,
                format!("the file is too large: {} bytes", file.text.len()),
                "split it by service; the limit is 1 MiB per file",
            )]);
        }
        let body = file.body();
        if let Some((range, format)) = detect_format(body) {
            let message = format!("this is {format} file, not a slowburn definition");
            let explained =
                Explained::new(message, "see docs/migration.md to convert it, or move it out of this folder");
            return Err(vec![Problem::for_range(&file.path, body, range, explained)]);
        }
        let positions = Positions::parse(body).map_err(|errors| {
            errors
                .into_iter()
                .map(|(range, explained)| Problem::for_range(&file.path, body, range, explained))
                .collect::<Vec<_>>()
        })?;
        if positions.is_empty() {
            let hint = match file.path.split_once('/') {
                Some((CORRECTIONS_FOLDER, _)) => {
                    "add `id`, `reason`, `category`, `author`, `scope`, `start` and `end`, or delete the file"
                }
                None if file.path == FLEET_FILE => {
                    "add a setting such as `teams:`, or delete the file to use the defaults"
                }
                _ => "add `service:` and `load_balancer:`, or delete the file",
            };
            return Err(vec![Problem::for_range(&file.path, body, 0..0, Explained::new("the file is empty", hint))]);
        }
        Ok(Self { path: &file.path, body, positions })
    }

    /// A problem of the value at a path, or of the nearest one around it.
    pub(in crate::slo) fn value_problem<S: Clone + Into<PathStep>>(
        &self,
        path: &[S],
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        self.problem_at(self.positions.value_range(&key_path(path)), Explained::new(message, hint))
    }

    /// A problem of the key at a path.
    pub(in crate::slo) fn key_problem<S: Clone + Into<PathStep>>(
        &self,
        path: &[S],
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        self.problem_at(self.positions.key_range(&key_path(path)), Explained::new(message, hint))
    }

    /// Whether there is a value at a path.
    pub(in crate::slo) fn contains<S: Clone + Into<PathStep>>(&self, path: &[S]) -> bool {
        self.positions.contains(&key_path(path))
    }

    fn problem_at(&self, range: Range<usize>, explained: Explained) -> Problem {
        Problem::for_range(self.path, self.body, range, explained)
    }
}

/// What could be read, and where it could not.
pub(in crate::slo) struct Decoded<T> {
    pub(in crate::slo) value: T,
    /// Where something was cut out.
    pub(in crate::slo) invalid_paths: Vec<YamlPath>,
}

/// Reads a file. `variables` says where `${NAME}` may stand.
pub(in crate::slo) fn decode<T: DeserializeOwned + Default>(
    yaml: &YamlFile<'_>,
    allows_variables: fn(&[PathStep]) -> bool,
    problems: &mut Vec<Problem>,
) -> Decoded<T> {
    let undecoded = || Decoded { value: T::default(), invalid_paths: vec![YamlPath::new()] };
    let mut document: Value = match serde_yaml::from_str(yaml.body) {
        Ok(value) => value,
        Err(error) => {
            let offset = error.location().map_or(0, |location| location.index());
            let (range, explained) = explain_syntax(yaml.body, offset, &error.to_string());
            problems.push(yaml.problem_at(range, explained));
            return undecoded();
        }
    };
    let mut invalid_paths = Vec::new();
    for path in &yaml.positions.nulls {
        let problem = match path.last() {
            Some(PathStep::Key(key)) if MAPPINGS.contains(&key.as_str()) => {
                yaml.key_problem(path, format!("`{key}` is empty"), "indent its entries under it, or remove the line")
            }
            Some(PathStep::Key(key)) => {
                yaml.key_problem(path, format!("`{key}` has no value"), "add a value, or remove the line")
            }
            _ => yaml.key_problem(path, "empty list item", "add a value, or remove the line"),
        };
        problems.push(Problem { subject: subject(path), ..problem });
        invalid_paths.push(remove_value(&mut document, path));
    }
    for path in yaml.positions.variables.iter().filter(|path| !allows_variables(path)) {
        let hint = "write the value itself; variables are only expanded in destinations in `fleet.yaml`";
        let problem = yaml.value_problem(path, "environment variables are not expanded here", hint);
        problems.push(Problem { subject: subject(path), ..problem });
        invalid_paths.push(remove_value(&mut document, path));
    }
    while invalid_paths.len() < ERRORS_MAX {
        let error = match serde_path_to_error::deserialize::<_, T>(document.clone()) {
            Ok(value) => {
                problems.extend(find_warnings(&document).into_iter().map(|(path, explained)| {
                    let problem = yaml.value_problem(&path, explained.message, explained.hint);
                    Problem { subject: subject(&path), severity: Severity::Warning, ..problem }
                }));
                return Decoded { value, invalid_paths };
            }
            Err(error) => error,
        };
        let path = error_path(&error);
        let text = error.into_inner().to_string();
        let (path, problem) = explain_serde_error(yaml, path, &text);
        problems.push(Problem { subject: subject(&path), ..problem });
        if path.is_empty() {
            return undecoded();
        }
        let removed = remove_value(&mut document, &path);
        if removed.is_empty() || invalid_paths.contains(&removed) {
            return undecoded();
        }
        invalid_paths.push(removed);
    }
    undecoded()
}

/// What a place concerns: `/name` for an SLO of a service, whose name the caller knows.
fn subject(path: &[PathStep]) -> String {
    let (Some(PathStep::Key(section)), Some(PathStep::Key(name))) = (path.first(), path.get(1)) else {
        return String::new();
    };
    match section.as_str() {
        "slos" => format!("/{name}"),
        "classes" => format!("class {name}"),
        "sources" => format!("source {name}"),
        "teams" => format!("team {name}"),
        _ => String::new(),
    }
}

fn error_path(error: &serde_path_to_error::Error<serde_yaml::Error>) -> YamlPath {
    let mut path = YamlPath::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => path.push(PathStep::Item(*index)),
            Segment::Map { key } => path.push(PathStep::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    path
}

/// Cuts the value out; of a list all of it, since its items must keep their numbers and fields.
fn remove_value(value: &mut Value, path: &[PathStep]) -> YamlPath {
    let key_depth = path.iter().position(|step| matches!(step, PathStep::Item(_))).unwrap_or(path.len());
    let mut current = value;
    for (depth, step) in path.iter().take(key_depth).enumerate() {
        let next = match step {
            PathStep::Key(key) if depth + 1 == key_depth => {
                if let Some(map) = current.as_mapping_mut() {
                    map.shift_remove(key.as_str());
                }
                break;
            }
            PathStep::Key(key) => current.get_mut(key.as_str()),
            PathStep::Item(index) => current.get_mut(*index),
        };
        match next {
            Some(next) => current = next,
            None => return YamlPath::new(),
        }
    }
    path.iter().take(key_depth).cloned().collect()
}

/// Puts serde's words into ours, and finds what they are about.
fn explain_serde_error(yaml: &YamlFile<'_>, mut path: YamlPath, serde_message: &str) -> (YamlPath, Problem) {
    if let Some((message, hint)) = serde_message.split_once('\n') {
        let problem = yaml.value_problem(&path, message, hint);
        return (path, problem);
    }
    let quoted: Vec<&str> = serde_message.split('`').skip(1).step_by(2).collect();
    let (first, rest) = (quoted.first().copied().unwrap_or(""), quoted.get(1..).unwrap_or(&[]));
    if serde_message.starts_with("unknown field") {
        let inner_path: YamlPath = path.iter().cloned().chain([PathStep::Key(first.to_owned())]).collect();
        if yaml.positions.contains(&inner_path) {
            path = inner_path;
        }
        let is_service_field = first == "team" && rest.contains(&"load_balancer");
        let hint =
            if is_service_field { team_field_hint(yaml, &path) } else { suggest_choice(first, rest, "valid fields") };
        let problem = yaml.key_problem(&path, format!("unknown field `{first}`"), hint);
        return (path, problem);
    }
    if serde_message.starts_with("unknown variant") {
        let message = match innermost_key(&path) {
            Some(key) => format!("invalid value `{first}` for `{key}`"),
            None => format!("invalid value `{first}`"),
        };
        let problem = yaml.value_problem(&path, message, suggest_choice(first, rest, "valid values"));
        return (path, problem);
    }
    if serde_message.starts_with("missing field") {
        let problem = yaml.value_problem(&path, format!("missing field `{first}`"), format!("add `{first}: ...`"));
        return (path, problem);
    }
    let (found, expected) = serde_message.split_once(", expected ").unwrap_or((serde_message, "another value"));
    let found = describe_found(found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: "));
    let name = innermost_key(&path).map_or_else(|| "the file".to_owned(), |key| format!("`{key}`"));
    let (message, hint) = match expected {
        "a map" => (
            format!("{name} must be a mapping of names to settings, not {found}"),
            "write each entry as `<name>: <settings>`".to_owned(),
        ),
        // Names are the only plain strings: a key is a number, or `true`.
        "a string" => {
            let key = found.trim_matches('`');
            let inner_path: YamlPath = path.iter().cloned().chain([PathStep::Key(key.to_owned())]).collect();
            let problem = match innermost_key(&path) {
                Some("policy") if parse_decimal(key).is_some() => yaml.key_problem(
                    &inner_path,
                    format!("invalid percentage {found}"),
                    format!("did you mean `{key}%`?"),
                ),
                _ => yaml.key_problem(
                    &inner_path,
                    format!("invalid name {found} in {name}"),
                    format!("quote it: `\"{key}\"`"),
                ),
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
    let problem = yaml.value_problem(&path, message, hint);
    (path, problem)
}

/// Where a file with the field `team` belongs.
fn team_field_hint(yaml: &YamlFile<'_>, path: &[PathStep]) -> String {
    let value = yaml.body.get(yaml.positions.value_range(path)).unwrap_or_default().trim_matches(['"', '\'']);
    match yaml.path.split_once('/') {
        Some((folder, _)) if folder != value && Name::from_text(value).is_ok() => {
            format!("the folder is the team: move the file to `{value}/`")
        }
        _ => "the folder is the team: remove the line".to_owned(),
    }
}

/// Serde's names of what it found, in the words of YAML.
fn describe_found(found: &str) -> String {
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
fn suggest_choice(word: &str, choices: &[&str], all: &str) -> String {
    let alias =
        FIELD_ALIASES.iter().find(|(other, name)| *other == word && choices.contains(name)).map(|(_, name)| *name);
    match alias.or_else(|| nearest(word, choices.iter().copied())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{all}: `{}`", choices.join("`, `")),
    }
}
