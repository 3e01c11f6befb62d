//! The bytes of an object, a piece at a time: most are one piece, and larger ones are asked for as they are read, so
//! that neither memory is needed for all of it nor a connection waits while another piece is counted.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Bucket, ObjectBytes};
use crate::source::access_logs::object::ObjectError;

/// What is asked for at once: so much that the price of the requests, $0.0004 for 8 GB, is nothing.
pub(super) const CHUNK_BYTES: u64 = 8 << 20;

/// The bytes of an object.
pub(in crate::source::access_logs) struct ObjectBody {
    chunk: Cursor<Vec<u8>>,
    remaining: Option<Remaining>,
}

/// What was not asked for yet.
struct Remaining {
    bucket: Arc<Bucket>,
    key: Arc<str>,
    /// All pieces must be of one version.
    e_tag: Option<String>,
    offset: u64,
    size: u64,
    runtime: Handle,
}

impl ObjectBody {
    /// Fetches the first piece of an object that was listed with this size.
    pub(super) async fn open(
        bucket: Arc<Bucket>,
        key: Arc<str>,
        size: u64,
        runtime: Handle,
    ) -> Result<Self, ObjectError> {
        let range = (size > CHUNK_BYTES).then(|| range_header(0));
        let ObjectBytes { bytes, range, e_tag } = bucket.get_object(&key, range, None).await?;
        // The object may have another size than when it was listed.
        let size = range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse::<u64>().ok());
        let at = bytes.len() as u64;
        let rest =
            size.filter(|size| at < *size).map(|size| Remaining { bucket, key, e_tag, offset: at, size, runtime });
        Ok(Self { chunk: Cursor::new(bytes), remaining: rest })
    }

    /// No more of it than was fetched, so that reading waits for nothing; and whether that is all of it.
    pub(in crate::source::access_logs) fn into_first_chunk(self) -> (Self, bool) {
        let is_complete = self.remaining.is_none();
        (Self { remaining: None, ..self }, is_complete)
    }
}

fn range_header(offset: u64) -> String {
    format!("bytes={offset}-{}", offset + CHUNK_BYTES - 1)
}

impl Read for ObjectBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.chunk.read(buffer)?;
        let Some(rest) =
            self.remaining.as_mut().filter(|rest| length == 0 && !buffer.is_empty() && rest.offset < rest.size)
        else {
            return Ok(length);
        };
        // The old piece goes before the new one comes.
        self.chunk = Cursor::default();
        let get = rest.bucket.get_object(&rest.key, Some(range_header(rest.offset)), rest.e_tag.as_deref());
        let got = rest.runtime.block_on(get).map_err(io::Error::other)?;
        rest.offset += got.bytes.len() as u64;
        self.chunk = Cursor::new(got.bytes);
        self.chunk.read(buffer)
    }
}
