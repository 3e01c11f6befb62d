//! Deploys that somebody took on themselves, whatever the policy says: kept beside the manifest, oldest first.

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::report::gate::Override;
use crate::store::manifest::text;
use crate::store::{ShelfError, StoreError, Version};

/// The name of the file.
pub(super) const OVERRIDES: &str = "overrides.json";
/// Raised when the file changes so that older programs must not read it.
const FORMAT: u32 = 1;
/// How often the file is read again because others wrote it.
const RACES: usize = 20;
/// What is older than the longest window is forgotten.
const KEPT_MINUTES: i32 = 400 * MINUTES_PER_DAY;

#[derive(Default, Serialize, Deserialize)]
struct FileTwin {
    format: u32,
    overrides: Vec<Twin>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Twin {
    #[serde(with = "text")]
    at: Minute,
    service: String,
    team: String,
    by: String,
    reason: String,
    against: String,
}

impl From<Twin> for Override {
    fn from(Twin { at, service, team, by, reason, against }: Twin) -> Self {
        Self { at, service, team, by, reason, against }
    }
}

impl From<Override> for Twin {
    fn from(Override { at, service, team, by, reason, against }: Override) -> Self {
        Self { at, service, team, by, reason, against }
    }
}

impl LedgerStore {
    /// All that are kept, oldest first.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn overrides(&self) -> Result<Vec<Override>, StoreError> {
        Ok(self.file_of_overrides().await?.0.into_iter().map(Override::from).collect())
    }

    /// Adds one. Unless it is kept, nobody may act on it.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn keep_override(&self, new: &Override) -> Result<(), StoreError> {
        let mut lost = ShelfError::Lost(OVERRIDES.to_owned());
        for _ in 0..RACES {
            let (mut overrides, version) = self.file_of_overrides().await?;
            overrides.push(new.clone().into());
            overrides.retain(|one| one.at >= new.at.plus(-KEPT_MINUTES));
            overrides.sort_by_key(|one| one.at);
            let bytes = serde_json::to_vec_pretty(&FileTwin { format: FORMAT, overrides }).map_err(damaged)?;
            match self.shelf.swap(OVERRIDES, version.as_ref(), &bytes).await {
                Err(refused @ ShelfError::Lost(_)) => lost = refused,
                written => return Ok(written.map(drop)?),
            }
        }
        Err(lost.into())
    }

    async fn file_of_overrides(&self) -> Result<(Vec<Twin>, Option<Version>), StoreError> {
        let Some((bytes, version)) = self.shelf.get(OVERRIDES).await? else { return Ok((Vec::new(), None)) };
        let file: FileTwin = serde_json::from_slice(&bytes).map_err(damaged)?;
        if file.format > FORMAT {
            return Err(StoreError::NewerFile { name: OVERRIDES, format: file.format });
        }
        Ok((file.overrides, Some(version)))
    }
}

fn damaged(source: serde_json::Error) -> StoreError {
    StoreError::Json { name: OVERRIDES, source, hint: "restore it, or remove it: only reports show what it says" }
}
