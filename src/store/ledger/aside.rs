//! Small JSON files beside the manifest, whole in memory, which several runs may change at once.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LedgerStore;
use crate::store::{ShelfError, StoreError, Version};

/// How often a file is read again because others wrote it.
const RACES: usize = 20;

/// A file beside the manifest.
#[derive(Clone, Copy)]
pub(super) struct Aside<'a> {
    pub(super) name: &'a str,
    /// What can be done where it is damaged.
    pub(super) hint: &'static str,
}

impl Aside<'_> {
    fn damaged(self, source: serde_json::Error) -> StoreError {
        StoreError::Json { name: self.name.to_owned(), source, hint: self.hint }
    }

    /// What it holds; what is empty where it is missing.
    pub(super) async fn read<T: DeserializeOwned + Default>(self, store: &LedgerStore) -> Result<T, StoreError> {
        Ok(self.versioned(store).await?.0)
    }

    async fn versioned<T: DeserializeOwned + Default>(
        self,
        store: &LedgerStore,
    ) -> Result<(T, Option<Version>), StoreError> {
        match store.shelf.get(self.name).await? {
            Some((bytes, version)) => {
                Ok((serde_json::from_slice(&bytes).map_err(|error| self.damaged(error))?, Some(version)))
            }
            None => Ok((T::default(), None)),
        }
    }

    /// Changes what it holds, on top of whatever others have made of it meanwhile; refused if they are at it all the
    /// time.
    pub(super) async fn change<T: DeserializeOwned + Default + Serialize>(
        self,
        store: &LedgerStore,
        change: impl Fn(&mut T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for _ in 0..RACES {
            let (mut held, version) = self.versioned(store).await?;
            change(&mut held)?;
            let bytes = serde_json::to_vec_pretty(&held).map_err(|error| self.damaged(error))?;
            match store.shelf.swap(self.name, version.as_ref(), &bytes).await {
                Err(ShelfError::Lost(_)) => {}
                written => return Ok(written.map(drop)?),
            }
        }
        Err(ShelfError::Lost(self.name.to_owned()).into())
    }
}
