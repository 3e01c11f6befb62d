//! What can go wrong with a ledger, each with its remedy.

use polars::prelude::PolarsError;

use super::manifest::FORMAT;

/// A shelf did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Another process writes to the same ledger.
    #[error("another run is using the ledger `{0}`\nhint: wait until it ends, or stop it")]
    Locked(String),
    /// Something else lies where a ledger should start.
    #[error(
        "cannot create a ledger in `{location}`: it contains `{entry}`\nhint: use a folder or prefix for the ledger \
         alone, such as `--ledger {}/slowburn-ledger`", location.trim_end_matches('/')
    )]
    Occupied {
        /// The folder or prefix.
        location: String,
        /// The first thing that lies there.
        entry: String,
    },
    /// The bytes were swapped by somebody else since they were read.
    #[error("`{0}` was changed by another run\nhint: run again")]
    Conflict(String),
    /// The disk refused.
    #[error("cannot {action} `{name}`: {source}\nhint: {}", io_hint(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// S3 refused.
    #[error("cannot {action} `{name}`: {message}\nhint: {hint}")]
    Aws {
        /// What was tried.
        action: &'static str,
        /// The object.
        name: String,
        /// What AWS said.
        message: String,
        /// What can be done about it.
        hint: &'static str,
    },
}

/// What can be done where a disk refused.
fn io_hint(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotADirectory | Kind::IsADirectory | Kind::AlreadyExists | Kind::InvalidInput | Kind::InvalidData => {
            "check the path: a file, folder or link is in the way; or use another folder"
        }
        _ => "check free space and permissions, then run again",
    }
}

/// The ledger's files did not do what they should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The shelf refused.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The manifest is no manifest.
    #[error(
        "cannot read `manifest.json` in the ledger: {0}\nhint: restore it from a backup, or fill a new ledger: set \
         `--ledger` to a new folder"
    )]
    Manifest(#[source] serde_json::Error),
    /// The alert state was written by a program from before the first release.
    #[error(
        "`{name}` in the ledger has format {format}, but this version reads format {known}\nhint: start a new ledger \
         with `--ledger`, or remove `{name}` to start with no open incidents"
    )]
    OlderAlertState {
        /// Its file.
        name: String,
        /// Its format.
        format: u32,
        /// The format that is read.
        known: u32,
    },
    /// A small file beside the manifest is not what it should be.
    #[error("cannot read `{name}` in the ledger: {source}\nhint: restore it from a backup, or remove it: {loss}")]
    Sidecar {
        /// Which.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
        /// What happens when it is removed.
        loss: &'static str,
    },
    /// A small file beside the manifest was written by a newer program.
    #[error(
        "`{name}` in the ledger has format {format}, which is newer than this version\nhint: use the version of \
         slowburn that wrote it"
    )]
    NewerSidecar {
        /// Which.
        name: String,
        /// Its format.
        format: u32,
    },
    /// There are data files, but nothing says which of them count.
    #[error(
        "the ledger has data files such as `{0}`, but no `manifest.json`\nhint: restore it from a backup, or fill a \
         new ledger: set `--ledger` to a new folder"
    )]
    MissingManifest(String),
    /// It was written by a newer program.
    #[error(
        "the ledger `{location}` has format {format}, but this version reads format {FORMAT}\nhint: use the version of \
         slowburn that wrote it"
    )]
    NewerLedger {
        /// The folder or prefix.
        location: String,
        /// Its format.
        format: u32,
    },
    /// It was written by a program from before the first release.
    #[error(
        "the ledger `{location}` has format {format}, but this version reads format {FORMAT}\nhint: fill a new ledger: set \
         `--ledger` to a new folder, and run `slowburn run`"
    )]
    OlderLedger {
        /// The folder or prefix.
        location: String,
        /// Its format.
        format: u32,
    },
    /// Another run replaced files of the ledger while it was read.
    #[error("another run changed the ledger while it was read\nhint: run again")]
    ChangedWhileReading,
    /// A data file is missing or not what its name says.
    #[error(
        "`{name}` in the ledger is {problem}\nhint: restore it from a backup, or fill a new ledger: set \
         `--ledger` to a new folder"
    )]
    Damaged {
        /// Which.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Parquet could not be written or read.
    #[error("cannot encode or decode `{name}` in the ledger: {source}")]
    Parquet {
        /// Which.
        name: String,
        /// What the library said.
        source: PolarsError,
    },
}

impl StoreError {
    /// Whether another run has changed a file since it was read.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Blob(BlobError::Conflict(_)))
    }
}
