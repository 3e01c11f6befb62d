//! Doors to where the ledger is kept: named bytes on a shelf, one of which may be swapped.

mod alert_state;
mod atomic_file;
mod codec;
mod crash_points;
mod directory;
mod error;
mod ledger;
mod manifest;
#[cfg(test)]
mod memory;
mod names;
mod open;
mod s3;
mod site;

use std::collections::BTreeSet;

pub use atomic_file::{AtomicFile, has_content};
pub use codec::budgets_parquet;
pub use crash_points::CrashPoints;
pub use directory::DirectoryStore;
pub use error::{BlobError, StoreError};
pub use ledger::{AlertStateKind, LedgerStore, LoadRequest, VersionedAlertState};
pub use manifest::{DayListing, ListingCache};
#[cfg(test)]
pub use memory::MemoryStore;
pub use open::{open_readable, open_writable};
pub use s3::S3Store;
pub use site::{SiteError, SiteFile, SiteWriter, StalePages};

/// What the bytes under a name were when they were read: their hash, or the `ETag` that S3 gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// Named bytes. Names are relative and use `/`.
#[async_trait::async_trait]
pub trait BlobStore: Send + Sync {
    /// Where it is, as a person writes it.
    fn location(&self) -> String;
    /// The bytes and their version; `None` if there is no such name.
    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, BlobError>;
    /// Writes bytes that never change under this name.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError>;
    /// Replaces the bytes if their version is still the expected one (`None`: if there are none).
    async fn compare_and_swap(
        &self,
        name: &str,
        expected: Option<&Version>,
        bytes: &[u8],
    ) -> Result<Version, BlobError>;
    /// Names of data files, and of others that may lie beside them, sorted.
    async fn list(&self) -> Result<Vec<String>, BlobError>;
    /// Anything at all that lies there; `None` where a ledger may start.
    async fn first_entry(&self) -> Result<Option<String>, BlobError> {
        Ok(self.list().await?.into_iter().next())
    }
    /// Names of the list that are not among these, and that no other run can be about to name.
    async fn orphans(&self, referenced: &BTreeSet<&str>) -> Result<Vec<String>, BlobError> {
        Ok(self.list().await?.into_iter().filter(|name| !referenced.contains(name.as_str())).collect())
    }
    /// Removes a name; nothing happens if there is none.
    async fn delete(&self, name: &str) -> Result<(), BlobError>;
    /// Whether nobody else can write to it meanwhile.
    fn is_exclusive(&self) -> bool;
}

/// The version of these bytes: their 128-bit XXH3 in hex.
#[must_use]
pub fn content_version(bytes: &[u8]) -> Version {
    Version(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn assert_conforms(blobs: &dyn BlobStore) {
        assert!(blobs.get("a").await.unwrap().is_none());
        let first = blobs.compare_and_swap("a", None, b"1").await.unwrap();
        assert!(matches!(blobs.compare_and_swap("a", None, b"2").await, Err(BlobError::Conflict(_))));
        let second = blobs.compare_and_swap("a", Some(&first), b"2").await.unwrap();
        assert!(matches!(blobs.compare_and_swap("a", Some(&first), b"3").await, Err(BlobError::Conflict(_))));
        assert_eq!(blobs.get("a").await.unwrap(), Some((b"2".to_vec(), second)));
        blobs.put("2026-10-01/b", b"x").await.unwrap();
        assert_eq!(blobs.list().await.unwrap(), ["2026-10-01/b", "a"]);
        blobs.delete("2026-10-01/b").await.unwrap();
        blobs.delete("2026-10-01/b").await.unwrap();
        assert_eq!(blobs.list().await.unwrap(), ["a"]);
    }

    #[test]
    fn blob_stores_behave_alike() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DirectoryStore::open(folder.path(), CrashPoints::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(assert_conforms(&MemoryStore::default()));
        runtime.block_on(assert_conforms(&directory));
        let missing_folder = DirectoryStore::read_only(&folder.path().join("none"));
        assert!(runtime.block_on(missing_folder.list()).unwrap().is_empty());
        let folder = tempfile::tempdir().unwrap();
        let _first = DirectoryStore::open(folder.path(), CrashPoints::default()).unwrap();
        let second = DirectoryStore::open(folder.path(), CrashPoints::default()).err().unwrap();
        assert!(second.to_string().starts_with("another run is using the ledger"));
    }
}
