//! How data files come to count, and what becomes of those that they replace.
//!
//! A manifest names all files that count, and is swapped as a whole. Files that it no longer names stay until the end
//! of the next run that writes it: readers hold no lock, and may still use the older manifest.

use std::collections::BTreeSet;

use polars::prelude::PolarsResult;

use super::{LedgerStore, coded};
use crate::store::manifest::{MANIFEST, Manifest};
use crate::store::{StoreError, version_of};

/// Data files that may be waiting to be published: what a killed run has to read again stays bounded.
const STAGED_MAX: usize = 24;
/// Manifests through which a replaced file is remembered. It is removed by the first run that finds it so, and by the
/// second in case that one was killed.
const RETIRED_MAX: u8 = 2;

impl LedgerStore {
    /// Takes a manifest whose data files were written; publishes it when many are waiting.
    pub(super) async fn stage(&mut self, manifest: Manifest) -> Result<(), StoreError> {
        let named: BTreeSet<&str> = manifest.names().collect();
        let public: BTreeSet<&str> = self.published.names().collect();
        let replaced = self.manifest.names().filter(|name| !named.contains(name) && !public.contains(name));
        let replaced: Vec<String> = replaced.map(str::to_owned).collect();
        let waiting = named.difference(&public).count() + replaced.len() + self.unpublished.len();
        self.unpublished.extend(replaced);
        self.manifest = manifest;
        if waiting >= STAGED_MAX { self.publish().await } else { Ok(()) }
    }

    /// Makes everything that was committed or kept so far count for everybody, in one step.
    ///
    /// # Errors
    /// When the shelf refuses, or another run was quicker; what counts is then as it was.
    pub async fn publish(&mut self) -> Result<(), StoreError> {
        if self.manifest == self.published {
            return Ok(());
        }
        self.swap(self.manifest.clone()).await
    }

    /// Writes the first manifest where there is none: from here on, data files without one are a loss and not a
    /// beginning.
    pub(super) async fn start(&mut self) -> Result<(), StoreError> {
        if self.version.is_some() {
            return Ok(());
        }
        let staged = std::mem::take(&mut self.manifest);
        self.swap(Manifest::default()).await?;
        self.manifest = staged;
        Ok(())
    }

    /// Swaps the manifest, and notes the files that count no more.
    pub(super) async fn swap(&mut self, mut manifest: Manifest) -> Result<(), StoreError> {
        let named: BTreeSet<String> = manifest.names().map(str::to_owned).collect();
        let is_first = self.publications == 0;
        for age in manifest.retired.values_mut().filter(|_| is_first) {
            *age += 1;
        }
        let replaced = self.published.names().filter(|name| !named.contains(*name));
        for name in replaced.map(str::to_owned).chain(std::mem::take(&mut self.unpublished)) {
            manifest.retired.entry(name).or_insert(0);
        }
        manifest.retired.retain(|name, age| *age <= RETIRED_MAX && !named.contains(name));
        let bytes = manifest.write()?;
        self.version = Some(self.shelf.swap(MANIFEST, self.version.as_ref(), &bytes).await?);
        self.publications += 1;
        self.published = manifest.clone();
        self.manifest = manifest;
        Ok(())
    }

    /// Whether another run has written the manifest since it was read.
    pub(super) async fn is_moved(&self) -> Result<bool, StoreError> {
        let version = self.shelf.get(MANIFEST).await?.map(|(_, version)| version);
        Ok(version != self.version)
    }

    /// Writes a data file under the name that its content gives it, unless that is the `present` one.
    pub(super) async fn put_data(
        &self,
        kind: &str,
        encoded: Option<PolarsResult<Vec<u8>>>,
        present: Option<String>,
    ) -> Result<Option<String>, StoreError> {
        let Some(encoded) = encoded else { return Ok(None) };
        let bytes = coded(kind, encoded)?;
        let name = format!("{kind}-{}.parquet", version_of(&bytes).0);
        if present.as_ref() != Some(&name) {
            self.shelf.put(&name, &bytes).await?;
        }
        Ok(Some(name))
    }
}
