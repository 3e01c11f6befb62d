//! Where output goes: data to stdout or to a file that is replaced as a whole, messages to stderr.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;

use super::CommandError;
use crate::store::AtomicFile;

/// Where a command writes its data.
pub enum Output {
    Stdout,
    File(PathBuf, AtomicFile),
    /// A device, a pipe or a link, which stays what it is.
    Stream(PathBuf, File),
}

impl Output {
    pub fn create(path: Option<&Path>) -> Result<Self, CommandError> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        let opened = if std::fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
            File::options().write(true).truncate(true).open(path).map(|stream| Self::Stream(path.to_owned(), stream))
        } else {
            AtomicFile::create(path).map(|file| Self::File(path.to_owned(), file))
        };
        opened.map_err(|error| write_error(path, &error))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        match self {
            Self::Stdout => print(bytes),
            Self::File(path, file) => file.write(bytes).map_err(|error| write_error(path, &error)),
            Self::Stream(path, stream) => stream.write_all(bytes).map_err(|error| write_error(path, &error)),
        }
    }

    /// Puts a file in its place; until then there is what was there before.
    pub fn finish(self) -> Result<(), CommandError> {
        let Self::File(path, file) = self else { return Ok(()) };
        file.sync().and_then(|()| file.commit()).map_err(|error| write_error(&path, &error))
    }
}

fn write_error(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new(format!("cannot write `{}`: {error}\nhint: use a writable file with `--out`", path.display()))
}

/// Writes data to stdout. A reader that went away, as `head` does, ends the output without a complaint.
pub fn print(data: impl AsRef<[u8]>) -> Result<(), CommandError> {
    let stdout = std::io::stdout();
    let written = if AutoStream::choice(&stdout) == ColorChoice::Never {
        // The stream would take colours out too, but write every piece between two of them by itself.
        let plain = anstream::adapter::strip_bytes(data.as_ref()).into_vec();
        let mut out = stdout.lock();
        out.write_all(&plain).and_then(|()| out.flush())
    } else {
        let mut out = anstream::stdout().lock();
        out.write_all(data.as_ref()).and_then(|()| out.flush())
    };
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::new(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes to stderr. A closed stderr is not an error.
pub fn print_message(text: impl Display) {
    let mut err = anstream::stderr().lock();
    drop(writeln!(err, "{text}"));
}

pub fn print_warning(text: impl Display) {
    let style = AnsiColor::Yellow.on_default().bold();
    print_message(format!("{style}warning{style:#}: {text}"));
}

pub fn print_error(text: impl Display) {
    let style = AnsiColor::Red.on_default().bold();
    print_message(format!("{style}error{style:#}: {text}"));
}
