//! A day of one series in few bytes: the past of many series fits into memory on its way into the ledger.
//!
//! Known minutes lie together in stretches, neighbours have similar totals, and most minutes have no bad event. So a
//! day is written as stretches of known minutes: totals as differences, bad events only where there are any, all as
//! numbers of variable length. A usual day takes about 2 kB, an eighth of [`DayCounts`]. Absent on purpose: any use of
//! it on disk.

use crate::counts::{DayCounts, MinuteCount};

/// [`DayCounts`], packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedDay(Box<[u8]>);

impl PackedDay {
    /// Packs a day.
    #[must_use]
    pub fn pack(counts: &DayCounts) -> Self {
        let mut bytes = Vec::with_capacity(4_096);
        for run in counts.0.chunk_by(|one, other| one.is_some() == other.is_some()) {
            write_length(&mut bytes, run.len());
            bytes.push(u8::from(run.iter().all(Option::is_some)));
            let mut previous = 0_u32;
            for count in run.iter().flatten() {
                write_varint(&mut bytes, zigzag_encode(count.total.wrapping_sub(previous)));
                previous = count.total;
            }
            let bad = run.iter().enumerate().filter_map(|(offset, count)| Some((offset, count.as_ref()?.bad)));
            let mut next = 0;
            for (offset, bad) in bad.filter(|(_, bad)| *bad > 0) {
                write_varint(&mut bytes, bad);
                write_length(&mut bytes, offset - next);
                next = offset + 1;
            }
            bytes.push(0);
        }
        Self(bytes.into_boxed_slice())
    }

    /// The day as it was.
    #[must_use]
    pub fn unpack(&self) -> DayCounts {
        let mut counts = DayCounts::default();
        let (mut bytes, mut slots_left) = (&*self.0, &mut *counts.0);
        while !bytes.is_empty() {
            let length = read_length(&mut bytes).min(slots_left.len());
            let (run, after) = std::mem::take(&mut slots_left).split_at_mut(length);
            slots_left = after;
            let mut total = 0_u32;
            if read_varint(&mut bytes) == 1 {
                for slot in &mut *run {
                    total = total.wrapping_add(zigzag_decode(read_varint(&mut bytes)));
                    *slot = Some(MinuteCount { total, bad: 0 });
                }
            }
            let mut next = 0;
            loop {
                let bad = read_varint(&mut bytes);
                if bad == 0 {
                    break;
                }
                let offset = next + read_length(&mut bytes);
                if let Some(Some(count)) = run.get_mut(offset) {
                    count.bad = bad;
                }
                next = offset + 1;
            }
        }
        counts
    }

    /// How many bytes it takes.
    #[must_use]
    pub const fn byte_size(&self) -> usize {
        self.0.len() + size_of::<Self>()
    }
}

/// A difference with its sign in the lowest bit, so that small ones are small numbers either way.
const fn zigzag_encode(difference: u32) -> u32 {
    let signed = difference.cast_signed();
    ((signed << 1) ^ (signed >> 31)).cast_unsigned()
}

const fn zigzag_decode(encoded: u32) -> u32 {
    (encoded >> 1) ^ (encoded & 1).wrapping_neg()
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn write_varint(bytes: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// A length within a day, which is below 1,441.
fn write_length(bytes: &mut Vec<u8>, length: usize) {
    write_varint(bytes, u32::try_from(length).unwrap_or(u32::MAX));
}

fn read_varint(bytes: &mut &[u8]) -> u32 {
    let (mut number, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift > 28 {
            break;
        }
    }
    number
}

fn read_length(bytes: &mut &[u8]) -> usize {
    read_varint(bytes) as usize
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
