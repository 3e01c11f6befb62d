//! Parquet files of the ledger: minutes of a day, log objects of a day, and the sums of all days.
//!
//! Each is readable by any Parquet tool. What would repeat on every row (names of series, sets of series) is kept once, as
//! JSON in the file's key-value metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use polars::prelude::{Column, DataFrame, PolarsError, PolarsResult};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use polars_io::parquet::write::{KeyValueMetadata, ParquetCompression, ParquetWriter, StatisticsOptions};

use crate::counts::{SLOTS, Sums};
use crate::ledger::{ObjectRecord, Table};
use crate::minute::{Day, Minute, Span};
use crate::series::SeriesKey;

/// The metadata key of the list that rows point into.
const LIST: &str = "slowburn";

/// Minutes of a day: `total`, `bad` and `known`, 1,440 rows for each series of the metadata's sorted list.
pub(super) fn encode_minutes(tables: &BTreeMap<SeriesKey, Table>) -> PolarsResult<Vec<u8>> {
    let rows = tables.len() * SLOTS;
    let columns = vec![
        Column::new("total".into(), joined(rows, tables, |table| &table.total)),
        Column::new("bad".into(), joined(rows, tables, |table| &table.bad)),
        Column::new(
            "known".into(),
            tables.values().flat_map(|table| table.known.iter().map(|known| *known == 1)).collect::<Vec<_>>(),
        ),
    ];
    let series: Vec<&str> = tables.keys().map(SeriesKey::as_str).collect();
    encode(rows, columns, &series)
}

fn joined(rows: usize, tables: &BTreeMap<SeriesKey, Table>, column: impl Fn(&Table) -> &Vec<u32>) -> Vec<u32> {
    let mut all = Vec::with_capacity(rows);
    for table in tables.values() {
        all.extend_from_slice(column(table));
    }
    all
}

/// The inverse of [`encode_minutes`].
pub(super) fn decode_minutes(bytes: &[u8]) -> PolarsResult<BTreeMap<SeriesKey, Table>> {
    let (frame, series): (_, Vec<String>) = decode(bytes)?;
    let numbers =
        |name: &str| -> PolarsResult<Vec<u32>> { Ok(frame.column(name)?.u32()?.into_no_null_iter().collect()) };
    let (total, bad) = (numbers("total")?, numbers("bad")?);
    let known: Vec<u8> = frame.column("known")?.bool()?.iter().map(|known| u8::from(known == Some(true))).collect();
    if [total.len(), bad.len(), known.len()] != [series.len() * SLOTS; 3] {
        return Err(PolarsError::ComputeError("its rows do not fit its series".into()));
    }
    let tables = total.chunks(SLOTS).zip(bad.chunks(SLOTS)).zip(known.chunks(SLOTS));
    let table = |((total, bad), known): ((&[u32], &[u32]), &[u8])| Table {
        total: total.to_vec(),
        bad: bad.to_vec(),
        known: known.to_vec(),
    };
    Ok(series.iter().map(|key| SeriesKey::new(key)).zip(tables.map(table)).collect())
}

/// Log objects of a day, sorted by key; `counted` points into the metadata's list of sets of series.
pub(super) fn encode_objects(objects: &BTreeMap<String, ObjectRecord>) -> PolarsResult<Vec<u8>> {
    let sets: BTreeSet<Vec<&str>> = objects.values().map(|object| names(&object.counted)).collect();
    let places: BTreeMap<&Vec<&str>, u32> = sets.iter().zip(0..).collect();
    let place = |object: &ObjectRecord| places.get(&names(&object.counted)).copied().unwrap_or_default();
    let all = || objects.values();
    let columns = vec![
        Column::new("key".into(), all().map(|object| &*object.key).collect::<Vec<_>>()),
        Column::new("size".into(), all().map(|object| object.size).collect::<Vec<_>>()),
        Column::new("lines".into(), all().map(|object| object.lines).collect::<Vec<_>>()),
        Column::new("unparsed".into(), all().map(|object| object.unparsed).collect::<Vec<_>>()),
        Column::new("load_balancer".into(), all().map(|object| &*object.load_balancer).collect::<Vec<_>>()),
        Column::new("start".into(), all().map(|object| object.interval.start.0).collect::<Vec<_>>()),
        Column::new("end".into(), all().map(|object| object.interval.end.0).collect::<Vec<_>>()),
        Column::new("counted".into(), all().map(place).collect::<Vec<_>>()),
    ];
    encode(objects.len(), columns, &sets)
}

fn names(series: &BTreeSet<SeriesKey>) -> Vec<&str> {
    series.iter().map(SeriesKey::as_str).collect()
}

