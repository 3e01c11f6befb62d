//! A shelf in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Shelf, ShelfError, Version, version_of};

/// Named bytes that end with the process.
#[derive(Debug, Default)]
pub struct MemoryShelf(Mutex<BTreeMap<String, Vec<u8>>>);

impl MemoryShelf {
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Shelf for MemoryShelf {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, ShelfError> {
        Ok(self.held().get(name).map(|bytes| (bytes.clone(), version_of(bytes))))
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ShelfError> {
        self.held().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    async fn swap(&self, name: &str, expected: Option<&Version>, bytes: &[u8]) -> Result<Version, ShelfError> {
        let mut held = self.held();
        if held.get(name).map(|bytes| version_of(bytes)).as_ref() != expected {
            return Err(ShelfError::Lost(name.to_owned()));
        }
        held.insert(name.to_owned(), bytes.to_vec());
        Ok(version_of(bytes))
    }

    async fn list(&self) -> Result<Vec<String>, ShelfError> {
        Ok(self.held().keys().cloned().collect())
    }

    fn is_alone(&self) -> bool {
        true
    }

    async fn delete(&self, name: &str) -> Result<(), ShelfError> {
        self.held().remove(name);
        Ok(())
    }
}
