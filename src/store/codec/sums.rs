//! Sums by series and day of one calendar month.

use hashbrown::HashMap;
use polars::prelude::{Column, PolarsResult};

use super::{changes, damaged, decode, encode, numbers};
use crate::counts::Sums;
use crate::ledger::DaySums;
use crate::minute::Day;
use crate::series::SeriesKey;

/// The sums of the days from `first` up to, not including, `end`; `None` if there are none.
pub(in crate::store) fn encode_sums(
    sums: &HashMap<SeriesKey, DaySums>,
    first: Day,
    end: Day,
) -> Option<PolarsResult<Vec<u8>>> {
    // By the few names, not by the many rows.
    let mut all: Vec<(&SeriesKey, &DaySums)> = sums.iter().collect();
    all.sort_unstable_by_key(|(series, _)| *series);
    let mut rows: Vec<(&SeriesKey, Day, Sums)> = Vec::new();
    for (series, days) in all {
        rows.extend(days.days(first, end).map(|(day, sums)| (series, day, sums)));
    }
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
    Some(encode(rows.len(), columns, None))
}

/// Adds the sums of [`encode_sums`]; months are to be added in their order.
pub(in crate::store) fn decode_sums(bytes: &[u8], sums: &mut HashMap<SeriesKey, DaySums>) -> PolarsResult<()> {
    let frame = decode(bytes, &["series", "day", "total", "bad", "known"])?;
    let days: Vec<i32> = numbers!(frame, "day", i32);
    let (totals, bads): (Vec<u64>, Vec<u64>) = (numbers!(frame, "total", u64), numbers!(frame, "bad", u64));
    let knowns: Vec<u32> = numbers!(frame, "known", u32);
    let counts = totals.iter().zip(&bads).zip(&knowns);
    let mut held = None;
    for ((name, day), ((total, bad), known)) in frame.column("series")?.str()?.iter().zip(&days).zip(counts) {
        if let Some(name) = name {
            held = Some(sums.entry(SeriesKey::new(name)).or_default());
        }
        let held = held.as_deref_mut().ok_or_else(|| damaged("its first row has no series"))?;
        held.set(Day(*day), Sums { total: *total, bad: *bad, known: *known });
    }
    Ok(())
}
