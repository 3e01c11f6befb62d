//! What is wrong with a definition, and where: a value, never the end of a run.

use std::ops::Range;

use crate::text::escape_non_printing;

/// The most bytes a definition file may have. Real ones have a few hundred; the limit bounds what hostile ones can
/// cost.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A definition file that was loaded but not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionFile {
    /// Path below the folder of definitions, with `/` between its parts: `mart/checkout.yaml`.
    pub path: String,
    /// All of its text.
    pub text: String,
}

impl DefinitionFile {
    /// The text without a byte order mark. Ranges of problems count from its first byte.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(&self.text)
    }
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// What it names is left out of the catalogue.
    Error,
    /// Read all the same, though hardly what was meant.
    Warning,
}

/// Something wrong in one place of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path below the folder of definitions.
    pub file: String,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the file as a whole is meant.
    pub column: usize,
    /// The bytes meant, in [`DefinitionFile::body`].
    pub range: Range<usize>,
    /// What it concerns: `service/slo`, `class critical`; empty when that is not known.
    pub subject: String,
    /// What is wrong: one line, lower case, without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Whether what it names is left out.
    pub severity: Severity,
}

impl Problem {
    /// A problem of a file as a whole.
    #[must_use]
    pub fn for_file(file: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            file: escape_non_printing(file),
            line: 0,
            column: 0,
            range: 0..0,
            subject: String::new(),
            message: escape_non_printing(&message.into()),
            hint: escape_non_printing(&hint.into()),
            severity: Severity::Error,
        }
    }

    /// What it is sorted by, and known by: one mistake in a class is not said once for each of its services.
    pub(super) fn sort_key(&self) -> (&str, usize, usize, &str) {
        (&self.file, self.range.start, self.range.end, &self.message)
    }

    /// A problem of some bytes of a text; a range outside the text means its end.
    #[must_use]
    pub(super) fn for_range(file: &str, body: &str, range: Range<usize>, explained: Explained) -> Self {
        let before = body.get(..range.start).unwrap_or(body);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.chars().count() - before.get(..line_start).map_or(0, |head| head.chars().count()) + 1,
            range,
            ..Self::for_file(file, explained.message, explained.hint)
        }
    }
}

/// Why a text was refused, and what to write instead, before it is known where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Explained {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Explained {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}
