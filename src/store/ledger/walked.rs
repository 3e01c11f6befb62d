//! Which folders of accounts, regions and days were found in a bucket, and when.

use super::LedgerStore;
use crate::store::StoreError;
use crate::store::manifest::Walked;

impl LedgerStore {
    /// The folders of a bucket as they were found last.
    #[must_use]
    pub fn walked(&self, place: &str) -> Option<&Walked> {
        self.manifest.walked.get(place)
    }

    /// Keeps the folders of a bucket.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn keep_walked(&mut self, place: &str, walked: Walked) -> Result<(), StoreError> {
        let mut manifest = self.manifest.clone();
        manifest.walked.insert(place.to_owned(), walked);
        if manifest == self.manifest { Ok(()) } else { self.swap(manifest).await }
    }
}
