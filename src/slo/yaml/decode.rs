//! Deserializes a definition file and reports all of its problems at once.
//!
//! Serde stops at the first mistake. Each mistake is reported, its value removed from the document, and the rest
//! deserialized again, until no mistake is left: the result has all valid values and the paths of the removed ones.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_yaml::Value;

use super::foreign::detect_format;
use super::forms::FromText;
use super::scalars::Name;
use super::syntax::explain_syntax;
use super::warnings::find_warnings;
use crate::hinted_error::HintedError;
use crate::rational::parse_decimal;
use crate::slo::problem::{CORRECTIONS_FOLDER, DefinitionFile, FILE_BYTES_MAX, FLEET_FILE, Problem, Severity};
use crate::slo::source_spans::{PathStep, Positions, RangedError, YamlPath, innermost_key, key_path};
use crate::slo::suggest::nearest;

const ERRORS_MAX: usize = 20;

const MAPPINGS: &[&str] = &[
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

/// Names of fields in other tools, and their names here.
const FIELD_ALIASES: [(&str, &str); 5] =
    [("name", "service"), ("target", "objective"), ("goal", "objective"), ("threshold", "under"), ("filter", "where")];

#[derive(Debug)]
pub(crate) struct YamlFile<'a> {
    pub(crate) path: &'a str,
    body: &'a str,
    positions: Positions,
}

impl<'a> YamlFile<'a> {
    /// Finds the positions of all values. Fails unless the text is a single plain YAML document.
    pub(crate) fn open(file: &'a DefinitionFile) -> Result<Self, Vec<Problem>> {
        if file.text.len() > FILE_BYTES_MAX {
            let message = format!("the file is too large: {} bytes", file.text.len());
            let hint = "split it by service; the limit is 1 MiB per file";
            return Err(vec![Problem::for_file(&file.path, message, hint)]);
        }
        let (path, body) = (file.path.as_str(), file.body());
        match find_positions(path, body) {
            Ok(positions) => Ok(Self { path, body, positions }),
            Err(errors) => {
                let to_problem = |(range, explained)| Problem::for_range(path, body, range, explained);
                Err(errors.into_iter().map(to_problem).collect())
            }
        }
    }

    /// A problem of the value at a path, or of the nearest one around it.
    pub(crate) fn value_problem<S: Clone + Into<PathStep>>(
        &self,
        path: &[S],
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        self.problem_at(self.positions.value_range(&key_path(path)), HintedError::new(message, hint.into()))
    }

    pub(crate) fn key_problem<S: Clone + Into<PathStep>>(
        &self,
        path: &[S],
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        self.problem_at(self.positions.key_range(&key_path(path)), HintedError::new(message, hint.into()))
    }

    pub(crate) fn contains<S: Clone + Into<PathStep>>(&self, path: &[S]) -> bool {
        self.positions.contains(&key_path(path))
    }

    fn problem_at(&self, range: Range<usize>, explained: HintedError) -> Problem {
        Problem::for_range(self.path, self.body, range, explained)
    }
}

fn find_positions(path: &str, body: &str) -> Result<Positions, Vec<RangedError>> {
    if let Some((range, format)) = detect_format(body) {
        let message = format!("this is {format} file, not a slowburn definition");
        let hint = "see docs/migration.md to convert it, or move it out of this folder";
        return Err(vec![(range, HintedError::new(message, hint))]);
    }
    let positions = Positions::parse(body)?;
    if !positions.is_empty() {
        return Ok(positions);
    }
    let hint = match path.split_once('/') {
        Some((CORRECTIONS_FOLDER, _)) => {
            "add `id`, `reason`, `category`, `author`, `scope`, `start` and `end`, or delete the file"
        }
        None if path == FLEET_FILE => "add a setting such as `teams:`, or delete the file to use the defaults",
        _ => "add `service:` and `load_balancer:`, or delete the file",
    };
    Err(vec![(0..0, HintedError::new("the file is empty", hint))])
}

/// The valid part of a file.
pub(crate) struct Decoded<T> {
    pub(crate) value: T,
    /// Paths of what was removed.
    pub(crate) invalid_paths: Vec<YamlPath>,
}

