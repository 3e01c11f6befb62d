//! Counts as CSV with a header.

use std::io::Read;

use csv::{ByteRecord, Reader, ReaderBuilder};
use jiff::Timestamp;
use memchr::{memchr, memchr2};

use super::invalid_row::{RowLocation, RowProblem};
use super::rows::{Cell, CountsBuilder, CountsError, count_from_number, minute_from_nanoseconds};
use crate::time::{Day, Minute};

/// Reads all rows. Text without quotes and carriage returns is split at newlines and commas, which takes a third of the
/// time of a CSV parser.
pub(super) fn read(text: &[u8], builder: &mut CountsBuilder<'_>) -> Result<(), CountsError> {
    read_with(text, memchr2(b'"', b'\r', text).is_none(), builder)
}

/// Reads all rows as they are unpacked: memory does not grow with what a small file unpacks to.
pub(super) fn read_stream(text: impl Read, builder: &mut CountsBuilder<'_>) -> Result<(), CountsError> {
    let mut reader = csv_reader(text);
    let columns = read_header(&mut reader, builder)?;
    add_records(reader, columns, builder)
}

pub(super) fn read_with(text: &[u8], is_plain: bool, builder: &mut CountsBuilder<'_>) -> Result<(), CountsError> {
    let mut reader = csv_reader(text);
    let columns = read_header(&mut reader, builder)?;
    if is_plain {
        let mut minutes = MinuteParser::default();
        let start = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        let lines = text.get(start..).unwrap_or_default();
        add_plain_rows(lines, reader.position().line(), columns, |line, cells| {
            add_row(line, cells, &mut minutes, builder);
        });
        return Ok(());
    }
    add_records(reader, columns, builder)
}

fn csv_reader<R: Read>(text: R) -> Reader<R> {
    // A file that is still being written ends with an incomplete row, which is an error of that row only.
    ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(text)
}

fn read_header(reader: &mut Reader<impl Read>, builder: &CountsBuilder<'_>) -> Result<[usize; 3], CountsError> {
    let header = reader.byte_headers().map_err(|error| builder.damaged_error(&error))?;
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    if names.is_empty() {
        return Err(CountsError::Empty { path: builder.path.to_owned() });
    }
    builder.column_indexes(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

fn add_records(
    mut reader: Reader<impl Read>,
    columns: [usize; 3],
    builder: &mut CountsBuilder<'_>,
) -> Result<(), CountsError> {
    let (mut row, mut minutes) = (ByteRecord::new(), MinuteParser::default());
    while reader.read_byte_record(&mut row).map_err(|error| builder.damaged_error(&error))? {
        let line = row.position().map_or(0, csv::Position::line);
        add_row(line, columns.map(|index| row.get(index).unwrap_or_default()), &mut minutes, builder);
    }
    Ok(())
}

/// Splits lines without quotes and carriage returns. Like the CSV parser, it gives a row the number of the line after
/// the row before.
fn add_plain_rows(mut lines: &[u8], first_line: u64, columns: [usize; 3], mut add_row: impl FnMut(u64, [&[u8]; 3])) {
    let mut row_line = first_line;
    for next_line in first_line + 1.. {
        if lines.is_empty() {
            break;
        }
        let (line, rest) = lines.split_at(memchr(b'\n', lines).unwrap_or(lines.len()));
        lines = rest.get(1..).unwrap_or_default();
        if line.is_empty() {
            continue;
        }
        let mut cells = [&[][..]; 3];
        for (column, text) in line.split(|byte| *byte == b',').enumerate() {
            for (cell, _) in cells.iter_mut().zip(columns).filter(|(_, index)| *index == column) {
                *cell = text;
            }
        }
        add_row(row_line, cells);
        row_line = next_line;
    }
}

fn add_row(line: u64, [minute, total, bad]: [&[u8]; 3], minutes: &mut MinuteParser, builder: &mut CountsBuilder<'_>) {
    let minute = parse_cell(minute, |text| minutes.parse(text));
    builder.add_row(RowLocation::Line(line), minute, parse_cell(total, parse_count), parse_cell(bad, parse_count));
}

fn parse_cell<T>(text: &[u8], parse: impl FnOnce(&[u8]) -> Cell<T>) -> Cell<T> {
    let text = text.trim_ascii();
    if text.is_empty() { Err((RowProblem::Missing, String::new())) } else { parse(text) }
}

/// Parses digits, also with `.0` after them: pandas writes so in a column with gaps.
fn parse_count(text: &[u8]) -> Cell<u32> {
    if text.len() < 10 && text.iter().all(u8::is_ascii_digit) {
        return Ok(text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')));
    }
    let to_text = || String::from_utf8_lossy(text).into_owned();
    let whole = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => match text.split_at(point) {
            (whole, [_, zeros @ ..]) if zeros.iter().all(|byte| *byte == b'0') => whole,
            _ => text,
        },
        None => text,
    };
    let number = std::str::from_utf8(whole).ok().and_then(|text| text.parse::<i128>().ok());
    number
        .map_or_else(|| Err((RowProblem::NotWhole, to_text())), count_from_number)
        .map_err(|(problem, _)| (problem, to_text()))
}

/// Keeps the last date: in a sorted file 1,440 rows have the same.
#[derive(Default)]
pub(super) struct MinuteParser {
    last_date: Option<([u8; 10], Day)>,
}

impl MinuteParser {
    /// Parses RFC 3339, with or without seconds.
    pub(super) fn parse(&mut self, text: &[u8]) -> Cell<Minute> {
        if let Some(minute) = self.parse_common(text) {
            return Ok(minute);
        }
        let to_text = || String::from_utf8_lossy(text).into_owned();
        let stamp = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Timestamp>().ok());
        stamp.map_or_else(
            || Err((RowProblem::InvalidTime, to_text())),
            |stamp| minute_from_nanoseconds(stamp.as_nanosecond(), to_text),
        )
    }

    /// Parses the form of nearly all files, `2026-02-16T00:00Z`; `None` for anything else.
    fn parse_common(&mut self, text: &[u8]) -> Option<Minute> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        // Years that a `Minute` cannot hold are left to `parse`, which rejects them.
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
        let day = match self.last_date {
            Some((known, day)) if known == *date => day,
            _ => std::str::from_utf8(date).ok()?.parse().ok()?,
        };
        self.last_date = Some((*date, day));
        Some(day.start().plus(i32::from(hour) * 60 + i32::from(minute)))
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}
