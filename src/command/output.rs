//! Where a command's data goes: stdout, or a file that is replaced as a whole.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Failure, print};

/// Stdout, or a file that is being written aside.
pub(super) enum Output {
    Stdout,
    File { path: PathBuf, aside: PathBuf, file: File },
}

impl Output {
    /// To a file if there is one to write to.
    pub(super) fn to(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let aside = path.with_file_name(name);
        let file = File::create(&aside).map_err(|error| failed(path, error))?;
        Ok(Self::File { path: path.to_owned(), aside, file })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout => print(bytes),
            Self::File { path, file, .. } => file.write_all(bytes).map_err(|error| failed(path, error)),
        }
    }

    /// Puts a file in its place; until then there is what was there before.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(()),
            Self::File { path, aside, file } => {
                let placed = file.sync_all().and_then(|()| std::fs::rename(&aside, &path));
                placed.map_err(|error| failed(&path, error))
            }
        }
    }
}

fn failed(path: &Path, error: std::io::Error) -> Failure {
    Failure::because(&format!("`{}` could not be written", path.display()), error)
}
