//! Counts of one object while it is read, and of all objects once they have been read whole.
//!
//! An object that turns out to be damaged leaves nothing behind: its counts are poured into the sum only at its end.
#![expect(
    clippy::inline_always,
    reason = "what is done to every line must become part of a function that is compiled for a wider processor"
)]

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::accesslog::judge::Event;
use crate::counts::{Count, SLOTS};
use crate::minute::{Day, Minute, Span};

/// Minutes around the object's interval that have a place in its table, for lines written a little early or late.
const MARGIN: i32 = 2;

/// A minute of one slot in one number, so that an event is one addition: bad events in the upper half. No object has as
/// many lines as one half holds.
type Packed = u64;
const BAD: Packed = 1 << 32;

/// Slots that are looked at together for whether they have any count.
const TOGETHER: usize = 16;

/// Counts of one object, by slot and minute.
#[derive(Debug, Default)]
pub(super) struct Tally {
    first: i32,
    slots: usize,
    /// Minutes in [`Self::near`].
    width: usize,
    /// Minute by minute, a number for each slot.
    near: Vec<Packed>,
    /// The few lines whose time lies outside the table.
    far: HashMap<(usize, Minute), Packed>,
}

/// A minute, and its place in the table; far beyond its end if it has none.
#[derive(Clone, Copy)]
pub(super) struct Place {
    near: usize,
    minute: Minute,
}

impl Tally {
    /// Starts an object with counts for this many slots.
    pub(super) fn start(&mut self, slots: usize, interval: Span) {
        self.first = interval.start.plus(-MARGIN).0;
        self.width = interval.minutes() as usize + 2 * MARGIN.unsigned_abs() as usize;
        self.slots = slots;
        self.near.clear();
        self.near.resize(slots * self.width, 0);
        self.far.clear();
    }

    /// Where a minute has its place, to count events in.
    #[inline(always)]
    pub(super) fn at(&self, minute: Minute) -> Place {
        let near = usize::try_from(minute.0.wrapping_sub(self.first)).ok().filter(|place| *place < self.width);
        Place { near: near.map_or(usize::MAX / 2, |near| near * self.slots), minute }
    }

    /// Counts an event.
    #[inline(always)]
    pub(super) fn add(&mut self, slot: usize, place: Place, event: Event) {
        let event = if event == Event::Bad { 1 + BAD } else { 1 };
        match self.near.get_mut(place.near + slot) {
            Some(packed) => *packed += event,
            None => self.add_far(slot, place.minute, event),
        }
    }

    #[cold]
    fn add_far(&mut self, slot: usize, minute: Minute, event: Packed) {
        *self.far.entry((slot, minute)).or_default() += event;
    }

    /// Adds all that was counted to the sum.
    pub(super) fn pour_into(&self, sum: &mut Sum) {
        for (minute, slots) in (self.first..).zip(self.near.chunks(self.slots.max(1))) {
            // Most slots have nothing in one object, so several are looked at together.
            for (first, some) in (0..).step_by(TOGETHER).zip(slots.chunks(TOGETHER)) {
                if some.iter().fold(0, |all, packed| all | packed) == 0 {
                    continue;
                }
                for (slot, packed) in (first..).zip(some).filter(|(_, packed)| **packed > 0) {
                    sum.add(slot, Minute(minute), unpacked(*packed));
                }
            }
        }
        for (&(slot, minute), packed) in &self.far {
            sum.add(slot, minute, unpacked(*packed));
        }
    }
}

fn unpacked(packed: Packed) -> Count {
    let half = |number: Packed| u32::try_from(number).unwrap_or(u32::MAX);
    Count { total: half(packed % BAD), bad: half(packed / BAD) }
}

/// Counts of all objects of a batch, dense by day.
#[derive(Debug, Default)]
pub(super) struct Sum(pub(super) BTreeMap<(usize, Day), Box<[Count]>>);

impl Sum {
    fn add(&mut self, slot: usize, minute: Minute, count: Count) {
        let day = self.0.entry((slot, minute.day())).or_insert_with(empty_day);
        if let Some(held) = day.get_mut(minute.of_day()) {
            held.add(count);
        }
    }
}

/// A day without events.
pub(super) fn empty_day() -> Box<[Count]> {
    vec![Count::default(); SLOTS].into_boxed_slice()
}
