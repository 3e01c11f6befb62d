//! A blob store in a directory: written to a temp file, synced, renamed; one process at a time.
//!
//! **Invariant:** links are never followed below the directory, and a temp file is removed only if the lock file names
//! it.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::atomic_file::create_parent_folders;
use super::manifest::{MANIFEST, Manifest, hash_in_name, is_day_name};
use super::{BlobError, BlobStore, CrashPoints, Version, content_version};

/// The lock file. It holds the name of the temp file.
const LOCK: &str = "lock";

/// Names that are tried for the temp file: there may be foreign files.
const MAX_TEMP_NAMES: u32 = 1_000;

/// A directory that this process alone writes to.
#[derive(Debug)]
pub struct DirectoryStore {
    root: PathBuf,
    /// Held while it may be written to.
    lock: Option<Lock>,
    crash_points: CrashPoints,
}

#[derive(Debug)]
struct Lock {
    file: File,
    temp_path: PathBuf,
}

impl DirectoryStore {
    /// Creates the directory if needed and locks it. A ledger that has lost its manifest is opened for reading, so that
    /// the reader reports the loss.
    pub fn open(root: &Path, crash_points: CrashPoints) -> Result<Self, BlobError> {
        let root_name = root.display().to_string();
        let read_only = Self::read_only(root);
        let is_damaged = fs::read(root.join(MANIFEST)).is_ok_and(|bytes| !Manifest::is_manifest(&bytes));
        let foreign = first_foreign_entry(root).map_err(|source| io_error("read", &root_name, source))?;
        if let Some(entry) = foreign.or_else(|| is_damaged.then(|| MANIFEST.to_owned())) {
            let names = read_only.file_names().map_err(|source| io_error("list", &root_name, source))?;
            let is_ledger = names.iter().any(|name| hash_in_name(name).is_some());
            return if is_ledger { Ok(read_only) } else { Err(BlobError::Occupied { location: root_name, entry }) };
        }
        fs::create_dir_all(root).map_err(|source| io_error("create", &root_name, source))?;
        let lock = Lock::acquire(root).map_err(|source| io_error("lock", &root_name, source))?;
        Ok(Self { root: root.to_owned(), lock: Some(lock.ok_or(BlobError::Locked(root_name))?), crash_points })
    }

