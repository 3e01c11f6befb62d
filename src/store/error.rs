//! What can go wrong with a ledger, each with its remedy.

use polars::prelude::PolarsError;

use super::manifest::FORMAT;

/// A shelf did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// Another process writes to the same ledger.
    #[error("another run holds the ledger `{0}`\nhint: wait for it to end, or stop it")]
    Held(String),
    /// Something else lies where a ledger should start.
    #[error(
        "cannot start a ledger in `{place}`: it holds `{entry}`\nhint: `--ledger` names a folder or prefix that only the ledger \
         uses, such as `{}/slowburn-ledger`", place.trim_end_matches('/')
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
            "a file, a folder or a link is in the way: see what lies there, or name another folder"
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
        "`manifest.json` of the ledger cannot be read: {0}\nhint: restore it from a backup, or fill another ledger: name a new folder with `--ledger`"
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
        "the ledger has data files such as `{0}`, but no `manifest.json`\nhint: restore it from a backup, or fill another ledger: name a new folder with `--ledger`"
    )]
    NoManifest(String),
    /// It was written by a newer program.
    #[error(
        "the ledger has format {0}, and this slowburn knows format {FORMAT}\nhint: use the newer slowburn that wrote it"
    )]
    Newer(u32),
    /// It was written by a program from before the first release.
    #[error(
        "the ledger has format {0}, and this slowburn knows format {FORMAT}\nhint: fill another ledger: name a new folder with `--ledger`"
    )]
    Older(u32),
    /// Another run replaced files of the ledger while it was read.
    #[error("the ledger changed while it was read\nhint: run again")]
    Moved,
    /// A data file is missing or not what its name says.
    #[error(
        "`{name}` of the ledger is {what}\nhint: restore it from a backup, or fill another ledger: name a new folder with `--ledger`"
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
