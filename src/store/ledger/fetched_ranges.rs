//! What sources were asked and answered, as it is kept: series with the same spans together, since most have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::fetch_plan::FetchedRange;
use crate::series::SeriesKey;
use crate::store::manifest::{Manifest, text};
use crate::store::{StoreError, content_version};
use crate::time::Minute;

/// Series that were asked for alike.
#[derive(Serialize, Deserialize)]
struct FetchedRangeJson {
    #[serde(with = "text")]
    from: Minute,
    #[serde(rename = "settled_until", with = "text")]
    settled_until: Minute,
    #[serde(rename = "until", with = "text")]
    until: Minute,
    series: Vec<String>,
}

impl LedgerStore {
    /// What sources were asked and answered.
    ///
    /// # Errors
    /// When the file is missing, damaged, or refused by the shelf.
    pub async fn fetched_ranges(&self) -> Result<BTreeMap<SeriesKey, FetchedRange>, StoreError> {
        match &self.manifest.fetched {
            Some(name) => decode(&self.read_file(name).await?),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Keeps what sources were asked and answered. Their counts must be kept before: what is lost in between is asked
    /// again.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn save_fetched_ranges(&mut self, ranges: &BTreeMap<SeriesKey, FetchedRange>) -> Result<(), StoreError> {
        let bytes = encode(ranges)?;
        let name = format!("fetched-{}.json", content_version(&bytes).0);
        if self.manifest.fetched.as_ref() == Some(&name) {
            return Ok(());
        }
        self.write_first_manifest().await?;
        self.blobs.put(&name, &bytes).await?;
        self.stage(Manifest { fetched: Some(name), ..self.manifest.clone() }).await
    }
}

impl LedgerStore {
    /// Bytes that a day of each table of Athena scans, as far as it is known.
    #[must_use]
    pub const fn scanned_bytes_per_day(&self) -> &BTreeMap<String, u64> {
        &self.manifest.scanned_bytes_per_day
    }

    /// Keeps what a day of tables scans.
    pub fn set_scanned_bytes_per_day(&mut self, bytes_by_table: BTreeMap<String, u64>) {
        self.manifest.scanned_bytes_per_day = bytes_by_table;
    }
}

impl LedgerStore {
    /// The minutes of the first values that the metrics of a series had, or of its first request, as far as they were
    /// seen.
    #[must_use]
    pub fn first_values(&self, series: &SeriesKey) -> BTreeMap<String, Minute> {
        self.manifest.first_values.get(series.as_str()).cloned().unwrap_or_default()
    }

    /// Keeps when metrics began.
    pub fn add_first_values(&mut self, first_values: &BTreeMap<SeriesKey, BTreeMap<String, Minute>>) {
        let seen = first_values.iter().filter(|(_, began)| !began.is_empty());
        self.manifest.first_values.extend(seen.map(|(series, values)| (series.to_string(), values.clone())));
    }
}

fn decode(bytes: &[u8]) -> Result<BTreeMap<SeriesKey, FetchedRange>, StoreError> {
    let entries: Vec<FetchedRangeJson> = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
    let series =
        entries.into_iter().flat_map(|FetchedRangeJson { from, settled_until: settled, until: end, series }| {
            series.into_iter().map(move |series| (SeriesKey::new(&series), FetchedRange { from, settled, end }))
        });
    Ok(series.collect())
}

fn encode(ranges: &BTreeMap<SeriesKey, FetchedRange>) -> Result<Vec<u8>, StoreError> {
    let mut series_by_range: BTreeMap<FetchedRange, Vec<String>> = BTreeMap::new();
    for (series, range) in ranges {
        series_by_range.entry(*range).or_default().push(series.to_string());
    }
    let entries = series_by_range.into_iter().map(|(FetchedRange { from, settled, end }, series)| FetchedRangeJson {
        from,
        settled_until: settled,
        until: end,
        series,
    });
    serde_json::to_vec_pretty(&entries.collect::<Vec<_>>()).map_err(StoreError::Manifest)
}
