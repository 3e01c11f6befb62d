//! Reads one object, gzip or plain, and sends its lines to a sink.
//!
//! Objects of ordinary size are inflated at once; larger ones, and those that do not inflate, by a streaming inflater,
//! which needs little memory and distinguishes a truncated file from a damaged one.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::{Deref, DerefMut};
use std::path::Path;

use super::inflate::{InflateError, Inflater};
use crate::access_log::lines::{LineSink, LineSplitter};
use crate::access_log::unparsed_line::{LineKind, detect_line_kind};
use crate::hinted_error::HintedError;

/// Bytes that are read and inflated at once when an object is streamed.
const CHUNK_BYTES: usize = 256 << 10;
/// Limit of all threads' buffers for whole objects.
const BUFFER_BYTES_MAX: usize = 64 << 20;
/// Lines among which one must be recognized for text with a NUL byte to be read.
const SNIFFED_LINES: usize = 16;
/// The first two bytes of every gzip member (RFC 1952).
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    #[error("cannot be fetched: {}", .0.message)]
    Refused(HintedError),
    #[error("was deleted after it was listed")]
    Deleted,
    #[error("changed while it was read")]
    Changed,
    #[error("is truncated: its gzip stream has no end")]
    Truncated,
    #[error("is damaged: {0}")]
    Corrupt(String),
    /// Plain text that ends within a line, as in a copy that is not finished.
    #[error("ends in the middle of a line")]
    PartialLine,
    #[error("is neither gzip nor text")]
    UnknownFormat,
}

impl ObjectError {
    fn from_io(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Unreadable)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectSize {
    pub(super) bytes: u64,
    /// Bytes behind the last gzip member.
    pub(super) trailing_bytes: u64,
    /// Plain text ends within a line, which was sent too.
    ends_mid_line: bool,
}

/// The buffers of one thread, used again for every object.
#[derive(Debug)]
pub(super) struct ObjectReader {
    inflater: Option<Inflater>,
    compressed: AlignedBuffer,
    decompressed: Vec<u8>,
    splitter: LineSplitter,
    compressed_max: usize,
    decompressed_max: usize,
}

impl ObjectReader {
    pub(super) fn new(threads: usize) -> Self {
        let share = BUFFER_BYTES_MAX / threads.max(1);
        Self {
            inflater: Inflater::new(),
            compressed: AlignedBuffer::default(),
            decompressed: Vec::new(),
            splitter: LineSplitter::default(),
            compressed_max: share / 8,
            decompressed_max: share / 8 * 7,
        }
    }

    /// Reads a file; the sink has got all its lines when this returns `Ok` and it was not cancelled.
    pub(super) fn read_file(&mut self, path: &Path, sink: &mut impl LineSink) -> Result<ObjectSize, ObjectError> {
        // Opening a pipe would wait for a writer.
        if !fs::metadata(path).map_err(ObjectError::Unreadable)?.is_file() {
            return Err(ObjectError::Unreadable(io::Error::other("not a regular file")));
        }
        let file = File::open(path).map_err(ObjectError::Unreadable)?;
        let size = self.read(file, sink)?;
        if size.ends_mid_line { Err(ObjectError::PartialLine) } else { Ok(size) }
    }

    /// The same for a source that always has all of its bytes: "Amazon S3 never adds partial objects"
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
    pub(super) fn read(&mut self, mut file: impl Read, sink: &mut impl LineSink) -> Result<ObjectSize, ObjectError> {
        self.restart(sink);
        self.compressed.grow_to(CHUNK_BYTES);
        let mut capacity = CHUNK_BYTES;
        let first = self.compressed.get_mut(..capacity).unwrap_or_default();
        let mut filled = fill_buffer(&mut file, first).map_err(ObjectError::from_io)?;
        let head = self.compressed.get(..filled).unwrap_or_default();
        if head.is_empty() {
            // A node that is replaced writes such objects, without lines.
            return Ok(ObjectSize::default());
        }
        if !head.starts_with(GZIP_MAGIC) {
            return self.read_plain(file, filled, sink);
        }
        while filled == capacity && filled <= self.compressed_max {
            capacity = (capacity * 2).min(self.compressed_max + 1);
            self.compressed.grow_to(capacity);
            let rest = self.compressed.get_mut(filled..capacity).unwrap_or_default();
            filled += fill_buffer(&mut file, rest).map_err(ObjectError::from_io)?;
        }
        if filled <= self.compressed_max {
            if let Some(extent) = self.inflate_whole(filled, sink) {
                return Ok(extent);
            }
            self.restart(sink);
        }
        self.inflate_stream(filled, file, sink)
    }

