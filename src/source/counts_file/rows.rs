//! Collects the rows of a counts file, whatever its format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use super::invalid_row::{InvalidRows, RowLocation, RowProblem, column_list};
use super::packed::PackedDay;
use crate::counts::{DayCounts, MinuteCount};
use crate::fetch_plan::FileState;
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

#[derive(Debug, thiserror::Error)]
pub enum CountsError {
    #[error("cannot read `{path}`: {source}\nhint: set the SLO's `file` to a path in its source's `counts` folder")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "`{path}` is damaged: {reason}\nhint: write the file under another name, and rename it when it is complete"
    )]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "`{path}` needs exactly one column `{column}`; it has: {found}\nhint: name the columns `minute`, `total` and \
         `bad`"
    )]
    Column { path: PathBuf, column: &'static str, found: String },
    #[error("`{path}`: column `{column}` has the unsupported type `{found}`\nhint: write it as {wanted}")]
    Type { path: PathBuf, column: &'static str, found: String, wanted: &'static str },
    #[error("`{path}` has no rows\nhint: write a row of zeros for a minute without traffic")]
    Empty { path: PathBuf },
    #[error("`{path}` has an unknown file type\nhint: use a name that ends in `.csv`, `.csv.gz` or `.parquet`")]
    UnknownKind { path: PathBuf },
}

/// Collects the rows of a file by day.
pub(super) struct CountsBuilder<'a> {
    pub(super) path: &'a Path,
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
    pub(super) fn new(path: &'a Path) -> Self {
        let current_day = (Day(0), DayCounts::default());
        let (days, contradicted, invalid_rows) = (BTreeMap::new(), BTreeSet::new(), InvalidRows::default());
        Self { path, days, current_day, contradicted, rows: 0, invalid_rows }
    }

    pub(super) fn add_row(&mut self, location: RowLocation, minute: Cell<Minute>, total: Cell<u32>, bad: Cell<u32>) {
        self.rows += 1;
        let (minute, count) = match (minute, total, bad) {
            (Ok(minute), Ok(total), Ok(bad)) if bad <= total => (minute, MinuteCount { total, bad }),
            (Ok(_), Ok(total), Ok(bad)) => {
                return self.reject_row(location, "bad", RowProblem::BadExceedsTotal { total }, &bad.to_string());
            }
            (Err((problem, value)), _, _) => return self.reject_row(location, "minute", problem, &value),
            (_, Err((problem, value)), _) => return self.reject_row(location, "total", problem, &value),
            (_, _, Err((problem, value))) => return self.reject_row(location, "bad", problem, &value),
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
                self.reject_row(location, "minute", RowProblem::Contradiction, &minute.to_string());
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

    fn reject_row(&mut self, location: RowLocation, column: &'static str, problem: RowProblem, value: &str) {
        self.invalid_rows.add(self.path, location, column, problem, value);
    }

    /// The indexes of `minute`, `total` and `bad`, each of which must be there once.
    pub(super) fn column_indexes(&self, names: &[&str]) -> Result<[usize; 3], CountsError> {
        let index_of = |column: &'static str, alias: &str| {
            let is_match = |name: &&str| [column, alias].iter().any(|wanted| name.trim().eq_ignore_ascii_case(wanted));
            let mut matching = (0..).zip(names).filter(|(_, name)| is_match(name)).map(|(index, _)| index);
            match (matching.next(), matching.next()) {
                (Some(index), None) => Ok(index),
                _ => Err(CountsError::Column { path: self.path.to_owned(), column, found: column_list(names) }),
            }
        };
        Ok([index_of("minute", "minute_utc")?, index_of("total", "total")?, index_of("bad", "bad")?])
    }

    pub(super) fn damaged_error(&self, reason: &dyn Display) -> CountsError {
        CountsError::Damaged { path: self.path.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn finish(mut self) -> Result<ParsedCounts, CountsError> {
        if self.rows == 0 {
            return Err(CountsError::Empty { path: self.path.to_owned() });
        }
        self.switch_day(Day(i32::MIN));
        let days = self.days.into_iter().map(|(day, counts)| (day, PackedDay::pack(&counts))).collect();
        Ok(ParsedCounts { days, rows: self.rows, invalid_rows: self.invalid_rows, ..ParsedCounts::default() })
    }
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
