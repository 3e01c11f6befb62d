//! The alert book beside the manifest: one file, swapped as a whole.

use super::LedgerStore;
use crate::alert::AlertBook;
use crate::store::{StoreError, Version, book};

/// Whom a book is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookKind {
    /// What people were told.
    People,
    /// What was written on paper, for somebody who wants to see it first.
    Paper,
}

impl BookKind {
    /// The name of the file.
    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::People => "alerts.json",
            Self::Paper => "alerts-dry-run.json",
        }
    }
}

impl LedgerStore {
    /// The alert book, and what it was when it was read; a ledger without one has an empty book.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn book(&self, kind: BookKind) -> Result<(AlertBook, Option<Version>), StoreError> {
        let Some((bytes, version)) = self.shelf.get(kind.file()).await? else {
            return Ok((AlertBook::default(), None));
        };
        Ok((book::read(kind.file(), &bytes)?, Some(version)))
    }

    /// Replaces the alert book, unless another run has replaced it since it was read.
    ///
    /// # Errors
    /// [`crate::store::ShelfError::Lost`] if another run was quicker, or when the shelf refuses.
    pub async fn keep_book(
        &self,
        kind: BookKind,
        book: &AlertBook,
        read: Option<&Version>,
    ) -> Result<Version, StoreError> {
        Ok(self.shelf.swap(kind.file(), read, &book::write(kind.file(), book)?).await?)
    }

    /// Whether no other run can be at work on it: a directory is locked, a bucket is not.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.shelf.is_alone()
    }
}
