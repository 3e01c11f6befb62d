//! Where everything stands in a YAML text, for display only: values are read by another parser, so a disagreement
//! between the two can misplace an underline but never change a value.
//!
//! It also refuses what definitions do not need: anchors, aliases, tags, second documents, deep nesting. That is what
//! makes reading safe on hostile input: without aliases nothing can grow beyond the size of its file.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::problem::Explained;
use super::yaml::explain_syntax;

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

/// The way from the root of a file to a value.
pub(super) type YamlPath = Vec<PathStep>;

/// Makes a path of keys.
pub(super) fn key_path(names: &[&str]) -> YamlPath {
    names.iter().map(|name| PathStep::Key((*name).to_owned())).collect()
}

/// Where one value stands, in bytes.
#[derive(Clone, Debug)]
struct Position {
    key: Option<Range<usize>>,
    value: Range<usize>,
    is_scalar: bool,
}

/// Where everything stands.
#[derive(Debug, Default)]
pub(super) struct Positions {
    by_path: BTreeMap<YamlPath, Position>,
    /// Values that are missing: `class:` and nothing behind it.
    pub(super) nulls: Vec<YamlPath>,
    /// Values that name an environment variable: `${NAME}`.
    pub(super) variables: Vec<YamlPath>,
}

/// Something the text may not hold.
#[derive(Debug)]
pub(super) struct YamlError {
    pub(super) range: Range<usize>,
    pub(super) explained: Explained,
}

/// A map or list that is still open.
enum Frame {
    Map { seen: HashMap<String, usize>, key: Option<(String, Range<usize>)> },
    List { next: usize },
}

struct PositionsBuilder<'a> {
    text: &'a str,
    /// Byte offset of every character: the parser counts characters.
    byte_offsets: Vec<usize>,
    frames: Vec<Frame>,
    positions: Positions,
    duplicate_keys: Vec<YamlError>,
}

impl Positions {
    /// Walks the text once; gives what is wrong instead when it is no single plain YAML document.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<YamlError>> {
        let byte_offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut builder = PositionsBuilder {
            text,
            byte_offsets,
            frames: Vec::new(),
            positions: Self::default(),
            duplicate_keys: Vec::new(),
        };
        match builder.walk() {
            Ok(()) if builder.duplicate_keys.is_empty() => Ok(builder.positions),
            Ok(()) => Err(builder.duplicate_keys),
            Err(error) => Err(builder.duplicate_keys.into_iter().chain([error]).collect()),
        }
    }

    /// Whether the document has no value at all.
    pub(super) fn is_empty(&self) -> bool {
        self.by_path.is_empty() || self.nulls.iter().any(Vec::is_empty)
    }

    /// The text to underline when the value is meant: a scalar itself, the key of a map or list.
    pub(super) fn value_range(&self, path: &[PathStep]) -> Range<usize> {
        match self.nearest(path) {
            Some(position) if !position.is_scalar => position.key.clone().unwrap_or_else(|| position.value.clone()),
            Some(position) => position.value.clone(),
            None => 0..0,
        }
    }

    /// The text to underline when the key is meant.
    pub(super) fn key_range(&self, path: &[PathStep]) -> Range<usize> {
        self.nearest(path).map_or(0..0, |position| position.key.clone().unwrap_or_else(|| position.value.clone()))
    }

    /// Whether there is such a value.
    pub(super) fn contains(&self, path: &[PathStep]) -> bool {
        self.by_path.contains_key(path)
    }

    fn nearest(&self, path: &[PathStep]) -> Option<&Position> {
        (0..=path.len()).rev().find_map(|length| self.by_path.get(path.get(..length)?))
    }
}

