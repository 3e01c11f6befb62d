//! Rows that cannot be right: where they are, what is wrong, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::INVALID_ROW_SAMPLES_MAX;

/// Faulty rows of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidRows {
    /// How many.
    pub count: u64,
    /// The first [`FAULT_SAMPLES`] of them.
    pub samples: Vec<InvalidRow>,
}

/// A row that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRow {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub location: RowLocation,
    /// The column that is wrong.
    pub column: &'static str,
    /// What it holds, cut after 80 letters.
    pub value: String,
    /// What is wrong with that.
    pub problem: RowProblem,
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLocation {
    /// Line of a text file, the header being line 1.
    Line(u64),
    /// Row of a table, the first being row 1.
    Row(u64),
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowProblem {
    /// It is not there.
    Missing,
    /// It is no time, or one beyond all reason.
    InvalidTime,
    /// It has seconds.
    NotMinuteStart,
    /// Another row of that minute has other counts.
    Contradiction,
    /// It is no whole number.
    NotWhole,
    /// It is below zero.
    Negative,
    /// It is above `u32::MAX`.
    TooLarge,
    /// More bad events than events.
    BadExceedsTotal {
        /// The events.
        total: u32,
    },
}

impl InvalidRows {
    /// Counts a fault, and keeps it if it is among the first.
    pub(super) fn add(
        &mut self,
        path: &Path,
        location: RowLocation,
        column: &'static str,
        problem: RowProblem,
        value: &str,
    ) {
        self.count += 1;
        if self.samples.len() < INVALID_ROW_SAMPLES_MAX {
            let value = value.chars().take(80).collect();
            self.samples.push(InvalidRow { path: path.to_owned(), location, column, value, problem });
        }
    }
}

/// Names for an error message: the first twenty, joined by commas, without control characters.
pub(super) fn column_list(names: &[&str]) -> String {
    let replace_control = |letter: char| if letter.is_control() { '?' } else { letter };
    let name = |name: &&str| format!("`{}`", name.chars().take(40).map(replace_control).collect::<String>());
    names.iter().take(20).map(name).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for InvalidRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, location, column, value, problem } = self;
        write!(f, "`{}`, {location}: ", path.display())?;
        match problem {
            RowProblem::Missing => write!(f, "{problem} `{column}`")?,
            _ => write!(f, "invalid `{column}` `{}`: {problem}", value.escape_debug())?,
        }
        write!(f, "\nhint: {}", problem.hint())
    }
}

impl fmt::Display for RowLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::InvalidTime => f.write_str("not a valid time"),
            Self::NotMinuteStart => f.write_str("not the start of a minute"),
            Self::Contradiction => f.write_str("another row for this minute has different counts; neither is used"),
            Self::NotWhole => f.write_str("not a whole number"),
            Self::Negative => f.write_str("negative"),
            Self::TooLarge => write!(f, "greater than {}", u32::MAX),
            Self::BadExceedsTotal { total } => write!(f, "greater than the `total` of {total}"),
        }
    }
}

impl RowProblem {
    /// What to do about it.
    const fn hint(self) -> &'static str {
        match self {
            Self::Missing => "omit rows with unknown counts; write zeros for minutes without traffic",
            Self::InvalidTime => "write minutes as `2026-10-31T23:50Z`, with `Z` or an offset",
            Self::NotMinuteStart => "sum the counts for each minute, and use the start of the minute",
            Self::Contradiction => "write one row per minute",
            Self::NotWhole | Self::Negative => "write counts as whole numbers, 0 or more",
            Self::TooLarge => "use a larger unit, such as thousands, in both columns",
            Self::BadExceedsTotal { .. } => "count `bad` events in `total` too",
        }
    }
}
