//! Counts as text: CSV with a header.

use std::io::{Cursor, Read};

use csv::{ByteRecord, Reader, ReaderBuilder};
use jiff::Timestamp;

use crate::minute::{Day, Minute};

use super::plain::{PlainBlocks, split_line};
use super::{Cell, CountsError, Intake, Place, RowProblem, count_of, minute_of};

/// The places of `minute`, `total` and `bad` in a row.
type Places = [usize; 3];

/// Where in a text the next row is.
#[derive(Default)]
pub(super) struct Position {
    /// Lines before it, the header included.
    passed: u64,
    /// The line that is named as its place: the first after the row before, as the CSV parser has it too.
    line: u64,
}

/// Reads all rows: plain lines at once, and from the first that is not plain on with a CSV parser.
pub(super) fn read(source: impl Read, intake: &mut Intake<'_>) -> Result<(), CountsError> {
    let (mut blocks, mut header, mut places) = (PlainBlocks::new(source), Vec::new(), Places::default());
    let (mut position, mut minutes) = (Position::default(), Minutes::default());
    while let Some(mut lines) = blocks.next_block().map_err(|error| intake.damaged(&error))? {
        if header.is_empty() {
            let (line, rest) = split_line(lines);
            if line.is_empty() {
                blocks.put_back();
                break;
            }
            header.extend_from_slice(line);
            header.push(b'\n');
            places = places_of(&mut reader(&*header), intake)?;
            (position, lines) = (Position { passed: 1, line: 2 }, rest);
        }
        read_plain(lines, places, &mut position, &mut minutes, intake);
    }
    read_records(Cursor::new(header).chain(blocks.rest()), &position, &mut minutes, intake)
}

/// Reads rows of plain lines.
fn read_plain(
    mut lines: &[u8],
    places: Places,
    position: &mut Position,
    minutes: &mut Minutes,
    intake: &mut Intake<'_>,
) {
    while !lines.is_empty() {
        let (line, rest) = split_line(lines);
        lines = rest;
        position.passed += 1;
        if line.is_empty() {
            continue;
        }
        let mut cells = [&[][..]; 3];
        for (place, text) in line.split(|byte| *byte == b',').enumerate() {
            for (cell, _) in cells.iter_mut().zip(places).filter(|(_, wanted)| *wanted == place) {
                *cell = text;
            }
        }
        take_row(position.line, cells, minutes, intake);
        position.line = position.passed + 1;
    }
}

/// Reads the rows of any CSV, whose header comes first. `position`: where the row after the header is.
pub(super) fn read_records(
    source: impl Read,
    position: &Position,
    minutes: &mut Minutes,
    intake: &mut Intake<'_>,
) -> Result<(), CountsError> {
    let mut rows = reader(source);
    let places = places_of(&mut rows, intake)?;
    let mut row = ByteRecord::new();
    let mut first = (position.passed > 0).then_some(position.line);
    while rows.read_byte_record(&mut row).map_err(|error| intake.damaged(&error))? {
        let line = row.position().map_or(0, csv::Position::line) + position.passed.saturating_sub(1);
        let cells = places.map(|place| row.get(place).unwrap_or_default());
        take_row(first.take().unwrap_or(line), cells, minutes, intake);
    }
    Ok(())
}

fn reader<R: Read>(source: R) -> Reader<R> {
    // Rows may be short: a file that is being written ends in the middle of a row, and that is a fault of the row.
    ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(source)
}

/// The places of the columns, as the header names them.
fn places_of(rows: &mut Reader<impl Read>, intake: &Intake<'_>) -> Result<Places, CountsError> {
    let header = rows.byte_headers().map_err(|error| intake.damaged(&error))?;
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    if names.is_empty() {
        return Err(CountsError::Empty { path: intake.path.to_owned() });
    }
    intake.columns(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// One row: the texts of its minute, its total and its bad events.
fn take_row(line: u64, [minute, total, bad]: [&[u8]; 3], minutes: &mut Minutes, intake: &mut Intake<'_>) {
    let minute = cell(minute, |text| minutes.read(text));
    intake.take(Place::Line(line), minute, cell(total, count), cell(bad, count));
}

/// A cell of a row without the blanks around it.
fn cell<T>(text: &[u8], read: impl FnOnce(&[u8]) -> Cell<T>) -> Cell<T> {
    let text = text.trim_ascii();
    if text.is_empty() { Err((RowProblem::Missing, String::new())) } else { read(text) }
}

/// A count: digits, or the same with `.0`, which is how pandas writes whole numbers in a column that has gaps.
fn count(text: &[u8]) -> Cell<u32> {
    if text.len() < 10 && text.iter().all(u8::is_ascii_digit) {
        return Ok(text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')));
    }
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
