//! The alert book beside the manifest: one file, swapped as a whole.

use super::LedgerStore;
use crate::alert::AlertState;
use crate::store::{StoreError, Version, alert_state};

/// How often a change is applied again because another run has changed the alert state.
const CONFLICT_RETRIES_MAX: usize = 8;

/// An alert state, and its version in the store; `None` if there is none yet.
pub type VersionedAlertState = (AlertState, Option<Version>);

/// Whom a book is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertStateKind {
    /// What people were told.
    Live,
    /// What was written on paper, for somebody who wants to see it first.
    DryRun,
}

impl AlertStateKind {
    /// The name of the file.
    pub(super) const fn file_name(self) -> &'static str {
        match self {
            Self::Live => "alerts.json",
            Self::DryRun => "alerts-dry-run.json",
        }
    }
}

impl LedgerStore {
    /// The alert book, and what it was when it was read; a ledger without one has an empty book.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn alert_state(&self, kind: AlertStateKind) -> Result<VersionedAlertState, StoreError> {
        let Some((bytes, version)) = self.blobs.get(kind.file_name()).await? else {
            return Ok((AlertState::default(), None));
        };
        Ok((alert_state::decode(kind.file_name(), &bytes)?, Some(version)))
    }

    /// Replaces the alert book, unless another run has replaced it since it was read.
    ///
    /// # Errors
    /// [`crate::store::ShelfError::Lost`] if another run was quicker, or when the shelf refuses.
    pub async fn save_alert_state(
        &self,
        kind: AlertStateKind,
        state: &AlertState,
        expected: Option<&Version>,
    ) -> Result<Version, StoreError> {
        Ok(self
            .blobs
            .compare_and_swap(kind.file_name(), expected, &alert_state::encode(kind.file_name(), state)?)
            .await?)
    }

    /// Changes the alert state, and saves it. If another run has saved it meanwhile, the newer one is changed instead;
    /// `None` if that happens too often.
    ///
    /// # Errors
    /// Those of the change and of the store.
    pub async fn update_alert_state<E: From<StoreError>>(
        &self,
        kind: AlertStateKind,
        (mut state, mut version): VersionedAlertState,
        mut change: impl AsyncFnMut(&mut AlertState) -> Result<(), E>,
    ) -> Result<Option<VersionedAlertState>, E> {
        for _ in 0..CONFLICT_RETRIES_MAX {
            change(&mut state).await?;
            match self.save_alert_state(kind, &state, version.as_ref()).await {
                Ok(saved) => return Ok(Some((state, Some(saved)))),
                Err(error) if error.is_conflict() => (state, version) = self.alert_state(kind).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Whether no other run can be at work on it: a directory is locked, a bucket is not.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.blobs.is_exclusive()
    }
}
