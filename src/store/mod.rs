//! Doors to where the ledger is kept: named bytes on a shelf, one of which may be swapped.

mod atomic_file;
mod book;
mod codec;
mod directory;
mod error;
mod ledger;
mod manifest;
mod memory;
mod names;
mod open;
mod pages;
mod points;
mod s3;

use std::collections::BTreeSet;

pub use atomic_file::{AtomicFile, is_file_with, replace};
pub use codec::budgets_parquet;
pub use directory::DirectoryShelf;
pub use error::{ShelfError, StoreError};
pub use ledger::{BookKind, LedgerStore, Needs};
pub use manifest::{Looked, Walked};
pub use memory::MemoryShelf;
pub use open::{readable, writable};
pub use pages::{Others, Page, Pages, PagesError};
pub use points::WritePoints;
pub use s3::S3Shelf;

/// What the bytes under a name were when they were read: their hash, or the `ETag` that S3 gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// Named bytes. Names are relative and use `/`.
#[async_trait::async_trait]
pub trait Shelf: Send + Sync {
    /// Where it is, as a person writes it.
    fn place(&self) -> String;
    /// The bytes and their version; `None` if there is no such name.
    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, ShelfError>;
    /// Writes bytes that never change under this name.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ShelfError>;
    /// Replaces the bytes if their version is still the expected one (`None`: if there are none).
    async fn swap(&self, name: &str, expected: Option<&Version>, bytes: &[u8]) -> Result<Version, ShelfError>;
    /// Names of data files, and of others that may lie beside them, sorted.
    async fn list(&self) -> Result<Vec<String>, ShelfError>;
    /// Anything at all that lies there; `None` where a ledger may start.
    async fn first_entry(&self) -> Result<Option<String>, ShelfError> {
        Ok(self.list().await?.into_iter().next())
    }
    /// Names of the list that are not among these, and that no other run can be about to name.
    async fn unused(&self, named: &BTreeSet<&str>) -> Result<Vec<String>, ShelfError> {
        Ok(self.list().await?.into_iter().filter(|name| !named.contains(name.as_str())).collect())
    }
    /// Removes a name; nothing happens if there is none.
    async fn delete(&self, name: &str) -> Result<(), ShelfError>;
    /// Whether nobody else can write to it meanwhile.
    fn is_alone(&self) -> bool;
}

/// The version of these bytes: their 128-bit XXH3 in hex.
#[must_use]
pub fn version_of(bytes: &[u8]) -> Version {
    Version(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn conforms(shelf: &dyn Shelf) {
        assert!(shelf.get("a").await.unwrap().is_none());
        let first = shelf.swap("a", None, b"1").await.unwrap();
        assert!(matches!(shelf.swap("a", None, b"2").await, Err(ShelfError::Lost(_))));
        let second = shelf.swap("a", Some(&first), b"2").await.unwrap();
        assert!(matches!(shelf.swap("a", Some(&first), b"3").await, Err(ShelfError::Lost(_))));
        assert_eq!(shelf.get("a").await.unwrap(), Some((b"2".to_vec(), second)));
        shelf.put("2026-10-01/b", b"x").await.unwrap();
        assert_eq!(shelf.list().await.unwrap(), ["2026-10-01/b", "a"]);
        shelf.delete("2026-10-01/b").await.unwrap();
        shelf.delete("2026-10-01/b").await.unwrap();
        assert_eq!(shelf.list().await.unwrap(), ["a"]);
    }

    #[test]
    fn every_shelf_keeps_swaps_and_forgets_alike() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DirectoryShelf::open(folder.path(), WritePoints::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(conforms(&MemoryShelf::default()));
        runtime.block_on(conforms(&directory));
        let nobody_made = DirectoryShelf::read_only(&folder.path().join("none"));
        assert!(runtime.block_on(nobody_made.list()).unwrap().is_empty());
        let folder = tempfile::tempdir().unwrap();
        let _first = DirectoryShelf::open(folder.path(), WritePoints::default()).unwrap();
        let second = DirectoryShelf::open(folder.path(), WritePoints::default()).err().unwrap();
        assert!(second.to_string().starts_with("another run is using the ledger"));
    }
}