impl PositionsBuilder<'_> {
    fn walk(&mut self) -> Result<(), YamlError> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text) {
            let (event, span) = event.map_err(|error| self.syntax_error(&error))?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(self.error_at(
                            span,
                            "the file has more than one YAML document",
                            "move the document after this `---` to its own file",
                        ));
                    }
                }
                Event::Alias(_) => {
                    return Err(self.error_at(
                        span,
                        "YAML aliases are not supported",
                        "repeat the value, or move it to a class in `fleet.yaml`",
                    ));
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.check_plain(span, anchor, tag.is_some())?;
                    self.add_scalar(&text, style, span);
                }
                Event::MappingStart(anchor, tag) => {
                    self.check_plain(span, anchor, tag.is_some())?;
                    self.push_frame(span, Frame::Map { seen: HashMap::new(), key: None })?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.check_plain(span, anchor, tag.is_some())?;
                    self.push_frame(span, Frame::List { next: 0 })?;
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    self.frames.pop();
                    self.advance();
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses anchors and tags.
    fn check_plain(&self, span: Span, anchor: usize, has_tag: bool) -> Result<(), YamlError> {
        if anchor > 0 {
            return Err(self.error_at(
                span,
                "YAML anchors are not supported",
                "repeat the value, or move it to a class in `fleet.yaml`",
            ));
        }
        if has_tag {
            return Err(self.error_at(
                span,
                "YAML tags are not supported",
                "remove the `!...`, or quote a value that starts with `!`",
            ));
        }
        Ok(())
    }

    fn push_frame(&mut self, span: Span, frame: Frame) -> Result<(), YamlError> {
        if matches!(self.frames.last(), Some(Frame::Map { key: None, .. })) {
            return Err(self.error_at(span, "invalid key: it is a mapping or a list", "write a plain text key"));
        }
        if self.frames.len() >= DEPTH_MAX {
            return Err(self.error_at(
                span,
                "the YAML is nested too deeply",
                format!("use at most {DEPTH_MAX} levels"),
            ));
        }
        let start = self.byte_offset(span.start.index());
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("").trim_end();
        self.record(start..start + line.len(), false);
        self.frames.push(frame);
        Ok(())
    }

    fn add_scalar(&mut self, text: &str, style: ScalarStyle, span: Span) {
        let range = self.byte_range(span);
        let line = span.start.line();
        if let Some(Frame::Map { seen, key: key @ None }) = self.frames.last_mut() {
            if let Some(first) = seen.insert(text.to_owned(), line)
                && self.duplicate_keys.len() < DUPLICATES_MAX
            {
                self.duplicate_keys.push(YamlError {
                    range: range.clone(),
                    explained: Explained::new(
                        format!("duplicate key `{text}`"),
                        format!("remove it here or on line {first}"),
                    ),
                });
            }
            *key = Some((text.to_owned(), range));
            return;
        }
        let path = self.record(range, true);
        if style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            self.positions.nulls.push(path);
        } else if text.contains("${") {
            self.positions.variables.push(path);
        }
        self.advance();
    }

    /// Notes where the value stands that starts now, and gives the way to it.
    fn record(&mut self, value: Range<usize>, is_scalar: bool) -> YamlPath {
        let mut path = YamlPath::new();
        let mut key = None;
        for frame in &self.frames {
            match frame {
                Frame::Map { key: Some((name, range)), .. } => {
                    path.push(PathStep::Key(name.clone()));
                    key = Some(range.clone());
                }
                Frame::Map { key: None, .. } => {}
                Frame::List { next } => {
                    path.push(PathStep::Item(*next));
                    key = None;
                }
            }
        }
        // A value that is not there is shown by its key.
        let value = if value.is_empty() { key.clone().unwrap_or(value) } else { value };
        self.positions.by_path.insert(path.clone(), Position { key, value, is_scalar });
        path
    }

    /// A value is complete: the map waits for its next key, the list for its next item.
    fn advance(&mut self) {
        match self.frames.last_mut() {
            Some(Frame::Map { key, .. }) => *key = None,
            Some(Frame::List { next }) => *next += 1,
            None => {}
        }
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

    fn error_at(&self, span: Span, message: impl Into<String>, hint: impl Into<String>) -> YamlError {
        YamlError { range: self.byte_range(span), explained: Explained::new(message, hint) }
    }

    fn syntax_error(&self, error: &ScanError) -> YamlError {
        let offset = self.byte_offset(error.marker().index()).min(self.text.len());
        let (range, explained) = explain_syntax(self.text, offset, error.info());
        YamlError { range, explained }
    }
}
