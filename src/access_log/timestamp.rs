//! Parses the times in a log line, instants with microseconds and durations in seconds, exactly, as integers.

use crate::access_log::simd::{HALF_BLOCK_BYTES, all_within};
use crate::time::Minute;

/// `2026-10-31T23:50`.
pub const MINUTE_BYTES: usize = 16;

/// `2026-10-31T23:50:07.123456Z`.
pub const TIMESTAMP_BYTES: usize = 27;

/// The minute of an instant such as `2026-10-31T23:50:07.123456Z`; `None` unless all of it is valid.
pub fn parse_minute(text: &[u8]) -> Option<Minute> {
    if !has_valid_seconds(text) {
        return None;
    }
    parse_civil_minute(text.first_chunk()?)
}

/// An instant in microseconds since 1970-01-01T00:00Z. Digits beyond microseconds are cut off.
pub fn parse_unix_us(text: &[u8]) -> Option<i64> {
    let minute = parse_minute(text)?;
    let seconds_end = text.len().checked_sub(1)?.min(TIMESTAMP_BYTES - 1);
    let seconds_us = parse_duration_us(text.get(MINUTE_BYTES + 1..seconds_end)?).ok()??;
    Some(i64::from(minute.0) * 60_000_000 + i64::try_from(seconds_us).ok()?)
}

/// Caches the last minute, since neighbours in a log mostly share it.
#[derive(Clone, Copy, Debug)]
pub struct MinuteParser {
    /// The last minute as text, and what follows it in a time with six decimals.
    reference: [u8; HALF_BLOCK_BYTES],
    minute: Option<Minute>,
}

/// How far each byte of a time may be from [`MinuteParser::reference`]: not at all up to the minute; `:59.999999Z`; the
/// rest is another field.
const MAX_DISTANCE: &[u8; HALF_BLOCK_BYTES] =
    &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 9, 0, 9, 9, 9, 9, 9, 9, 0, 255, 255, 255, 255, 255];

impl Default for MinuteParser {
    fn default() -> Self {
        Self { reference: *b"                :00.000000Z     ", minute: None }
    }
}

impl MinuteParser {
    /// The same as [`parse_minute`].
    #[inline]
    pub fn parse(&mut self, text: &[u8]) -> Option<Minute> {
        if !has_valid_seconds(text) {
            return None;
        }
        self.parse_cached(text.first_chunk()?)
    }

    /// The same for the form of all current lines, with six decimals.
    #[inline(always)]
    pub(super) fn parse_fixed(&mut self, text: &[u8; HALF_BLOCK_BYTES]) -> Option<Minute> {
        if all_within(text, &self.reference, MAX_DISTANCE) {
            return self.minute;
        }
        self.parse_uncached(text)
    }

    #[cold]
    fn parse_uncached(&mut self, text: &[u8; HALF_BLOCK_BYTES]) -> Option<Minute> {
        self.parse(text.get(..TIMESTAMP_BYTES)?)
    }

    #[inline]
    fn parse_cached(&mut self, head: &[u8; MINUTE_BYTES]) -> Option<Minute> {
        let (last, _) = self.reference.split_first_chunk_mut()?;
        if last != head {
            let minute = parse_civil_minute(head)?;
            (*last, self.minute) = (*head, Some(minute));
        }
        self.minute
    }
}

/// Whether `:SS`, an optional fraction and `Z` follow the minute. A leap second, `60`, has no Unix time and is refused.
#[inline]
fn has_valid_seconds(text: &[u8]) -> bool {
    let Some([b':', tens @ b'0'..=b'5', ones, rest @ ..]) = text.get(MINUTE_BYTES..) else { return false };
    let digits = match rest {
        [b'Z'] => return tens.is_ascii_digit() && ones.is_ascii_digit(),
        [b'.', digits @ .., b'Z'] => digits,
        _ => return false,
    };
    ones.is_ascii_digit() && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn parse_civil_minute(head: &[u8; MINUTE_BYTES]) -> Option<Minute> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', n0, n1] = *head else { return None };
    let two = |tens: u8, ones: u8| parse_digits(&[tens, ones])?.try_into().ok();
    let year = i32::try_from(parse_digits(&[y0, y1, y2, y3])?).ok()?;
    Minute::from_civil(year, two(m0, m1)?, two(d0, d1)?, two(h0, h1)?, two(n0, n1)?)
}

/// Parses at most 18 digits.
pub fn parse_digits(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    Some(number)
}

/// The duration is neither a number of seconds nor `-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDuration;

/// A duration below ten seconds in the form of all current lines, `0.048`, in microseconds.
#[inline]
pub fn parse_short_duration_us(text: [u8; 5]) -> Option<u64> {
    let [whole, b'.', tenths, hundredths, thousandths] = text else { return None };
    let [s, t, h, m] = [whole, tenths, hundredths, thousandths].map(|digit| u64::from(digit.wrapping_sub(b'0')));
    (s.max(t).max(h).max(m) <= 9).then_some(s * 1_000_000 + t * 100_000 + h * 10_000 + m * 1_000)
}

/// A duration in microseconds from seconds with up to six decimals, since more would not be exact; `None` for `-1`,
/// which means that there was none.
#[inline]
pub fn parse_duration_us(text: &[u8]) -> Result<Option<u64>, InvalidDuration> {
    if text == b"-1" {
        return Ok(None);
    }
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at(point);
    let fraction = fraction.strip_prefix(b".").unwrap_or(b"0");
    // Twelve digits of seconds are 31,000 years; with six decimals they fit an integer.
    if whole.len() > 12 || fraction.len() > 6 {
        return Err(InvalidDuration);
    }
    let mut us = parse_digits(fraction).ok_or(InvalidDuration)?;
    for _ in fraction.len()..6 {
        us *= 10;
    }
    Ok(Some(parse_digits(whole).ok_or(InvalidDuration)? * 1_000_000 + us))
}

