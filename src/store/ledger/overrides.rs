//! Deploys that somebody took on themselves, whatever the policy says: kept beside the manifest, oldest first.

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use super::sidecar::Sidecar;
use crate::report::gate::Override;
use crate::store::StoreError;
use crate::store::manifest::text;
use crate::time::{MINUTES_PER_DAY, Minute};

/// The name of the file.
pub(super) const OVERRIDES: &str = "overrides.json";
/// Raised when the file changes so that older programs must not read it.
const FORMAT: u32 = 1;
const FILE: Sidecar<'_> =
    Sidecar { name: OVERRIDES, hint: "restore it from a backup, or remove it: only reports use it" };
/// What is older than the longest window is forgotten.
const RETENTION_MINUTES: i32 = 400 * MINUTES_PER_DAY;

#[derive(Default, Serialize, Deserialize)]
struct OverridesJson {
    format: u32,
    overrides: Vec<OverrideJson>,
}

#[derive(Clone, Serialize, Deserialize)]
struct OverrideJson {
    #[serde(with = "text")]
    at: Minute,
    service: String,
    team: String,
    by: String,
    reason: String,
    #[serde(rename = "gate")]
    gate: String,
}

impl From<OverrideJson> for Override {
    fn from(OverrideJson { at, service, team, by, reason, gate: against }: OverrideJson) -> Self {
        Self { at, service, team, by, reason, gate_reason: against }
    }
}

impl From<Override> for OverrideJson {
    fn from(Override { at, service, team, by, reason, gate_reason: against }: Override) -> Self {
        Self { at, service, team, by, reason, gate: against }
    }
}

impl LedgerStore {
    /// All that are kept, oldest first.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn overrides(&self) -> Result<Vec<Override>, StoreError> {
        let file: OverridesJson = FILE.read(self).await?;
        file.check_format()?;
        Ok(file.overrides.into_iter().map(Override::from).collect())
    }

    /// Adds one. Unless it is kept, nobody may act on it.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn add_override(&self, new: &Override) -> Result<(), StoreError> {
        let add = |file: &mut OverridesJson| {
            file.check_format()?;
            file.format = FORMAT;
            file.overrides.push(new.clone().into());
            file.overrides.retain(|one| one.at >= new.at.plus(-RETENTION_MINUTES));
            file.overrides.sort_by_key(|one| one.at);
            Ok(())
        };
        FILE.update(self, add).await
    }
}

impl OverridesJson {
    const fn check_format(&self) -> Result<(), StoreError> {
        if self.format > FORMAT {
            return Err(StoreError::NewerSidecar { name: OVERRIDES, format: self.format });
        }
        Ok(())
    }
}
