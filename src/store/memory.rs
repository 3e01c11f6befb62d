//! A shelf in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{BlobError, BlobStore, Version, content_version};

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