/// Reads a file. `allows_variables` says where `${NAME}` is expanded.
pub(crate) fn decode<T: DeserializeOwned + Default>(
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
    let nulls = yaml.positions.nulls.iter().map(|path| (path, null_problem(yaml, path)));
    let variables = yaml.positions.variables.iter().filter(|path| !allows_variables(path)).map(|path| {
        let hint = "write the value itself; variables are only expanded in destinations in `fleet.yaml`";
        (path, yaml.value_problem(path, "environment variables are not expanded here", hint))
    });
    for (path, problem) in nulls.chain(variables) {
        problems.push(Problem { subject: subject(path), ..problem });
        invalid_paths.push(remove_value(&mut document, path));
    }
    while invalid_paths.len() < ERRORS_MAX {
        let (path, message) = match deserialize::<T>(&document) {
            Ok(value) => {
                problems.extend(find_warnings(&document).into_iter().map(|(path, explained)| {
                    let problem = yaml.value_problem(&path, explained.message, explained.hint);
                    Problem { subject: subject(&path), severity: Severity::Warning, ..problem }
                }));
                return Decoded { value, invalid_paths };
            }
            Err(error) => error,
        };
        let (path, problem) = match message.split_once(", expected a Value::Tagged enum") {
            Some((found, _)) => {
                let problem = choice_problem::<T>(yaml, &mut document, &path, found);
                (path, problem)
            }
            None => explain_serde_error(yaml, path, &message),
        };
        problems.push(Problem { subject: subject(&path), ..problem });
        let removed = remove_value(&mut document, &path);
        if removed.is_empty() || invalid_paths.contains(&removed) {
            return undecoded();
        }
        invalid_paths.push(removed);
    }
    undecoded()
}

/// Deserializes a document, or gives serde's message and the path of the value it concerns.
fn deserialize<T: DeserializeOwned>(document: &Value) -> Result<T, (YamlPath, String)> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let to_step = |segment: &Segment| match segment {
            Segment::Seq { index } => Some(PathStep::Item(*index)),
            Segment::Map { key } => Some(PathStep::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        (error.path().iter().filter_map(to_step).collect(), error.into_inner().to_string())
    })
}

fn null_problem(yaml: &YamlFile<'_>, path: &[PathStep]) -> Problem {
    let (message, hint) = match path.last() {
        Some(PathStep::Key(key)) if MAPPINGS.contains(&key.as_str()) => {
            (format!("`{key}` is empty"), "indent its entries under it, or remove the line")
        }
        Some(PathStep::Key(key)) => (format!("`{key}` has no value"), "add a value, or remove the line"),
        _ => ("empty list item".to_owned(), "add a value, or remove the line"),
    };
    yaml.key_problem(path, message, hint)
}

/// The subject of a problem at a path: `/name` for an SLO of a service, whose name the caller knows.
fn subject(path: &[PathStep]) -> String {
    let [PathStep::Key(section), PathStep::Key(name), ..] = path else { return String::new() };
    match section.as_str() {
        "slos" => format!("/{name}"),
        "classes" => format!("class {name}"),
        "sources" => format!("source {name}"),
        "teams" => format!("team {name}"),
        _ => String::new(),
    }
}

fn value_mut<'a>(document: &'a mut Value, path: &[PathStep]) -> Option<&'a mut Value> {
    path.iter().try_fold(document, |value, step| match step {
        PathStep::Key(key) => value.get_mut(key.as_str()),
        PathStep::Item(index) => value.get_mut(*index),
    })
}

/// Removes a value and gives its path, which is empty if there is none. Removes the whole list of an item, since the
/// others must keep their numbers and fields.
fn remove_value(document: &mut Value, path: &[PathStep]) -> YamlPath {
    let path: YamlPath = path.iter().take_while(|step| matches!(step, PathStep::Key(_))).cloned().collect();
    let Some((PathStep::Key(key), parent)) = path.split_last() else { return YamlPath::new() };
    let Some(parent) = value_mut(document, parent) else { return YamlPath::new() };
    if let Some(map) = parent.as_mapping_mut() {
        map.shift_remove(key.as_str());
    }
    path
}

/// The problem of a list, a mapping or a number where one of several words is expected. The parser does not name the
/// words, so an empty one in its place makes serde list them.
fn choice_problem<T: DeserializeOwned>(
    yaml: &YamlFile<'_>,
    document: &mut Value,
    path: &[PathStep],
    found: &str,
) -> Problem {
    if let Some(value) = value_mut(document, path) {
        *value = Value::String(String::new());
    }
    let message = deserialize::<T>(document).err().map(|(_, message)| message).unwrap_or_default();
    let choices: Vec<&str> = backquoted(&message).skip(1).collect();
    let key = innermost_key(path).unwrap_or_default();
    let message = format!("`{key}` cannot be {}", describe_found(found));
    yaml.value_problem(path, message, format!("valid values: `{}`", choices.join("`, `")))
}

