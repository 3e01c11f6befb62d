//! Byte ranges of all values in a YAML text, for messages only: another parser reads the values, so a disagreement
//! between the two can misplace an underline but never change a value.
//!
//! Also refuses what definitions do not need: anchors, aliases, tags, second documents, deep nesting. Without aliases,
//! a hostile file cannot grow beyond its size.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::yaml::explain_syntax;
use crate::hinted_error::HintedError;

/// Deeper than any definition: `classes`, a class, `slos`, an SLO, `where`, `path`, an item.
const DEPTH_MAX: usize = 12;

/// The most duplicate keys that are named.
const DUPLICATES_MAX: usize = 20;

/// One step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum PathStep {
    Key(String),
    Item(usize),
}

/// The steps from the root of a file to a value.
pub(super) type YamlPath = Vec<PathStep>;

impl From<&str> for PathStep {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

pub(super) fn key_path<S: Clone + Into<PathStep>>(keys: &[S]) -> YamlPath {
    keys.iter().cloned().map(Into::into).collect()
}

pub(super) fn innermost_key(path: &[PathStep]) -> Option<&str> {
    path.iter().rev().find_map(|step| match step {
        PathStep::Key(key) => Some(key.as_str()),
        PathStep::Item(_) => None,
    })
}

/// A mistake with the bytes it concerns.
pub(super) type RangedError = (Range<usize>, HintedError);

#[derive(Clone, Debug)]
struct Position {
    key: Option<Range<usize>>,
    value: Range<usize>,
    is_scalar: bool,
}

#[derive(Debug, Default)]
pub(super) struct Positions {
    by_path: BTreeMap<YamlPath, Position>,
    /// Keys and items without a value: `class:`.
    pub(super) nulls: Vec<YamlPath>,
    /// Values that name an environment variable: `${NAME}`.
    pub(super) variables: Vec<YamlPath>,
}

impl Positions {
    /// Reads the text once. Fails unless it is a single plain YAML document.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<RangedError>> {
        let mut builder = PositionsBuilder {
            text,
            byte_offsets: text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(),
            events: Parser::new_from_str(text),
            path: YamlPath::new(),
            positions: Self::default(),
            errors: Vec::new(),
        };
        let result = builder.read_stream();
        builder.errors.extend(result.err());
        if builder.errors.is_empty() { Ok(builder.positions) } else { Err(builder.errors) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_path.is_empty() || self.nulls.iter().any(Vec::is_empty)
    }

    /// The range to underline for a value: a scalar itself, the key of a mapping or list.
    pub(super) fn value_range(&self, path: &[PathStep]) -> Range<usize> {
        match self.nearest(path) {
            Some(position) if position.is_scalar => position.value.clone(),
            _ => self.key_range(path),
        }
    }

    pub(super) fn key_range(&self, path: &[PathStep]) -> Range<usize> {
        self.nearest(path).map_or(0..0, |position| position.key.as_ref().unwrap_or(&position.value).clone())
    }

    pub(super) fn contains(&self, path: &[PathStep]) -> bool {
        self.by_path.contains_key(path)
    }

    fn nearest(&self, path: &[PathStep]) -> Option<&Position> {
        (0..=path.len()).rev().find_map(|length| self.by_path.get(path.get(..length)?))
    }
}

struct PositionsBuilder<'a> {
    text: &'a str,
    /// Byte offset of every character: the parser counts characters.
    byte_offsets: Vec<usize>,
    events: Parser<'a, StrInput<'a>>,
    path: YamlPath,
    positions: Positions,
    /// Duplicate keys, which do not end the reading.
    errors: Vec<RangedError>,
}

impl<'a> PositionsBuilder<'a> {
    fn next_event(&mut self) -> Result<Option<(Event<'a>, Span)>, RangedError> {
        self.events.next().transpose().map_err(|error| {
            let offset = self.byte_offset(error.marker().index()).min(self.text.len());
            explain_syntax(self.text, offset, error.info())
        })
    }

    fn read_stream(&mut self) -> Result<(), RangedError> {
        let mut documents = 0;
        while let Some((event, span)) = self.next_event()? {
            if matches!(event, Event::DocumentStart(_)) {
                documents += 1;
            }
            if documents > 1 {
                let hint = "move the document after this `---` to its own file";
                return Err(self.error_at(span, "the file has more than one YAML document", hint));
            }
            self.read_node(event, span, None)?;
        }
        Ok(())
    }

