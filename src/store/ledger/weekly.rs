//! Which weekly reports were sent where: kept beside the manifest, so that none is sent twice.

use std::collections::BTreeSet;

use super::LedgerStore;
use crate::store::{ShelfError, StoreError};

/// The name of the file.
pub(super) const WEEKLY: &str = "weekly.json";
/// How often the file is read again because others wrote it.
const RACES: usize = 20;
/// What is older is forgotten; a line is a report and a destination.
const KEPT_MAX: usize = 50_000;

impl LedgerStore {
    /// All that were sent: `2026-W47 mart mailto:mart@example.com`, destinations as definitions write them.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn sent_weekly(&self) -> Result<BTreeSet<String>, StoreError> {
        match self.shelf.get(WEEKLY).await? {
            Some((bytes, _)) => serde_json::from_slice(&bytes).map_err(damaged),
            None => Ok(BTreeSet::new()),
        }
    }

    /// Adds what was sent.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn keep_sent_weekly(&self, new: &BTreeSet<String>) -> Result<(), StoreError> {
        let mut lost = ShelfError::Lost(WEEKLY.to_owned());
        for _ in 0..RACES {
            let held = self.shelf.get(WEEKLY).await?;
            let (mut sent, version): (BTreeSet<String>, _) = match held {
                Some((bytes, version)) => (serde_json::from_slice(&bytes).map_err(damaged)?, Some(version)),
                None => (BTreeSet::new(), None),
            };
            sent.extend(new.iter().cloned());
            while sent.len() > KEPT_MAX {
                sent.pop_first();
            }
            let bytes = serde_json::to_vec_pretty(&sent).map_err(damaged)?;
            match self.shelf.swap(WEEKLY, version.as_ref(), &bytes).await {
                Err(refused @ ShelfError::Lost(_)) => lost = refused,
                written => return Ok(written.map(drop)?),
            }
        }
        Err(lost.into())
    }
}

fn damaged(source: serde_json::Error) -> StoreError {
    StoreError::Json {
        name: WEEKLY,
        source,
        hint: "restore it, or remove it: reports of this week may then be sent again",
    }
}
