//! Counts as Parquet, as pandas, `DuckDB`, Spark or Polars write it.
//!
//! Columns are decoded as the plain numbers they are stored as, so Polars needs no feature for time.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::{ArrowDataType, ArrowField, ArrowTimeUnit, DataType, PolarsResult, Series};
use polars_io::SerReader;
use polars_io::parquet::read::{_internal::to_deserializer, FileMetadata, ParquetReader};

use super::csv_rows::MinuteParser;
use super::rows::{Cell, CountsBuilder, RowProblem, count_from_number, minute_from_nanoseconds};
use crate::hinted_error::HintedError;
use crate::time::Minute;

const SUPPORTED_MINUTE_TYPES: &str = "a timestamp or text such as `2026-10-31T23:50Z`";
const SUPPORTED_COUNT_TYPES: &str = "an integer of up to 64 bits";

pub(super) fn read(bytes: &[u8], builder: &mut CountsBuilder<'_>) -> Result<(), HintedError> {
    let table = catch_panic(|| ParquetTable::open(bytes)).map_err(|reason| builder.damaged_error(&reason))?;
    let names: Vec<&str> = table.fields.iter().map(|field| field.name.as_str()).collect();
    let [minute, total, bad] = builder.column_indexes(&names)?.map(|index| &table.fields[index]);
    let decode = |field: &ArrowField, column: &str, storage_type: Option<ArrowDataType>, supported_types: &str| {
        let type_error = |found: &str| {
            let message = format!("{}: column `{column}` has the unsupported type `{found}`", builder.name());
            HintedError::new(message, format!("write it as {supported_types}"))
        };
        let stored = storage_type.ok_or_else(|| type_error(&format!("{:?}", field.dtype)))?;
        catch_panic(|| table.decode_column(field, stored)).map_err(|reason| match reason.find("Int96") {
            // The default of Spark until 3.0, and deprecated in Parquet.
            Some(_) => type_error("INT96"),
            None => builder.damaged_error(&reason),
        })
    };
    let minutes = decode(minute, "minute", minute_storage_type(&minute.dtype), SUPPORTED_MINUTE_TYPES)?;
    let totals = decode(total, "total", count_storage_type(&total.dtype), SUPPORTED_COUNT_TYPES)?;
    let bads = decode(bad, "bad", count_storage_type(&bad.dtype), SUPPORTED_COUNT_TYPES)?;
    let cells =
        catch_panic(|| Ok((minute_cells(&minutes, &minute.dtype)?, count_cells(&totals)?, count_cells(&bads)?)));
    let (minutes, totals, bads) = cells.map_err(|reason| builder.damaged_error(&reason))?;
    for (row, ((minute, total), bad)) in (1..).zip(minutes.into_iter().zip(totals).zip(bads)) {
        builder.add_row(row, minute, total, bad);
    }
    Ok(())
}

/// Polars panics on some damaged files, and one such file must not end the run. A malicious file still can: a page that
/// declares more values than fit into memory ends the process, so Parquet is for files from your own systems.
fn catch_panic<T>(work: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("invalid Parquet data".to_owned()),
    }
}

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

    /// Decodes a column of all row groups as the type that it is stored as.
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

/// The plain type under a type of number; `None` if it is none. Sums of `DuckDB` and columns of pandas with gaps are
/// doubles: each must be a whole number.
fn count_storage_type(found: &ArrowDataType) -> Option<ArrowDataType> {
    use ArrowDataType as D;
    match found {
        D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16 => Some(D::Int32),
        D::Int64 | D::UInt32 | D::UInt64 | D::Float64 => Some(found.clone()),
        _ => None,
    }
}

fn cells<V, T>(values: impl Iterator<Item = Option<V>>, mut parse: impl FnMut(V) -> Cell<T>) -> Vec<Cell<T>> {
    values.map(|value| value.map_or_else(|| Err((RowProblem::Missing, String::new())), &mut parse)).collect()
}

fn minute_cells(column: &Series, found: &ArrowDataType) -> PolarsResult<Vec<Cell<Minute>>> {
    let ArrowDataType::Timestamp(unit, _) = found else {
        let mut minutes = MinuteParser::default();
        return Ok(cells(column.str()?.iter(), |text| minutes.parse(text.trim().as_bytes())));
    };
    let unit_nanoseconds: i128 = match unit {
        // Parquet has no unit of seconds: pyarrow stores milliseconds, and notes seconds beside them.
        ArrowTimeUnit::Second | ArrowTimeUnit::Millisecond => 1_000_000,
        ArrowTimeUnit::Microsecond => 1_000,
        ArrowTimeUnit::Nanosecond => 1,
    };
    Ok(cells(column.i64()?.iter(), |number| {
        let nanoseconds = i128::from(number) * unit_nanoseconds;
        let timestamp = jiff::Timestamp::from_nanosecond(nanoseconds);
        minute_from_nanoseconds(nanoseconds, || timestamp.map_or_else(|_| number.to_string(), |time| time.to_string()))
    }))
}

fn count_cells(column: &Series) -> PolarsResult<Vec<Cell<u32>>> {
    Ok(match column.dtype() {
        DataType::Float64 => cells(column.f64()?.iter(), count_from_float),
        DataType::UInt64 => cells(column.u64()?.iter(), |number| count_from_number(number.into())),
        _ => cells(column.cast(&DataType::Int64)?.i64()?.iter(), |number| count_from_number(number.into())),
    })
}

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
