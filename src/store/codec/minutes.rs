//! Minutes of a part of a day: `series`, `total`, `bad` and `known`, a row for each minute of each series, or of
//! several series whose minutes are all alike: their names then stand on lines of one text.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;
use polars::prelude::{BooleanChunked, Column, PolarsError, PolarsResult, UInt32Chunked};

use super::{about, damaged, decode, encode};
use crate::counts::DaySlice;
use crate::ledger::DayMinutes;
use crate::series::SeriesKey;
use crate::store::version_of;

/// The metadata key of the hash of all names of series. Nearly all files have the same ones, which are then read once.
const LIST: &str = "series";
/// The metadata key of the rows of the series, in the order of their names, where some share one.
const ROWS: &str = "rows";
/// What stands between the names of series that share a row.
const BETWEEN: char = '\n';

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

/// The series of which something is known or counted within the slots; `None` if there is no such series. Minutes that
/// several have alike, as all that are silent, are written once.
pub(in crate::store) fn encode_minutes(minutes: &DayMinutes, slots: &Range<usize>) -> Option<PolarsResult<Vec<u8>>> {
    let all = (0..minutes.series().len()).map(|place| minutes.row(place, slots.clone()));
    let all: Vec<(&SeriesKey, DaySlice<'_>)> =
        minutes.series().iter().zip(all).filter(|(_, row)| row.says_something()).collect();
    if all.is_empty() {
        return None;
    }
    let may_share = all.iter().all(|(series, _)| !series.as_str().contains(BETWEEN));
    let (mut rows, mut row_of): (Vec<(String, DaySlice<'_>)>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut alike = HashMap::new();
    for (series, row) in &all {
        let place = *alike.entry((row.total, row.bad, row.known)).or_insert(rows.len());
        match rows.get_mut(place) {
            Some((names, _)) if may_share => {
                names.push(BETWEEN);
                names.push_str(series.as_str());
                row_of.push(place);
            }
            _ => {
                row_of.push(rows.len());
                rows.push((series.as_str().to_owned(), *row));
            }
        }
    }
    let height = rows.len() * slots.len();
    let (mut total, mut bad, mut known) =
        (Vec::with_capacity(height), Vec::with_capacity(height), Vec::with_capacity(height));
    let mut names = vec![None; height];
    for (place, (series, row)) in rows.iter().enumerate() {
        names[place * slots.len()] = Some(series.as_str());
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
    let list: String = all.iter().flat_map(|(series, _)| [series.as_str(), "\0"]).collect();
    let mut about = vec![(LIST, version_of(list.as_bytes()).0)];
    if rows.len() < all.len() {
        let places: Vec<String> = row_of.iter().map(ToString::to_string).collect();
        about.push((ROWS, places.join(" ")));
    }
    Some(encode(height, columns, &about))
}

/// The names of the series of a file, unless its list is known.
pub(in crate::store) fn learn_list(bytes: &[u8], lists: &mut Lists) -> PolarsResult<()> {
    let hash = list_of(bytes)?;
    if !lists.contains_key(&hash) {
        let frame = decode(bytes, &["series"])?;
        let names = frame.column("series")?.str()?.iter().flatten();
        let mut names: Vec<SeriesKey> = match about(bytes, ROWS)? {
            Some(_) => names.flat_map(|names| names.split(BETWEEN)).map(SeriesKey::new).collect(),
            None => names.map(SeriesKey::new).collect(),
        };
        names.sort_unstable();
        lists.insert(hash, Arc::new(names));
    }
    Ok(())
}

fn list_of(bytes: &[u8]) -> PolarsResult<String> {
    about(bytes, LIST)?.ok_or_else(|| damaged("the list of series is missing"))
}

/// The inverse of [`encode_minutes`], once its list was learnt: each series has its own minutes again.
pub(in crate::store) fn decode_minutes(bytes: &[u8], slots: usize, lists: &Lists) -> PolarsResult<Minutes> {
    let frame = decode(bytes, &["total", "bad", "known"])?;
    let rows = Rows::of(bytes, slots, lists)?;
    let numbers = |name: &str| {
        let column = frame.column(name)?.u32()?.rechunk();
        PolarsResult::Ok(match &rows.places {
            None => column.into_owned(),
            Some(places) => UInt32Chunked::from_vec(name.into(), rows.spread(column.cont_slice()?, places)?),
        })
    };
    let minutes = Minutes {
        total: numbers("total")?,
        bad: numbers("bad")?,
        known: rows.known(frame.column("known")?.bool()?)?,
        series: Arc::clone(&rows.series),
    };
    if [minutes.total.len(), minutes.bad.len(), minutes.known.len()] != [minutes.series.len() * slots; 3] {
        return Err(misfit());
    }
    Ok(minutes)
}

/// Only which minutes are known.
pub(in crate::store) fn decode_known(
    bytes: &[u8],
    slots: usize,
    lists: &Lists,
) -> PolarsResult<(Arc<Vec<SeriesKey>>, Vec<u8>)> {
    let rows = Rows::of(bytes, slots, lists)?;
    let known = rows.known(decode(bytes, &["known"])?.column("known")?.bool()?)?;
    if known.len() == rows.series.len() * slots { Ok((rows.series, known)) } else { Err(misfit()) }
}

fn misfit() -> PolarsError {
    damaged("the rows do not match the series")
}

/// Which series has which row of a file.
struct Rows {
    series: Arc<Vec<SeriesKey>>,
    slots: usize,
    /// Where some share one: the row of each.
    places: Option<Vec<usize>>,
}

impl Rows {
    fn of(bytes: &[u8], slots: usize, lists: &Lists) -> PolarsResult<Self> {
        let series = lists.get(&list_of(bytes)?).cloned().unwrap_or_default();
        let places = about(bytes, ROWS)?;
        let places = places.map(|text| text.split(' ').map(str::parse).collect::<Result<Vec<usize>, _>>());
        Ok(Self { series, slots, places: places.transpose().map_err(|_| misfit())? })
    }

    /// The minutes of each series, of those of each row.
    fn spread<T: Copy>(&self, rows: &[T], places: &[usize]) -> PolarsResult<Vec<T>> {
        let mut all = Vec::with_capacity(places.len() * self.slots);
        for place in places {
            let start = place.checked_mul(self.slots).ok_or_else(misfit)?;
            all.extend_from_slice(rows.get(start..start.saturating_add(self.slots)).ok_or_else(misfit)?);
        }
        Ok(all)
    }

    fn known(&self, bits: &BooleanChunked) -> PolarsResult<Vec<u8>> {
        let known = zeros_and_ones(bits);
        match &self.places {
            None => Ok(known),
            Some(places) => self.spread(&known, places),
        }
    }
}

fn zeros_and_ones(bits: &BooleanChunked) -> Vec<u8> {
    // Nearly always all of it is known.
    if bits.all() {
        return vec![1; bits.len()];
    }
    bits.downcast_iter().flat_map(|chunk| chunk.values().iter().map(u8::from)).collect()
}
