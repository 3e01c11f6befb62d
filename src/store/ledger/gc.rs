//! What is removed from the ledger: data files that were replaced, those of days that no window reaches, and what a
//! crash left.
//!
//! **Invariant:** a file is removed only if a manifest has named it, or its name is that of a data file and ends in the
//! hash of its bytes. Nothing else is touched.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::{CONCURRENT_READS, LedgerStore, month_containing};
use crate::store::manifest::{MANIFEST, Manifest};
use crate::store::{StoreError, names};
use crate::time::Day;

/// Days that are kept: the longest window has 400, and the weekly report looks back four weeks more.
const RETENTION_DAYS: i32 = 435;

impl LedgerStore {
    /// Removes data files that an earlier run has replaced; once a day also what crashes left, and months that no
    /// window reaches.
    ///
    /// # Errors
    /// When the shelf refuses. Nothing that counts is lost then.
    pub async fn collect_garbage(&mut self, today: Day) -> Result<(), StoreError> {
        self.delete_retired().await?;
        if self.manifest.last_gc_day.is_none_or(|day| day < today) {
            self.delete_orphans().await?;
            self.drop_old_months(today);
            self.manifest.last_gc_day = Some(today);
        }
        self.publish().await
    }

    /// Removes files that were replaced before the newest manifest of an earlier run.
    async fn delete_retired(&self) -> Result<(), StoreError> {
        let retired: BTreeSet<&str> =
            self.manifest.retired.iter().filter(|(_, age)| **age > 0).map(|(name, _)| name.as_str()).collect();
        if retired.is_empty() {
            return Ok(());
        }
        // Another run may have come to the same bytes again, so that its manifest names them once more.
        let Some((bytes, _)) = self.blobs.get(MANIFEST).await? else { return Ok(()) };
        let current_manifest = Manifest::from_bytes(&bytes, &self.blobs.location())?;
        let referenced: BTreeSet<&str> = current_manifest.file_names().collect();
        let deletable = retired.difference(&referenced).filter(|name| names::hash_in_name(name).is_some());
        self.delete_all(deletable.copied()).await
    }

    /// Removes data files that no manifest has named: a run was killed, or another was quicker.
    async fn delete_orphans(&self) -> Result<(), StoreError> {
        let referenced: BTreeSet<&str> = self
            .manifest
            .file_names()
            .chain(self.manifest.retired.keys().map(String::as_str))
            .chain([MANIFEST])
            .collect();
        let orphans = self.blobs.orphans(&referenced).await?;
        let mut deletable = Vec::new();
        for name in orphans.iter().filter(|name| names::hash_in_name(name).is_some()) {
            if let Some((bytes, _)) = self.blobs.get(name).await?
                && names::matches_hash_in_name(name, &bytes)
            {
                deletable.push(name.as_str());
            }
        }
        self.delete_all(deletable.into_iter()).await
    }

    async fn delete_all(&self, names: impl Iterator<Item = &str>) -> Result<(), StoreError> {
        let removed = names.map(async |name| Ok(self.blobs.delete(name).await?));
        stream::iter(removed).buffer_unordered(CONCURRENT_READS).try_collect().await
    }

    /// Leaves out whole months that lie further back than any window reaches, from the newest day that is known. A
    /// clock that is wrong forgets nothing.
    fn drop_old_months(&mut self, today: Day) {
        let Some(newest) = self.manifest.partitions.keys().next_back().map(|part| part.day().min(today)) else {
            return;
        };
        let (_, first, _) = month_containing(newest.plus(-RETENTION_DAYS));
        let is_kept = |month: &str| format!("{month}-01").parse::<Day>().is_ok_and(|day| day >= first);
        self.manifest.partitions.retain(|part, _| part.day() >= first);
        self.manifest.sums.retain(|month, _| is_kept(month));
        self.manifest.timeslices.retain(|month, _| is_kept(month));
        self.manifest.listed_folders.retain(|_, walked| walked.listed_at.day() >= first);
        for days in self.manifest.unlisted.0.values_mut() {
            days.retain(|day, _| *day >= first);
        }
        self.manifest.unlisted.0.retain(|_, days: &mut BTreeMap<_, _>| !days.is_empty());
        let known_series: Option<BTreeSet<String>> =
            self.lock_daily_sums().as_ref().map(|sums| sums.keys().map(ToString::to_string).collect());
        if let Some(known) = known_series {
            self.manifest.first_values.retain(|series, _| known.contains(series));
        }
    }
}
