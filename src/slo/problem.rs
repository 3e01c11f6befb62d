//! Problems of definitions with their positions. A problem never ends a run.

use std::ops::Range;

use serde::Serialize;

use crate::hinted_error::HintedError;
use crate::text::escape_non_printing;

/// The file of settings that all services share.
pub const FLEET_FILE: &str = "fleet.yaml";

/// The folder of corrections, beside the folders of teams.
pub const CORRECTIONS_FOLDER: &str = "corrections";

/// The most bytes a definition file may have. Real ones have a few hundred; the limit bounds what hostile ones can
/// cost.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A definition file that was loaded but not yet parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionFile {
    /// Path below the folder of definitions, with `/` between its parts: `mart/checkout.yaml`.
    pub path: String,
    pub text: String,
}

impl DefinitionFile {
    /// The text without a byte order mark. Ranges of problems count from its first byte.
    pub fn body(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(&self.text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The definition is left out of the catalog.
    Error,
    /// The definition is used, but is probably not what was meant.
    Warning,
    /// The definition is used; what follows from it may be unexpected.
    Note,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Path below the folder of definitions.
    pub file: String,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the file as a whole is meant.
    pub column: usize,
    /// The byte range in [`DefinitionFile::body`].
    #[serde(skip)]
    pub range: Range<usize>,
    pub severity: Severity,
    /// The definition concerned: `service/slo`, `class critical`; empty if unknown.
    pub subject: String,
    /// One line, lower case, without a full stop.
    pub message: String,
    pub hint: String,
}

impl Problem {
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

    /// The order of problems. Equal keys are one problem: a mistake in a class is not repeated for each service.
    pub(super) fn sort_key(&self) -> (&str, usize, usize, &str) {
        (&self.file, self.range.start, self.range.end, &self.message)
    }

    /// A problem of some bytes of a text; a range outside the text means its end.
    pub(super) fn for_range(file: &str, body: &str, range: Range<usize>, explained: HintedError) -> Self {
        let before = body.get(..range.start).unwrap_or(body);
        let line = before.rsplit('\n').next().unwrap_or(before);
        Self {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            range,
            ..Self::for_file(file, explained.message, explained.hint)
        }
    }
}
