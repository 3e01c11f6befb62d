//! Counts as a table: Parquet, as pandas, `DuckDB`, Spark or polars write it.
//!
//! Columns are decoded as the plain numbers they are stored as, so polars needs no type of its own for time.

use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::{ArrowDataType, ArrowField, ArrowTimeUnit, PolarsResult, Series};
use polars_io::SerReader;
use polars_io::parquet::read::{_internal::to_deserializer, FileMetadata, ParquetReader};

use super::csv_rows::MinuteParser;
use super::{Cell, CountsBuilder, CountsError, RowLocation, RowProblem, count_from_number, minute_from_nanoseconds};

/// What a minute may be stored as.
const SUPPORTED_MINUTE_TYPES: &str = "a timestamp or text such as `2026-10-31T23:50Z`";
/// What a count may be stored as.
const SUPPORTED_COUNT_TYPES: &str = "an integer of up to 64 bits";

/// Reads all rows.
pub(super) fn read(mut file: impl Read, builder: &mut CountsBuilder<'_>) -> Result<(), CountsError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|source| CountsError::File { path: builder.path.to_owned(), source })?;
    let table = catch_panic(|| ParquetTable::open(&bytes)).map_err(|reason| builder.damaged_error(&reason))?;
    let names: Vec<&str> = table.fields.iter().map(|field| field.name.as_str()).collect();
    let indexes = builder.column_indexes(&names)?;
    let wanted = [("minute", SUPPORTED_MINUTE_TYPES), ("total", SUPPORTED_COUNT_TYPES), ("bad", SUPPORTED_COUNT_TYPES)];
    let mut columns = Vec::new();
    for (index, (column, wanted)) in indexes.into_iter().zip(wanted) {
        let Some(field) = table.fields.get(index) else { continue };
        let storage_type =
            if column == "minute" { minute_storage_type(&field.dtype) } else { count_storage_type(&field.dtype) };
        let type_error = |found| CountsError::Type { path: builder.path.to_owned(), column, found, wanted };
        let stored = storage_type.ok_or_else(|| type_error(format!("{:?}", field.dtype)))?;
        let series =
            catch_panic(|| table.decode_column(field, stored)).map_err(|reason| match reason.find("Int96") {
                // What Spark wrote by default until 3.0; sound, but a type that Parquet has given up.
                Some(_) => type_error("INT96".to_owned()),
                None => builder.damaged_error(&reason),
            })?;
        columns.push((series, field.dtype.clone()));
    }
    let [(minutes, minute_type), (totals, _), (bads, _)] = columns.as_slice() else { return Ok(()) };
    let cells = catch_panic(|| Ok((minute_cells(minutes, minute_type)?, count_cells(totals)?, count_cells(bads)?)));
    let (minutes, totals, bads) = cells.map_err(|reason| builder.damaged_error(&reason))?;
    for (row, ((minute, total), bad)) in (1..).zip(minutes.into_iter().zip(totals).zip(bads)) {
        builder.add_row(RowLocation::Row(row), minute, total, bad);
    }
    Ok(())
}

/// Polars panics on some damaged files; one such file must not end the run. A file made to do harm still can: a page
/// that claims more values than memory holds ends the process, so Parquet is for files from your own systems.
fn catch_panic<T>(work: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("invalid Parquet data".to_owned()),
    }
}

/// An opened file.
struct ParquetTable<'a> {
    bytes: &'a [u8],
    metadata: std::sync::Arc<FileMetadata>,
    fields: Vec<ArrowField>,
}

impl<'a> ParquetTable<'a> {
    fn open(bytes: &'a [u8]) -> PolarsResult<Self> {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let metadata = reader.get_metadata()?.clone();
        let fields = reader.schema()?.iter_values().cloned().collect();
        Ok(Self { bytes, metadata, fields })
    }

