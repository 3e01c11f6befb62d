//! Where a command's data goes: stdout, or a file that is replaced as a whole.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{CommandError, print};
use crate::store::AtomicFile;

/// Stdout, a temporary file, or a device or pipe.
pub(super) enum Output {
    Stdout,
    File { path: PathBuf, file: AtomicFile },
    Stream { path: PathBuf, stream: File },
}

impl Output {
    /// To a file if there is one to write to.
    pub(super) fn create(path: Option<&Path>) -> Result<Self, CommandError> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        // A device, a pipe or a link stays what it is.
        if std::fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
            let stream =
                File::options().write(true).truncate(true).open(path).map_err(|error| write_error(path, &error))?;
            return Ok(Self::Stream { path: path.to_owned(), stream });
        }
        let file = AtomicFile::create(path).map_err(|error| write_error(path, &error))?;
        Ok(Self::File { path: path.to_owned(), file })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        match self {
            Self::Stdout => print(bytes),
            Self::File { path, file } => file.write(bytes).map_err(|error| write_error(path, &error)),
            Self::Stream { path, stream } => stream.write_all(bytes).map_err(|error| write_error(path, &error)),
        }
    }

    /// Puts a file in its place; until then there is what was there before.
    pub(super) fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Stdout | Self::Stream { .. } => Ok(()),
            Self::File { path, file } => {
                file.sync().and_then(|()| file.commit()).map_err(|error| write_error(&path, &error))
            }
        }
    }
}

fn write_error(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new(format!("cannot write `{}`: {error}\nhint: use a writable file with `--out`", path.display()))
}
