//! Sums by series and day of one calendar month.

use std::sync::Arc;

use hashbrown::HashMap;
use polars::prelude::{Column, PolarsResult};

use super::{about, changes, damaged, decode, encode, numbers};
use crate::counts::Sums;
use crate::ledger::DaySums;
use crate::minute::Day;
use crate::series::SeriesKey;

/// The metadata key of the minutes that slices were cut from, by day.
const MINUTES: &str = "minutes";

/// The sums of the days from `first` up to, not including, `end`; `None` if there are none.
pub(in crate::store) fn encode_sums(
    sums: &HashMap<SeriesKey, Arc<DaySums>>,
    first: Day,
    end: Day,
) -> Option<PolarsResult<Vec<u8>>> {
    // By the few names, not by the many rows.
    let mut all: Vec<(&SeriesKey, &Arc<DaySums>)> = sums.iter().collect();
    all.sort_unstable_by_key(|(series, _)| *series);
    let mut rows: Vec<(&SeriesKey, Day, Sums)> = Vec::new();
    for (series, days) in all {
        rows.extend(days.days(first, end).map(|(day, sums)| (series, day, sums)));
    }
    encode_rows(&rows, &[])
}

/// Sums of slices, sorted by name and day, and what they were cut from.
pub(in crate::store) fn encode_slices(
    rows: &[(&SeriesKey, Day, Sums)],
    minutes: String,
) -> Option<PolarsResult<Vec<u8>>> {
    encode_rows(rows, &[(MINUTES, minutes)])
}

fn encode_rows(rows: &[(&SeriesKey, Day, Sums)], about: &[(&str, String)]) -> Option<PolarsResult<Vec<u8>>> {
    if rows.is_empty() {
        return None;
    }
    let columns = vec![
        changes("series", rows.iter().map(|row| row.0.as_str())),
        Column::new("day".into(), rows.iter().map(|row| row.1.0).collect::<Vec<_>>()),
        Column::new("total".into(), rows.iter().map(|row| row.2.total).collect::<Vec<_>>()),
        Column::new("bad".into(), rows.iter().map(|row| row.2.bad).collect::<Vec<_>>()),
        Column::new("known".into(), rows.iter().map(|row| row.2.known).collect::<Vec<_>>()),
    ];
    Some(encode(rows.len(), columns, about))
}

/// Adds the sums of [`encode_sums`]; months are to be added in their order.
pub(in crate::store) fn decode_sums(bytes: &[u8], sums: &mut HashMap<SeriesKey, Arc<DaySums>>) -> PolarsResult<()> {
    for (series, rows) in decode_rows(bytes)? {
        let held = Arc::make_mut(sums.entry(series).or_default());
        for (day, sums) in rows {
            held.set(day, sums);
        }
    }
    Ok(())
}

/// What the slices of [`encode_slices`] were cut from.
pub(in crate::store) fn slices_cut_from(bytes: &[u8]) -> PolarsResult<String> {
    about(bytes, MINUTES)?.ok_or_else(|| damaged("the hash of the minutes is missing"))
}

/// The days of each series of a file, in their order.
type Rows = Vec<(SeriesKey, Vec<(Day, Sums)>)>;

/// The rows of a file.
pub(in crate::store) fn decode_rows(bytes: &[u8]) -> PolarsResult<Rows> {
    let frame = decode(bytes, &["series", "day", "total", "bad", "known"])?;
    let days: Vec<i32> = numbers!(frame, "day", i32);
    let (totals, bads): (Vec<u64>, Vec<u64>) = (numbers!(frame, "total", u64), numbers!(frame, "bad", u64));
    let knowns: Vec<u32> = numbers!(frame, "known", u32);
    let counts = totals.iter().zip(&bads).zip(&knowns);
    let mut found: Rows = Vec::new();
    for ((name, day), ((total, bad), known)) in frame.column("series")?.str()?.iter().zip(&days).zip(counts) {
        if let Some(name) = name {
            found.push((SeriesKey::new(name), Vec::new()));
        }
        let (_, rows) = found.last_mut().ok_or_else(|| damaged("the first row has no series"))?;
        rows.push((Day(*day), Sums { total: *total, bad: *bad, known: *known }));
    }
    Ok(found)
}
