//! Which files of counts are in the ledger, with the state and the hash that each had when it was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::demand::{FileRead, FileState};
use crate::series::SeriesKey;
use crate::store::manifest::Manifest;
use crate::store::{StoreError, version_of};

/// One file, by the series that its counts belong to.
#[derive(Serialize, Deserialize)]
struct Twin {
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
    pub async fn counts_files(&self) -> Result<BTreeMap<SeriesKey, FileRead>, StoreError> {
        match &self.manifest.counts_files {
            Some(name) => read(&self.file(name).await?),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Keeps which files of counts were read. Their counts must be committed before: what is lost in between is read
    /// again.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn keep_counts_files(&mut self, files: &BTreeMap<SeriesKey, FileRead>) -> Result<(), StoreError> {
        let bytes = write(files)?;
        let name = (!files.is_empty()).then(|| format!("counts-{}.json", version_of(&bytes).0));
        if self.manifest.counts_files == name {
            return Ok(());
        }
        self.start().await?;
        if let Some(name) = &name {
            self.shelf.put(name, &bytes).await?;
        }
        self.stage(Manifest { counts_files: name, ..self.manifest.clone() }).await
    }
}

fn read(bytes: &[u8]) -> Result<BTreeMap<SeriesKey, FileRead>, StoreError> {
    let twins: Vec<Twin> = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
    let files = twins.into_iter().map(|Twin { series, path, size, modified_ns, hash }| {
        (SeriesKey::new(&series), FileRead { path, state: FileState { size, modified_ns }, hash })
    });
    Ok(files.collect())
}

fn write(files: &BTreeMap<SeriesKey, FileRead>) -> Result<Vec<u8>, StoreError> {
    let twins = files.iter().map(|(series, FileRead { path, state, hash })| Twin {
        series: series.to_string(),
        path: path.clone(),
        size: state.size,
        modified_ns: state.modified_ns,
        hash: hash.clone(),
    });
    serde_json::to_vec(&twins.collect::<Vec<_>>()).map_err(StoreError::Manifest)
}