/// The inverse of [`encode_objects`].
pub(super) fn decode_objects(bytes: &[u8]) -> PolarsResult<BTreeMap<String, ObjectRecord>> {
    let (frame, sets): (_, Vec<Vec<String>>) = decode(bytes)?;
    let sets: Vec<BTreeSet<SeriesKey>> =
        sets.iter().map(|set| set.iter().map(|key| SeriesKey::new(key)).collect()).collect();
    let text = |name: &str| -> PolarsResult<Vec<String>> {
        Ok(frame.column(name)?.str()?.iter().flatten().map(str::to_owned).collect())
    };
    let number =
        |name: &str| -> PolarsResult<Vec<u64>> { Ok(frame.column(name)?.u64()?.into_no_null_iter().collect()) };
    let minute = |name: &str| -> PolarsResult<Vec<Minute>> {
        Ok(frame.column(name)?.i32()?.into_no_null_iter().map(Minute).collect())
    };
    let (size, lines, unparsed) = (number("size")?, number("lines")?, number("unparsed")?);
    let (start, end) = (minute("start")?, minute("end")?);
    let counted: Vec<u32> = frame.column("counted")?.u32()?.into_no_null_iter().collect();
    let records =
        text("key")?.into_iter().zip(text("load_balancer")?).enumerate().map(|(row, (key, load_balancer))| {
            let set = counted.get(row).and_then(|place| sets.get(*place as usize)).cloned().unwrap_or_default();
            let record = ObjectRecord {
                key: key.clone(),
                size: size[row],
                lines: lines[row],
                unparsed: unparsed[row],
                load_balancer,
                interval: Span::new(start[row], end[row]),
                counted: set,
            };
            (key, record)
        });
    Ok(records.collect())
}

/// Sums by series and day; `series` points into the metadata's list.
pub(super) fn encode_sums(sums: &BTreeMap<SeriesKey, BTreeMap<Day, Sums>>) -> PolarsResult<Vec<u8>> {
    let rows: Vec<(u32, Day, Sums)> = (0..)
        .zip(sums.values())
        .flat_map(|(place, days)| days.iter().map(move |(day, sums)| (place, *day, *sums)))
        .collect();
    let columns = vec![
        Column::new("series".into(), rows.iter().map(|row| row.0).collect::<Vec<_>>()),
        Column::new("day".into(), rows.iter().map(|row| row.1.0).collect::<Vec<_>>()),
        Column::new("total".into(), rows.iter().map(|row| row.2.total).collect::<Vec<_>>()),
        Column::new("bad".into(), rows.iter().map(|row| row.2.bad).collect::<Vec<_>>()),
        Column::new("known".into(), rows.iter().map(|row| row.2.known).collect::<Vec<_>>()),
    ];
    let series: Vec<&str> = sums.keys().map(SeriesKey::as_str).collect();
    encode(rows.len(), columns, &series)
}

/// The inverse of [`encode_sums`].
pub(super) fn decode_sums(bytes: &[u8]) -> PolarsResult<BTreeMap<SeriesKey, BTreeMap<Day, Sums>>> {
    let (frame, series): (_, Vec<String>) = decode(bytes)?;
    let series: Vec<SeriesKey> = series.iter().map(|key| SeriesKey::new(key)).collect();
    let mut sums: BTreeMap<SeriesKey, BTreeMap<Day, Sums>> = BTreeMap::new();
    let rows = frame.column("series")?.u32()?.into_no_null_iter().zip(frame.column("day")?.i32()?.into_no_null_iter());
    let counts = frame.column("total")?.u64()?.into_no_null_iter().zip(frame.column("bad")?.u64()?.into_no_null_iter());
    let known = frame.column("known")?.u32()?.into_no_null_iter();
    for (((place, day), (total, bad)), known) in rows.zip(counts).zip(known) {
        let key = series.get(place as usize).ok_or_else(|| PolarsError::ComputeError("a series is missing".into()))?;
        sums.entry(key.clone()).or_default().insert(Day(day), Sums { total, bad, known });
    }
    Ok(sums)
}

fn encode(height: usize, columns: Vec<Column>, list: &impl serde::Serialize) -> PolarsResult<Vec<u8>> {
    let json = serde_json::to_string(list).map_err(|error| PolarsError::ComputeError(error.to_string().into()))?;
    let mut frame = DataFrame::new(height, columns)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::empty())
        .set_parallel(false)
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(vec![(LIST.to_owned(), json)])))
        .finish(&mut frame)?;
    Ok(bytes)
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> PolarsResult<(DataFrame, T)> {
    let mut reader = ParquetReader::new(Cursor::new(bytes));
    let pairs = reader.get_metadata()?.key_value_metadata().as_ref();
    let json = pairs.into_iter().flatten().find(|pair| pair.key == LIST).and_then(|pair| pair.value.clone());
    let list = serde_json::from_str(&json.unwrap_or_default())
        .map_err(|error| PolarsError::ComputeError(error.to_string().into()))?;
    Ok((reader.finish()?, list))
}
