//! One gzip member from memory to memory through libdeflate, twice as fast as a streaming inflater.
//!
//! `unsafe` is needed to pass slices to a C function, which writes no further than their ends.
#![expect(unsafe_code, reason = "libdeflate has a C interface; every block says why it is sound")]

use std::ptr::NonNull;

use libdeflate_sys as c;

use crate::access_log::newlines::FOLDED_BYTES;

/// A decompressor's working memory; about 11 KB, used again for every object.
#[derive(Debug)]
pub(super) struct Inflater(NonNull<c::libdeflate_decompressor>);

// SAFETY: the pointer is owned, and libdeflate keeps no state outside what it points to.
unsafe impl Send for Inflater {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Compressed bytes, header and trailer included.
    pub(super) bytes_read: usize,
    pub(super) bytes_written: usize,
    /// The CRC-32 of the plain bytes by its trailer.
    crc: u32,
}

/// The error of an invalid gzip member. Some of the output may have been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    OutputTooSmall,
    /// Not a member, or one that is damaged or truncated.
    Invalid,
}

impl Inflater {
    /// `None` if there is no memory.
    pub(super) fn new() -> Option<Self> {
        // SAFETY: the function has no precondition; null is checked for here.
        NonNull::new(unsafe { c::libdeflate_alloc_decompressor() }).map(Self)
    }

    /// Inflates the member that `input` starts with, whose CRC [`Member::has_valid_crc`] checks.
    pub(super) fn inflate_member(&mut self, input: &[u8], output: &mut [u8]) -> Result<Member, InflateError> {
        let (mut read, mut written) = (0, 0);
        let header = header_length(input).ok_or(InflateError::Invalid)?;
        let data = input.get(header..).ok_or(InflateError::Invalid)?;
        // SAFETY: both pointers come with the lengths of their slices, which libdeflate keeps to; the slices do not
        // overlap because one of them is borrowed mutably; the two results outlive the call; the decompressor is
        // alive and borrowed mutably, so no other thread uses it.
        let result = unsafe {
            c::libdeflate_deflate_decompress_ex(
                self.0.as_ptr(),
                data.as_ptr().cast(),
                data.len(),
                output.as_mut_ptr().cast(),
                output.len(),
                &raw mut read,
                &raw mut written,
            )
        };
        match result {
            c::libdeflate_result_LIBDEFLATE_SUCCESS => {}
            c::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => return Err(InflateError::OutputTooSmall),
            _ => return Err(InflateError::Invalid),
        }
        let trailer = data.get(read..).and_then(<[u8]>::first_chunk::<8>).ok_or(InflateError::Invalid)?;
        let [a, b, c, d, length @ ..] = *trailer;
        // The length is modulo 2^32.
        if u32::from_le_bytes(length) as usize != written & u32::MAX as usize {
            return Err(InflateError::Invalid);
        }
        let read = header + read + trailer.len();
        Ok(Member { bytes_read: read, bytes_written: written, crc: u32::from_le_bytes([a, b, c, d]) })
    }
}

impl Member {
    /// Whether the member's CRC is that of the plain text, which may have been folded to fewer bytes.
    pub(super) fn has_valid_crc(&self, plain: &[u8], folded_crc: Option<([u8; FOLDED_BYTES], &[u8])>) -> bool {
        self.crc
            == match folded_crc {
                // Its ones are inverted to zeros.
                Some((start, end)) => crc32(crc32(u32::MAX, &start), end),
                None => crc32(0, plain),
            }
    }
}

/// Continues the CRC-32 of the preceding text.
fn crc32(initial: u32, text: &[u8]) -> u32 {
    // SAFETY: the pointer comes with the length of its slice.
    unsafe { c::libdeflate_crc32(initial, text.as_ptr().cast(), text.len()) }
}

