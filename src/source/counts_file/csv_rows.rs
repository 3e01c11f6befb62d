//! Counts as CSV with a header.

use std::io::Read;

use csv::{ByteRecord, Reader, ReaderBuilder};
use jiff::Timestamp;
use memchr::{memchr, memchr2};

use super::rows::{Cell, CountsBuilder, RowProblem, count_from_number, minute_from_nanoseconds};
use crate::hinted_error::HintedError;
use crate::time::{Day, Minute};

/// Text without quotes and carriage returns is split at newlines and commas, which takes a third of the time of a CSV
/// parser.
pub(super) fn read(text: &[u8], builder: &mut CountsBuilder<'_>) -> Result<(), HintedError> {
    if memchr2(b'"', b'\r', text).is_some() {
        return read_stream(text, builder);
    }
    let (reader, columns) = read_header(text, builder)?;
    let start = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
    let mut lines = text.get(start..).unwrap_or_default();
    let (mut minutes, mut row_line) = (MinuteParser::default(), reader.position().line());
    // Like the CSV parser, it gives a row the number of the line after the row before.
    for next_line in row_line + 1.. {
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
        add_row(row_line, cells, &mut minutes, builder);
        row_line = next_line;
    }
    Ok(())
}

/// Reads all rows as they are unpacked: memory does not grow with what a small file unpacks to.
pub(super) fn read_stream(text: impl Read, builder: &mut CountsBuilder<'_>) -> Result<(), HintedError> {
    let (mut reader, columns) = read_header(text, builder)?;
    let (mut row, mut minutes) = (ByteRecord::new(), MinuteParser::default());
    while reader.read_byte_record(&mut row).map_err(|error| builder.damaged_error(&error))? {
        let line = row.position().map_or(0, csv::Position::line);
        add_row(line, columns.map(|index| row.get(index).unwrap_or_default()), &mut minutes, builder);
    }
    Ok(())
}

/// Returns a reader behind the header, and the indexes of the columns.
fn read_header<R: Read>(text: R, builder: &CountsBuilder<'_>) -> Result<(Reader<R>, [usize; 3]), HintedError> {
    // A file that is still being written ends with an incomplete row, which is an error of that row only.
    let mut reader = ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(text);
    let header = reader.byte_headers().map_err(|error| builder.damaged_error(&error))?;
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    if names.is_empty() {
        return Err(builder.empty_error());
    }
    let columns = builder.column_indexes(&names.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
    Ok((reader, columns))
}

fn add_row(line: u64, [minute, total, bad]: [&[u8]; 3], minutes: &mut MinuteParser, builder: &mut CountsBuilder<'_>) {
    let minute = parse_cell(minute, |text| minutes.parse(text));
    builder.add_row(line, minute, parse_cell(total, parse_count), parse_cell(bad, parse_count));
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
    let text = String::from_utf8_lossy(text);
    let fraction = text.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|byte| byte == b'0'));
    match fraction.map_or(&*text, |(whole, _)| whole).parse() {
        Ok(number) => count_from_number(number).map_err(|(problem, _)| (problem, text.into_owned())),
        Err(_) => Err((RowProblem::NotWhole, text.into_owned())),
    }
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
        let text = String::from_utf8_lossy(text);
        match text.parse::<Timestamp>() {
            Ok(time) => minute_from_nanoseconds(time.as_nanosecond(), || text.into_owned()),
            Err(_) => Err((RowProblem::InvalidTime, text.into_owned())),
        }
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
