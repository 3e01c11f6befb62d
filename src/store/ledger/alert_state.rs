//! The alert book beside the manifest: one file, swapped as a whole.

use super::LedgerStore;
use crate::alert::AlertState;
use crate::store::{StoreError, Version, alert_state};

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
    pub async fn alert_state(&self, kind: AlertStateKind) -> Result<(AlertState, Option<Version>), StoreError> {
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

    /// Whether no other run can be at work on it: a directory is locked, a bucket is not.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.blobs.is_exclusive()
    }
}
