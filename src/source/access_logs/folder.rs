//! The entries of a folder, in a bucket or a directory.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::time::Minute;

/// The size of what is not a file, or cannot be read: it must not be taken for an empty file.
const UNKNOWN_SIZE: u64 = 1;

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

pub(super) fn join_key(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

pub(super) fn read_directory(root: &Path, folder: &str) -> io::Result<FolderListing> {
    let mut entries = Vec::new();
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
        entries.push(FolderEntry { key: join_key(folder, &name), is_folder, size, modified, error });
    }
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(FolderListing { entries, is_complete: true })
}

fn to_minute(time: SystemTime) -> Option<Minute> {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok().map(Minute::from_unix_seconds)
}
