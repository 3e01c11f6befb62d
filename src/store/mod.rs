//! Where the ledger is stored: named bytes in a directory or a bucket, some of which are replaced by compare-and-swap.

mod atomic_file;
mod codec;
mod directory;
mod error;
mod ledger;
mod manifest;
mod s3;
mod site;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::location::Location;

pub use atomic_file::{AtomicFile, has_content, write_new_file};
pub use codec::budgets_parquet;
pub use directory::DirectoryStore;
pub use error::{BlobError, StoreError};
pub use ledger::{AlertStateKind, LedgerStore, LoadRequest, VersionedAlertState};
pub use s3::S3Store;
pub use site::{SiteError, SiteFile, SiteWriter, StalePages};

/// The state of the bytes under a name: their hash, or the `ETag` of S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// Named bytes. Names are relative and use `/`.
#[async_trait::async_trait]
pub trait BlobStore: Send + Sync {
    fn location(&self) -> String;

    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, BlobError>;

    /// Writes bytes that never change under this name.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError>;

    /// Replaces the bytes if their version is still the expected one; `None` expects that there are none.
    async fn compare_and_swap(
        &self,
        name: &str,
        expected: Option<&Version>,
        bytes: &[u8],
    ) -> Result<Version, BlobError>;

    /// Names of data files, and of others that may lie beside them, sorted.
    async fn list(&self) -> Result<Vec<String>, BlobError>;

    /// Any file at all; `None` where a ledger may be created.
    async fn first_entry(&self) -> Result<Option<String>, BlobError> {
        Ok(self.list().await?.into_iter().next())
    }

    /// Listed names that are not referenced, and that no other run can be about to reference.
    async fn orphans(&self, referenced: &BTreeSet<&str>) -> Result<Vec<String>, BlobError> {
        Ok(self.list().await?.into_iter().filter(|name| !referenced.contains(name.as_str())).collect())
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError>;

    /// Whether no other process can write to it meanwhile.
    fn is_exclusive(&self) -> bool;
}

/// The version of bytes: their 128-bit XXH3 in hex.
pub fn content_version(bytes: &[u8]) -> Version {
    Version(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes)))
}

/// Opens a location for writing. A directory is created and locked; a bucket is not.
pub async fn open_writable(location: &Location, crash_points: CrashPoints) -> Result<Box<dyn BlobStore>, BlobError> {
    Ok(match location {
        Location::Directory(path) => Box::new(DirectoryStore::open(path, crash_points)?),
        Location::S3 { bucket, prefix } => Box::new(S3Store::open(bucket, prefix, crash_points).await),
    })
}

pub async fn open_readable(location: &Location) -> Box<dyn BlobStore> {
    match location {
        Location::Directory(path) => Box::new(DirectoryStore::read_only(path)),
        Location::S3 { bucket, prefix } => Box::new(S3Store::open(bucket, prefix, CrashPoints::default()).await),
    }
}

/// The points before and after each write at which a test may stop the process (from 1, in debug builds).
#[derive(Clone, Debug, Default)]
pub struct CrashPoints {
    halt_at: Option<u64>,
    reached: Arc<AtomicU64>,
}

impl CrashPoints {
    pub fn halting_at(halt_at: Option<u64>) -> Self {
        Self { halt_at, reached: Arc::default() }
    }

    pub fn reach(&self) {
        let point = self.reached.fetch_add(1, Ordering::Relaxed) + 1;
        if cfg!(debug_assertions) && self.halt_at == Some(point) {
            writeln!(std::io::stderr(), "stopped at write point {point}").ok();
            loop {
                std::thread::park();
            }
        }
    }
}

#[cfg(test)]
pub use tests::MemoryStore;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Named bytes that end with the process.
    #[derive(Debug, Default)]
    pub struct MemoryStore(Mutex<BTreeMap<String, Vec<u8>>>);

    impl MemoryStore {
        fn lock_blobs(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[async_trait::async_trait]
    impl BlobStore for MemoryStore {
        fn location(&self) -> String {
            "memory".to_owned()
        }

        async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, BlobError> {
            Ok(self.lock_blobs().get(name).map(|bytes| (bytes.clone(), content_version(bytes))))
        }

        async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
            self.lock_blobs().insert(name.to_owned(), bytes.to_vec());
            Ok(())
        }

        async fn compare_and_swap(
            &self,
            name: &str,
            expected: Option<&Version>,
            bytes: &[u8],
        ) -> Result<Version, BlobError> {
            let mut blobs = self.lock_blobs();
            if blobs.get(name).map(|bytes| content_version(bytes)).as_ref() != expected {
                return Err(BlobError::Conflict(name.to_owned()));
            }
            blobs.insert(name.to_owned(), bytes.to_vec());
            Ok(content_version(bytes))
        }

        async fn list(&self) -> Result<Vec<String>, BlobError> {
            Ok(self.lock_blobs().keys().cloned().collect())
        }

        fn is_exclusive(&self) -> bool {
            true
        }

        async fn delete(&self, name: &str) -> Result<(), BlobError> {
            self.lock_blobs().remove(name);
            Ok(())
        }
    }

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
