//! Where log objects lie: below a directory, or below a prefix of a bucket, which both look like folders from here.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::bucket::Bucket;
use crate::aws::Aws;
use crate::cost::Dollars;
use crate::location::{Keys, Location};
use crate::minute::Minute;
use crate::slo::Access;

/// The size of what is no file, or cannot be looked at: it must not pass for a file without a byte.
const UNKNOWN_SIZE: u64 = 1;

/// A place that can be looked into and read from.
#[derive(Clone, Debug)]
pub enum Place {
    /// A directory.
    Directory(PathBuf),
    /// A prefix of a bucket.
    Bucket(Arc<Bucket>),
}

/// What a folder holds, with its path below the place.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) is_folder: bool,
    pub(super) size: u64,
    /// The minute of its last change, of a file in a directory.
    pub(super) changed: Option<Minute>,
    /// Why nothing can be said of it: a link leads nowhere, or in a circle.
    pub(super) fault: Option<io::Error>,
}

/// What was seen of a folder.
pub(super) struct Folder {
    /// Sorted by name.
    pub(super) entries: Vec<Entry>,
    /// Nothing was passed over.
    pub(super) is_whole: bool,
}

/// Why a folder cannot be looked into, and what can be done.
#[derive(Debug)]
pub(super) struct Unseen {
    pub(super) said: String,
    pub(super) remedy: Cow<'static, str>,
}

impl Place {
    /// The place that a person wrote. A bucket is looked into no further than all that AWS is asked may cost.
    pub async fn of(location: &Location, access: &Access, most: Option<Dollars>) -> Self {
        match location {
            Location::Directory(path) => Self::Directory(path.clone()),
            Location::S3 { bucket, prefix } => {
                let client = Aws::reach().await.of(&access.reach).await.s3();
                let keys = Keys::below(bucket, prefix);
                Self::Bucket(Arc::new(Bucket::new(client, keys, access.requester_pays, most)))
            }
        }
    }

    /// How many requests an object takes that are paid for.
    #[must_use]
    pub fn reads(&self, size: u64) -> u64 {
        match self {
            Self::Directory(_) => 0,
            Self::Bucket(_) => Bucket::reads(size),
        }
    }

    /// What a folder holds; the place itself is the folder "". Links are followed; names that are no UTF-8 are no log's
    /// name. In a bucket, more than a page is looked at only where names start in one of these ways, in order; all, if
    /// there are none.
    pub(super) async fn look_into(&self, folder: &str, starts: &[String]) -> Result<Folder, Unseen> {
        match self {
            Self::Directory(root) => {
                let entries = entries(root, folder).map_err(|error| Unseen {
                    said: error.to_string(),
                    remedy: "check that the folder exists and is readable".into(),
                })?;
                Ok(Folder { entries, is_whole: true })
            }
            Self::Bucket(bucket) => bucket.look_into(folder, starts).await,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket(bucket) => write!(f, "{bucket}"),
        }
    }
}

/// The key of what lies in a folder.
pub(super) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn entries(root: &std::path::Path, folder: &str) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (is_folder, size, changed, fault) = match fs::metadata(&path) {
            Ok(about) if about.is_file() => (false, about.len(), about.modified().ok().and_then(minute_of), None),
            Ok(about) => (about.is_dir(), UNKNOWN_SIZE, None, None),
            Err(error) => (false, UNKNOWN_SIZE, None, Some(error)),
        };
        found.push(Entry { key: below(folder, &name), is_folder, size, changed, fault });
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

fn minute_of(time: SystemTime) -> Option<Minute> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok().map(Minute::of_unix_seconds)
}