/// Bytes of three durations and a status, each with the space behind it: `0.001 0.020 0.000 200 `.
pub const NUMBERS_BYTES: usize = 22;

/// Three durations below ten seconds and a status of at most 599.
#[derive(Clone, Copy)]
pub struct DurationsAndStatus<'t>(&'t [u8; HALF_BLOCK_BYTES]);

impl<'t> DurationsAndStatus<'t> {
    #[inline(always)]
    pub fn parse(text: &'t [u8; HALF_BLOCK_BYTES]) -> Option<Self> {
        const ZEROS: &[u8; HALF_BLOCK_BYTES] = b"0.000 0.000 0.000 000           ";
        const MAX_DISTANCE: &[u8; HALF_BLOCK_BYTES] = &[
            9, 0, 9, 9, 9, 0, 9, 0, 9, 9, 9, 0, 9, 0, 9, 9, 9, 0, 5, 9, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255,
            255, 255,
        ];
        all_within(text, ZEROS, MAX_DISTANCE).then_some(Self(text))
    }

    /// Request, target or response processing time.
    #[inline(always)]
    pub fn duration_us(self, index: usize) -> u64 {
        let text = self.0;
        let digits = match index {
            0 => [text[0], text[2], text[3], text[4]],
            1 => [text[6], text[8], text[9], text[10]],
            _ => [text[12], text[14], text[15], text[16]],
        };
        let [s, t, h, m] = digits;
        let ms = ((u32::from(s) * 10 + u32::from(t)) * 10 + u32::from(h)) * 10 + u32::from(m);
        u64::from(ms - 1_111 * u32::from(b'0')) * 1_000
    }

    #[inline(always)]
    pub fn status(self) -> u16 {
        let text = self.0;
        let [hundreds, tens, ones] = [text[18], text[19], text[20]];
        (u16::from(hundreds) * 10 + u16::from(tens)) * 10 + u16::from(ones) - 111 * u16::from(b'0')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_is_exact_to_the_microsecond() {
        let check = |text: &str, us| assert_eq!(parse_unix_us(text.as_bytes()), us, "{text}");
        check("1970-01-01T00:00:00.000001Z", Some(1));
        check("2018-07-02T22:23:00.186641Z", Some(1_530_570_180_186_641));
        check("2018-07-02T22:23:00.186Z", Some(1_530_570_180_186_000));
        check("2018-07-02T22:23:00Z", Some(1_530_570_180_000_000));
        check("2018-07-02T22:23:00.1866419Z", Some(1_530_570_180_186_641));
        for wrong in [
            "",
            "-",
            "2018-07-02T22:23Z",
            "2018-07-02T22:23:00",
            "2018-07-02T22:23:60.000000Z",
            "2018-02-30T22:23:00.000000Z",
            "2018-07-02 22:23:00.000000Z",
            "2018-07-02T22:23:00.Z",
            "2018-07-02T22:23:00.12x456Z",
            "2018-07-02T24:00:00.000000Z",
        ] {
            check(wrong, None);
            assert_eq!(parse_minute(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn cached_minute_is_not_confused_with_its_neighbour() {
        let mut reader = MinuteParser::default();
        for text in ["2026-10-31T23:59:59.999999Z", "2026-11-01T00:00:00.000000Z", "2026-10-31T23:59:00Z", "x"] {
            assert_eq!(reader.parse(text.as_bytes()), parse_minute(text.as_bytes()), "{text}");
        }
        assert_eq!(reader.parse(b"2026-10-41T23:59:59.999999Z"), None);
        assert_eq!(reader.parse(b"2026-10-41T23:59:59.999999Z"), None);
    }

    #[test]
    fn fixed_form_is_parsed_like_any_other() {
        let usual = *b"2026-10-31T23:59:59.999999Z";
        for place in 0..usual.len() {
            for byte in 0..=255 {
                let mut text = usual;
                text[place] = byte;
                let mut held = *b"2026-10-31T23:59:59.999999Z app/";
                let mut reader = MinuteParser::default();
                assert_eq!(reader.parse_fixed(&held), parse_minute(&usual));
                held[..usual.len()].copy_from_slice(&text);
                assert_eq!(reader.parse_fixed(&held), parse_minute(&text), "{text:?}");
                assert_eq!(MinuteParser::default().parse_fixed(&held), parse_minute(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn duration_keeps_its_decimals_and_minus_one_is_none() {
        let check = |text: &str, us| assert_eq!(parse_duration_us(text.as_bytes()), us, "{text}");
        check("0.000", Ok(Some(0)));
        check("0.048", Ok(Some(48_000)));
        check("0.000913", Ok(Some(913)));
        check("12", Ok(Some(12_000_000)));
        check("10.5", Ok(Some(10_500_000)));
        check("-1", Ok(None));
        assert_eq!(parse_short_duration_us(*b"1.048"), Some(1_048_000));
        assert_eq!(parse_short_duration_us(*b"1.04x"), None);
        assert_eq!(parse_short_duration_us(*b"12.48"), None);
        assert_eq!(parse_short_duration_us(*b"0 048"), None);
        for wrong in ["", "-", "-2", "0.", ".5", "0.0000001", "1e3", "+1", "0.0a", "9999999999999", "0.1.2"] {
            check(wrong, Err(InvalidDuration));
        }
    }
}
