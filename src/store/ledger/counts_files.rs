//! Which files of counts are in the ledger, with the state and the hash that each had when it was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::fetch_plan::{FileState, ImportedFile};
use crate::series::SeriesKey;
use crate::store::manifest::Manifest;
use crate::store::{StoreError, content_version};

/// One file, by the series that its counts belong to.
#[derive(Serialize, Deserialize)]
struct CountsFileJson {
    series: String,
    path: String,
    size: u64,
    modified_ns: u64,
    hash: String,
}

impl LedgerStore {
    /// The files of counts that were read, by series.
    ///
    /// # Errors
    /// When the list is missing, damaged, or refused by the shelf.
    pub async fn counts_files(&self) -> Result<BTreeMap<SeriesKey, ImportedFile>, StoreError> {
        match &self.manifest.counts_files {
            Some(name) => decode(&self.read_file(name).await?),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Keeps which files of counts were read. Their counts must be committed before: what is lost in between is read
    /// again.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn save_counts_files(&mut self, files: &BTreeMap<SeriesKey, ImportedFile>) -> Result<(), StoreError> {
        let bytes = encode(files)?;
        let name = (!files.is_empty()).then(|| format!("counts-{}.json", content_version(&bytes).0));
        if self.manifest.counts_files == name {
            return Ok(());
        }
        self.write_first_manifest().await?;
        if let Some(name) = &name {
            self.blobs.put(name, &bytes).await?;
        }
        self.stage(Manifest { counts_files: name, ..self.manifest.clone() }).await
    }
}

fn decode(bytes: &[u8]) -> Result<BTreeMap<SeriesKey, ImportedFile>, StoreError> {
    let entries: Vec<CountsFileJson> = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
    let files = entries.into_iter().map(|CountsFileJson { series, path, size, modified_ns, hash }| {
        (SeriesKey::new(&series), ImportedFile { path, state: FileState { size, modified_ns }, hash })
    });
    Ok(files.collect())
}

fn encode(files: &BTreeMap<SeriesKey, ImportedFile>) -> Result<Vec<u8>, StoreError> {
    let entries = files.iter().map(|(series, ImportedFile { path, state, hash })| CountsFileJson {
        series: series.to_string(),
        path: path.clone(),
        size: state.size,
        modified_ns: state.modified_ns,
        hash: hash.clone(),
    });
    serde_json::to_vec(&entries.collect::<Vec<_>>()).map_err(StoreError::Manifest)
}
