//! Counts as text: CSV with a header.

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};
use jiff::Timestamp;

use crate::minute::{Day, Minute};

use super::{Cell, CountsError, Intake, Place, RowProblem, count_of, minute_of};

/// Reads all rows.
pub(super) fn read(source: impl Read, intake: &mut Intake<'_>) -> Result<(), CountsError> {
    // Rows may be short: a file that is being written ends in the middle of a row, and that is a fault of the row.
    let mut rows = ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(source);
    let header = rows.byte_headers().map_err(|error| intake.damaged(&error))?.clone();
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    if names.is_empty() {
        return Err(CountsError::Empty { path: intake.path.to_owned() });
    }
    let [minute, total, bad] = intake.columns(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
    let (mut row, mut minutes) = (ByteRecord::new(), Minutes::default());
    while rows.read_byte_record(&mut row).map_err(|error| intake.damaged(&error))? {
        let line = row.position().map_or(0, csv::Position::line);
        intake.take(
            Place::Line(line),
            cell(&row, minute, |text| minutes.read(text)),
            cell(&row, total, count),
            cell(&row, bad, count),
        );
    }
    Ok(())
}

/// A cell of a row without the blanks around it.
fn cell<T>(row: &ByteRecord, place: usize, read: impl FnOnce(&[u8]) -> Cell<T>) -> Cell<T> {
    let text = row.get(place).unwrap_or_default().trim_ascii();
    if text.is_empty() { Err((RowProblem::Missing, String::new())) } else { read(text) }
}

/// A count: digits, or the same with `.0`, which is how pandas writes whole numbers in a column that has gaps.
fn count(text: &[u8]) -> Cell<u32> {
    let shown = || String::from_utf8_lossy(text).into_owned();
    let whole = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => match text.split_at(point) {
            (whole, [_, zeros @ ..]) if zeros.iter().all(|byte| *byte == b'0') => whole,
            _ => text,
        },
        None => text,
    };
    let number = std::str::from_utf8(whole).ok().and_then(|text| text.parse::<i128>().ok());
    number.map_or_else(|| Err((RowProblem::NotWhole, shown())), count_of).map_err(|(problem, _)| (problem, shown()))
}

/// Reads minutes, and remembers the date it met last: in a sorted file 1,440 rows share it.
#[derive(Default)]
pub(super) struct Minutes {
    date: Option<([u8; 10], Day)>,
}

impl Minutes {
    /// The minute of an RFC 3339 text, with or without seconds.
    pub(super) fn read(&mut self, text: &[u8]) -> Cell<Minute> {
        if let Some(minute) = self.read_common(text) {
            return Ok(minute);
        }
        let shown = || String::from_utf8_lossy(text).into_owned();
        let stamp = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Timestamp>().ok());
        stamp.map_or_else(|| Err((RowProblem::NoMinute, shown())), |stamp| minute_of(stamp.as_nanosecond(), shown))
    }

    /// The fixed shape that nearly all files have, `2026-02-16T00:00Z`, with a known date or one that is learnt here.
    /// Anything else, faulty or not, is `None`.
    fn read_common(&mut self, text: &[u8]) -> Option<Minute> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        // Years that a `Minute` cannot hold are left to the slow way, which says so.
        let ([b'1' | b'2', ..], &[b'T' | b' ', h1, h2, b':', m1, m2, ref zone @ ..]) = (date, rest) else {
            return None;
        };
        if !matches!(zone, b"Z" | b":00Z" | b"+00:00" | b":00+00:00") {
            return None;
        }
        let (hour, minute) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
        if hour > 23 || minute > 59 {
            return None;
        }
        let day = match self.date {
            Some((known, day)) if known == *date => day,
            _ => std::str::from_utf8(date).ok()?.parse().ok()?,
        };
        self.date = Some((*date, day));
        Some(day.start().plus(i32::from(hour) * 60 + i32::from(minute)))
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}
