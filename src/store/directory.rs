//! A shelf in a directory: written aside, synced, renamed; one process at a time.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Shelf, ShelfError, Version, WritePoints, version_of};

const LOCK: &str = "lock";

/// A directory that this process alone writes to.
#[derive(Debug)]
pub struct DirectoryShelf {
    root: PathBuf,
    /// Held while the shelf may be written to.
    lock: Option<File>,
    points: WritePoints,
}

impl DirectoryShelf {
    /// Creates the directory if needed and locks it.
    ///
    /// # Errors
    /// [`ShelfError::Held`] if another process has it, [`ShelfError::Disk`] if the disk refuses.
    pub fn open(root: &Path, points: WritePoints) -> Result<Self, ShelfError> {
        let name = root.display().to_string();
        fs::create_dir_all(root).map_err(|source| disk("create", &name, source))?;
        let lock = File::options().create(true).truncate(false).write(true).open(root.join(LOCK));
        let lock = lock.map_err(|source| disk("lock", &name, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ShelfError::Held(name)),
            Err(TryLockError::Error(source)) => return Err(disk("lock", &name, source)),
        }
        Ok(Self { root: root.to_owned(), lock: Some(lock), points })
    }

    /// Opens the directory to read from it, also while another process writes: what a manifest names does not change.
    #[must_use]
    pub fn read_only(root: &Path) -> Self {
        Self { root: root.to_owned(), lock: None, points: WritePoints::default() }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        let aside = self.root.join(format!("{name}.tmp"));
        let mut file = File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.points.pass();
        fs::rename(&aside, &path)?;
        self.points.pass();
        File::open(folder)?.sync_all()?;
        File::open(&self.root)?.sync_all()?;
        self.points.pass();
        Ok(())
    }

    fn walk(&self, folder: &Path, names: &mut Vec<String>) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.walk(&path, names)?;
            } else if let Ok(name) = path.strip_prefix(&self.root) {
                names.push(name.to_string_lossy().replace('\\', "/"));
            }
        }
        Ok(())
    }
}

fn disk(action: &'static str, name: &str, source: std::io::Error) -> ShelfError {
    ShelfError::Disk { action, name: name.to_owned(), source }
}

#[async_trait::async_trait]
impl Shelf for DirectoryShelf {
    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, ShelfError> {
        match fs::read(self.root.join(name)) {
            Ok(bytes) => {
                let version = version_of(&bytes);
                Ok(Some((bytes, version)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(disk("read", name, source)),
        }
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ShelfError> {
        self.write(name, bytes).map_err(|source| disk("write", name, source))
    }

    async fn swap(&self, name: &str, expected: Option<&Version>, bytes: &[u8]) -> Result<Version, ShelfError> {
        let held = self.get(name).await?.map(|(_, version)| version);
        if held.as_ref() != expected {
            return Err(ShelfError::Lost(name.to_owned()));
        }
        self.put(name, bytes).await?;
        Ok(version_of(bytes))
    }

    async fn list(&self) -> Result<Vec<String>, ShelfError> {
        let mut names = Vec::new();
        match self.walk(&self.root, &mut names) {
            // A directory that nobody has made yet holds nothing.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
            walked => walked.map_err(|source| disk("list", &self.root.to_string_lossy(), source))?,
        }
        names.retain(|name| name != LOCK);
        names.sort();
        Ok(names)
    }

    fn is_alone(&self) -> bool {
        self.lock.is_some()
    }

    async fn delete(&self, name: &str) -> Result<(), ShelfError> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(disk("delete", name, error)),
            _ => {
                // A day folder that lost its last file goes too; one that still has files stays, which is no failure.
                let folder = Path::new(name).parent().filter(|folder| !folder.as_os_str().is_empty());
                drop(folder.map(|folder| fs::remove_dir(self.root.join(folder))));
                self.points.pass();
                Ok(())
            }
        }
    }
}
