//! One gzip member from memory to memory through libdeflate, twice as fast as a streaming inflater.
//!
//! This is the only file of the room with `unsafe`: it hands slices to a C function that writes no further than told.
#![expect(unsafe_code, reason = "libdeflate has a C interface; every block says why it is sound")]

use std::ptr::NonNull;

use libdeflate_sys as c;

/// A decompressor's working memory; about 11 KB, used again for every object.
#[derive(Debug)]
pub(super) struct Inflater(NonNull<c::libdeflate_decompressor>);

// SAFETY: the pointer is owned, and libdeflate keeps no state outside what it points to.
unsafe impl Send for Inflater {}

/// What one member took and gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Compressed bytes, header and trailer included.
    pub(super) read: usize,
    /// Plain bytes.
    pub(super) written: usize,
}

/// Why there is no member. It may have written some of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoMember {
    /// The plain bytes do not fit.
    TooLong,
    /// The bytes are no member, or one that is damaged or cut short.
    Unsound,
}

impl Inflater {
    /// `None` if there is no memory.
    pub(super) fn new() -> Option<Self> {
        // SAFETY: the function has no precondition; null is checked for here.
        NonNull::new(unsafe { c::libdeflate_alloc_decompressor() }).map(Self)
    }

    /// Inflates the member that `input` starts with, and checks its CRC.
    pub(super) fn member(&mut self, input: &[u8], output: &mut [u8]) -> Result<Member, NoMember> {
        let (mut read, mut written) = (0, 0);
        // SAFETY: both pointers come with the lengths of their slices, which libdeflate keeps to; the slices do not
        // overlap because one of them is borrowed mutably; the two results outlive the call; the decompressor is
        // alive and borrowed mutably, so no other thread uses it.
        let result = unsafe {
            c::libdeflate_gzip_decompress_ex(
                self.0.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                output.as_mut_ptr().cast(),
                output.len(),
                &raw mut read,
                &raw mut written,
            )
        };
        match result {
            c::libdeflate_result_LIBDEFLATE_SUCCESS => Ok(Member { read, written }),
            c::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Err(NoMember::TooLong),
            _ => Err(NoMember::Unsound),
        }
    }
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

    fn gz(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_member_ends_where_the_next_one_starts() {
        let first = gz(b"hello");
        let both = [first.clone(), gz(b"world")].concat();
        let mut plain = [0; 5];
        let mut inflater = Inflater::new().unwrap();
        assert_eq!(inflater.member(&both, &mut plain), Ok(Member { read: first.len(), written: 5 }));
        assert_eq!(&plain, b"hello");
        assert_eq!(inflater.member(&both[first.len()..], &mut plain[..4]), Err(NoMember::TooLong));
        assert_eq!(inflater.member(&first[..first.len() - 1], &mut plain), Err(NoMember::Unsound));
        assert_eq!(inflater.member(b"", &mut plain), Err(NoMember::Unsound));
    }
}
