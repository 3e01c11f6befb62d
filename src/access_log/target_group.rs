//! The name of a target group out of its ARN, in a fixed size so that it is read and compared without a branch.
//!
//! `arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID`, in any AWS partition. A name has at most 32
//! characters (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>).

use std::hash::{Hash, Hasher};

use super::simd::{HALF_BLOCK_BYTES, all_within, byte_mask};

const ARN_PREFIX: &[u8] = b"arn:";
const TARGET_GROUP_MARKER: &[u8] = b":targetgroup/";

/// A name of at most 32 bytes, padded with zeros. Longer ones and those that end in NUL, which AWS does not allow,
/// are all one name that no group has.
#[derive(Clone, Copy, Debug, Eq)]
pub struct TargetGroupName([u64; NAME_WORDS]);

const NAME_WORDS: usize = HALF_BLOCK_BYTES / 8;

impl TargetGroupName {
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; HALF_BLOCK_BYTES];
        match bytes.get_mut(..name.len()).filter(|_| name.last() != Some(&0)) {
            Some(start) => start.copy_from_slice(name),
            None => bytes = [0xff; HALF_BLOCK_BYTES],
        }
        Self(to_words(&bytes))
    }

    /// The name, if it is one that AWS allows: letters, digits and hyphens.
    pub fn valid_name(&self) -> Option<String> {
        let bytes = self.0.iter().flat_map(|word| word.to_le_bytes()).take_while(|byte| *byte != 0).collect();
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        String::from_utf8(bytes).ok().filter(|name| !name.is_empty() && name.bytes().all(is_valid))
    }
}

#[inline(always)]
fn to_words(bytes: &[u8; HALF_BLOCK_BYTES]) -> [u64; NAME_WORDS] {
    let word =
        |index: usize| bytes.get(index..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word));
    [word(0), word(8), word(16), word(24)]
}

impl PartialEq for TargetGroupName {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.0, other.0);
        (one[0] ^ other[0]) | (one[1] ^ other[1]) | (one[2] ^ other[2]) | (one[3] ^ other[3]) == 0
    }
}

impl Hash for TargetGroupName {
    /// One number of all bytes is enough to distinguish the names of a balancer.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let words = self.0;
        let mixed = words[0] ^ words[1].rotate_left(17) ^ words[2].rotate_left(34) ^ words[3].rotate_left(51);
        state.write_u64(mixed);
    }
}

/// Spreads the one number of a [`TargetGroupName`]. The keys come from definitions, so no client can make them collide.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TargetGroupHasher(u64);

impl Hasher for TargetGroupHasher {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        // The golden ratio in 64 bits, as Fibonacci hashing has it; the product's halves are both well mixed.
        let (low, high) = (number ^ self.0).carrying_mul(0x9e37_79b9_7f4a_7c15, 0);
        self.0 = low ^ high;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The most bytes of an ARN before its name that are cached; there are 64 to 85.
const ARN_START_BYTES: usize = 3 * HALF_BLOCK_BYTES;

/// Caches how ARNs start: those of one balancer share partition, region and account.
#[derive(Clone, Copy, Debug)]
pub(super) struct TargetGroupParser {
    /// The last ARN up to its name.
    arn_start: [u8; ARN_START_BYTES],
    /// How far each byte may be from that: not at all up to the name.
    max_distance: [u8; ARN_START_BYTES],
    name_start: usize,
}

impl Default for TargetGroupParser {
    /// Matches no ARN, since none has a newline.
    fn default() -> Self {
        Self { arn_start: [b'\n'; ARN_START_BYTES], max_distance: [0; ARN_START_BYTES], name_start: 0 }
    }
}

impl TargetGroupParser {
    /// The name in an ARN; `None` if there is none.
    #[inline]
    pub(super) fn parse(&mut self, arn: &[u8]) -> Option<TargetGroupName> {
        if !arn.starts_with(ARN_PREFIX) {
            return None;
        }
        let (start, name) =
            arn.split_at_checked(memchr::memmem::find(arn, TARGET_GROUP_MARKER)? + TARGET_GROUP_MARKER.len())?;
        self.cache_arn_start(start);
        let end = memchr::memchr(b'/', name).unwrap_or(name.len());
        name.get(..end).filter(|name| !name.is_empty()).map(TargetGroupName::new)
    }

