//! Minutes of a partition: `series`, `total`, `bad` and `known`, a row for each minute of each series, or of several
//! series with equal minutes: their names are then the lines of one text.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use polars::prelude::{BooleanChunked, Column, PolarsResult};

use super::{decode, decode_error, encode, metadata_value, numbers};
use crate::counts::{MinuteColumns, MinuteRow, MinuteTable};
use crate::ledger::{Partition, PartitionMinutes};
use crate::series::SeriesKey;
use crate::store::content_version;

/// The metadata key of the hash of all names of series. Nearly all files have the same names, which are then read once.
const SERIES_HASH_KEY: &str = "series";
/// The metadata key of the rows of the series, in the order of their names, where some share one.
const ROW_INDEX_KEY: &str = "rows";
const NAME_SEPARATOR: char = '\n';

pub(in crate::store) type SeriesLists = HashMap<String, Arc<Vec<SeriesKey>>>;

/// The series with known or counted minutes; `None` if there is none. Minutes that several series share, as all without
/// traffic do, are written once.
pub(in crate::store) fn encode_minutes(minutes: &PartitionMinutes) -> Option<PolarsResult<Vec<u8>>> {
    let series_rows = minutes.iter().map(|(series, row)| (series, row.columns()));
    let series_rows: Vec<(&SeriesKey, MinuteColumns<'_>)> = series_rows.filter(|(_, row)| row.has_data()).collect();
    let width = series_rows.first()?.1.total.len();
    let may_share = series_rows.iter().all(|(series, _)| !series.as_str().contains(NAME_SEPARATOR));
    let (mut rows, mut row_of): (Vec<(String, MinuteColumns<'_>)>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut first_row_with = HashMap::new();
    for (series, row) in &series_rows {
        let row_index = *first_row_with.entry((row.total, row.bad, row.known)).or_insert(rows.len());
        match rows.get_mut(row_index) {
            Some((names, _)) if may_share => {
                names.push(NAME_SEPARATOR);
                names.push_str(series.as_str());
                row_of.push(row_index);
            }
            _ => {
                row_of.push(rows.len());
                rows.push((series.as_str().to_owned(), *row));
            }
        }
    }
    let height = rows.len() * width;
    let (mut total, mut bad, mut known) =
        (Vec::with_capacity(height), Vec::with_capacity(height), Vec::with_capacity(height));
    let mut names = vec![None; height];
    for (row_index, (series, row)) in rows.iter().enumerate() {
        names[row_index * width] = Some(series.as_str());
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
    let all_names: String = series_rows.iter().flat_map(|(series, _)| [series.as_str(), "\0"]).collect();
    let mut metadata = vec![(SERIES_HASH_KEY.to_owned(), content_version(all_names.as_bytes()).0)];
    if rows.len() < series_rows.len() {
        let row_indices: Vec<String> = row_of.iter().map(ToString::to_string).collect();
        metadata.push((ROW_INDEX_KEY.to_owned(), row_indices.join(" ")));
    }
    Some(encode(height, columns, metadata))
}

/// Reads the names of the series of a file, unless its list was read before.
pub(in crate::store) fn read_series_list(bytes: &[u8], lists: &mut SeriesLists) -> PolarsResult<()> {
    let hash = series_list_hash(bytes)?;
    if !lists.contains_key(&hash) {
        let frame = decode(bytes, &["series"])?;
        let names = frame.column("series")?.str()?.iter().flatten();
        let mut names: Vec<SeriesKey> = match metadata_value(bytes, ROW_INDEX_KEY)? {
            Some(_) => names.flat_map(|names| names.split(NAME_SEPARATOR)).map(SeriesKey::new).collect(),
            None => names.map(SeriesKey::new).collect(),
        };
        names.sort_unstable();
        lists.insert(hash, Arc::new(names));
    }
    Ok(())
}

fn series_list_hash(bytes: &[u8]) -> PolarsResult<String> {
    metadata_value(bytes, SERIES_HASH_KEY)?.ok_or_else(|| decode_error("the list of series is missing"))
}

/// The minutes of a file as they are stored: series may share a row.
pub(in crate::store) struct DecodedMinutes {
    series: Arc<Vec<SeriesKey>>,
    /// The row of each series.
    indices: Vec<usize>,
    /// All rows, one after the other.
    table: MinuteTable,
    /// The minutes of a row.
    width: usize,
}

impl DecodedMinutes {
    pub(in crate::store) fn rows(&self) -> impl Iterator<Item = (&SeriesKey, MinuteColumns<'_>)> + Clone {
        let row = |index: usize| self.table.slice(index * self.width..(index + 1) * self.width);
        self.series.iter().zip(&self.indices).map(move |(series, index)| (series, row(*index)))
    }

    /// The minutes of some series. They share the table of all of the file.
    pub(in crate::store) fn select(self, is_selected: impl Fn(&SeriesKey) -> bool) -> PartitionMinutes {
        let (table, width) = (Arc::new(self.table), self.width);
        let selected = self.series.iter().zip(self.indices).filter(|(series, _)| is_selected(series));
        selected
            .map(|(series, index)| {
                (series.clone(), MinuteRow::new(Arc::clone(&table), index * width..(index + 1) * width))
            })
            .collect()
    }
}

/// The inverse of [`encode_minutes`], with the list of series that was read before.
pub(in crate::store) fn decode_minutes(
    bytes: &[u8],
    partition: Partition,
    lists: &SeriesLists,
) -> PolarsResult<DecodedMinutes> {
    let (frame, width) = (decode(bytes, &["total", "bad", "known"])?, partition.slots().len());
    let (total, bad): (Vec<u32>, Vec<u32>) = (numbers!(frame, "total", u32), numbers!(frame, "bad", u32));
    let known = bits_to_bytes(frame.column("known")?.bool()?);
    let (series, indices) = series_rows(total.len() / width, bytes, lists)?;
    Ok(DecodedMinutes { series, indices, table: MinuteTable { total, bad, known }, width })
}

/// Like [`decode_minutes`], but only which minutes are known.
pub(in crate::store) fn decode_known(
    bytes: &[u8],
    partition: Partition,
    lists: &SeriesLists,
) -> PolarsResult<BTreeMap<SeriesKey, Arc<[u8]>>> {
    let known = bits_to_bytes(decode(bytes, &["known"])?.column("known")?.bool()?);
    let rows: Vec<Arc<[u8]>> = known.chunks_exact(partition.slots().len()).map(Arc::from).collect();
    let (series, indices) = series_rows(rows.len(), bytes, lists)?;
    Ok(series.iter().zip(indices).map(|(series, index)| (series.clone(), Arc::clone(&rows[index]))).collect())
}

/// The series of a file, and the row of each of them, which is below `height`.
fn series_rows(height: usize, bytes: &[u8], lists: &SeriesLists) -> PolarsResult<(Arc<Vec<SeriesKey>>, Vec<usize>)> {
    let mismatch = || decode_error("the rows do not match the series");
    let series = lists.get(&series_list_hash(bytes)?).cloned().unwrap_or_default();
    let indices: Vec<usize> = match metadata_value(bytes, ROW_INDEX_KEY)? {
        None => (0..height).collect(),
        Some(text) => text.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(|_| mismatch())?,
    };
    if indices.len() != series.len() || indices.iter().any(|index| *index >= height) {
        return Err(mismatch());
    }
    Ok((series, indices))
}

fn bits_to_bytes(bits: &BooleanChunked) -> Vec<u8> {
    // Nearly always all minutes are known.
    if bits.all() {
        return vec![1; bits.len()];
    }
    bits.downcast_iter().flat_map(|chunk| chunk.values().iter().map(u8::from)).collect()
}