    /// Opens the directory for reading, also while another process writes: files that a manifest names do not change.
    pub fn read_only(root: &Path) -> Self {
        Self { root: root.to_owned(), lock: None, crash_points: CrashPoints::default() }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let Some(Lock { temp_path, .. }) = &self.lock else {
            return Err(std::io::Error::new(ErrorKind::PermissionDenied, "the ledger is open for reading only"));
        };
        create_parent_folders(&self.root, name)?;
        let path = self.root.join(name);
        let mut file = File::create(temp_path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.crash_points.reach();
        fs::rename(temp_path, &path)?;
        self.crash_points.reach();
        File::open(path.parent().unwrap_or(&self.root))?.sync_all()?;
        File::open(&self.root)?.sync_all()?;
        self.crash_points.reach();
        Ok(())
    }

    fn file_names(&self) -> std::io::Result<Vec<String>> {
        let mut result = Vec::new();
        for (name, metadata) in read_entries(&self.root)? {
            if metadata.is_dir() && is_day_name(&name) {
                let files = read_entries(&self.root.join(&name))?.into_iter().filter(|(_, about)| about.is_file());
                result.extend(files.map(|(file, _)| format!("{name}/{file}")));
            } else if metadata.is_file() && name != LOCK && !is_temp_name(&name) {
                result.push(name);
            }
        }
        result.sort();
        Ok(result)
    }
}

impl Lock {
    /// Locks a directory; `None` if another process has it.
    fn acquire(root: &Path) -> std::io::Result<Option<Self>> {
        let path = root.join(LOCK);
        if fs::symlink_metadata(&path).is_ok_and(|about| !about.is_file()) {
            return Err(std::io::Error::new(ErrorKind::InvalidInput, "`lock` is a link or a folder"));
        }
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(source),
        }
        // A process that was killed may have left the temp file that it named here.
        let mut abandoned = String::new();
        file.read_to_string(&mut abandoned)?;
        if !abandoned.is_empty() {
            if !is_temp_name(&abandoned) {
                return Err(std::io::Error::new(ErrorKind::InvalidData, "`lock` was not written by slowburn"));
            }
            match fs::remove_file(root.join(&abandoned)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let is_free = |name: &String| fs::symlink_metadata(root.join(name)).is_err();
        let name = (0..MAX_TEMP_NAMES).map(temp_name).find(is_free);
        let name =
            name.ok_or_else(|| std::io::Error::new(ErrorKind::AlreadyExists, "too many `.slowburn-N.tmp` files"))?;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(name.as_bytes())?;
        file.sync_all()?;
        Ok(Some(Self { file, temp_path: root.join(name) }))
    }
}

impl Drop for Lock {
    /// A file of the name that is created later is not slowburn's.
    fn drop(&mut self) {
        drop(self.file.set_len(0));
    }
}

fn temp_name(number: u32) -> String {
    format!(".slowburn-{number}.tmp")
}

fn is_temp_name(name: &str) -> bool {
    let number = name.strip_prefix(".slowburn-").and_then(|rest| rest.strip_suffix(".tmp"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Links are not followed.
fn read_entries(folder: &Path) -> std::io::Result<Vec<(String, fs::Metadata)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(about) => entries.push((entry.file_name().to_string_lossy().into_owned(), about)),
            // Another process may remove a file that it replaced.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

/// The first entry that keeps a ledger from being created in a folder: any entry, if the manifest is missing.
fn first_foreign_entry(root: &Path) -> std::io::Result<Option<String>> {
    if fs::symlink_metadata(root.join(MANIFEST)).is_ok() {
        return Ok(None);
    }
    let entries = match read_entries(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let has_lock = entries.iter().any(|(name, about)| name == LOCK && is_own_lock(root, about));
    let is_own = |name: &String| has_lock && (name == LOCK || is_temp_name(name));
    Ok(entries.into_iter().map(|(name, _)| name).filter(|name| !is_own(name)).min())
}

/// Whether a file `lock` is that of a run that had not written a manifest yet.
fn is_own_lock(root: &Path, metadata: &fs::Metadata) -> bool {
    metadata.is_file() && fs::read_to_string(root.join(LOCK)).is_ok_and(|text| text.is_empty() || is_temp_name(&text))
}

fn io_error(action: &'static str, name: &str, source: std::io::Error) -> BlobError {
    BlobError::Io { action, name: name.to_owned(), source }
}

#[async_trait::async_trait]
impl BlobStore for DirectoryStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, BlobError> {
        match fs::read(self.root.join(name)) {
            Ok(bytes) => {
                let version = content_version(&bytes);
                Ok(Some((bytes, version)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", name, source)),
        }
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
        self.write(name, bytes).map_err(|source| io_error("write", name, source))
    }

    async fn compare_and_swap(
        &self,
        name: &str,
        expected: Option<&Version>,
        bytes: &[u8],
    ) -> Result<Version, BlobError> {
        let current = self.get(name).await?.map(|(_, version)| version);
        if current.as_ref() != expected {
            return Err(BlobError::Conflict(name.to_owned()));
        }
        self.put(name, bytes).await?;
        Ok(content_version(bytes))
    }

    async fn list(&self) -> Result<Vec<String>, BlobError> {
        match self.file_names() {
            // The directory has not been created yet.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            names => names.map_err(|source| io_error("list", &self.root.to_string_lossy(), source)),
        }
    }

    async fn first_entry(&self) -> Result<Option<String>, BlobError> {
        first_foreign_entry(&self.root).map_err(|source| io_error("list", &self.root.to_string_lossy(), source))
    }

    fn is_exclusive(&self) -> bool {
        self.lock.is_some()
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        // A link in place of a folder leads outside the ledger.
        if !fs::symlink_metadata(folder).is_ok_and(|about| about.is_dir())
            || !fs::symlink_metadata(&path).is_ok_and(|about| about.is_file())
        {
            return Ok(());
        }
        fs::remove_file(&path).map_err(|error| io_error("delete", name, error))?;
        self.crash_points.reach();
        if folder != self.root {
            // Removes the folder of a day without files; one with files stays, which is not an error.
            drop(fs::remove_dir(folder));
        }
        Ok(())
    }
}
