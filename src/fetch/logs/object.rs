//! Reads one object, gzip or plain, and hands its lines on piece by piece.
//!
//! Objects of ordinary size are inflated in one go; larger ones, and those that do not inflate, go through a streaming
//! inflater, which needs little memory and can tell a cut file from a damaged one.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use super::buffer::Buffer;
use super::inflate::{Inflater, NoMember};
use super::lines::{LineSink, Lines};
use crate::accesslog::recognise::{LineKind, recognise};

/// Bytes that are read and inflated in one go when an object is streamed.
const PIECE_BYTES: usize = 256 << 10;
/// What all threads together may hold in buffers for whole objects.
const BUFFERS_BYTES: usize = 64 << 20;
/// Lines among which one must be known for text with a NUL byte to be read.
const FIRST_LINES: usize = 16;
/// The first two bytes of every gzip member (RFC 1952).
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// Why an object was not counted. None of its lines were.
#[derive(Debug, thiserror::Error)]
pub enum ObjectFault {
    /// It could not be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// S3 did not give it, or not all of it.
    #[error("cannot be fetched: {said}")]
    Refused {
        /// What S3 said.
        said: String,
        /// What can be done.
        remedy: Cow<'static, str>,
    },
    /// It was listed, and is not there any more.
    #[error("was deleted after it was listed")]
    Gone,
    /// It is another object than the one whose first bytes were read.
    #[error("changed while it was read")]
    Rewritten,
    /// Its gzip stream stops before its end.
    #[error("is truncated: its gzip stream has no end")]
    Truncated,
    /// Its gzip stream is damaged.
    #[error("is damaged: {0}")]
    Corrupt(String),
    /// It is a file of plain text that ends within a line, as a copy does that is still going on.
    #[error("ends in the middle of a line")]
    Unfinished,
    /// It is no gzip and no text: encrypted, or another format.
    #[error("is neither gzip nor text")]
    Foreign,
}

impl ObjectFault {
    /// What kept a reader from the next bytes; one of ours is known again.
    fn of(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Unreadable)
    }
}

/// What was read besides lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Bytes of the file.
    pub(super) size: u64,
    /// Bytes behind the last gzip member that belong to none.
    pub(super) trailing: u64,
    /// It is plain text that ends within a line. That line was handed on too.
    ends_within_line: bool,
}

/// The buffers of one thread, used again for every object.
#[derive(Debug)]
pub(super) struct ObjectReader {
    inflater: Option<Inflater>,
    packed: Buffer,
    plain: Vec<u8>,
    lines: Lines,
    packed_max: usize,
    plain_max: usize,
}

impl ObjectReader {
    /// Buffers that keep within this thread's share.
    pub(super) fn new(threads: usize) -> Self {
        let share = BUFFERS_BYTES / threads.max(1);
        Self {
            inflater: Inflater::new(),
            packed: Buffer::default(),
            plain: Vec::new(),
            lines: Lines::default(),
            packed_max: share / 8,
            plain_max: share / 8 * 7,
        }
    }

    /// Reads a file; the sink has had all its lines when this returns `Ok` and it was not cancelled.
    pub(super) fn read_file(&mut self, path: &Path, sink: &mut impl LineSink) -> Result<Extent, ObjectFault> {
        // To open a pipe would wait for somebody to write to it.
        if !fs::metadata(path).map_err(ObjectFault::Unreadable)?.is_file() {
            return Err(ObjectFault::Unreadable(io::Error::other("not a regular file")));
        }
        let file = File::open(path).map_err(ObjectFault::Unreadable)?;
        let extent = self.read(file, sink)?;
        if extent.ends_within_line { Err(ObjectFault::Unfinished) } else { Ok(extent) }
    }

    /// The same of any source that is known to give all of its bytes: "Amazon S3 never adds partial objects"
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
    pub(super) fn read(&mut self, mut file: impl Read, sink: &mut impl LineSink) -> Result<Extent, ObjectFault> {
        self.begin(sink);
        self.packed.grow(PIECE_BYTES);
        let mut room = PIECE_BYTES;
        let first = self.packed.get_mut(..room).unwrap_or_default();
        let mut held = fill(&mut file, first).map_err(ObjectFault::of)?;
        let start = self.packed.get(..held).unwrap_or_default();
        if start.is_empty() {
            // A node that is replaced writes such objects: there are no lines in them, whatever their names say.
            return Ok(Extent::default());
        }
        if !start.starts_with(GZIP_MAGIC) {
            return self.text(file, held, sink);
        }
        while held == room && held <= self.packed_max {
            room = (room * 2).min(self.packed_max + 1);
            self.packed.grow(room);
            let rest = self.packed.get_mut(held..room).unwrap_or_default();
            held += fill(&mut file, rest).map_err(ObjectFault::of)?;
        }
        if held <= self.packed_max {
            if let Some(extent) = self.whole(held, sink) {
                return Ok(extent);
            }
            self.begin(sink);
        }
        self.stream(held, file, sink)
    }

    fn begin(&mut self, sink: &mut impl LineSink) {
        sink.restart();
        self.lines.reset();
    }

