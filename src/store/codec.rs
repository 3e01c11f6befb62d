//! Parquet files of the ledger: minutes and log objects of a partition, and sums by day of a month.
//!
//! Each is readable by any Parquet tool. A text that repeats on following rows (the name of a series, a load balancer,
//! a set of series) is written on the first of them only; null means: as in the row above.

mod minutes;
mod objects;
mod sums;

use std::io::Cursor;

use polars::prelude::{Column, DataFrame, PolarsError, PolarsResult};
use polars_io::SerReader;
use polars_io::parquet::read::{ParallelStrategy, ParquetReader};
use polars_io::parquet::write::{KeyValueMetadata, ParquetCompression, ParquetWriter, StatisticsOptions};

use super::StoreError;
use crate::report::data_export::{BUDGET_COLUMNS, DailyBudget};

pub(super) use minutes::{SeriesLists, decode_known, decode_minutes, encode_minutes, read_series_list};
pub(super) use objects::{decode_intervals, decode_records, encode_objects};
pub(super) use sums::{decode_sums, decode_sums_by_series, encode_sums, encode_timeslices, timeslice_minute_hashes};

fn encode(height: usize, columns: Vec<Column>, metadata: Vec<(String, String)>) -> PolarsResult<Vec<u8>> {
    let mut frame = DataFrame::new(height, columns)?;
    let mut bytes = Vec::new();
    let metadata = (!metadata.is_empty()).then(|| KeyValueMetadata::from_static(metadata));
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::empty())
        .set_parallel(false)
        .with_key_value_metadata(metadata)
        .finish(&mut frame)?;
    Ok(bytes)
}

fn metadata_value(bytes: &[u8], key: &str) -> PolarsResult<Option<String>> {
    let mut reader = ParquetReader::new(Cursor::new(bytes));
    let pairs = reader.get_metadata()?.key_value_metadata().as_ref();
    Ok(pairs.into_iter().flatten().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()))
}

fn decode(bytes: &[u8], columns: &[&str]) -> PolarsResult<DataFrame> {
    let reader = ParquetReader::new(Cursor::new(bytes));
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    reader.with_columns(Some(columns)).read_parallel(ParallelStrategy::None).finish()
}

macro_rules! numbers {
    ($frame:expr, $column:literal, $kind:ident) => {{
        let column = $frame.column($column)?.$kind()?.rechunk();
        match column.cont_slice() {
            Ok(numbers) => numbers.to_vec(),
            Err(_) => column.iter().map(Option::unwrap_or_default).collect(),
        }
    }};
}
use numbers;

/// A column with texts where they differ from the row above.
fn changes_column<'a>(name: &str, rows: impl Iterator<Item = &'a str>) -> Column {
    let mut last = None;
    let changes: Vec<Option<&str>> = rows
        .map(|text| {
            let change = (last != Some(text)).then_some(text);
            last = Some(text);
            change
        })
        .collect();
    Column::new(name.into(), changes)
}

fn decode_error(problem: &'static str) -> PolarsError {
    PolarsError::ComputeError(problem.into())
}

/// A row for each day, SLO and window; days are texts, `2026-10-31`, and unknown values are null.
pub fn budgets_parquet(budgets: &[DailyBudget]) -> Result<Vec<u8>, StoreError> {
    encode_budgets(budgets).map_err(|source| StoreError::Parquet { name: "budgets".to_owned(), source })
}

fn encode_budgets(budgets: &[DailyBudget]) -> PolarsResult<Vec<u8>> {
    let texts = |text_of: fn(&DailyBudget) -> &str| budgets.iter().map(text_of).collect::<Vec<_>>();
    let [day, team, service, slo, class, objective, window, total, bad, coverage, consumed, remaining, status] =
        BUDGET_COLUMNS.map(|(name, _)| name.into());
    let days: Vec<String> = budgets.iter().map(|one| one.day.to_string()).collect();
    let columns = vec![
        Column::new(day, days),
        Column::new(team, texts(|one| &one.team)),
        Column::new(service, texts(|one| &one.service)),
        Column::new(slo, texts(|one| &one.slo)),
        Column::new(class, texts(|one| &one.class)),
        Column::new(objective, texts(|one| &one.objective)),
        Column::new(window, texts(|one| &one.window)),
        Column::new(total, budgets.iter().map(|one| one.total).collect::<Vec<_>>()),
        Column::new(bad, budgets.iter().map(|one| one.bad).collect::<Vec<_>>()),
        Column::new(coverage, budgets.iter().map(|one| one.coverage).collect::<Vec<_>>()),
        Column::new(consumed, budgets.iter().map(|one| one.consumed).collect::<Vec<_>>()),
        Column::new(remaining, budgets.iter().map(|one| one.remaining).collect::<Vec<_>>()),
        Column::new(status, texts(|one| one.status.key())),
    ];
    encode(budgets.len(), columns, Vec::new())
}
