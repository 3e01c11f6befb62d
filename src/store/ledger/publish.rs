//! How data files come to count, and when those that they replace are removed.
//!
//! A manifest names all files that count, and is swapped as a whole. Files that it no longer names stay until the end
//! of the next run that writes it: readers hold no lock, and may still use the older manifest.
//!
//! **Invariant:** a file is removed only if a manifest has named it, or its name is that of a data file and ends in the
//! hash of its bytes. Nothing else is touched.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::{CONCURRENT_READS, LedgerStore};
use crate::series::SeriesKey;
use crate::store::manifest::{DataFile, MANIFEST, Manifest, Month, hash_in_name, matches_hash_in_name};
use crate::store::{StoreError, content_version};
use crate::time::Day;

/// Data files that may wait to be published: it bounds what has to be read again after a crash.
const MAX_STAGED_FILES: usize = 24;
/// Manifests through which a replaced file is remembered. It is removed by the first run that finds it so, and by the
/// second in case that one was killed.
const MAX_RETIRED_AGE: u8 = 2;
/// Days that are kept: the longest window has 400, and the weekly report looks back four weeks more.
const RETENTION_DAYS: i32 = 435;

impl LedgerStore {
    /// Takes a manifest whose data files were written; publishes it when many are waiting.
    pub(super) async fn stage(&mut self, manifest: Manifest) -> Result<(), StoreError> {
        let referenced: BTreeSet<String> = manifest.file_names().collect();
        let published: BTreeSet<String> = self.published.file_names().collect();
        let replaced =
            self.manifest.file_names().filter(|name| !referenced.contains(name) && !published.contains(name));
        let replaced: Vec<String> = replaced.collect();
        let staged_count = referenced.difference(&published).count() + replaced.len() + self.unpublished.len();
        self.unpublished.extend(replaced);
        self.manifest = manifest;
        if staged_count >= MAX_STAGED_FILES { self.publish().await } else { Ok(()) }
    }

    /// Makes everything that was committed so far count for all readers, in one step.
    pub async fn publish(&mut self) -> Result<(), StoreError> {
        if self.manifest == self.published {
            return Ok(());
        }
        self.swap_manifest(self.manifest.clone()).await
    }

    /// Writes the first manifest where there is none, so that data files without one are a loss and not a beginning.
    pub(super) async fn write_first_manifest(&mut self) -> Result<(), StoreError> {
        if self.version.is_some() {
            return Ok(());
        }
        let staged = std::mem::take(&mut self.manifest);
        self.swap_manifest(Manifest::default()).await?;
        self.manifest = staged;
        Ok(())
    }

    async fn swap_manifest(&mut self, mut manifest: Manifest) -> Result<(), StoreError> {
        let referenced: BTreeSet<String> = manifest.file_names().collect();
        if self.publications == 0 {
            manifest.retired.values_mut().for_each(|age| *age += 1);
        }
        let replaced = self.published.file_names().filter(|name| !referenced.contains(name));
        for name in replaced.chain(std::mem::take(&mut self.unpublished)) {
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

    /// Writes a data file under the name that its content gives it, and has the manifest name it; an empty one is left
    /// out.
    pub(super) async fn put_data_file(
        &self,
        manifest: &mut Manifest,
        file: DataFile,
        bytes: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let current = manifest.set_hash(file, None);
        let Some(bytes) = bytes else { return Ok(()) };
        let hash = content_version(&bytes).0;
        if current.as_ref() != Some(&hash) {
            self.blobs.put(&file.name(&hash), &bytes).await?;
        }
        manifest.set_hash(file, Some(hash));
        Ok(())
    }

    /// Removes data files that an earlier run has replaced; once a day also what crashes left, and months that no
    /// window reaches.
    pub async fn collect_garbage(&mut self, today: Day) -> Result<(), StoreError> {
        self.delete_retired().await?;
        if self.manifest.last_gc_day.is_none_or(|day| day < today) {
            self.delete_orphans().await?;
            self.drop_old_months(today);
            self.manifest.last_gc_day = Some(today);
        }
        self.publish().await
    }

    async fn delete_retired(&self) -> Result<(), StoreError> {
        let retired = self.manifest.retired.iter().filter(|(_, age)| **age > 0);
        let retired: BTreeSet<String> = retired.map(|(name, _)| name.clone()).collect();
        if retired.is_empty() {
            return Ok(());
        }
        // Another run may have come to the same bytes again, so that its manifest names them once more.
        let Some((bytes, _)) = self.blobs.get(MANIFEST).await? else { return Ok(()) };
        let referenced: BTreeSet<String> = Manifest::from_bytes(&bytes, &self.blobs.location())?.file_names().collect();
        let deletable = retired.difference(&referenced).filter(|name| hash_in_name(name).is_some());
        self.delete_all(deletable).await
    }

    /// Removes data files that no manifest has named: a run was killed, or another published first.
    async fn delete_orphans(&self) -> Result<(), StoreError> {
        let names: Vec<String> = self.manifest.file_names().collect();
        let retired = self.manifest.retired.keys();
        let referenced = names.iter().chain(retired).map(String::as_str).chain([MANIFEST]).collect();
        let mut deletable = self.blobs.orphans(&referenced).await?;
        deletable.retain(|name| hash_in_name(name).is_some());
        let mut proven = Vec::new();
        for name in deletable {
            if self.blobs.get(&name).await?.is_some_and(|(bytes, _)| matches_hash_in_name(&name, &bytes)) {
                proven.push(name);
            }
        }
        self.delete_all(proven.iter()).await
    }

    async fn delete_all(&self, names: impl Iterator<Item = &String>) -> Result<(), StoreError> {
        let deletions = names.map(async |name| Ok(self.blobs.delete(name).await?));
        stream::iter(deletions).buffer_unordered(CONCURRENT_READS).try_collect().await
    }

    /// Leaves out whole months that lie further back than any window reaches, from the newest day that is known: a
    /// wrong clock drops nothing.
    fn drop_old_months(&mut self, today: Day) {
        let known_series: Option<BTreeSet<SeriesKey>> =
            self.lock_daily_sums().as_ref().map(|sums| sums.keys().cloned().collect());
        let manifest = &mut self.manifest;
        let Some(newest) = manifest.partitions.keys().next_back().map(|part| part.day().min(today)) else { return };
        let first_month = Month::containing(newest.plus(-RETENTION_DAYS));
        let first = first_month.first_day();
        manifest.partitions.retain(|part, _| part.day() >= first);
        manifest.sums.retain(|month, _| *month >= first_month);
        manifest.timeslices.retain(|month, _| *month >= first_month);
        manifest.listed_folders.retain(|_, cache| cache.listed_at.day() >= first);
        manifest.unlisted.drop_before(first);
        if let Some(known) = known_series {
            manifest.first_values.retain(|series, _| known.contains(series));
        }
    }
}
