//! What can go wrong with a ledger, each with its remedy.

use polars::prelude::PolarsError;

use super::manifest::FORMAT;

/// A shelf did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// Another process writes to the same ledger.
    #[error("another run holds the ledger `{0}`\nhint: wait for it to end, or stop it")]
    Held(String),
    /// The bytes were swapped by somebody else since they were read.
    #[error("`{0}` was changed by another run\nhint: run again")]
    Lost(String),
    /// The disk refused.
    #[error("cannot {action} `{name}`: {source}\nhint: check free space and permissions, then run again")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The file.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// S3 refused.
    #[error("cannot {action} `{name}`: {said}\nhint: {remedy}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// The object.
        name: String,
        /// What AWS said.
        said: String,
        /// What can be done about it.
        remedy: &'static str,
    },
}

/// The ledger's files did not do what they should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The shelf refused.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The manifest is no manifest.
    #[error(
        "`manifest.json` of the ledger cannot be read: {0}\nhint: restore it, or remove the ledger's folder and run again to fill it anew"
    )]
    Manifest(#[source] serde_json::Error),
    /// The alert book is no alert book.
    #[error(
        "`alerts.json` of the ledger cannot be read: {0}\nhint: restore it; without it open incidents are forgotten and may be told again"
    )]
    Book(#[source] serde_json::Error),
    /// The alert book was written by a newer program.
    #[error("`alerts.json` of the ledger has format {0}\nhint: use the newer slowburn that wrote it")]
    NewerBook(u32),
    /// What names and tags stand for.
    #[error(
        "`discovered.json` of the ledger cannot be read: {0}\nhint: restore it, or remove it: what is there now is looked up again"
    )]
    Discovered(#[source] serde_json::Error),
    /// A small file beside the manifest is not what it should be.
    #[error("`{name}` of the ledger cannot be read: {source}\nhint: {hint}")]
    Json {
        /// Which.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
        /// What can be done.
        hint: &'static str,
    },
    /// A small file beside the manifest was written by a newer program.
    #[error("`{name}` of the ledger has format {format}\nhint: use the newer slowburn that wrote it")]
    NewerFile {
        /// Which.
        name: &'static str,
        /// Its format.
        format: u32,
    },
    /// There are data files, but nothing says which of them count.
    #[error(
        "the ledger has data files such as `{0}`, but no `manifest.json`\nhint: restore it, or remove the ledger's folder and run again to fill it anew"
    )]
    NoManifest(String),
    /// It was written by a newer program.
    #[error(
        "the ledger has format {0}, and this slowburn knows format {FORMAT}\nhint: use the newer slowburn that wrote it"
    )]
    Newer(u32),
    /// It was written by a program from before the first release.
    #[error(
        "the ledger has format {0}, and this slowburn knows format {FORMAT}\nhint: remove the ledger's folder and run again to fill it anew"
    )]
    Older(u32),
    /// A data file is missing or not what its name says.
    #[error(
        "`{name}` of the ledger is {what}\nhint: restore it, or remove the ledger's folder and run again to fill it anew"
    )]
    Damaged {
        /// Which.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Parquet could not be written or read.
    #[error("`{name}` of the ledger cannot be coded: {source}")]
    Coding {
        /// Which.
        name: String,
        /// What the library said.
        source: PolarsError,
    },
}
