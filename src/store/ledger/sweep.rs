//! What nothing names is removed; what is kept beside the manifest, by names of its own, stays.

use std::collections::BTreeSet;

use super::{BookKind, LedgerStore, discovered, overrides, usage, weekly};
use crate::store::StoreError;
use crate::store::manifest::MANIFEST;

impl LedgerStore {
    /// Removes files that the manifest does not name: what a crash left, and what the last commit replaced.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let named: BTreeSet<&str> = self.manifest.names().chain([MANIFEST]).collect();
        let is_kept = |name: &str| {
            let books = BookKind::ALL.map(BookKind::file);
            let others = [discovered::DISCOVERED, overrides::OVERRIDES, weekly::WEEKLY];
            name.starts_with(usage::USAGE) || others.contains(&name) || books.contains(&name)
        };
        for name in self.shelf.litter(&named).await?.iter().filter(|name| !is_kept(name)) {
            self.shelf.delete(name).await?;
        }
        Ok(())
    }
}
