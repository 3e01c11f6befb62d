//! The name of a target group out of its ARN, kept in place so that it is found and compared without a jump.
//!
//! `arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID`, in any AWS partition. A name has at most 32 characters
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use super::blocks::{SEARCHED, bits};

const MARK: &[u8] = b":targetgroup/";

/// A name of at most 32 bytes, the rest of them zero. Longer ones, which AWS does not give, are all one that no group has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GroupName([u8; SEARCHED]);

impl GroupName {
    /// Takes a name.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; SEARCHED];
        match bytes.get_mut(..name.len()) {
            Some(start) => start.copy_from_slice(name),
            None => bytes = [0xff; SEARCHED],
        }
        Self(bytes)
    }
}

impl Hash for GroupName {
    /// One number of all bytes is enough to tell the names of a balancer apart.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (words, _) = self.0.as_chunks::<8>();
        let mixed = words.iter().fold(0_u64, |mixed, word| mixed.rotate_left(23) ^ u64::from_le_bytes(*word));
        state.write_u64(mixed);
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(self.0.split(|byte| *byte == 0).next().unwrap_or_default()))
    }
}

/// Reads names. The ARNs of one balancer share partition, region and account, so the name mostly starts where the last one did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GroupReader {
    mark_at: usize,
}

impl GroupReader {
    /// The name in an ARN; `None` if there is none.
    #[inline]
    pub(super) fn read(&mut self, arn: &[u8]) -> Option<GroupName> {
        if !arn.get(self.mark_at..).unwrap_or_default().starts_with(MARK) {
            if !arn.starts_with(b"arn:") {
                return None;
            }
            self.mark_at = memchr::memmem::find(arn, MARK)?;
        }
        let name = arn.get(self.mark_at + MARK.len()..)?;
        let end = memchr::memchr(b'/', name).unwrap_or(name.len());
        name.get(..end).filter(|name| !name.is_empty()).map(GroupName::new)
    }

    /// The same where the name starts where the last one did; `None` says nothing of the ARN.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it must become part of a function that is compiled for a wider processor"
    )]
    pub(super) fn read_usual(self, text: &[u8], arn: Range<usize>) -> Option<GroupName> {
        let mark = arn.start + self.mark_at;
        if !text.get(mark..)?.starts_with(MARK) {
            return None;
        }
        let start = mark + MARK.len();
        let near: &[u8; SEARCHED] = text.get(start..)?.first_chunk()?;
        let length = bits(b'/', near).trailing_zeros() as usize;
        if length == 0 || length == SEARCHED || start + length >= arn.end {
            return None;
        }
        let kept: &[u8; SEARCHED] = KEPT.get(SEARCHED - length..)?.first_chunk()?;
        Some(GroupName(std::array::from_fn(|place| near[place] & kept[place])))
    }
}

/// From 32 - n on it keeps n bytes.
const KEPT: [u8; 2 * SEARCHED] = {
    let mut kept = [0; 2 * SEARCHED];
    let mut place = 0;
    while place < SEARCHED {
        kept[place] = 0xff;
        place += 1;
    }
    kept
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_any_arn() {
        let mut reader = GroupReader::default();
        for name in ["a", "orders", "a-name-of-just-thirty-one-bytes", "0123456789abcdef0123456789abcdef"] {
            for partition in ["aws", "aws-cn"] {
                for tail in ["/0b1c2d3e4f5a6b7c", "/", ""] {
                    let arn = format!("arn:{partition}:elasticloadbalancing:eu-west-1:1:targetgroup/{name}{tail}");
                    let expected = GroupName::new(name.as_bytes());
                    assert_eq!(reader.read(arn.as_bytes()), Some(expected), "{arn}");
                    let text = format!("x {arn} and more text behind it, enough for a whole block");
                    let usual = reader.read_usual(text.as_bytes(), 2..2 + arn.len());
                    assert!(usual.is_none_or(|usual| usual == expected), "{arn}");
                    assert_eq!(usual.is_some(), !tail.is_empty() && name.len() < 32, "{arn}");
                }
            }
        }
        for arn in ["", "-", "arn:aws:x", "x:targetgroup/orders/0b", "arn:aws:elasticloadbalancing:::targetgroup//0b"] {
            assert_eq!(reader.read(arn.as_bytes()), None, "{arn}");
        }
        assert_eq!(GroupName::new(&[b'x'; 33]), GroupName::new(&[b'y'; 40]));
    }
}
