//! Files that are replaced as a whole: written to a temp file of an unused name, and renamed.
//!
//! **Invariant:** nothing but the file itself is ever replaced or removed. A process that is killed may leave a temp
//! file, which starts with `.` and ends with `.tmp`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Names that are tried for a temp file: other processes may write to the same folder.
const MAX_TEMP_NAMES: u32 = 1_000;

/// A file that is written to a temp file first; dropped without a commit, it leaves nothing.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    temp_path: PathBuf,
    file: File,
    is_committed: bool,
}

impl AtomicFile {
    pub fn create(path: &Path) -> io::Result<Self> {
        let name =
            path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path has no file name"))?;
        for number in 0..MAX_TEMP_NAMES {
            let temp_path = path.with_file_name(format!(".{}.{number}.tmp", name.to_string_lossy()));
            match File::options().write(true).create_new(true).open(&temp_path) {
                Ok(file) => return Ok(Self { path: path.to_owned(), temp_path, file, is_committed: false }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "too many `.tmp` files in the same folder"))
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Flushes the bytes to the disk. Pages and simulated logs are not flushed: the next run recreates them.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    pub fn commit(mut self) -> io::Result<()> {
        fs::rename(&self.temp_path, &self.path)?;
        self.is_committed = true;
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.is_committed {
            drop(fs::remove_file(&self.temp_path));
        }
    }
}

/// Writes a file unless the path is taken; returns whether it did.
pub fn write_new_file(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    // A link to a taken name fails, so that two processes cannot replace each other's file.
    match fs::hard_link(&file.temp_path, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        linked => linked.map(|()| true),
    }
}

/// Replaces a file as a whole. A file with the same bytes keeps its modification time.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if has_content(path, bytes) {
        return Ok(());
    }
    let mut file = AtomicFile::create(path)?;
    file.write(bytes)?;
    file.commit()
}

/// Whether there is a regular file, not a link to one, with these bytes.
pub fn has_content(path: &Path, bytes: &[u8]) -> bool {
    let has_same_length =
        fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.len() == bytes.len() as u64);
    has_same_length && fs::read(path).is_ok_and(|held| held == bytes)
}

/// Creates the folders of a name with `/` below a root. A link among them is an error: it would lead outside.
pub(super) fn create_parent_folders(root: &Path, name: &str) -> io::Result<()> {
    fs::create_dir_all(root)?;
    let mut folder = root.to_owned();
    let Some((parents, _)) = name.rsplit_once('/') else { return Ok(()) };
    for part in parents.split('/') {
        folder.push(part);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made?,
        }
        if !fs::symlink_metadata(&folder)?.is_dir() {
            let message = format!("`{}` is a link or a file, not a folder", folder.display());
            return Err(io::Error::new(ErrorKind::NotADirectory, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_a_file_leaves_other_files_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.md");
        for foreign in ["report.md.tmp", ".report.md.0.tmp"] {
            fs::write(folder.path().join(foreign), "theirs").unwrap();
        }
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        drop(AtomicFile::create(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(!write_new_file(&path, b"three").unwrap(), "a taken name keeps its file");
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".report.md.0.tmp", "report.md", "report.md.tmp"]);
        assert_eq!(fs::read(folder.path().join(".report.md.0.tmp")).unwrap(), b"theirs");
    }

    #[test]
    fn folders_are_not_created_through_symlinks() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("mart")).unwrap();
        assert!(create_parent_folders(folder.path(), "mart/checkout.html").is_err());
        create_parent_folders(folder.path(), "shop/a/b.html").unwrap();
        assert!(folder.path().join("shop/a").is_dir());
    }
}
