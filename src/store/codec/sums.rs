//! Sums by series and day of one calendar month.

use std::sync::Arc;

use hashbrown::HashMap;
use polars::prelude::{Column, PolarsResult};

use super::{changes_column, decode, decode_error, encode, metadata_value, numbers};
use crate::counts::Sums;
use crate::ledger::DaySums;
use crate::series::SeriesKey;
use crate::time::Day;

/// The metadata key of the hashes of the minutes that timeslices were computed from, by day.
const MINUTE_HASHES_KEY: &str = "minutes";

/// The sums of the days from `first` up to, not including, `end`; `None` if there are none.
pub(in crate::store) fn encode_sums(
    sums: &HashMap<SeriesKey, Arc<DaySums>>,
    first: Day,
    end: Day,
) -> Option<PolarsResult<Vec<u8>>> {
    // Sorts the few names, not the many rows.
    let mut all: Vec<(&SeriesKey, &Arc<DaySums>)> = sums.iter().collect();
    all.sort_unstable_by_key(|(series, _)| *series);
    let mut rows: Vec<(&SeriesKey, Day, Sums)> = Vec::new();
    for (series, days) in all {
        rows.extend(days.iter_range(first, end).map(|(day, sums)| (series, day, sums)));
    }
    encode_rows(&rows, Vec::new())
}

/// Sums of timeslices, sorted by name and day, and the hashes of their minutes.
pub(in crate::store) fn encode_timeslices(
    rows: &[(&SeriesKey, Day, Sums)],
    minute_hashes: String,
) -> Option<PolarsResult<Vec<u8>>> {
    encode_rows(rows, vec![(MINUTE_HASHES_KEY.to_owned(), minute_hashes)])
}

fn encode_rows(rows: &[(&SeriesKey, Day, Sums)], metadata: Vec<(String, String)>) -> Option<PolarsResult<Vec<u8>>> {
    if rows.is_empty() {
        return None;
    }
    let columns = vec![
        changes_column("series", rows.iter().map(|row| row.0.as_str())),
        Column::new("day".into(), rows.iter().map(|row| row.1.0).collect::<Vec<_>>()),
        Column::new("total".into(), rows.iter().map(|row| row.2.total).collect::<Vec<_>>()),
        Column::new("bad".into(), rows.iter().map(|row| row.2.bad).collect::<Vec<_>>()),
        Column::new("known".into(), rows.iter().map(|row| row.2.known).collect::<Vec<_>>()),
    ];
    Some(encode(rows.len(), columns, metadata))
}

/// Adds the sums of [`encode_sums`]; months are to be added in their order.
pub(in crate::store) fn decode_sums(bytes: &[u8], sums: &mut HashMap<SeriesKey, Arc<DaySums>>) -> PolarsResult<()> {
    for (series, rows) in decode_sums_by_series(bytes)? {
        let daily_sums = Arc::make_mut(sums.entry(series).or_default());
        for (day, sums) in rows {
            daily_sums.set(day, sums);
        }
    }
    Ok(())
}

pub(in crate::store) fn timeslice_minute_hashes(bytes: &[u8]) -> PolarsResult<String> {
    metadata_value(bytes, MINUTE_HASHES_KEY)?.ok_or_else(|| decode_error("the hash of the minutes is missing"))
}

type SumsBySeries = Vec<(SeriesKey, Vec<(Day, Sums)>)>;

pub(in crate::store) fn decode_sums_by_series(bytes: &[u8]) -> PolarsResult<SumsBySeries> {
    let frame = decode(bytes, &["series", "day", "total", "bad", "known"])?;
    let days: Vec<i32> = numbers!(frame, "day", i32);
    let (totals, bads): (Vec<u64>, Vec<u64>) = (numbers!(frame, "total", u64), numbers!(frame, "bad", u64));
    let knowns: Vec<u32> = numbers!(frame, "known", u32);
    let counts = totals.iter().zip(&bads).zip(&knowns);
    let mut by_series: SumsBySeries = Vec::new();
    for ((name, day), ((total, bad), known)) in frame.column("series")?.str()?.iter().zip(&days).zip(counts) {
        if let Some(name) = name {
            by_series.push((SeriesKey::new(name), Vec::new()));
        }
        let (_, rows) = by_series.last_mut().ok_or_else(|| decode_error("the first row has no series"))?;
        rows.push((Day(*day), Sums { total: *total, bad: *bad, known: *known }));
    }
    Ok(by_series)
}
