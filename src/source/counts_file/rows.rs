//! Collects the rows of a counts file, whatever its format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

use super::packed::PackedDay;
use crate::counts::{DayCounts, MinuteCount};
use crate::diagnostics::SAMPLES_MAX;
use crate::fetch_plan::FileState;
use crate::hinted_error::HintedError;
use crate::time::{Day, Minute};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedCounts {
    pub days: BTreeMap<Day, PackedDay>,
    /// All rows, including invalid ones.
    pub rows: u64,
    pub invalid_rows: InvalidRows,
    /// The hash of the file's bytes.
    pub hash: String,
    /// The state of the file before it was read; `None` if it is not a regular file.
    pub state: Option<FileState>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidRows {
    /// All of them.
    pub count: u64,
    /// Messages about the first ones.
    pub samples: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowProblem {
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

/// Collects the rows of a file by day.
pub(super) struct CountsBuilder<'a> {
    path: &'a Path,
    /// What has a number in the file: `line`, where the header is line 1, or `row`, where the first row is row 1.
    row_name: &'static str,
    days: BTreeMap<Day, DayCounts>,
    /// The day of the last row, taken out of `days`: rows of one day come together.
    current_day: (Day, DayCounts),
    /// Minutes with rows of different counts.
    contradicted: BTreeSet<Minute>,
    rows: u64,
    invalid_rows: InvalidRows,
}

/// The value of a cell, or its problem and its text.
pub(super) type Cell<T> = Result<T, (RowProblem, String)>;

impl<'a> CountsBuilder<'a> {
    pub(super) fn new(path: &'a Path, row_name: &'static str) -> Self {
        let current_day = (Day(0), DayCounts::default());
        let (days, contradicted, invalid_rows) = (BTreeMap::new(), BTreeSet::new(), InvalidRows::default());
        Self { path, row_name, days, current_day, contradicted, rows: 0, invalid_rows }
    }

    pub(super) fn name(&self) -> String {
        format!("`{}`", self.path.display())
    }

    pub(super) fn add_row(&mut self, number: u64, minute: Cell<Minute>, total: Cell<u32>, bad: Cell<u32>) {
        self.rows += 1;
        let (minute, count) = match (minute, total, bad) {
            (Ok(minute), Ok(total), Ok(bad)) if bad <= total => (minute, MinuteCount { total, bad }),
            (Ok(_), Ok(total), Ok(bad)) => {
                return self.reject_row(number, "bad", RowProblem::BadExceedsTotal { total }, &bad.to_string());
            }
            (Err((problem, value)), _, _) => return self.reject_row(number, "minute", problem, &value),
            (_, Err((problem, value)), _) => return self.reject_row(number, "total", problem, &value),
            (_, _, Err((problem, value))) => return self.reject_row(number, "bad", problem, &value),
        };
        if minute.day() != self.current_day.0 {
            self.switch_day(minute.day());
        }
        let Some(slot) = self.current_day.1.0.get_mut(minute.minute_of_day()) else { return };
        match *slot {
            None if !self.contradicted.contains(&minute) => *slot = Some(count),
            Some(known) if known == count => {}
            _ => {
                // Neither row is more credible than the other, whichever came first.
                *slot = None;
                self.contradicted.insert(minute);
                self.reject_row(number, "minute", RowProblem::Contradiction, &minute.to_string());
            }
        }
    }

    fn switch_day(&mut self, day: Day) {
        let next = self.days.remove(&day).unwrap_or_default();
        let (day, counts) = std::mem::replace(&mut self.current_day, (day, next));
        if counts.0.iter().any(Option::is_some) {
            self.days.insert(day, counts);
        }
    }

    fn reject_row(&mut self, number: u64, column: &str, problem: RowProblem, value: &str) {
        self.invalid_rows.count += 1;
        if self.invalid_rows.samples.len() < SAMPLES_MAX {
            let value: String = value.chars().take(80).collect();
            let problem_text = match problem {
                RowProblem::Missing => format!("{problem} `{column}`"),
                _ => format!("invalid `{column}` `{}`: {problem}", value.escape_debug()),
            };
            let (name, row_name, hint) = (self.name(), self.row_name, problem.hint());
            self.invalid_rows.samples.push(format!("{name}, {row_name} {number}: {problem_text}\nhint: {hint}"));
        }
    }

    /// The indexes of `minute`, `total` and `bad`, each of which must be there once.
    pub(super) fn column_indexes(&self, names: &[&str]) -> Result<[usize; 3], HintedError> {
        let index_of = |column: &'static str, alias: &str| {
            let is_match = |name: &&str| [column, alias].iter().any(|wanted| name.trim().eq_ignore_ascii_case(wanted));
            let mut matching = (0..).zip(names).filter(|(_, name)| is_match(name)).map(|(index, _)| index);
            match (matching.next(), matching.next()) {
                (Some(index), None) => Ok(index),
                _ => Err(HintedError::new(
                    format!("{} needs exactly one column `{column}`; it has: {}", self.name(), column_list(names)),
                    "name the columns `minute`, `total` and `bad`",
                )),
            }
        };
        Ok([index_of("minute", "minute_utc")?, index_of("total", "total")?, index_of("bad", "bad")?])
    }

    pub(super) fn damaged_error(&self, reason: &dyn Display) -> HintedError {
        HintedError::new(
            format!("{} is damaged: {reason}", self.name()),
            "write the file under another name, and rename it when it is complete",
        )
    }

    pub(super) fn empty_error(&self) -> HintedError {
        HintedError::new(format!("{} has no rows", self.name()), "write a row of zeros for a minute without traffic")
    }

    pub(super) fn finish(mut self) -> Result<ParsedCounts, HintedError> {
        if self.rows == 0 {
            return Err(self.empty_error());
        }
        self.switch_day(Day(i32::MIN));
        let days = self.days.into_iter().map(|(day, counts)| (day, PackedDay::pack(&counts))).collect();
        Ok(ParsedCounts { days, rows: self.rows, invalid_rows: self.invalid_rows, ..ParsedCounts::default() })
    }
}

/// The first twenty names for an error message, without control characters.
fn column_list(names: &[&str]) -> String {
    let replace_control = |letter: char| if letter.is_control() { '?' } else { letter };
    let name = |name: &&str| format!("`{}`", name.chars().take(40).map(replace_control).collect::<String>());
    names.iter().take(20).map(name).collect::<Vec<_>>().join(", ")
}

pub(super) fn count_from_number(number: i128) -> Cell<u32> {
    u32::try_from(number).map_err(|_| {
        let problem = if number < 0 { RowProblem::Negative } else { RowProblem::TooLarge };
        (problem, number.to_string())
    })
}

/// The minute that starts at a Unix time in nanoseconds.
pub(super) fn minute_from_nanoseconds(nanoseconds: i128, text: impl FnOnce() -> String) -> Cell<Minute> {
    const MINUTE: i128 = 60_000_000_000;
    if nanoseconds.rem_euclid(MINUTE) != 0 {
        return Err((RowProblem::NotMinuteStart, text()));
    }
    match i32::try_from(nanoseconds.div_euclid(MINUTE)) {
        Ok(minute) => Ok(Minute(minute)),
        Err(_) => Err((RowProblem::InvalidTime, text())),
    }
}