fn backquoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// Serde's message as a problem, and the path of the value to remove.
fn explain_serde_error(yaml: &YamlFile<'_>, path: YamlPath, serde_message: &str) -> (YamlPath, Problem) {
    let child_path = |key: &str| [path.as_slice(), &[PathStep::from(key)]].concat();
    let words: Vec<&str> = backquoted(serde_message).collect();
    let (first, choices) = words.split_first().map_or(("", [].as_slice()), |(first, rest)| (*first, rest));
    let (message, hint) = if let Some((message, hint)) = serde_message.split_once('\n') {
        (message.to_owned(), hint.to_owned())
    } else if serde_message.starts_with("unknown field") {
        let field_path = Some(child_path(first)).filter(|path| yaml.positions.contains(path)).unwrap_or(path);
        let is_service_field = first == "team" && choices.contains(&"load_balancer");
        let hint = if is_service_field {
            team_field_hint(yaml, &field_path)
        } else {
            suggest_choice(first, choices, "valid fields")
        };
        let problem = yaml.key_problem(&field_path, format!("unknown field `{first}`"), hint);
        return (field_path, problem);
    } else if serde_message.starts_with("unknown variant") {
        let field = innermost_key(&path).map_or_else(String::new, |key| format!(" for `{key}`"));
        (format!("invalid value `{first}`{field}"), suggest_choice(first, choices, "valid values"))
    } else if serde_message.starts_with("missing field") {
        (format!("missing field `{first}`"), format!("add `{first}: ...`"))
    } else {
        let (found, expected) = serde_message.split_once(", expected ").unwrap_or((serde_message, "another value"));
        let found = describe_found(found);
        let name = innermost_key(&path).map_or_else(|| "the file".to_owned(), |key| format!("`{key}`"));
        match expected {
            "a map" => (
                format!("{name} must be a mapping of names to settings, not {found}"),
                "write each entry as `<name>: <settings>`".to_owned(),
            ),
            // Names are the only plain strings: a key is a number, or `true`.
            "a string" => {
                let key = found.trim_matches('`');
                let (message, hint) = if name == "`policy`" && parse_decimal(key).is_some() {
                    (format!("invalid percentage {found}"), format!("did you mean `{key}%`?"))
                } else {
                    (format!("invalid name {found} in {name}"), format!("quote it: `\"{key}\"`"))
                };
                let problem = yaml.key_problem(&child_path(key), message, hint);
                return (path, problem);
            }
            "a boolean" => {
                (format!("{name} must be `true` or `false`, not {found}"), "write `true` or `false`".to_owned())
            }
            _ if expected.starts_with("struct ") => (
                format!("{name} must be a mapping of fields, not {found}"),
                "write each field as `<field>: <value>`".to_owned(),
            ),
            _ => (format!("{name} cannot be {found}"), format!("write {expected}")),
        }
    };
    let problem = yaml.value_problem(&path, message, hint);
    (path, problem)
}

fn team_field_hint(yaml: &YamlFile<'_>, path: &[PathStep]) -> String {
    let value = yaml.body.get(yaml.positions.value_range(path)).unwrap_or_default().trim_matches(['"', '\'']);
    match yaml.path.split_once('/') {
        Some((folder, _)) if folder != value && Name::from_text(value).is_ok() => {
            format!("the folder is the team: move the file to `{value}/`")
        }
        _ => "the folder is the team: remove the line".to_owned(),
    }
}

/// Serde's description of what it found, in the terms of YAML.
fn describe_found(found: &str) -> String {
    let found = found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "a mapping".to_owned(),
        "unit value" => "empty".to_owned(),
        _ => match found.strip_prefix("string \"").and_then(|rest| rest.strip_suffix('"')) {
            Some(text) => format!("`{text}`"),
            None => ["integer ", "floating point ", "boolean "]
                .iter()
                .fold(found, |text, kind| text.trim_start_matches(kind))
                .to_owned(),
        },
    }
}

/// The choice that was probably meant, or all of them.
fn suggest_choice(word: &str, choices: &[&str], label: &str) -> String {
    let alias = FIELD_ALIASES.iter().find(|(other, name)| *other == word && choices.contains(name));
    match alias.map(|(_, name)| *name).or_else(|| nearest(word, choices.iter().copied())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{label}: `{}`", choices.join("`, `")),
    }
}