/// Bytes of a member's header (RFC 1952, section 2.3); `None` if there is none. The header's own checksum is skipped.
fn header_length(input: &[u8]) -> Option<usize> {
    const CHECKSUM: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b111 << 5;
    let [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, rest @ ..] = input else { return None };
    let mut rest = rest;
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, extra) = rest.split_first_chunk()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    Some(input.len() - rest.len())
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the matching `alloc` and is freed once.
        unsafe { c::libdeflate_free_decompressor(self.0.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::access_log::newlines::NewlineFinder;
    use crate::access_log::simd::run_portable;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn inflate(input: &[u8], plain: &mut [u8]) -> Result<(usize, usize), InflateError> {
        Inflater::new().unwrap().inflate_member(input, plain).map(|member| (member.bytes_read, member.bytes_written))
    }

    #[test]
    fn member_ends_where_next_one_starts() {
        let first = gzip(b"hello");
        let both = [first.clone(), gzip(b"world")].concat();
        let mut plain = [0; 5];
        assert_eq!(inflate(&both, &mut plain), Ok((first.len(), 5)));
        assert_eq!(&plain, b"hello");
        assert_eq!(inflate(&both[first.len()..], &mut plain[..4]), Err(InflateError::OutputTooSmall));
        for length in 0..first.len() {
            assert_eq!(inflate(&first[..length], &mut plain), Err(InflateError::Invalid), "{length}");
        }
        for (place, other) in [(0, 0), (2, 7), (3, 0x20), (first.len() - 4, 6)] {
            let mut damaged = first.clone();
            damaged[place] = other;
            assert_eq!(inflate(&damaged, &mut plain), Err(InflateError::Invalid), "{place}");
        }
    }

    #[test]
    fn every_header_field_is_skipped() {
        for fields in 0..16 {
            let mut header = flate2::GzBuilder::new();
            if fields & 1 != 0 {
                header = header.filename("a.log");
            }
            if fields & 2 != 0 {
                header = header.comment("of a balancer");
            }
            if fields & 4 != 0 {
                header = header.extra([7; 300]);
            }
            let mut writer = header.write(Vec::new(), flate2::Compression::default());
            writer.write_all(b"hello").unwrap();
            let mut file = writer.finish().unwrap();
            if fields & 8 != 0 {
                let end = header_length(&file).unwrap();
                file[3] |= 2;
                file.splice(end..end, [1, 2]);
            }
            let mut plain = [0; 5];
            assert_eq!(inflate(&file, &mut plain), Ok((file.len(), 5)), "{fields}");
            assert_eq!(&plain, b"hello");
        }
    }

    #[test]
    fn every_changed_bit_fails_crc_check() {
        let text: Vec<u8> = (0..70_000_u32).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        for length in (0..400).chain([16_383, 16_384, 16_385, 16_512, 33_000, 70_000]) {
            let mut plain = text[..length].to_vec();
            let mut output = vec![0; length];
            let member = Inflater::new().unwrap().inflate_member(&gzip(&plain), &mut output).unwrap();
            let mut ends = NewlineFinder::default();
            let mut check = |plain: &[u8], folding| {
                ends.reset(folding);
                while ends.find_in_next(plain, 16 << 10) {}
                member.has_valid_crc(plain, ends.folded_crc(plain))
            };
            let mut is_sound = |plain: &[u8], folding| {
                let is_valid = check(plain, folding);
                assert_eq!(is_valid, run_portable(|| check(plain, folding)), "{length}");
                is_valid
            };
            assert!(is_sound(&plain, true) && is_sound(&plain, false), "{length}");
            for place in [0, 3, 4, 127, 128, length / 2, length.saturating_sub(1)] {
                if let Some(byte) = plain.get_mut(place) {
                    *byte ^= 1 << (place % 8);
                    assert!(!is_sound(&plain, true) && !is_sound(&plain, false), "{length} {place}");
                    plain[place] ^= 1 << (place % 8);
                }
            }
        }
    }
}
