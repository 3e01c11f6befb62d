//! The root of log objects: a directory or a prefix of a bucket, both listed as folders.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::s3::Bucket;
use crate::aws::Aws;
use crate::cost::NanoDollars;
use crate::location::{Location, S3Prefix};
use crate::slo::BucketAccess;
use crate::time::Minute;

/// The size of what is not a file, or cannot be read: it must not be taken for an empty file.
const UNKNOWN_SIZE: u64 = 1;

#[derive(Clone, Debug)]
pub enum LogRoot {
    Directory(PathBuf),
    Bucket(Arc<Bucket>),
}

/// An entry of a folder.
pub(super) struct FolderEntry {
    /// Path below the root.
    pub(super) key: String,
    pub(super) is_folder: bool,
    pub(super) size: u64,
    /// Known of files in a directory.
    pub(super) modified: Option<Minute>,
    /// Why it cannot be read: a broken or circular link.
    pub(super) error: Option<io::Error>,
}

pub(super) struct FolderListing {
    /// Sorted by name.
    pub(super) entries: Vec<FolderEntry>,
    /// Nothing was skipped.
    pub(super) is_complete: bool,
}

/// Why a folder cannot be listed.
#[derive(Debug)]
pub(super) struct ListingError {
    pub(super) message: String,
    pub(super) hint: Cow<'static, str>,
}

impl LogRoot {
    /// Opens a location. A bucket is listed until the cost limit of all AWS requests is reached.
    pub async fn open(location: &Location, access: &BucketAccess, cost_limit: Option<NanoDollars>) -> Self {
        match location {
            Location::Directory(path) => Self::Directory(path.clone()),
            Location::S3 { bucket, prefix } => {
                let client = Aws::shared().await.for_scope(&access.aws).await.s3();
                let keys = S3Prefix::new(bucket, prefix);
                Self::Bucket(Arc::new(Bucket { client, keys, requester_pays: access.requester_pays, cost_limit }))
            }
        }
    }

    /// How many paid requests an object takes.
    pub fn request_count(&self, size: u64) -> u64 {
        match self {
            Self::Directory(_) => 0,
            Self::Bucket(_) => Bucket::request_count(size),
        }
    }

    /// Lists a folder; the root is the folder "". Links are followed, and a name that is not UTF-8 is no log's. In a bucket,
    /// only names with one of these sorted prefixes, if any, are listed beyond the first page.
    pub(super) async fn list_folder(
        &self,
        folder: &str,
        name_prefixes: &[String],
    ) -> Result<FolderListing, ListingError> {
        match self {
            Self::Directory(root) => {
                let entries = read_directory(root, folder).map_err(|error| ListingError {
                    message: error.to_string(),
                    hint: "check that the folder exists and is readable".into(),
                })?;
                Ok(FolderListing { entries, is_complete: true })
            }
            Self::Bucket(bucket) => bucket.list_folder(folder, name_prefixes).await,
        }
    }
}

impl std::fmt::Display for LogRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket(bucket) => write!(f, "{bucket}"),
        }
    }
}

pub(super) fn join_key(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn read_directory(root: &std::path::Path, folder: &str) -> io::Result<Vec<FolderEntry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (is_folder, size, modified, error) = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                (false, metadata.len(), metadata.modified().ok().and_then(to_minute), None)
            }
            Ok(metadata) => (metadata.is_dir(), UNKNOWN_SIZE, None, None),
            Err(error) => (false, UNKNOWN_SIZE, None, Some(error)),
        };
        found.push(FolderEntry { key: join_key(folder, &name), is_folder, size, modified, error });
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

fn to_minute(time: SystemTime) -> Option<Minute> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok().map(Minute::from_unix_seconds)
}
