//! A day of one series in few bytes: the past of many series fits into memory on its way into the ledger.
//!
//! Known minutes lie together in stretches, neighbours have similar totals, and most minutes have no bad event. So a
//! day is written as stretches of known minutes: totals as differences, bad events only where there are any, all as
//! numbers of variable length. A usual day takes about 2 kB, an eighth of [`DayCounts`]. Absent on purpose: any use of
//! it on disk.

use crate::counts::{Count, DayCounts};

/// [`DayCounts`], packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedDay(Box<[u8]>);

impl PackedDay {
    /// Packs a day.
    #[must_use]
    pub fn of(counts: &DayCounts) -> Self {
        let mut bytes = Vec::with_capacity(4_096);
        for stretch in counts.0.chunk_by(|one, other| one.is_some() == other.is_some()) {
            put_length(&mut bytes, stretch.len());
            bytes.push(u8::from(stretch.iter().all(Option::is_some)));
            let mut before = 0_u32;
            for count in stretch.iter().flatten() {
                put(&mut bytes, folded(count.total.wrapping_sub(before)));
                before = count.total;
            }
            let bad = stretch.iter().enumerate().filter_map(|(place, count)| Some((place, count.as_ref()?.bad)));
            let mut next = 0;
            for (place, bad) in bad.filter(|(_, bad)| *bad > 0) {
                put(&mut bytes, bad);
                put_length(&mut bytes, place - next);
                next = place + 1;
            }
            bytes.push(0);
        }
        Self(bytes.into_boxed_slice())
    }

    /// The day as it was.
    #[must_use]
    pub fn unpack(&self) -> DayCounts {
        let mut counts = DayCounts::default();
        let (mut bytes, mut rest) = (&*self.0, &mut *counts.0);
        while !bytes.is_empty() {
            let length = take_length(&mut bytes).min(rest.len());
            let (stretch, after) = std::mem::take(&mut rest).split_at_mut(length);
            rest = after;
            let mut total = 0_u32;
            if take(&mut bytes) == 1 {
                for slot in &mut *stretch {
                    total = total.wrapping_add(unfolded(take(&mut bytes)));
                    *slot = Some(Count { total, bad: 0 });
                }
            }
            let mut next = 0;
            loop {
                let bad = take(&mut bytes);
                if bad == 0 {
                    break;
                }
                let place = next + take_length(&mut bytes);
                if let Some(Some(count)) = stretch.get_mut(place) {
                    count.bad = bad;
                }
                next = place + 1;
            }
        }
        counts
    }

    /// How many bytes it takes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.0.len() + size_of::<Self>()
    }
}

/// A difference with its sign in the lowest bit, so that small ones are small numbers either way.
const fn folded(difference: u32) -> u32 {
    let signed = difference.cast_signed();
    ((signed << 1) ^ (signed >> 31)).cast_unsigned()
}

const fn unfolded(folded: u32) -> u32 {
    (folded >> 1) ^ (folded & 1).wrapping_neg()
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put(bytes: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// A length within a day, which is below 1,441.
fn put_length(bytes: &mut Vec<u8>, length: usize) {
    put(bytes, u32::try_from(length).unwrap_or(u32::MAX));
}

fn take(bytes: &mut &[u8]) -> u32 {
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

fn take_length(bytes: &mut &[u8]) -> usize {
    take(bytes) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::counts::SLOTS;

    fn day(stretches: &[(usize, Option<(u32, u32)>)]) -> DayCounts {
        let all = stretches.iter().flat_map(|(length, count)| {
            std::iter::repeat_n(count.map(|(total, bad)| Count { total, bad: bad.min(total) }), *length)
        });
        let mut day = DayCounts::default();
        for (slot, count) in day.0.iter_mut().zip(all) {
            *slot = count;
        }
        day
    }

    proptest! {
        #[test]
        fn a_day_is_unpacked_as_it_was(
            stretches in prop::collection::vec(
                (1..90_usize, prop::option::of((prop_oneof![0..300_u32, any::<u32>()], prop_oneof![Just(0), any::<u32>()]))),
                0..60,
            ),
        ) {
            let day = day(&stretches);
            prop_assert_eq!(PackedDay::of(&day).unpack(), day);
        }
    }

    #[test]
    fn a_usual_day_takes_a_few_bytes_a_minute() {
        let mut usual = DayCounts::default();
        for (place, slot) in (0_u32..).zip(&mut usual.0) {
            let total = 500 + place % 97 * 3;
            *slot = Some(Count { total, bad: u32::from(place % 50 == 0) });
        }
        let size = PackedDay::of(&usual).size();
        assert!(size < SLOTS * 2, "{size} bytes");
        assert!(PackedDay::of(&day(&[(SLOTS, Some((100, 0)))])).size() < SLOTS + 30);
        assert!(PackedDay::of(&DayCounts::default()).size() < 30);
    }
}
