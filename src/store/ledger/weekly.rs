//! Which weekly reports were sent where: kept beside the manifest, so that none is sent twice.

use std::collections::BTreeSet;

use super::LedgerStore;
use super::aside::Aside;
use crate::store::StoreError;

/// The name of the file.
pub(super) const WEEKLY: &str = "weekly.json";
const FILE: Aside<'_> =
    Aside { name: WEEKLY, hint: "restore it, or remove it: reports of this week may then be sent again" };
/// What is older is forgotten; a line is a report and a destination.
const KEPT_MAX: usize = 50_000;

impl LedgerStore {
    /// All that were sent: `2026-W47 mart mailto:mart@example.com`, destinations as definitions write them.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn sent_weekly(&self) -> Result<BTreeSet<String>, StoreError> {
        FILE.read(self).await
    }

    /// Adds what was sent.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn keep_sent_weekly(&self, new: &BTreeSet<String>) -> Result<(), StoreError> {
        let add = |sent: &mut BTreeSet<String>| {
            sent.extend(new.iter().cloned());
            while sent.len() > KEPT_MAX {
                sent.pop_first();
            }
            Ok(())
        };
        FILE.change(self, add).await
    }
}