    /// One column of all row groups, decoded as the type `stored`.
    fn decode_column(&self, field: &ArrowField, storage_type: ArrowDataType) -> PolarsResult<Series> {
        let field = ArrowField::new(field.name.clone(), storage_type, true);
        let mut arrays = Vec::new();
        for group in &self.metadata.row_groups {
            let mut chunks = Vec::new();
            for chunk in group.columns_under_root_iter(&field.name).into_iter().flatten() {
                let range = chunk.byte_range();
                let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                let bytes = range.and_then(|(start, end)| self.bytes.get(start..end)).unwrap_or_default();
                chunks.push((chunk, bytes.to_vec().into()));
            }
            arrays.extend(to_deserializer(chunks, field.clone(), None)?.0);
        }
        Series::try_from((&field, arrays))
    }
}

/// The plain type under a type of time or text; `None` if it is neither.
fn minute_storage_type(found: &ArrowDataType) -> Option<ArrowDataType> {
    match found {
        ArrowDataType::Timestamp(..) => Some(ArrowDataType::Int64),
        ArrowDataType::Utf8View | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8 => Some(ArrowDataType::Utf8View),
        ArrowDataType::Dictionary(_, values, _) => minute_storage_type(values),
        _ => None,
    }
}

/// The plain type under a type of number; `None` if it is none. Sums of `DuckDB` and columns of pandas that had gaps
/// are doubles: those are read too, and each must be whole.
fn count_storage_type(found: &ArrowDataType) -> Option<ArrowDataType> {
    use ArrowDataType as D;
    match found {
        D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16 => Some(D::Int32),
        D::Int64 | D::UInt32 | D::UInt64 | D::Float64 => Some(found.clone()),
        _ => None,
    }
}

fn minute_cells(column: &Series, found: &ArrowDataType) -> PolarsResult<Vec<Cell<crate::time::Minute>>> {
    let missing = || Err((RowProblem::Missing, String::new()));
    let ArrowDataType::Timestamp(unit, _) = found else {
        let mut minutes = MinuteParser::default();
        let parse = |text: Option<&str>| text.map_or_else(missing, |text| minutes.parse(text.trim().as_bytes()));
        return Ok(column.str()?.iter().map(parse).collect());
    };
    let unit_nanoseconds: i128 = match unit {
        // Parquet has no unit of seconds: pyarrow stores milliseconds and notes beside them that they were seconds.
        ArrowTimeUnit::Second | ArrowTimeUnit::Millisecond => 1_000_000,
        ArrowTimeUnit::Microsecond => 1_000,
        ArrowTimeUnit::Nanosecond => 1,
    };
    let convert = |number: i64| {
        let nanoseconds = i128::from(number) * unit_nanoseconds;
        let stamp = jiff::Timestamp::from_nanosecond(nanoseconds);
        minute_from_nanoseconds(nanoseconds, || stamp.map_or_else(|_| number.to_string(), |stamp| stamp.to_string()))
    };
    Ok(column.i64()?.iter().map(|number| number.map_or_else(missing, convert)).collect())
}

fn count_cells(column: &Series) -> PolarsResult<Vec<Cell<u32>>> {
    fn to_cells<T>(numbers: impl Iterator<Item = Option<T>>, read: impl Fn(T) -> Cell<u32>) -> Vec<Cell<u32>> {
        let missing = || Err((RowProblem::Missing, String::new()));
        numbers.map(|number| number.map_or_else(missing, &read)).collect()
    }
    if let Ok(column) = column.i64() {
        return Ok(to_cells(column.iter(), |number| count_from_number(number.into())));
    }
    if let Ok(column) = column.i32() {
        return Ok(to_cells(column.iter(), |number| count_from_number(number.into())));
    }
    if let Ok(column) = column.u32() {
        return Ok(to_cells(column.iter(), |number| count_from_number(number.into())));
    }
    if let Ok(column) = column.u64() {
        return Ok(to_cells(column.iter(), |number| count_from_number(number.into())));
    }
    Ok(to_cells(column.f64()?.iter(), count_from_float))
}

/// A double that is a whole number.
fn count_from_float(number: f64) -> Cell<u32> {
    if number.is_nan() {
        return Err((RowProblem::Missing, String::new()));
    }
    if number.fract() != 0.0 {
        return Err((RowProblem::NotWhole, number.to_string()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and what is too large saturates to what is refused")]
    count_from_number(number as i128)
}
