//! Where everything stands in a YAML text, for display only: values are read by another parser, so a disagreement
//! between the two can misplace an underline but never change a value.
//!
//! It also refuses what definitions do not need: anchors, aliases, tags, second documents, deep nesting. That is what
//! makes reading safe on hostile input: without aliases nothing can grow beyond the size of its file.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

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
                            "a second YAML document starts here",
                            "one file describes one service; remove the `---`, or make it a file of its own",
                        ));
                    }
                }
                Event::Alias(_) => {
                    return Err(self.fault(
                        span,
                        "an alias cannot stand here",
                        "aliases are not read here; repeat the value, or put it into a class of `fleet.yaml`",
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
        if self.found.places.is_empty() || self.found.nulls.iter().any(Vec::is_empty) {
            return Err(Fault {
                range: 0..0,
                refusal: Refusal::new(
                    "the file is empty",
                    "a service file needs `service:` and `load_balancer:`; remove the file if it is not wanted",
                ),
            });
        }
        Ok(())
    }

    /// Refuses anchors and tags.
    fn plain(&self, span: Span, anchor: usize, tag: bool) -> Result<(), Fault> {
        if anchor > 0 {
            return Err(self.fault(
                span,
                "an anchor cannot stand here",
                "anchors are not read here; repeat the value, or put it into a class of `fleet.yaml`",
            ));
        }
        if tag {
            return Err(self.fault(
                span,
                "a tag cannot stand here",
                "write the plain value, without `!`; quote it if it starts with one",
            ));
        }
        Ok(())
    }

    fn open(&mut self, span: Span, frame: Frame) -> Result<(), Fault> {
        if matches!(self.frames.last(), Some(Frame::Map { key: None, .. })) {
            return Err(self.fault(span, "a key that is a map or a list", "a key is plain text"));
        }
        if self.frames.len() >= DEPTH_MAX {
            return Err(self.fault(
                span,
                "values are nested too deeply",
                format!("no definition needs more than {DEPTH_MAX} levels"),
            ));
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
                        format!("it is already on line {first}; remove one of the two"),
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
        let start = self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("");
        let indent = line.len() - line.trim_start().len();
        let hint = if line.get(..indent).is_some_and(|space| space.contains('\t')) {
            "YAML is indented with spaces; replace the tab"
        } else if line.trim_start().starts_with(['*', '%', '@', '`', '&', '!']) || line.contains(": *") {
            "quote a text that starts with a special character: `path: \"*.html\"`"
        } else {
            "look at this line and the one before: indentation, a missing `:` or space behind it, an open quote or bracket"
        };
        Fault {
            range: start + indent..start + line.trim_end().len().max(indent),
            refusal: Refusal::new(format!("not YAML: {}", error.info()), hint),
        }
    }
}
