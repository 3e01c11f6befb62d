//! Deploys that somebody took on themselves, whatever the policy says: kept beside the manifest, oldest first.

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use super::aside::Aside;
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::report::gate::Override;
use crate::store::StoreError;
use crate::store::manifest::text;

/// The name of the file.
pub(super) const OVERRIDES: &str = "overrides.json";
/// Raised when the file changes so that older programs must not read it.
const FORMAT: u32 = 1;
const FILE: Aside<'_> = Aside { name: OVERRIDES, hint: "restore it from a backup, or remove it: only reports use it" };
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
    #[serde(rename = "gate")]
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
        let file: FileTwin = FILE.read(self).await?;
        file.check()?;
        Ok(file.overrides.into_iter().map(Override::from).collect())
    }

    /// Adds one. Unless it is kept, nobody may act on it.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn keep_override(&self, new: &Override) -> Result<(), StoreError> {
        let add = |file: &mut FileTwin| {
            file.check()?;
            file.format = FORMAT;
            file.overrides.push(new.clone().into());
            file.overrides.retain(|one| one.at >= new.at.plus(-KEPT_MINUTES));
            file.overrides.sort_by_key(|one| one.at);
            Ok(())
        };
        FILE.change(self, add).await
    }
}

impl FileTwin {
    const fn check(&self) -> Result<(), StoreError> {
        if self.format > FORMAT {
            return Err(StoreError::NewerFile { name: OVERRIDES, format: self.format });
        }
        Ok(())
    }
}
