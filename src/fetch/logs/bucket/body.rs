//! The bytes of an object, a piece at a time: most are one piece, and larger ones are asked for as they are read, so
//! that neither memory is needed for all of it nor a connection waits while another piece is counted.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Bucket, Got};
use crate::fetch::logs::object::ObjectFault;

/// What is asked for at once: so much that the price of the requests, $0.0004 for 8 GB, is nothing.
pub(super) const PIECE_BYTES: u64 = 8 << 20;

/// The bytes of an object.
pub(in crate::fetch::logs) struct Body {
    piece: Cursor<Vec<u8>>,
    rest: Option<Rest>,
}

/// What was not asked for yet.
struct Rest {
    bucket: Arc<Bucket>,
    key: Arc<str>,
    /// All pieces must be of one version.
    e_tag: Option<String>,
    at: u64,
    size: u64,
    runtime: Handle,
}

impl Body {
    /// Fetches the first piece of an object that was listed with this size.
    pub(super) async fn begin(
        bucket: Arc<Bucket>,
        key: Arc<str>,
        size: u64,
        runtime: Handle,
    ) -> Result<Self, ObjectFault> {
        let range = (size > PIECE_BYTES).then(|| range_from(0));
        let Got { bytes, range, e_tag } = bucket.get(&key, range, None).await?;
        // The object may have another size than when it was listed.
        let size = range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse::<u64>().ok());
        let at = bytes.len() as u64;
        let rest = size.filter(|size| at < *size).map(|size| Rest { bucket, key, e_tag, at, size, runtime });
        Ok(Self { piece: Cursor::new(bytes), rest })
    }

    /// No more of it than was fetched, so that reading waits for nothing; and whether that is all of it.
    pub(in crate::fetch::logs) fn begun(self) -> (Self, bool) {
        let is_whole = self.rest.is_none();
        (Self { rest: None, ..self }, is_whole)
    }
}

fn range_from(at: u64) -> String {
    format!("bytes={at}-{}", at + PIECE_BYTES - 1)
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.piece.read(buffer)?;
        let Some(rest) = self.rest.as_mut().filter(|rest| length == 0 && !buffer.is_empty() && rest.at < rest.size)
        else {
            return Ok(length);
        };
        // The old piece goes before the new one comes.
        self.piece = Cursor::default();
        let get = rest.bucket.get(&rest.key, Some(range_from(rest.at)), rest.e_tag.as_deref());
        let got = rest.runtime.block_on(get).map_err(io::Error::other)?;
        rest.at += got.bytes.len() as u64;
        self.piece = Cursor::new(got.bytes);
        self.piece.read(buffer)
    }
}
