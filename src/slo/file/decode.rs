//! One file from text to its twin, with all that is wrong with it.
//!
//! Serde stops at the first mistake. So a mistake is noted, cut out of the document, and the rest is read again, until
//! nothing is left to note: the twin holds what is sound, and the places that were cut are known.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_yaml::Value;

use crate::slo::positions::{Path, Positions, Step};
use crate::slo::problem::{DefinitionFile, FILE_BYTES_MAX, Problem, Refusal};

/// The most mistakes that are looked for in one file.
const MISTAKES_MAX: usize = 20;

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
                format!("the file has {} bytes", file.text.len()),
                "a definition has at most 1 MiB; split it by service",
            )]);
        }
        let body = file.body();
        let positions = Positions::of(body).map_err(|faults| {
            faults
                .into_iter()
                .map(|fault| Problem::at(&file.path, body, fault.range, fault.refusal))
                .collect::<Vec<_>>()
        })?;
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
            let hint = "look at this line and the one before: indentation, quotes, brackets";
            problems.push(page.problem(at..at, Refusal::new(format!("not YAML: {error}"), hint)));
            return nothing();
        }
    };
    let mut cut = Vec::new();
    for path in &page.positions.nulls {
        let problem = page.of_key(path, "there is no value", "write a value, or remove the line");
        problems.push(Problem { subject: subject(path), ..problem });
        cut.push(prune(&mut value, path));
    }
    for path in page.positions.variables.iter().filter(|path| !variables(path)) {
        let hint = "environment variables are read in `teams` of `fleet.yaml` only; write the value itself";
        let problem = page.of_value(path, "`${...}` is not replaced here", hint);
        problems.push(Problem { subject: subject(path), ..problem });
        cut.push(prune(&mut value, path));
    }
    while cut.len() < MISTAKES_MAX {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(twin) => return Decoded { twin, cut },
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
        let problem =
            page.of_key(&path, format!("unknown field `{first}`"), choice(first, rest, "a field here is one of"));
        return (path, problem);
    }
    if text.starts_with("unknown variant") {
        let problem = page.of_value(&path, format!("unknown value `{first}`"), choice(first, rest, "it is one of"));
        return (path, problem);
    }
    if text.starts_with("missing field") {
        let problem = page.of_value(&path, format!("`{first}` is missing"), format!("add `{first}: ...`"));
        return (path, problem);
    }
    let (found, expected) = text.split_once(", expected ").unwrap_or((text, "something else"));
    let found = found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
    let expected = match expected {
        "a map" => "a map of names",
        "a boolean" => "`true` or `false`",
        _ if expected.starts_with("struct ") => "a map of fields",
        _ => expected,
    };
    let problem = page.of_value(&path, format!("{} cannot stand here", plain(found)), format!("write {expected}"));
    (path, problem)
}

/// Serde's names of what it found, in the words of YAML.
fn plain(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "a map".to_owned(),
        "unit value" => "nothing".to_owned(),
        _ => found.replace("floating point", "number").replace("integer", "number").replace("string", "text"),
    }
}

/// The choice that was probably meant, or all of them.
fn choice(word: &str, choices: &[&str], all: &str) -> String {
    match nearest(word, choices.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{all} `{}`", choices.join("`, `")),
    }
}

/// The choice that is nearest to a word, if one is near: at most a third of its letters differ.
pub(in crate::slo) fn nearest<'a>(word: &str, choices: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 100 {
        return None;
    }
    let lower = word.to_lowercase().replace('-', "_");
    choices
        .map(|choice| (strsim::osa_distance(&lower, &choice.replace('-', "_")), choice))
        .filter(|(distance, choice)| *distance <= (choice.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, choice)| choice)
}