    fn restart(&mut self, sink: &mut impl LineSink) {
        sink.restart();
        self.splitter.reset();
    }

    /// Reads plain text, of which so many bytes are in the buffer.
    fn read_plain(
        &mut self,
        mut file: impl Read,
        mut filled: usize,
        sink: &mut impl LineSink,
    ) -> Result<ObjectSize, ObjectError> {
        let mut size = 0;
        let mut last = b'\n';
        while filled > 0 && !sink.is_cancelled() {
            let chunk = self.compressed.get(..filled).unwrap_or_default();
            if size == 0 && is_unknown_format(chunk) {
                return Err(ObjectError::UnknownFormat);
            }
            self.splitter.feed(chunk, sink);
            size += filled as u64;
            last = chunk.last().copied().unwrap_or(last);
            let piece = self.compressed.get_mut(..CHUNK_BYTES).unwrap_or_default();
            filled =
                if filled < CHUNK_BYTES { 0 } else { fill_buffer(&mut file, piece).map_err(ObjectError::from_io)? };
        }
        self.splitter.finish(sink);
        Ok(ObjectSize { bytes: size, trailing_bytes: 0, ends_mid_line: last != b'\n' })
    }

    /// Inflates all members in memory; `None` if one does not fit or is invalid.
    fn inflate_whole(&mut self, filled: usize, sink: &mut impl LineSink) -> Option<ObjectSize> {
        let inflater = self.inflater.as_mut()?;
        let mut rest = self.compressed.get(..filled)?;
        while rest.starts_with(GZIP_MAGIC) {
            let length = estimate_decompressed_bytes(rest).min(self.decompressed_max);
            if self.decompressed.len() < length {
                self.decompressed.resize(length, 0);
            }
            let member = loop {
                match inflater.inflate_member(rest, &mut self.decompressed) {
                    Ok(member) => break member,
                    Err(InflateError::OutputTooSmall) if self.decompressed.len() < self.decompressed_max => {
                        let longer = (self.decompressed.len() * 2).clamp(CHUNK_BYTES, self.decompressed_max);
                        self.decompressed.resize(longer, 0);
                    }
                    Err(_) => return None,
                }
            };
            let decompressed = self.decompressed.get(..member.bytes_written)?;
            let folded_crc = self.splitter.feed_with_crc(decompressed, sink);
            // Its lines have been sent by then; the caller restarts the sink.
            if !member.has_valid_crc(decompressed, folded_crc) {
                return None;
            }
            rest = rest.get(member.bytes_read..)?;
            if sink.is_cancelled() {
                break;
            }
        }
        let size = ObjectSize { bytes: filled as u64, trailing_bytes: rest.len() as u64, ends_mid_line: false };
        self.splitter.finish(sink);
        Some(size)
    }

    /// Inflates what is in the buffer and then the rest of the file, in chunks.
    fn inflate_stream(
        &mut self,
        filled: usize,
        file: impl Read,
        sink: &mut impl LineSink,
    ) -> Result<ObjectSize, ObjectError> {
        let compressed = std::mem::take(&mut self.compressed);
        let start = compressed.get(..filled).unwrap_or_default();
        let mut source = CountingReader { inner: Cursor::new(start).chain(file), bytes_read: 0 };
        self.decompressed.resize(self.decompressed.len().max(CHUNK_BYTES), 0);
        let trailing = self.inflate_members(BufReader::with_capacity(CHUNK_BYTES, &mut source), sink);
        self.splitter.finish(sink);
        let size = source.bytes_read;
        self.compressed = compressed;
        Ok(ObjectSize { bytes: size, trailing_bytes: trailing?, ends_mid_line: false })
    }

