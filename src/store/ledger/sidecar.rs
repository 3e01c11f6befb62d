//! Small JSON files beside the manifest, whole in memory, which several runs may change at once.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LedgerStore;
use crate::store::{BlobError, StoreError, Version};

/// How often a file is read again because others wrote it.
const MAX_ATTEMPTS: usize = 20;

/// A file beside the manifest.
#[derive(Clone, Copy)]
pub(super) struct Sidecar<'a> {
    pub(super) name: &'a str,
    /// What can be done where it is damaged.
    pub(super) hint: &'static str,
}

impl Sidecar<'_> {
    fn damaged(self, source: serde_json::Error) -> StoreError {
        StoreError::Sidecar { name: self.name.to_owned(), source, hint: self.hint }
    }

    /// What it holds; what is empty where it is missing.
    pub(super) async fn read<T: DeserializeOwned + Default>(self, store: &LedgerStore) -> Result<T, StoreError> {
        Ok(self.read_with_version(store).await?.0)
    }

    async fn read_with_version<T: DeserializeOwned + Default>(
        self,
        store: &LedgerStore,
    ) -> Result<(T, Option<Version>), StoreError> {
        match store.blobs.get(self.name).await? {
            Some((bytes, version)) => {
                Ok((serde_json::from_slice(&bytes).map_err(|error| self.damaged(error))?, Some(version)))
            }
            None => Ok((T::default(), None)),
        }
    }

    /// Changes what it holds, on top of whatever others have made of it meanwhile; refused if they are at it all the
    /// time.
    pub(super) async fn update<T: DeserializeOwned + Default + Serialize>(
        self,
        store: &LedgerStore,
        edit: impl Fn(&mut T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let (mut value, version) = self.read_with_version(store).await?;
            edit(&mut value)?;
            let bytes = serde_json::to_vec_pretty(&value).map_err(|error| self.damaged(error))?;
            match store.blobs.compare_and_swap(self.name, version.as_ref(), &bytes).await {
                Err(BlobError::Conflict(_)) => {}
                written => return Ok(written.map(drop)?),
            }
        }
        Err(BlobError::Conflict(self.name.to_owned()).into())
    }
}
