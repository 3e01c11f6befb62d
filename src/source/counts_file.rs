//! Counts that any other system wrote: a CSV or Parquet file with the columns `minute`, `total` and `bad`.
//!
//! An absent row is an unknown minute; a row of zeros is a minute without traffic. A row that cannot be right is set
//! aside and shown, and its minute stays unknown; the other rows count. **Invariant:** the order of rows changes no
//! count.

mod csv_rows;
mod error;
mod packed;
mod parquet;
mod plain;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use state::{HashingReader, file_state, hash_file};

use crate::counts::{DayCounts, MinuteCount};
use crate::fetch_plan::{FileState, ImportedFile};
use crate::time::{Day, Minute};

pub use error::{InvalidRows, RowLocation, RowProblem};
pub use packed::PackedDay;

/// Samples of faulty rows that are kept; all are counted.
pub const INVALID_ROW_SAMPLES_MAX: usize = 20;

/// What a file held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedCounts {
    /// Counts of the sound rows.
    pub days: BTreeMap<Day, PackedDay>,
    /// Rows in the file, sound or not.
    pub rows: u64,
    /// Rows that were set aside.
    pub invalid_rows: InvalidRows,
    /// The hash of its bytes.
    pub hash: String,
    /// Its state before it was read; `None` where the file system does not tell.
    pub state: Option<FileState>,
}

/// A file beside what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// It has not changed, and was not opened.
    Unchanged,
    /// It was written again with the same content.
    SameContent(FileState),
    /// It is new or has other content.
    Changed(ParsedCounts),
}

/// A file that gives no counts at all.
#[derive(Debug, thiserror::Error)]
pub enum CountsError {
    /// It cannot be opened or read.
    #[error("cannot read `{path}`: {source}\nhint: set the SLO's `file` to a path in its source's `counts` folder")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its content is damaged: a gzip file cut short, or bytes that are no Parquet.
    #[error(
        "`{path}` is damaged: {reason}\nhint: write the file under another name, and rename it when it is complete"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A column is not there, or there twice.
    #[error(
        "`{path}` needs exactly one column `{column}`; it has: {found}\nhint: name the columns `minute`, `total` and \
         `bad`"
    )]
    Column {
        /// Which file.
        path: PathBuf,
        /// Which column.
        column: &'static str,
        /// The columns that it has, joined by commas.
        found: String,
    },
    /// A Parquet column is of a type that holds no such thing.
    #[error("`{path}`: column `{column}` has the unsupported type `{found}`\nhint: write it as {wanted}")]
    Type {
        /// Which file.
        path: PathBuf,
        /// Which column.
        column: &'static str,
        /// The type that it has.
        found: String,
        /// Types that are read.
        wanted: &'static str,
    },
    /// It has no rows.
    #[error("`{path}` has no rows\nhint: write a row of zeros for a minute without traffic")]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Its name does not say what it is.
    #[error("`{path}` has an unknown file type\nhint: use a name that ends in `.csv`, `.csv.gz` or `.parquet`")]
    UnknownKind {
        /// Which.
        path: PathBuf,
    },
}

/// Reads a file unless it is as it was when it was read before.
///
/// # Errors
/// Those of [`read`].
pub fn read_if_changed(path: &Path, known: Option<&ImportedFile>) -> Result<FileChange, CountsError> {
    let name = path.to_string_lossy();
    let state = || fs::metadata(path).ok().as_ref().and_then(file_state);
    if let Some((known, current)) = known.filter(|known| known.path == name).zip(state()) {
        if known.is_unchanged(&name, current) {
            return Ok(FileChange::Unchanged);
        }
        // To hash a file takes a fraction of what it takes to read its rows.
        if known.state.size == current.size && hash_file(path).is_ok_and(|hash| hash == known.hash) {
            return Ok(FileChange::SameContent(current));
        }
    }
    read(path).map(FileChange::Changed)
}