    /// Inflates all members, and returns the number of bytes behind the last.
    fn inflate_members(&mut self, mut source: impl BufRead, sink: &mut impl LineSink) -> Result<u64, ObjectError> {
        while !sink.is_cancelled() && has_next_member(&mut source).map_err(ObjectError::from_io)? {
            // One member at a time, so that other bytes behind the last do not fail it.
            let mut member = flate2::bufread::GzDecoder::new(source);
            self.feed_member(&mut member, sink).map_err(member_error)?;
            source = member.into_inner();
        }
        if sink.is_cancelled() {
            return Ok(0);
        }
        io::copy(&mut source, &mut io::sink()).map_err(ObjectError::from_io)
    }

    fn feed_member(&mut self, source: &mut impl Read, sink: &mut impl LineSink) -> io::Result<()> {
        let chunk = self.decompressed.get_mut(..CHUNK_BYTES).unwrap_or_default();
        while !sink.is_cancelled() {
            match source.read(chunk) {
                Ok(0) => break,
                Ok(length) => self.splitter.feed(chunk.get(..length).unwrap_or_default(), sink),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether an object without gzip does not start like text. A NUL byte alone proves nothing: a client may have sent it.
fn is_unknown_format(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').take(SNIFFED_LINES);
    head.iter().take(512).any(|byte| *byte == 0) && lines.all(|line| detect_line_kind(line) == LineKind::Unknown)
}

/// The length by the trailer (modulo 2^32, of the last member) as a hint that is not trusted. Logs compress by less
/// than a factor of 20.
fn estimate_decompressed_bytes(compressed: &[u8]) -> usize {
    let claimed = compressed.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    claimed.clamp(CHUNK_BYTES, (compressed.len() * 20).max(CHUNK_BYTES))
}

fn has_next_member(source: &mut impl BufRead) -> io::Result<bool> {
    // If the buffer ends between the two bytes of the magic, the inflater checks the second.
    let next = source.fill_buf()?;
    Ok(!next.is_empty() && GZIP_MAGIC.starts_with(next.get(..2).unwrap_or(next)))
}

fn member_error(error: io::Error) -> ObjectError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ObjectError::Truncated,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => ObjectError::Corrupt(error.to_string()),
        _ => ObjectError::from_io(error),
    }
}

fn fill_buffer(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match file.read(free) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

struct CountingReader<R> {
    inner: R,
    bytes_read: u64,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.bytes_read += length as u64;
        Ok(length)
    }
}

const ALIGNMENT: usize = 64;

/// Memory that files are read into, at an address to which the processor copies fast.
///
/// An allocator returns large memory 16 bytes behind the start of a page. To copy a file to less than 32 bytes behind
/// it takes an AMD Zen 3 three times as long as to any other address: 1.8 instead of 5 GB a second
/// (<https://xuanwo.io/2023/04-rust-std-fs-slower-than-python/>).
#[derive(Debug, Default)]
pub(super) struct AlignedBuffer {
    memory: Vec<u8>,
}

impl AlignedBuffer {
    pub(super) fn grow_to(&mut self, length: usize) {
        if self.len() < length {
            let mut longer = Self { memory: vec![0; length + ALIGNMENT] };
            longer.iter_mut().zip(self.iter()).for_each(|(to, from)| *to = *from);
            *self = longer;
        }
    }

    fn aligned_start(&self) -> usize {
        self.memory.as_ptr().align_offset(ALIGNMENT)
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.aligned_start()..).unwrap_or_default()
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.aligned_start();
        self.memory.get_mut(start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_survives_growth_and_stays_aligned() {
        let mut buffer = AlignedBuffer::default();
        assert!(buffer.is_empty());
        for length in [1, 5, 5_000, 300_000, 10] {
            buffer.grow_to(length);
            assert!(buffer.len() >= length);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            buffer[length - 1] = 7;
        }
        assert_eq!([buffer[0], buffer[4], buffer[9], buffer[10], buffer[4_999]], [7, 7, 7, 0, 7]);
    }
}
