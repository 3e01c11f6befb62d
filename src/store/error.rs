//! Errors of a ledger, each with a hint.

use polars::prelude::PolarsError;

use super::manifest::FORMAT;

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("another run is using the ledger `{0}`\nhint: wait until it ends, or stop it")]
    Locked(String),
    #[error(
        "cannot create a ledger in `{location}`: it contains `{entry}`\nhint: use a folder or prefix for the ledger \
         alone, such as `--ledger {}/slowburn-ledger`", location.trim_end_matches('/')
    )]
    Occupied { location: String, entry: String },
    #[error("`{0}` was changed by another run\nhint: run again")]
    Conflict(String),
    #[error("cannot {action} `{name}`: {source}\nhint: {}", io_hint(source))]
    Io { action: &'static str, name: String, source: std::io::Error },
    #[error("cannot {action} `{name}`: {message}\nhint: {hint}")]
    Aws { action: &'static str, name: String, message: String, hint: &'static str },
}

fn io_hint(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotADirectory | Kind::IsADirectory | Kind::AlreadyExists | Kind::InvalidInput | Kind::InvalidData => {
            "check the path: a file, folder or link is in the way; or use another folder"
        }
        _ => "check free space and permissions, then run again",
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(
        "cannot read `manifest.json` in the ledger: {0}\nhint: restore it from a backup, or fill a new ledger: set \
         `--ledger` to a new folder"
    )]
    Manifest(#[source] serde_json::Error),
    /// From before the first release.
    #[error(
        "`{name}` in the ledger has format {format}, but this version reads format {known}\nhint: start a new ledger \
         with `--ledger`, or remove `{name}` to start with no open incidents"
    )]
    OlderAlertState { name: String, format: u32, known: u32 },
    #[error("cannot read `{name}` in the ledger: {source}\nhint: restore it from a backup, or remove it: {loss}")]
    Sidecar { name: String, source: serde_json::Error, loss: &'static str },
    #[error(
        "`{name}` in the ledger has format {format}, which is newer than this version\nhint: use the version of \
         slowburn that wrote it"
    )]
    NewerSidecar { name: String, format: u32 },
    #[error(
        "the ledger has data files such as `{0}`, but no `manifest.json`\nhint: restore it from a backup, or fill a \
         new ledger: set `--ledger` to a new folder"
    )]
    MissingManifest(String),
    #[error(
        "the ledger `{location}` has format {format}, but this version reads format {FORMAT}\nhint: use the version of \
         slowburn that wrote it"
    )]
    NewerLedger { location: String, format: u32 },
    /// From before the first release.
    #[error(
        "the ledger `{location}` has format {format}, but this version reads format {FORMAT}\nhint: fill a new ledger: set \
         `--ledger` to a new folder, and run `slowburn run`"
    )]
    OlderLedger { location: String, format: u32 },
    #[error("another run changed the ledger while it was read\nhint: run again")]
    ChangedWhileReading,
    #[error(
        "`{name}` in the ledger is {problem}\nhint: restore it from a backup, or fill a new ledger: set \
         `--ledger` to a new folder"
    )]
    Damaged { name: String, problem: &'static str },
    #[error("cannot encode or decode `{name}` in the ledger: {source}")]
    Parquet { name: String, source: PolarsError },
}

impl StoreError {
    /// Whether another run has changed a file since it was read.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Blob(BlobError::Conflict(_)))
    }
}
