//! How data files come to count, and what becomes of those that they replace.
//!
//! A manifest names all files that count, and is swapped as a whole. Files that it no longer names stay until the end
//! of the next run that writes it: readers hold no lock, and may still use the older manifest.

use std::collections::BTreeSet;

use polars::prelude::PolarsResult;

use super::{LedgerStore, with_file_name};
use crate::store::manifest::{MANIFEST, Manifest};
use crate::store::{StoreError, content_version};

/// Data files that may be waiting to be published: what a killed run has to read again stays bounded.
const MAX_STAGED_FILES: usize = 24;
/// Manifests through which a replaced file is remembered. It is removed by the first run that finds it so, and by the
/// second in case that one was killed.
const MAX_RETIRED_AGE: u8 = 2;

impl LedgerStore {
    /// Takes a manifest whose data files were written; publishes it when many are waiting.
    pub(super) async fn stage(&mut self, manifest: Manifest) -> Result<(), StoreError> {
        let referenced: BTreeSet<&str> = manifest.file_names().collect();
        let published: BTreeSet<&str> = self.published.file_names().collect();
        let replaced =
            self.manifest.file_names().filter(|name| !referenced.contains(name) && !published.contains(name));
        let replaced: Vec<String> = replaced.map(str::to_owned).collect();
        let staged_count = referenced.difference(&published).count() + replaced.len() + self.unpublished.len();
        self.unpublished.extend(replaced);
        self.manifest = manifest;
        if staged_count >= MAX_STAGED_FILES { self.publish().await } else { Ok(()) }
    }

    /// Makes everything that was committed or kept so far count for everybody, in one step.
    ///
    /// # Errors
    /// When the shelf refuses, or another run was quicker; what counts is then as it was.
    pub async fn publish(&mut self) -> Result<(), StoreError> {
        if self.manifest == self.published {
            return Ok(());
        }
        self.swap_manifest(self.manifest.clone()).await
    }

    /// Writes the first manifest where there is none: from here on, data files without one are a loss and not a
    /// beginning.
    pub(super) async fn write_first_manifest(&mut self) -> Result<(), StoreError> {
        if self.version.is_some() {
            return Ok(());
        }
        let staged = std::mem::take(&mut self.manifest);
        self.swap_manifest(Manifest::default()).await?;
        self.manifest = staged;
        Ok(())
    }

    /// Swaps the manifest, and notes the files that count no more.
    pub(super) async fn swap_manifest(&mut self, mut manifest: Manifest) -> Result<(), StoreError> {
        let referenced: BTreeSet<String> = manifest.file_names().map(str::to_owned).collect();
        let is_first = self.publications == 0;
        for age in manifest.retired.values_mut().filter(|_| is_first) {
            *age += 1;
        }
        let replaced = self.published.file_names().filter(|name| !referenced.contains(*name));
        for name in replaced.map(str::to_owned).chain(std::mem::take(&mut self.unpublished)) {
            manifest.retired.entry(name).or_insert(0);
        }
        manifest.retired.retain(|name, age| *age <= MAX_RETIRED_AGE && !referenced.contains(name));
        let bytes = manifest.to_bytes()?;
        self.version = Some(self.blobs.compare_and_swap(MANIFEST, self.version.as_ref(), &bytes).await?);
        self.publications += 1;
        self.published = manifest.clone();
        self.manifest = manifest;
        Ok(())
    }

    /// Whether another run has written the manifest since it was read.
    pub(super) async fn is_manifest_changed(&self) -> Result<bool, StoreError> {
        let version = self.blobs.get(MANIFEST).await?.map(|(_, version)| version);
        Ok(version != self.version)
    }

    /// Writes a data file under the name that its content gives it, unless that is the `present` one.
    pub(super) async fn put_data_file(
        &self,
        file_stem: &str,
        encoded: Option<PolarsResult<Vec<u8>>>,
        current_name: Option<String>,
    ) -> Result<Option<String>, StoreError> {
        let Some(encoded) = encoded else { return Ok(None) };
        let bytes = with_file_name(file_stem, encoded)?;
        let name = format!("{file_stem}-{}.parquet", content_version(&bytes).0);
        if current_name.as_ref() != Some(&name) {
            self.blobs.put(&name, &bytes).await?;
        }
        Ok(Some(name))
    }
}
