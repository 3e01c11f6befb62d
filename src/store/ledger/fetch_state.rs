//! What earlier runs fetched: ranges of CloudWatch and Athena, counts files, and listings of log folders.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::fetch_plan::{FetchedRange, ImportedFile};
use crate::ledger::UnlistedFolders;
use crate::series::SeriesKey;
use crate::store::manifest::{DayListing, ListingCache, Manifest};
use crate::store::{StoreError, content_version};
use crate::time::{Day, Minute};

/// Series of which the same range was fetched, as most have it.
#[derive(Serialize, Deserialize)]
struct FetchedRangeRecord {
    #[serde(flatten)]
    range: FetchedRange,
    series: Vec<SeriesKey>,
}

#[derive(Serialize, Deserialize)]
struct CountsFileRecord {
    series: SeriesKey,
    #[serde(flatten)]
    file: ImportedFile,
}

impl LedgerStore {
    /// The range that was fetched of each series.
    pub(crate) async fn fetched_ranges(&self) -> Result<BTreeMap<SeriesKey, FetchedRange>, StoreError> {
        let records: Vec<FetchedRangeRecord> = self.read_records(self.manifest.fetched_file()).await?;
        let ranges = records
            .into_iter()
            .flat_map(|FetchedRangeRecord { range, series }| series.into_iter().map(move |series| (series, range)));
        Ok(ranges.collect())
    }

    /// Stores fetched ranges. Their counts must be committed before: what is lost in between is fetched again.
    pub(crate) async fn save_fetched_ranges(
        &mut self,
        ranges: &BTreeMap<SeriesKey, FetchedRange>,
    ) -> Result<(), StoreError> {
        let mut series_by_range: BTreeMap<FetchedRange, Vec<SeriesKey>> = BTreeMap::new();
        for (series, range) in ranges {
            series_by_range.entry(*range).or_default().push(series.clone());
        }
        let records = series_by_range.into_iter().map(|(range, series)| FetchedRangeRecord { range, series });
        let bytes = serde_json::to_vec_pretty(&records.collect::<Vec<_>>()).map_err(StoreError::Manifest)?;
        let hash = Some(content_version(&bytes).0);
        if self.manifest.fetched == hash {
            return Ok(());
        }
        self.stage_records(Manifest { fetched: hash, ..self.manifest.clone() }, Manifest::fetched_file, &bytes).await
    }

    /// The counts files that were imported, by series.
    pub(crate) async fn counts_files(&self) -> Result<BTreeMap<SeriesKey, ImportedFile>, StoreError> {
        let records: Vec<CountsFileRecord> = self.read_records(self.manifest.counts_file()).await?;
        Ok(records.into_iter().map(|CountsFileRecord { series, file }| (series, file)).collect())
    }

    /// Stores which counts files were imported. Their counts must be committed before: what is lost in between is read
    /// again.
    pub(crate) async fn save_counts_files(
        &mut self,
        files: &BTreeMap<SeriesKey, ImportedFile>,
    ) -> Result<(), StoreError> {
        let records =
            files.iter().map(|(series, file)| CountsFileRecord { series: series.clone(), file: file.clone() });
        let bytes = serde_json::to_vec(&records.collect::<Vec<_>>()).map_err(StoreError::Manifest)?;
        let hash = (!files.is_empty()).then(|| content_version(&bytes).0);
        if self.manifest.counts_files == hash {
            return Ok(());
        }
        self.stage_records(Manifest { counts_files: hash, ..self.manifest.clone() }, Manifest::counts_file, &bytes)
            .await
    }

    async fn read_records<T: DeserializeOwned>(&self, file: Option<String>) -> Result<Vec<T>, StoreError> {
        match file {
            Some(name) => serde_json::from_slice(&self.read_file(&name).await?).map_err(StoreError::Manifest),
            None => Ok(Vec::new()),
        }
    }

    /// Writes the file that a manifest names, if it names one, and takes the manifest.
    async fn stage_records(
        &mut self,
        manifest: Manifest,
        file_name: fn(&Manifest) -> Option<String>,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.write_first_manifest().await?;
        if let Some(name) = file_name(&manifest) {
            self.blobs.put(&name, bytes).await?;
        }
        self.stage(manifest).await
    }

    /// Bytes that a day of an Athena table scanned in the last query, by table.
    pub(crate) const fn scanned_bytes_per_day(&self) -> &BTreeMap<String, u64> {
        &self.manifest.scanned_bytes_per_day
    }

    pub(crate) fn set_scanned_bytes_per_day(&mut self, bytes_by_table: BTreeMap<String, u64>) {
        self.manifest.scanned_bytes_per_day = bytes_by_table;
    }

    /// The minutes of the first values of a series' metrics, or of its first request, as far as they are known.
    pub(crate) fn first_values(&self, series: &SeriesKey) -> BTreeMap<String, Minute> {
        self.manifest.first_values.get(series).cloned().unwrap_or_default()
    }

    pub(crate) fn add_first_values(&mut self, first_values: &BTreeMap<SeriesKey, BTreeMap<String, Minute>>) {
        let known = first_values.iter().filter(|(_, values)| !values.is_empty());
        self.manifest.first_values.extend(known.map(|(series, values)| (series.clone(), values.clone())));
    }

    /// How the folder of a finished day was listed at a location.
    pub(crate) fn day_listing(&self, location: &str, day: Day) -> Option<&DayListing> {
        self.manifest.listed_days.get(location)?.get(&day)
    }

    /// Replaces the listings of a location; days that no request reaches any more are left out.
    pub(crate) fn set_day_listings(&mut self, location: &str, listings: BTreeMap<Day, DayListing>) {
        self.manifest.listed_days.insert(location.to_owned(), listings);
        self.manifest.listed_days.retain(|_, days| !days.is_empty());
    }

    pub(crate) fn listing_cache(&self, location: &str) -> Option<&ListingCache> {
        self.manifest.listed_folders.get(location)
    }

    pub(crate) fn set_listing_cache(&mut self, location: &str, cache: ListingCache) {
        self.manifest.listed_folders.insert(location.to_owned(), cache);
    }

    /// Folders of days that could not be listed.
    pub(crate) const fn unlisted_folders(&self) -> &UnlistedFolders {
        &self.manifest.unlisted
    }

    /// The same, to be changed; a ledger that was loaded before keeps what it was loaded with.
    pub(crate) const fn unlisted_folders_mut(&mut self) -> &mut UnlistedFolders {
        &mut self.manifest.unlisted
    }
}
