//! What tells one state of a file from another: size and time, and the hash of its bytes.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::Xxh3;

use crate::fetch_plan::FileState;

/// The state of a file; `None` where size and time say nothing of its content, as of a pipe.
pub(super) fn file_state(metadata: &Metadata) -> Option<FileState> {
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let modified_ns = u64::try_from(modified.as_nanos()).ok()?;
    metadata.is_file().then_some(FileState { size: metadata.len(), modified_ns })
}

/// The hash of a file's bytes.
pub(super) fn hash_file(path: &Path) -> io::Result<String> {
    let mut file = HashingReader::new(File::open(path)?);
    io::copy(&mut file, &mut io::sink())?;
    Ok(file.finish())
}

/// A reader that hashes the bytes that go through it.
pub(super) struct HashingReader<R> {
    inner: R,
    hash: Xxh3,
}

impl<R: Read> HashingReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner: inner, hash: Xxh3::new() }
    }

    /// The hash of all that was read: 128 bits of XXH3 in hex.
    pub(super) fn finish(self) -> String {
        format!("{:032x}", self.hash.digest128())
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}
