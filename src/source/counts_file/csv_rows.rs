//! Counts as text: CSV with a header.

use std::io::{Cursor, Read};

use csv::{ByteRecord, Reader, ReaderBuilder};
use jiff::Timestamp;

use crate::time::{Day, Minute};

use super::plain::{PlainBlocks, split_line};
use super::{Cell, CountsBuilder, CountsError, RowLocation, RowProblem, count_from_number, minute_from_nanoseconds};

/// The places of `minute`, `total` and `bad` in a row.
type ColumnIndexes = [usize; 3];

/// Where in a text the next row is.
#[derive(Default)]
pub(super) struct Position {
    /// Lines before it, the header included.
    lines_before: u64,
    /// The line that is named as its place: the first after the row before, as the CSV parser has it too.
    line: u64,
}

/// Reads all rows: plain lines at once, and from the first that is not plain on with a CSV parser.
pub(super) fn read(source: impl Read, builder: &mut CountsBuilder<'_>) -> Result<(), CountsError> {
    let (mut blocks, mut header, mut columns) = (PlainBlocks::new(source), Vec::new(), ColumnIndexes::default());
    let (mut position, mut minutes) = (Position::default(), MinuteParser::default());
    while let Some(mut lines) = blocks.next_block().map_err(|error| builder.damaged_error(&error))? {
        if header.is_empty() {
            let (line, rest) = split_line(lines);
            if line.is_empty() {
                blocks.unread_block();
                break;
            }
            header.extend_from_slice(line);
            header.push(b'\n');
            columns = read_header(&mut csv_reader(&*header), builder)?;
            (position, lines) = (Position { lines_before: 1, line: 2 }, rest);
        }
        add_plain_rows(lines, columns, &mut position, &mut minutes, builder);
    }
    add_records(Cursor::new(header).chain(blocks.into_remaining()), &position, &mut minutes, builder)
}

/// Reads rows of plain lines.
fn add_plain_rows(
    mut lines: &[u8],
    columns: ColumnIndexes,
    position: &mut Position,
    minutes: &mut MinuteParser,
    builder: &mut CountsBuilder<'_>,
) {
    while !lines.is_empty() {
        let (line, rest) = split_line(lines);
        lines = rest;
        position.lines_before += 1;
        if line.is_empty() {
            continue;
        }
        let mut cells = [&[][..]; 3];
        for (column, text) in line.split(|byte| *byte == b',').enumerate() {
            for (cell, _) in cells.iter_mut().zip(columns).filter(|(_, index)| *index == column) {
                *cell = text;
            }
        }
        add_csv_row(position.line, cells, minutes, builder);
        position.line = position.lines_before + 1;
    }
}

/// Reads the rows of any CSV, whose header comes first. `position`: where the row after the header is.
pub(super) fn add_records(
    source: impl Read,
    position: &Position,
    minutes: &mut MinuteParser,
    builder: &mut CountsBuilder<'_>,
) -> Result<(), CountsError> {
    let mut rows = csv_reader(source);
    let columns = read_header(&mut rows, builder)?;
    let mut row = ByteRecord::new();
    let mut first = (position.lines_before > 0).then_some(position.line);
    while rows.read_byte_record(&mut row).map_err(|error| builder.damaged_error(&error))? {
        let line = row.position().map_or(0, csv::Position::line) + position.lines_before.saturating_sub(1);
        let cells = columns.map(|index| row.get(index).unwrap_or_default());
        add_csv_row(first.take().unwrap_or(line), cells, minutes, builder);
    }
    Ok(())
}

fn csv_reader<R: Read>(source: R) -> Reader<R> {
    // Rows may be short: a file that is being written ends in the middle of a row, and that is a fault of the row.
    ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(source)
}

/// The places of the columns, as the header names them.
fn read_header(rows: &mut Reader<impl Read>, builder: &CountsBuilder<'_>) -> Result<ColumnIndexes, CountsError> {
    let header = rows.byte_headers().map_err(|error| builder.damaged_error(&error))?;
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    if names.is_empty() {
        return Err(CountsError::Empty { path: builder.path.to_owned() });
    }
    builder.column_indexes(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// One row: the texts of its minute, its total and its bad events.
fn add_csv_row(
    line: u64,
    [minute, total, bad]: [&[u8]; 3],
    minutes: &mut MinuteParser,
    builder: &mut CountsBuilder<'_>,
) {
    let minute = parse_cell(minute, |text| minutes.parse(text));
    builder.add_row(RowLocation::Line(line), minute, parse_cell(total, parse_count), parse_cell(bad, parse_count));
}

/// A cell of a row without the blanks around it.
fn parse_cell<T>(text: &[u8], parse: impl FnOnce(&[u8]) -> Cell<T>) -> Cell<T> {
    let text = text.trim_ascii();
    if text.is_empty() { Err((RowProblem::Missing, String::new())) } else { parse(text) }
}

/// A count: digits, or the same with `.0`, which is how pandas writes whole numbers in a column that has gaps.
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

/// Reads minutes, and remembers the date it met last: in a sorted file 1,440 rows share it.
#[derive(Default)]
pub(super) struct MinuteParser {
    last_date: Option<([u8; 10], Day)>,
}

impl MinuteParser {
    /// The minute of an RFC 3339 text, with or without seconds.
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

    /// The fixed shape that nearly all files have, `2026-02-16T00:00Z`, with a known date or one that is learnt here.
    /// Anything else, faulty or not, is `None`.
    fn parse_common(&mut self, text: &[u8]) -> Option<Minute> {
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
