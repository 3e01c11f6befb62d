//! A day of one series in few bytes, so that the history of many series fits into memory on its way into the ledger.
//! The form is never written to disk.
//!
//! Consecutive minutes have similar totals, and most minutes have no bad events. So a known minute is the difference of
//! its total to the one before, followed by its bad events if it has any. Unknown minutes are a zero and their number.
//! All numbers have a variable length. A typical day takes 2 kB, an eighth of [`DayCounts`].

use crate::counts::{DayCounts, MinuteCount};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedDay(Box<[u8]>);

impl PackedDay {
    pub fn pack(counts: &DayCounts) -> Self {
        let (mut bytes, mut previous) = (Vec::with_capacity(4_096), 0_u32);
        for run in counts.0.chunk_by(|one, other| one.is_none() && other.is_none()) {
            if let [Some(MinuteCount { total, bad })] = run {
                let difference = zigzag_encode(total.wrapping_sub(previous));
                write_varint(&mut bytes, 1 + (u64::from(difference) << 1) + u64::from(*bad > 0));
                if *bad > 0 {
                    write_varint(&mut bytes, u64::from(*bad));
                }
                previous = *total;
            } else {
                bytes.push(0);
                write_varint(&mut bytes, run.len() as u64);
            }
        }
        Self(bytes.into_boxed_slice())
    }

    pub fn unpack(&self) -> DayCounts {
        let mut counts = DayCounts::default();
        let (mut bytes, mut slots, mut total) = (&*self.0, counts.0.iter_mut(), 0_u32);
        while let Some(code) = read_varint(&mut bytes) {
            let Some(difference) = code.checked_sub(1) else {
                let unknown = read_varint(&mut bytes).unwrap_or(0);
                slots.by_ref().zip(0..unknown).for_each(drop);
                continue;
            };
            total = total.wrapping_add(zigzag_decode(to_u32(difference >> 1)));
            let bad = if difference & 1 == 1 { to_u32(read_varint(&mut bytes).unwrap_or(0)) } else { 0 };
            if let Some(slot) = slots.next() {
                *slot = Some(MinuteCount { total, bad });
            }
        }
        counts
    }

    pub const fn byte_size(&self) -> usize {
        self.0.len() + size_of::<Self>()
    }
}

/// Puts the sign of a difference into its lowest bit, so that small differences are small numbers.
const fn zigzag_encode(difference: u32) -> u32 {
    let signed = difference.cast_signed();
    ((signed << 1) ^ (signed >> 31)).cast_unsigned()
}

const fn zigzag_decode(encoded: u32) -> u32 {
    (encoded >> 1) ^ (encoded & 1).wrapping_neg()
}

/// Writes seven bits per byte, the lowest first; the highest bit is set if another byte follows.
fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// `None` at the end.
fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::counts::SLOTS_PER_DAY;

    fn day(stretches: &[(usize, Option<(u32, u32)>)]) -> DayCounts {
        let all = stretches.iter().flat_map(|(length, count)| {
            std::iter::repeat_n(count.map(|(total, bad)| MinuteCount { total, bad: bad.min(total) }), *length)
        });
        let mut day = DayCounts::default();
        for (slot, count) in day.0.iter_mut().zip(all) {
            *slot = count;
        }
        day
    }

    proptest! {
        #[test]
        fn packed_day_round_trips(
            stretches in prop::collection::vec(
                (1..90_usize, prop::option::of((prop_oneof![0..300_u32, any::<u32>()], prop_oneof![Just(0), any::<u32>()]))),
                0..60,
            ),
        ) {
            let day = day(&stretches);
            prop_assert_eq!(PackedDay::pack(&day).unpack(), day);
        }
    }

    #[test]
    fn typical_day_takes_less_than_two_bytes_per_minute() {
        let mut usual = DayCounts::default();
        for (place, slot) in (0_u32..).zip(&mut usual.0) {
            let total = 500 + place % 97 * 3;
            *slot = Some(MinuteCount { total, bad: u32::from(place % 50 == 0) });
        }
        let size = PackedDay::pack(&usual).byte_size();
        assert!(size < SLOTS_PER_DAY * 2, "{size} bytes");
        assert!(PackedDay::pack(&day(&[(SLOTS_PER_DAY, Some((100, 0)))])).byte_size() < SLOTS_PER_DAY + 30);
        assert!(PackedDay::pack(&DayCounts::default()).byte_size() < 30);
    }
}
