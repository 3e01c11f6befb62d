//! What earlier runs fetched: ranges of CloudWatch and Athena, counts files, and listings of log folders.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::fetch_plan::{FetchedRange, ImportedFile, ListingState};
use crate::series::SeriesKey;
use crate::store::StoreError;
use crate::store::manifest::DataFile;
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
    pub(crate) async fn fetched_ranges(&self) -> Result<BTreeMap<SeriesKey, FetchedRange>, StoreError> {
        let records: Vec<FetchedRangeRecord> = self.read_records(DataFile::FetchedRanges).await?;
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
        self.save_records(DataFile::FetchedRanges, Some(bytes)).await
    }

    pub(crate) async fn counts_files(&self) -> Result<BTreeMap<SeriesKey, ImportedFile>, StoreError> {
        let records: Vec<CountsFileRecord> = self.read_records(DataFile::CountsFiles).await?;
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
        self.save_records(DataFile::CountsFiles, (!files.is_empty()).then_some(bytes)).await
    }

    async fn read_records<T: DeserializeOwned>(&self, file: DataFile) -> Result<Vec<T>, StoreError> {
        match self.manifest.file_name(file) {
            Some(name) => serde_json::from_slice(&self.read_file(&name).await?).map_err(StoreError::Manifest),
            None => Ok(Vec::new()),
        }
    }

    async fn save_records(&mut self, file: DataFile, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.write_first_manifest().await?;
        let mut manifest = self.manifest.clone();
        self.put_data_file(&mut manifest, file, bytes).await?;
        if manifest == self.manifest { Ok(()) } else { self.stage(manifest).await }
    }

    /// The minutes of the first values of a series' metrics, or of its first request, as far as they are known.
    pub(crate) fn first_values(&self, series: &SeriesKey) -> BTreeMap<String, Minute> {
        self.manifest.first_values.get(series).cloned().unwrap_or_default()
    }

    pub(crate) fn add_first_values(&mut self, first_values: &BTreeMap<SeriesKey, BTreeMap<String, Minute>>) {
        let known = first_values.iter().filter(|(_, values)| !values.is_empty());
        self.manifest.first_values.extend(known.map(|(series, values)| (series.clone(), values.clone())));
    }

    /// What earlier runs listed of a source at a location.
    pub(crate) fn listing_state(&self, source: &str, location: &str) -> ListingState {
        ListingState {
            unlisted_days: self.manifest.unlisted.days(source).collect(),
            days: self.manifest.listed_days.get(location).cloned().unwrap_or_default(),
            folders: self.manifest.listed_folders.get(location).cloned(),
        }
    }

    /// Marks folders of days as not listed: until they are, no gap in what other folders hold is taken for silence.
    pub(crate) fn mark_unlisted(&mut self, source: &str, days: impl Iterator<Item = Day>) {
        for day in days {
            self.manifest.unlisted.insert(source, day, "");
        }
    }
}