    fn cache_arn_start(&mut self, start: &[u8]) {
        *self = Self::default();
        let others = self.max_distance.get_mut(start.len()..);
        if let (Some(same), Some(others)) = (self.arn_start.get_mut(..start.len()), others) {
            same.copy_from_slice(start);
            others.fill(u8::MAX);
            self.name_start = start.len();
        }
    }

    /// The name in an ARN that starts like the last one, and where the name ends, with no space before; `None` says
    /// nothing of the ARN.
    #[inline(always)]
    pub(super) fn parse_cached(&self, text: &[u8], arn_offset: usize) -> Option<(TargetGroupName, usize)> {
        if !all_within(text.get(arn_offset..)?.first_chunk()?, &self.arn_start, &self.max_distance) {
            return None;
        }
        let start = arn_offset + self.name_start;
        let name_bytes: &[u8; HALF_BLOCK_BYTES] = text.get(start..)?.first_chunk()?;
        let (slashes, spaces) = (byte_mask(b'/', name_bytes), byte_mask(b' ', name_bytes));
        let length = slashes.trailing_zeros() as usize;
        // A name that ends in NUL would be taken for the one without it.
        let ends_in_nul = length.checked_sub(1).and_then(|last| name_bytes.get(last)).is_none_or(|last| *last == 0);
        if ends_in_nul || length == HALF_BLOCK_BYTES || spaces.trailing_zeros() < slashes.trailing_zeros() {
            return None;
        }
        let (near, mask) = (to_words(name_bytes), to_words(KEEP_MASK.get(HALF_BLOCK_BYTES - length..)?.first_chunk()?));
        let name = TargetGroupName([near[0] & mask[0], near[1] & mask[1], near[2] & mask[2], near[3] & mask[3]]);
        Some((name, start + length))
    }
}

/// From 32 - n on it keeps n bytes.
const KEEP_MASK: [u8; 2 * HALF_BLOCK_BYTES] = {
    let mut kept = [0; 2 * HALF_BLOCK_BYTES];
    let mut place = 0;
    while place < HALF_BLOCK_BYTES {
        kept[place] = 0xff;
        place += 1;
    }
    kept
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_group_name_is_parsed_from_any_arn() {
        let mut reader = TargetGroupParser::default();
        for name in ["a", "orders", "a-name-of-just-thirty-one-bytes", "0123456789abcdef0123456789abcdef"] {
            for partition in ["aws", "aws-cn"] {
                for tail in ["/0b1c2d3e4f5a6b7c", "/", ""] {
                    let arn = format!("arn:{partition}:elasticloadbalancing:eu-west-1:1:targetgroup/{name}{tail}");
                    let expected = TargetGroupName::new(name.as_bytes());
                    assert_eq!(reader.parse(arn.as_bytes()), Some(expected), "{arn}");
                    let text =
                        format!("x {arn} and more text behind it, enough for a whole block of it, or for two of them");
                    let usual = reader.parse_cached(text.as_bytes(), 2);
                    let end = 2 + arn.len() - tail.len();
                    assert!(usual.is_none_or(|usual| usual == (expected, end)), "{arn}");
                    assert_eq!(usual.is_some(), !tail.is_empty() && name.len() < 32, "{arn}");
                }
            }
        }
        assert!(reader.parse(b"arn:aws:elasticloadbalancing:::targetgroup/orders/0b").is_some());
        for arn in [
            "",
            "-",
            "arn:aws:x",
            "x:targetgroup/orders/0b",
            "xrn:aws:elasticloadbalancing:::targetgroup/orders/0b",
            "arn:aws:elasticloadbalancing:::targetgroup//0b",
        ] {
            assert_eq!(reader.parse(arn.as_bytes()), None, "{arn}");
        }
        assert_eq!(reader.parse(b"arn:aws:::targetgroup/orders\0/0b"), Some(TargetGroupName::new(&[b'x'; 33])));
        assert_eq!(TargetGroupName::new(&[b'x'; 33]), TargetGroupName::new(&[b'y'; 40]));
    }
}
