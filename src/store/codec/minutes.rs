//! Minutes of a part of a day: `series`, `total`, `bad` and `known`, a row for each minute of each series.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;
use polars::prelude::{BooleanChunked, Column, PolarsResult, UInt32Chunked};

use super::{about, damaged, decode, encode};
use crate::counts::DaySlice;
use crate::ledger::DayMinutes;
use crate::series::SeriesKey;
use crate::store::version_of;

/// The metadata key of the hash of all names of series. Nearly all files have the same ones, which are then read once.
const LIST: &str = "series";

/// Lists of series by their hash.
pub(in crate::store) type Lists = HashMap<String, Arc<Vec<SeriesKey>>>;

/// The minutes of some series, one after the other.
pub(in crate::store) struct Minutes {
    pub(in crate::store) series: Arc<Vec<SeriesKey>>,
    // Columns as they were read: they are copied once, to their place in the day.
    total: UInt32Chunked,
    bad: UInt32Chunked,
    known: Vec<u8>,
}

impl Minutes {
    pub(in crate::store) fn columns(&self) -> PolarsResult<DaySlice<'_>> {
        Ok(DaySlice { total: self.total.cont_slice()?, bad: self.bad.cont_slice()?, known: &self.known })
    }
}

/// The series of which something is known or counted within the slots; `None` if there is no such series.
pub(in crate::store) fn encode_minutes(minutes: &DayMinutes, slots: &Range<usize>) -> Option<PolarsResult<Vec<u8>>> {
    let rows = (0..minutes.series().len()).map(|place| minutes.row(place, slots.clone()));
    let rows: Vec<(&SeriesKey, DaySlice<'_>)> =
        minutes.series().iter().zip(rows).filter(|(_, row)| row.says_something()).collect();
    if rows.is_empty() {
        return None;
    }
    let height = rows.len() * slots.len();
    let (mut total, mut bad, mut known) =
        (Vec::with_capacity(height), Vec::with_capacity(height), Vec::with_capacity(height));
    let mut names = vec![None; height];
    let mut list = String::new();
    for (place, (series, row)) in rows.iter().enumerate() {
        names[place * slots.len()] = Some(series.as_str());
        list.push_str(series.as_str());
        list.push('\0');
        total.extend_from_slice(row.total);
        bad.extend_from_slice(row.bad);
        known.extend(row.known.iter().map(|known| *known == 1));
    }
    let columns = vec![
        Column::new("series".into(), names),
        Column::new("total".into(), total),
        Column::new("bad".into(), bad),
        Column::new("known".into(), known),
    ];
    Some(encode(height, columns, Some((LIST, version_of(list.as_bytes()).0))))
}

/// The names of the series of a file, unless its list is known.
pub(in crate::store) fn learn_list(bytes: &[u8], lists: &mut Lists) -> PolarsResult<()> {
    let hash = list_of(bytes)?;
    if !lists.contains_key(&hash) {
        let frame = decode(bytes, &["series"])?;
        let names = frame.column("series")?.str()?.iter().flatten().map(SeriesKey::new).collect();
        lists.insert(hash, Arc::new(names));
    }
    Ok(())
}

fn list_of(bytes: &[u8]) -> PolarsResult<String> {
    about(bytes, LIST)?.ok_or_else(|| damaged("its series are not named"))
}

/// The inverse of [`encode_minutes`], once its list was learnt.
pub(in crate::store) fn decode_minutes(bytes: &[u8], slots: usize, lists: &Lists) -> PolarsResult<Minutes> {
    let series = lists.get(&list_of(bytes)?).cloned().unwrap_or_default();
    let frame = decode(bytes, &["total", "bad", "known"])?;
    let numbers = |name: &str| PolarsResult::Ok(frame.column(name)?.u32()?.rechunk().into_owned());
    let minutes = Minutes {
        total: numbers("total")?,
        bad: numbers("bad")?,
        known: zeros_and_ones(frame.column("known")?.bool()?),
        series,
    };
    if [minutes.total.len(), minutes.bad.len(), minutes.known.len()] != [minutes.series.len() * slots; 3] {
        return Err(damaged("its rows do not fit its series"));
    }
    Ok(minutes)
}

/// Only which minutes are known.
pub(in crate::store) fn decode_known(
    bytes: &[u8],
    slots: usize,
    lists: &Lists,
) -> PolarsResult<(Arc<Vec<SeriesKey>>, Vec<u8>)> {
    let series = lists.get(&list_of(bytes)?).cloned().unwrap_or_default();
    let known = zeros_and_ones(decode(bytes, &["known"])?.column("known")?.bool()?);
    if known.len() == series.len() * slots {
        Ok((series, known))
    } else {
        Err(damaged("its rows do not fit its series"))
    }
}

fn zeros_and_ones(bits: &BooleanChunked) -> Vec<u8> {
    // Nearly always all of it is known.
    if bits.all() {
        return vec![1; bits.len()];
    }
    bits.downcast_iter().flat_map(|chunk| chunk.values().iter().map(u8::from)).collect()
}
