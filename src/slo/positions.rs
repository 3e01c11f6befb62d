//! Where everything stands in a YAML text, for display only: values are read by another parser, so a disagreement
//! between the two can misplace an underline but never change a value.
//!
//! It also refuses what definitions do not need: anchors, aliases, tags, second documents, deep nesting. That is what
//! makes reading safe on hostile input: without aliases nothing can grow beyond the size of its file.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::file::explain;
use super::problem::Refusal;

/// Deeper than any definition: `classes`, a class, `slos`, an SLO, `where`, `path`, an item.
const DEPTH_MAX: usize = 12;

/// The most duplicate keys that are named.
const DUPLICATES_MAX: usize = 20;

/// One step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

/// The way from the root of a file to a value.
pub(super) type Path = Vec<Step>;

/// Makes a path of keys.
pub(super) fn keys(names: &[&str]) -> Path {
    names.iter().map(|name| Step::Key((*name).to_owned())).collect()
}

/// Where one value stands, in bytes.
#[derive(Clone, Debug)]
struct Place {
    key: Option<Range<usize>>,
    value: Range<usize>,
    scalar: bool,
}

/// Where everything stands.
#[derive(Debug, Default)]
pub(super) struct Positions {
    places: BTreeMap<Path, Place>,
    /// Values that are missing: `class:` and nothing behind it.
    pub(super) nulls: Vec<Path>,
    /// Values that name an environment variable: `${NAME}`.
    pub(super) variables: Vec<Path>,
}

/// Something the text may not hold.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) range: Range<usize>,
    pub(super) refusal: Refusal,
}

/// A map or list that is still open.
enum Frame {
    Map { seen: HashMap<String, usize>, key: Option<(String, Range<usize>)> },
    List { next: usize },
}

struct Index<'a> {
    text: &'a str,
    /// Byte offset of every character: the parser counts characters.
    bytes: Vec<usize>,
    frames: Vec<Frame>,
    found: Positions,
    duplicates: Vec<Fault>,
}

impl Positions {
    /// Walks the text once; gives what is wrong instead when it is no single plain YAML document.
    pub(super) fn of(text: &str) -> Result<Self, Vec<Fault>> {
        let bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut index = Index { text, bytes, frames: Vec::new(), found: Self::default(), duplicates: Vec::new() };
        match index.walk() {
            Ok(()) if index.duplicates.is_empty() => Ok(index.found),
            Ok(()) => Err(index.duplicates),
            Err(fault) => Err(index.duplicates.into_iter().chain([fault]).collect()),
        }
    }

    /// Whether the document has no value at all.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() || self.nulls.iter().any(Vec::is_empty)
    }

    /// The text to underline when the value is meant: a scalar itself, the key of a map or list.
    pub(super) fn value(&self, path: &[Step]) -> Range<usize> {
        match self.nearest(path) {
            Some(place) if !place.scalar => place.key.clone().unwrap_or_else(|| place.value.clone()),
            Some(place) => place.value.clone(),
            None => 0..0,
        }
    }

    /// The text to underline when the key is meant.
    pub(super) fn key(&self, path: &[Step]) -> Range<usize> {
        self.nearest(path).map_or(0..0, |place| place.key.clone().unwrap_or_else(|| place.value.clone()))
    }

    /// Whether there is such a value.
    pub(super) fn has(&self, path: &[Step]) -> bool {
        self.places.contains_key(path)
    }

    fn nearest(&self, path: &[Step]) -> Option<&Place> {
        (0..=path.len()).rev().find_map(|length| self.places.get(path.get(..length)?))
    }
}

impl Index<'_> {
    fn walk(&mut self) -> Result<(), Fault> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text) {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(self.fault(
                            span,
                            "the file has more than one YAML document",
                            "move the document after this `---` to its own file",
                        ));
                    }
                }
                Event::Alias(_) => {
                    return Err(self.fault(
                        span,
                        "YAML aliases are not supported",
                        "repeat the value, or move it to a class in `fleet.yaml`",
                    ));
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.plain(span, anchor, tag.is_some())?;
                    self.scalar(&text, style, span);
                }
                Event::MappingStart(anchor, tag) => {
                    self.plain(span, anchor, tag.is_some())?;
                    self.open(span, Frame::Map { seen: HashMap::new(), key: None })?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.plain(span, anchor, tag.is_some())?;
                    self.open(span, Frame::List { next: 0 })?;
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
    fn plain(&self, span: Span, anchor: usize, tag: bool) -> Result<(), Fault> {
        if anchor > 0 {
            return Err(self.fault(
                span,
                "YAML anchors are not supported",
                "repeat the value, or move it to a class in `fleet.yaml`",
            ));
        }
        if tag {
            return Err(self.fault(
                span,
                "YAML tags are not supported",
                "remove the `!...`, or quote a value that starts with `!`",
            ));
        }
        Ok(())
    }

    fn open(&mut self, span: Span, frame: Frame) -> Result<(), Fault> {
        if matches!(self.frames.last(), Some(Frame::Map { key: None, .. })) {
            return Err(self.fault(span, "invalid key: it is a mapping or a list", "write a plain text key"));
        }
        if self.frames.len() >= DEPTH_MAX {
            return Err(self.fault(span, "the YAML is nested too deeply", format!("use at most {DEPTH_MAX} levels")));
        }
        let start = self.byte(span.start.index());
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("").trim_end();
        self.record(start..start + line.len(), false);
        self.frames.push(frame);
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) {
        let range = self.range(span);
        let line = span.start.line();
        if let Some(Frame::Map { seen, key: key @ None }) = self.frames.last_mut() {
            if let Some(first) = seen.insert(text.to_owned(), line)
                && self.duplicates.len() < DUPLICATES_MAX
            {
                self.duplicates.push(Fault {
                    range: range.clone(),
                    refusal: Refusal::new(
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
            self.found.nulls.push(path);
        } else if text.contains("${") {
            self.found.variables.push(path);
        }
        self.advance();
    }

    /// Notes where the value stands that starts now, and gives the way to it.
    fn record(&mut self, value: Range<usize>, scalar: bool) -> Path {
        let mut path = Path::new();
        let mut key = None;
        for frame in &self.frames {
            match frame {
                Frame::Map { key: Some((name, range)), .. } => {
                    path.push(Step::Key(name.clone()));
                    key = Some(range.clone());
                }
                Frame::Map { key: None, .. } => {}
                Frame::List { next } => {
                    path.push(Step::Item(*next));
                    key = None;
                }
            }
        }
        // A value that is not there is shown by its key.
        let value = if value.is_empty() { key.clone().unwrap_or(value) } else { value };
        self.found.places.insert(path.clone(), Place { key, value, scalar });
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

    fn byte(&self, char: usize) -> usize {
        self.bytes.get(char).copied().unwrap_or(self.text.len())
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        let end = self.byte(span.end.index()).max(start);
        let trimmed = self.text.get(start..end).map_or(0, |text| text.trim_end().len());
        start..start + trimmed
    }

    fn fault(&self, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault { range: self.range(span), refusal: Refusal::new(message, hint) }
    }

    fn syntax(&self, error: &ScanError) -> Fault {
        let at = self.byte(error.marker().index()).min(self.text.len());
        let (range, refusal) = explain(self.text, at, error.info());
        Fault { range, refusal }
    }
}
