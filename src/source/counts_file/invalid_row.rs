//! Invalid rows: where they are, what is wrong, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Samples of invalid rows that are kept.
pub(super) const SAMPLES_MAX: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidRows {
    /// All of them.
    pub count: u64,
    /// The first ones.
    pub samples: Vec<InvalidRow>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRow {
    pub path: PathBuf,
    pub location: RowLocation,
    pub column: &'static str,
    /// At most 80 characters.
    pub value: String,
    pub problem: RowProblem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowLocation {
    /// Line of a text file, where the header is line 1.
    #[error("line {0}")]
    Line(u64),
    /// Row of a table, where the first row is row 1.
    #[error("row {0}")]
    Row(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    #[error("missing")]
    Missing,
    #[error("not a valid time")]
    InvalidTime,
    #[error("not the start of a minute")]
    NotMinuteStart,
    #[error("another row for this minute has different counts; neither is used")]
    Contradiction,
    #[error("not a whole number")]
    NotWhole,
    #[error("negative")]
    Negative,
    #[error("greater than {}", u32::MAX)]
    TooLarge,
    #[error("greater than the `total` of {total}")]
    BadExceedsTotal { total: u32 },
}

impl InvalidRows {
    pub(super) fn add(
        &mut self,
        path: &Path,
        location: RowLocation,
        column: &'static str,
        problem: RowProblem,
        value: &str,
    ) {
        self.count += 1;
        if self.samples.len() < SAMPLES_MAX {
            let value = value.chars().take(80).collect();
            self.samples.push(InvalidRow { path: path.to_owned(), location, column, value, problem });
        }
    }
}

/// The first twenty names for an error message, without control characters.
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

impl RowProblem {
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