/// Reads a `.csv`, `.csv.gz` or `.parquet` file.
///
/// CSV needs a header; columns may come in any order and `minute` may be called `minute_utc`; other columns are
/// ignored. A minute is RFC 3339 with or without seconds, in UTC or with an offset, or in Parquet a timestamp (one
/// without a time zone is taken as UTC). Counts are whole numbers up to `u32::MAX`.
///
/// # Errors
/// Where the file as a whole says nothing. Faulty rows are no error: they are in [`CountsRead::faults`].
pub fn read(path: &Path) -> Result<ParsedCounts, CountsError> {
    let file_name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().to_ascii_lowercase());
    let kind = [".csv", ".csv.gz", ".parquet"].into_iter().find(|end| file_name.ends_with(end));
    let Some(kind) = kind else { return Err(CountsError::UnknownKind { path: path.to_owned() }) };
    let file = File::open(path).map_err(|source| CountsError::File { path: path.to_owned(), source })?;
    // Whatever changes the file from here on changes its time too.
    let state = file.metadata().ok().as_ref().and_then(file_state);
    let mut file = HashingReader::new(file);
    let mut builder = CountsBuilder::new(path);
    match kind {
        ".csv" => csv_rows::read(&mut file, &mut builder)?,
        ".csv.gz" => csv_rows::read(flate2::read::MultiGzDecoder::new(io::BufReader::new(&mut file)), &mut builder)?,
        _ => parquet::read(&mut file, &mut builder)?,
    }
    Ok(ParsedCounts { state, hash: file.finish(), ..builder.finish()? })
}

/// The rows of a file on their way into a table.
struct CountsBuilder<'a> {
    path: &'a Path,
    days: BTreeMap<Day, DayCounts>,
    /// The day that the last row belonged to, taken out of `days`: rows of a day come together.
    current_day: (Day, DayCounts),
    /// Minutes that the file contradicts itself about.
    contradicted: BTreeSet<Minute>,
    rows: u64,
    invalid_rows: InvalidRows,
}

/// A cell as it was read: the value, or what is wrong and the text of it.
type Cell<T> = Result<T, (RowProblem, String)>;

impl<'a> CountsBuilder<'a> {
    fn new(path: &'a Path) -> Self {
        let current_day = (Day(0), DayCounts::default());
        let (days, contradicted, invalid_rows) = (BTreeMap::new(), BTreeSet::new(), InvalidRows::default());
        Self { path, days, current_day, contradicted, rows: 0, invalid_rows }
    }

    /// One row.
    fn add_row(&mut self, location: RowLocation, minute: Cell<Minute>, total: Cell<u32>, bad: Cell<u32>) {
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
                // Neither row can be trusted more than the other, so the minute is unknown, whichever came first.
                *slot = None;
                self.contradicted.insert(minute);
                self.reject_row(location, "minute", RowProblem::Contradiction, &minute.to_string());
            }
        }
    }

    /// Puts the current day away and takes another out.
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

    /// The header, of which every column must be there once: the places of `minute`, `total` and `bad`.
    fn column_indexes(&self, names: &[&str]) -> Result<[usize; 3], CountsError> {
        let index_of = |column: &'static str, alias: &str| {
            let is_match =
                |name: &str| name.trim().eq_ignore_ascii_case(column) || name.trim().eq_ignore_ascii_case(alias);
            let mut indexes = names.iter().enumerate().filter(|(_, name)| is_match(name)).map(|(place, _)| place);
            match (indexes.next(), indexes.next()) {
                (Some(index), None) => Ok(index),
                _ => Err(CountsError::Column { path: self.path.to_owned(), column, found: error::column_list(names) }),
            }
        };
        Ok([index_of("minute", "minute_utc")?, index_of("total", "total")?, index_of("bad", "bad")?])
    }

    fn damaged_error(&self, reason: &dyn std::fmt::Display) -> CountsError {
        CountsError::Damaged { path: self.path.to_owned(), reason: reason.to_string() }
    }

    fn finish(mut self) -> Result<ParsedCounts, CountsError> {
        if self.rows == 0 {
            return Err(CountsError::Empty { path: self.path.to_owned() });
        }
        self.switch_day(Day(i32::MIN));
        let days = self.days.into_iter().map(|(day, counts)| (day, PackedDay::pack(&counts))).collect();
        Ok(ParsedCounts { days, rows: self.rows, invalid_rows: self.invalid_rows, ..ParsedCounts::default() })
    }
}

/// A whole number as a count.
fn count_from_number(number: i128) -> Cell<u32> {
    u32::try_from(number).map_err(|_| {
        let problem = if number < 0 { RowProblem::Negative } else { RowProblem::TooLarge };
        (problem, number.to_string())
    })
}

/// The minute that starts at this instant, in nanoseconds since 1970.
fn minute_from_nanoseconds(nanoseconds: i128, text: impl FnOnce() -> String) -> Cell<Minute> {
    const MINUTE: i128 = 60_000_000_000;
    if nanoseconds.rem_euclid(MINUTE) != 0 {
        return Err((RowProblem::NotMinuteStart, text()));
    }
    match i32::try_from(nanoseconds.div_euclid(MINUTE)) {
        Ok(minute) => Ok(Minute(minute)),
        Err(_) => Err((RowProblem::InvalidTime, text())),
    }
}

#[cfg(test)]
mod tests;