    /// Plain text, of which so many bytes are in memory already.
    fn text(&mut self, mut file: impl Read, mut held: usize, sink: &mut impl LineSink) -> Result<Extent, ObjectFault> {
        let mut size = 0;
        let mut last = b'\n';
        while held > 0 && !sink.is_cancelled() {
            let piece = self.packed.get(..held).unwrap_or_default();
            if size == 0 && is_foreign(piece) {
                return Err(ObjectFault::Foreign);
            }
            self.lines.feed(piece, sink);
            size += held as u64;
            last = piece.last().copied().unwrap_or(last);
            let piece = self.packed.get_mut(..PIECE_BYTES).unwrap_or_default();
            held = if held < PIECE_BYTES { 0 } else { fill(&mut file, piece).map_err(ObjectFault::of)? };
        }
        self.lines.finish(sink);
        Ok(Extent { size, trailing: 0, ends_within_line: last != b'\n' })
    }

    /// Inflates member after member from memory; `None` if one does not fit or is unsound.
    fn whole(&mut self, held: usize, sink: &mut impl LineSink) -> Option<Extent> {
        let inflater = self.inflater.as_mut()?;
        let mut rest = self.packed.get(..held)?;
        while rest.starts_with(GZIP_MAGIC) {
            let wanted = plain_length(rest).min(self.plain_max);
            if self.plain.len() < wanted {
                self.plain.resize(wanted, 0);
            }
            let member = loop {
                match inflater.member(rest, &mut self.plain) {
                    Ok(member) => break member,
                    Err(NoMember::TooLong) if self.plain.len() < self.plain_max => {
                        let longer = (self.plain.len() * 2).clamp(PIECE_BYTES, self.plain_max);
                        self.plain.resize(longer, 0);
                    }
                    Err(_) => return None,
                }
            };
            let plain = self.plain.get(..member.written)?;
            let folded = self.lines.feed_folding(plain, sink);
            // All of it is counted by then; whoever is told that there is nothing forgets that.
            if !member.is_sound(plain, folded) {
                return None;
            }
            rest = rest.get(member.read..)?;
            if sink.is_cancelled() {
                break;
            }
        }
        let extent = Extent { size: held as u64, trailing: rest.len() as u64, ends_within_line: false };
        self.lines.finish(sink);
        Some(extent)
    }

    /// Inflates what is in memory already and then the rest of the file, in pieces.
    fn stream(&mut self, held: usize, file: impl Read, sink: &mut impl LineSink) -> Result<Extent, ObjectFault> {
        let packed = std::mem::take(&mut self.packed);
        let start = packed.get(..held).unwrap_or_default();
        let mut source = Counted { source: Cursor::new(start).chain(file), size: 0 };
        self.plain.resize(self.plain.len().max(PIECE_BYTES), 0);
        let trailing = self.members(BufReader::with_capacity(PIECE_BYTES, &mut source), sink);
        self.lines.finish(sink);
        let size = source.size;
        self.packed = packed;
        Ok(Extent { size, trailing: trailing?, ends_within_line: false })
    }

    /// Inflates member after member; gives the number of bytes behind the last.
    fn members(&mut self, mut source: impl BufRead, sink: &mut impl LineSink) -> Result<u64, ObjectFault> {
        while !sink.is_cancelled() && is_member_next(&mut source).map_err(ObjectFault::of)? {
            // One member at a time: what follows the last may be no gzip, and that must not lose what it follows.
            let mut member = flate2::bufread::GzDecoder::new(source);
            self.pieces(&mut member, sink).map_err(fault_of_member)?;
            source = member.into_inner();
        }
        if sink.is_cancelled() {
            return Ok(0);
        }
        io::copy(&mut source, &mut io::sink()).map_err(ObjectFault::of)
    }

    fn pieces(&mut self, source: &mut impl Read, sink: &mut impl LineSink) -> io::Result<()> {
        let piece = self.plain.get_mut(..PIECE_BYTES).unwrap_or_default();
        while !sink.is_cancelled() {
            match source.read(piece) {
                Ok(0) => break,
                Ok(length) => self.lines.feed(piece.get(..length).unwrap_or_default(), sink),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether an object that is no gzip starts like no text. A NUL byte alone does not tell: a client may have sent it.
fn is_foreign(start: &[u8]) -> bool {
    let mut lines = start.split(|byte| *byte == b'\n').take(FIRST_LINES);
    start.iter().take(512).any(|byte| *byte == 0) && lines.all(|line| recognise(line) == LineKind::Unknown)
}

/// The length that the trailer claims (modulo 2^32, of the last member): a hint, never trusted. A factor of 20 is more
/// than logs compress by.
fn plain_length(packed: &[u8]) -> usize {
    let claimed = packed.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    claimed.clamp(PIECE_BYTES, (packed.len() * 20).max(PIECE_BYTES))
}

fn is_member_next(source: &mut impl BufRead) -> io::Result<bool> {
    // A buffer that ends between the two bytes of the magic is not worth a second look: deflate checks the rest.
    let next = source.fill_buf()?;
    Ok(!next.is_empty() && GZIP_MAGIC.starts_with(next.get(..2).unwrap_or(next)))
}

fn fault_of_member(error: io::Error) -> ObjectFault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ObjectFault::Truncated,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => ObjectFault::Corrupt(error.to_string()),
        _ => ObjectFault::of(error),
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut held = 0;
    while let Some(free) = buffer.get_mut(held..).filter(|free| !free.is_empty()) {
        match file.read(free) {
            Ok(0) => break,
            Ok(length) => held += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(held)
}

/// Counts the bytes that were read.
struct Counted<R> {
    source: R,
    size: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.size += length as u64;
        Ok(length)
    }
}