    /// Reads the node that starts with an event. `key` is the range of its key in a mapping.
    fn read_node(&mut self, event: Event<'a>, span: Span, key: Option<Range<usize>>) -> Result<(), RangedError> {
        self.check_plain(&event, span)?;
        match event {
            Event::Scalar(text, style, ..) => self.record_scalar(&text, style, span, key),
            Event::MappingStart(..) => {
                self.record_collection(span, key)?;
                let mut first_lines = HashMap::new();
                while let Some((event, span)) = self.next_event()?.filter(|(event, _)| *event != Event::MappingEnd) {
                    let (name, range) = self.read_key(event, span, &mut first_lines)?;
                    self.path.push(PathStep::Key(name));
                    if let Some((event, span)) = self.next_event()? {
                        self.read_node(event, span, Some(range))?;
                    }
                    self.path.pop();
                }
            }
            Event::SequenceStart(..) => {
                self.record_collection(span, key)?;
                let mut index = 0;
                while let Some((event, span)) = self.next_event()?.filter(|(event, _)| *event != Event::SequenceEnd) {
                    self.path.push(PathStep::Item(index));
                    self.read_node(event, span, None)?;
                    self.path.pop();
                    index += 1;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_plain(&self, event: &Event<'_>, span: Span) -> Result<(), RangedError> {
        const REPEAT: &str = "repeat the value, or move it to a class in `fleet.yaml`";
        let (anchor, has_tag) = match event {
            Event::Alias(_) => return Err(self.error_at(span, "YAML aliases are not supported", REPEAT)),
            Event::Scalar(_, _, anchor, tag) | Event::MappingStart(anchor, tag) | Event::SequenceStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            _ => return Ok(()),
        };
        if anchor > 0 {
            return Err(self.error_at(span, "YAML anchors are not supported", REPEAT));
        }
        if has_tag {
            let hint = "remove the `!...`, or quote a value that starts with `!`";
            return Err(self.error_at(span, "YAML tags are not supported", hint));
        }
        Ok(())
    }

    /// Reads the key that an event holds. `first_lines` has the keys of the mapping so far.
    fn read_key(
        &mut self,
        event: Event<'a>,
        span: Span,
        first_lines: &mut HashMap<String, usize>,
    ) -> Result<(String, Range<usize>), RangedError> {
        self.check_plain(&event, span)?;
        let Event::Scalar(name, ..) = event else {
            return Err(self.error_at(span, "invalid key: it is a mapping or a list", "write a plain text key"));
        };
        if let Some(first) = first_lines.insert(name.to_string(), span.start.line())
            && self.errors.len() < DUPLICATES_MAX
        {
            let hint = format!("remove it here or on line {first}");
            self.errors.push(self.error_at(span, format!("duplicate key `{name}`"), hint));
        }
        Ok((name.into_owned(), self.byte_range(span)))
    }

    fn record_collection(&mut self, span: Span, key: Option<Range<usize>>) -> Result<(), RangedError> {
        if self.path.len() >= DEPTH_MAX {
            let hint = format!("use at most {DEPTH_MAX} levels");
            return Err(self.error_at(span, "the YAML is nested too deeply", hint));
        }
        let start = self.byte_offset(span.start.index());
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("").trim_end();
        self.record(start..start + line.len(), key, false);
        Ok(())
    }

    fn record_scalar(&mut self, text: &str, style: ScalarStyle, span: Span, key: Option<Range<usize>>) {
        self.record(self.byte_range(span), key, true);
        if style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            self.positions.nulls.push(self.path.clone());
        } else if text.contains("${") {
            self.positions.variables.push(self.path.clone());
        }
    }

    fn record(&mut self, value: Range<usize>, key: Option<Range<usize>>, is_scalar: bool) {
        // A missing value is shown by its key.
        let value = key.clone().filter(|_| value.is_empty()).unwrap_or(value);
        self.positions.by_path.insert(self.path.clone(), Position { key, value, is_scalar });
    }

    fn byte_offset(&self, char: usize) -> usize {
        self.byte_offsets.get(char).copied().unwrap_or(self.text.len())
    }

    fn byte_range(&self, span: Span) -> Range<usize> {
        let start = self.byte_offset(span.start.index());
        let end = self.byte_offset(span.end.index()).max(start);
        let trimmed = self.text.get(start..end).map_or(0, |text| text.trim_end().len());
        start..start + trimmed
    }

    fn error_at(&self, span: Span, message: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> RangedError {
        (self.byte_range(span), HintedError::new(message, hint))
    }
}
