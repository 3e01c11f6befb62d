//! What can go wrong with a ledger, each with its remedy.

use polars::prelude::PolarsError;

use super::manifest::FORMAT;

/// A shelf did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// Another process writes to the same ledger.
    #[error("another run is using the ledger `{0}`\nhint: wait until it ends, or stop it")]
    Held(String),
    /// Something else lies where a ledger should start.
    #[error(
        "cannot create a ledger in `{place}`: it contains `{entry}`\nhint: use a folder or prefix for the ledger \
         alone, such as `--ledger {}/slowburn-ledger`", place.trim_end_matches('/')
    )]
    Occupied {
        /// The folder or prefix.
        place: String,
        /// The first thing that lies there.
        entry: String,
    },
    /// The bytes were swapped by somebody else since they were read.
    #[error("`{0}` was changed by another run\nhint: run again")]
    Lost(String),
    /// The disk refused.
    #[error("cannot {action} `{name}`: {source}\nhint: {}", remedy_of(source))]
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

/// What can be done where a disk refused.
fn remedy_of(error: &std::io::Error) -> &'static str {
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
    Shelf(#[from] ShelfError),
    /// The manifest is no manifest.
    #[error(
        "cannot read `manifest.json` in the ledger: {0}\nhint: restore it from a backup, or fill a new ledger: set \
         `--ledger` to a new folder"
    )]
    Manifest(#[source] serde_json::Error),
    /// The alert state is damaged.
    #[error(
        "cannot read `{file}` in the ledger: {source}\nhint: restore it from a backup, or remove it: open incidents are then forgotten, \
         and may be notified again"
    )]
    Book {
        /// Its file.
        file: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The alert state was written by a newer program.
    #[error(
        "`{file}` in the ledger has format {format}, which is newer than this version\nhint: use the version of slowburn that wrote it"
    )]
    NewerBook {
        /// Its file.
        file: &'static str,
        /// Its format.
        format: u32,
    },
    /// The alert state was written by a program from before the first release.
    #[error(
        "`{file}` in the ledger has format {format}, but this version reads format {known}\nhint: start a new ledger with `--ledger`, \
         or remove `{file}` to start with no open incidents"
    )]
    OlderBook {
        /// Its file.
        file: &'static str,
        /// Its format.
        format: u32,
        /// The format that is read.
        known: u32,
    },
    /// What names and tags stand for.
    #[error(
        "cannot read `discovery.json` in the ledger: {0}\nhint: restore it from a backup, or remove it: the next run \
         discovers load balancers again"
    )]
    Discovered(#[source] serde_json::Error),
    /// A small file beside the manifest is not what it should be.
    #[error("cannot read `{name}` in the ledger: {source}\nhint: {hint}")]
    Json {
        /// Which.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
        /// What can be done.
        hint: &'static str,
    },
    /// A small file beside the manifest was written by a newer program.
    #[error(
        "`{name}` in the ledger has format {format}, which is newer than this version\nhint: use the version of \
         slowburn that wrote it"
    )]
    NewerFile {
        /// Which.
        name: &'static str,
        /// Its format.
        format: u32,
    },
    /// There are data files, but nothing says which of them count.
    #[error(
        "the ledger has data files such as `{0}`, but no `manifest.json`\nhint: restore it from a backup, or fill a \
         new ledger: set `--ledger` to a new folder"
    )]
    NoManifest(String),
    /// It was written by a newer program.
    #[error(
        "the ledger `{place}` has format {format}, but this version reads format {FORMAT}\nhint: use the version of \
         slowburn that wrote it"
    )]
    Newer {
        /// The folder or prefix.
        place: String,
        /// Its format.
        format: u32,
    },
    /// It was written by a program from before the first release.
    #[error(
        "the ledger `{place}` has format {format}, but this version reads format {FORMAT}\nhint: fill a new ledger: set \
         `--ledger` to a new folder, and run `slowburn run`"
    )]
    Older {
        /// The folder or prefix.
        place: String,
        /// Its format.
        format: u32,
    },
    /// Another run replaced files of the ledger while it was read.
    #[error("another run changed the ledger while it was read\nhint: run again")]
    Moved,
    /// A data file is missing or not what its name says.
    #[error(
        "`{name}` in the ledger is {what}\nhint: restore it from a backup, or fill a new ledger: set \
         `--ledger` to a new folder"
    )]
    Damaged {
        /// Which.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Parquet could not be written or read.
    #[error("cannot encode or decode `{name}` in the ledger: {source}")]
    Coding {
        /// Which.
        name: String,
        /// What the library said.
        source: PolarsError,
    },
}
