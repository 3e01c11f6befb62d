//! What is removed from the ledger: data files that were replaced, those of days that no window reaches, and what a
//! crash left.
//!
//! **Invariant:** a file is removed only if a manifest has named it, or its name is that of a data file and ends in the
//! hash of its bytes. Nothing else is touched.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::{LedgerStore, READ_TOGETHER, month_of};
use crate::minute::Day;
use crate::store::manifest::{MANIFEST, Manifest};
use crate::store::{StoreError, names};

/// Days that are kept: the longest window has 400, and the weekly report looks back four weeks more.
const KEPT_DAYS: i32 = 435;

impl LedgerStore {
    /// Removes data files that an earlier run has replaced; once a day also what crashes left, and months that no
    /// window reaches.
    ///
    /// # Errors
    /// When the shelf refuses. Nothing that counts is lost then.
    pub async fn sweep(&mut self, today: Day) -> Result<(), StoreError> {
        self.remove_retired().await?;
        if self.manifest.swept.is_none_or(|day| day < today) {
            self.remove_unnamed().await?;
            self.forget_old(today);
            self.manifest.swept = Some(today);
        }
        self.publish().await
    }

    /// Removes files that were replaced before the newest manifest of an earlier run.
    async fn remove_retired(&self) -> Result<(), StoreError> {
        let old: BTreeSet<&str> =
            self.manifest.retired.iter().filter(|(_, age)| **age > 0).map(|(name, _)| name.as_str()).collect();
        if old.is_empty() {
            return Ok(());
        }
        // Another run may have come to the same bytes again, so that its manifest names them once more.
        let Some((bytes, _)) = self.shelf.get(MANIFEST).await? else { return Ok(()) };
        let present = Manifest::read(&bytes, &self.shelf.place())?;
        let named: BTreeSet<&str> = present.names().collect();
        let old = old.difference(&named).filter(|name| names::hash_of(name).is_some());
        self.remove(old.copied()).await
    }

    /// Removes data files that no manifest has named: a run was killed, or another was quicker.
    async fn remove_unnamed(&self) -> Result<(), StoreError> {
        let named: BTreeSet<&str> =
            self.manifest.names().chain(self.manifest.retired.keys().map(String::as_str)).chain([MANIFEST]).collect();
        let unused = self.shelf.unused(&named).await?;
        let mut own = Vec::new();
        for name in unused.iter().filter(|name| names::hash_of(name).is_some()) {
            if let Some((bytes, _)) = self.shelf.get(name).await?
                && names::is_own(name, &bytes)
            {
                own.push(name.as_str());
            }
        }
        self.remove(own.into_iter()).await
    }

    async fn remove(&self, names: impl Iterator<Item = &str>) -> Result<(), StoreError> {
        let removed = names.map(async |name| Ok(self.shelf.delete(name).await?));
        stream::iter(removed).buffer_unordered(READ_TOGETHER).try_collect().await
    }

    /// Leaves out whole months that lie further back than any window reaches, from the newest day that is known. A
    /// clock that is wrong forgets nothing.
    fn forget_old(&mut self, today: Day) {
        let Some(newest) = self.manifest.parts.keys().next_back().map(|part| part.day().min(today)) else { return };
        let (_, first, _) = month_of(newest.plus(-KEPT_DAYS));
        let is_kept = |month: &str| format!("{month}-01").parse::<Day>().is_ok_and(|day| day >= first);
        self.manifest.parts.retain(|part, _| part.day() >= first);
        self.manifest.sums.retain(|month, _| is_kept(month));
        self.manifest.slices.retain(|month, _| is_kept(month));
        self.manifest.walked.retain(|_, walked| walked.now.day() >= first);
        for days in self.manifest.unlisted.0.values_mut() {
            days.retain(|day, _| *day >= first);
        }
        self.manifest.unlisted.0.retain(|_, days: &mut BTreeMap<_, _>| !days.is_empty());
        let known: Option<BTreeSet<String>> =
            self.held_sums().as_ref().map(|sums| sums.keys().map(ToString::to_string).collect());
        if let Some(known) = known {
            self.manifest.began.retain(|series, _| known.contains(series));
        }
    }
}
