//! How urgent an SLO is from minute to minute: at once more urgent, and less urgent only after a while.
//!
//! The rule, in one sentence: an SLO is as urgent as the most urgent thing that held within its newest calm minutes, of
//! which there must be `resolve_after`, and for a ticket as many as the short window of its tiers has. Calm is a minute
//! that proves something: it was observed, there was traffic, and no short window burns any more. A minute that nobody
//! observed proves nothing, and neither does silence: what failed before the night and was not asked since has not
//! recovered. Only after a whole day without events is there nothing left to alert about.
//!
//! What is as urgent again within [`BACK_MINUTES`] has shown that its calm meant little: it then takes as many calm
//! minutes to be less urgent, or to end. So whatever comes and goes all night wakes somebody twice, and not at each
//! turn, whether a ticket stays open in between or not.

use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::slo::Urgency;

/// Minutes without any event after which an incident ends: whatever burned is no longer used.
pub const SILENCE_MINUTES: u32 = MINUTES_PER_DAY.unsigned_abs();

/// What one minute says of an SLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The evaluation: it sees the minutes that start before it.
    pub at: Minute,
    /// Whether the newest minute was observed and counts; if not, nothing else here is looked at.
    pub heard: bool,
    /// What holds.
    pub held: Option<Urgency>,
    /// The most urgent tier whose short window alone still burns, a page counted as a page even where it is demoted.
    pub above: Option<Urgency>,
    /// Whether there was no event in the shortest short window.
    pub silent: bool,
}

/// Where an SLO stands between its beats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// For ticket, page and severe: how many calm minutes are missing until it no longer counts as that urgent.
    pub left: [u32; 3],
    /// Observed minutes in a row without an event, counted while something is open.
    pub silent: u32,
    /// For ticket, page and severe: the evaluation in which it last ceased to be as urgent as that.
    pub fell: [Option<Minute>; 3],
    /// For ticket, page and severe: whether it is as urgent as that again soon after it ceased to be.
    pub is_back: [bool; 3],
}

/// What comes back so soon is the same trouble, and goes only after as many calm minutes.
const BACK_MINUTES: i32 = 60;

const LEVELS: [Urgency; 3] = [Urgency::Ticket, Urgency::Page, Urgency::Severe];

impl Course {
    /// How urgent it is; `None` if nothing is open.
    #[must_use]
    pub fn urgency(&self) -> Option<Urgency> {
        LEVELS.into_iter().zip(self.left).filter(|(_, left)| *left > 0).map(|(level, _)| level).max()
    }

    /// Whether it ended because nothing was heard of for so long that there is nothing left to burn.
    #[must_use]
    pub const fn is_forsaken(&self) -> bool {
        self.silent >= SILENCE_MINUTES
    }

    /// Takes one more minute into account. `resolve_after`: how many calm minutes end ticket, page and severe.
    pub fn step(&mut self, beat: &Beat, resolve_after: [u32; 3]) {
        if !beat.heard {
            return;
        }
        let was = self.urgency();
        for level in LEVELS {
            let place = level as usize;
            if beat.held >= Some(level) {
                if was < Some(level) {
                    self.is_back[place] = self.fell[place].is_some_and(|fell| beat.at <= fell.plus(BACK_MINUTES));
                }
                self.left[place] = calm_minutes(resolve_after[place], self.is_back[place]);
            } else if !beat.silent && beat.above < Some(level) {
                self.left[place] = self.left[place].saturating_sub(1);
            }
        }
        let waits = beat.silent && beat.held.is_none() && self.urgency().is_some();
        self.silent = if waits { self.silent.saturating_add(1) } else { 0 };
        if self.is_forsaken() {
            self.left = [0; 3];
        }
        let is = self.urgency();
        for level in LEVELS.into_iter().filter(|level| was >= Some(*level) && is < Some(*level)) {
            (self.fell[level as usize], self.is_back[level as usize]) = (Some(beat.at), false);
        }
    }
}

/// How many calm minutes it takes to be less urgent, or to end.
#[must_use]
pub fn calm_minutes(resolve_after: u32, is_back: bool) -> u32 {
    resolve_after.max(if is_back { BACK_MINUTES.unsigned_abs() } else { 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the rule says of a whole history, without a state: looks back from the newest beat. `before` is what it
    /// said of each beat but the newest.
    fn by_definition(beats: &[Beat], before: &[Option<Urgency>], resolve_after: [u32; 3]) -> Option<Urgency> {
        LEVELS.into_iter().rev().find(|level| {
            let calm_before = before.iter().rposition(|said| *said < Some(*level)).map_or(0, |place| place + 1);
            let was = before[..calm_before].iter().rposition(|said| *said >= Some(*level));
            let fell = was.map(|place| beats[place + 1].at);
            let is_back = fell.is_some_and(|fell| beats[calm_before].at.0 - fell.0 <= BACK_MINUTES);
            let resolve_after = resolve_after[*level as usize].max(if is_back { 60 } else { 1 });
            let heard: Vec<&Beat> = beats[calm_before..].iter().filter(|beat| beat.heard).collect();
            let Some(newest) = heard.iter().rposition(|beat| beat.held >= Some(*level)) else { return false };
            let since = &heard[newest + 1..];
            let calm = since.iter().filter(|beat| !beat.silent && beat.above < Some(*level)).count();
            let mut in_a_row = 0;
            let forsaken = since.iter().any(|beat| {
                in_a_row = if beat.silent && beat.held.is_none() { in_a_row + 1 } else { 0 };
                in_a_row >= SILENCE_MINUTES
            });
            calm < resolve_after as usize && !forsaken
        })
    }

    proptest! {
        #[test]
        fn it_is_as_urgent_as_what_held_within_the_calm_minutes(
            resolve_after in proptest::array::uniform3(1_u32..20),
            drawn in proptest::collection::vec((0_u8..5, 0_usize..20, 0_usize..12, 0_u8..4), 1..300),
        ) {
            let mut course = Course::default();
            let (mut beats, mut said) = (Vec::new(), Vec::new());
            for (minute, (deaf, held, above, silent)) in (0..).zip(drawn) {
                let held = LEVELS.get(held).copied();
                let above = LEVELS[..2].get(above).copied();
                beats.push(Beat { at: Minute(minute), heard: deaf > 0, held, above, silent: silent == 0 });
                course.step(&beats[beats.len() - 1], resolve_after);
                prop_assert_eq!(course.urgency(), by_definition(&beats, &said, resolve_after), "{:?}", beats);
                said.push(course.urgency());
            }
        }
    }

    #[test]
    fn what_comes_and_goes_all_night_is_two_incidents() {
        let (mut course, mut begun) = (Course::default(), 0);
        for minute in 0..600 {
            let held = (minute % 30 < 5).then_some(Urgency::Page);
            let before = course.urgency();
            course.step(&Beat { at: Minute(minute), heard: true, held, above: held, silent: false }, [15; 3]);
            begun += u32::from(before.is_none() && course.urgency().is_some());
        }
        assert_eq!(begun, 2);
    }

    #[test]
    fn a_page_that_comes_and_goes_all_night_wakes_twice_while_its_ticket_stays_open() {
        let (mut course, mut woken) = (Course::default(), 0);
        for minute in 0..600 {
            let held = if minute % 50 < 5 { Urgency::Page } else { Urgency::Ticket };
            let before = course.urgency();
            course.step(
                &Beat { at: Minute(minute), heard: true, held: Some(held), above: Some(held), silent: false },
                [15; 3],
            );
            woken += u32::from(before < Some(Urgency::Page) && course.urgency() == Some(Urgency::Page));
        }
        assert_eq!(woken, 2);
    }

    #[test]
    fn a_day_of_silence_ends_it_and_an_unknown_day_does_not() {
        let beat = |heard, silent, held| Beat { at: Minute(0), heard, held, above: None, silent };
        let mut course = Course::default();
        course.step(&beat(true, false, Some(Urgency::Page)), [15; 3]);
        (0..5_000).for_each(|_| course.step(&beat(false, true, None), [15; 3]));
        assert_eq!(course.urgency(), Some(Urgency::Page));
        (0..SILENCE_MINUTES - 1).for_each(|_| course.step(&beat(true, true, None), [15; 3]));
        assert_eq!(course.urgency(), Some(Urgency::Page));
        course.step(&beat(true, true, None), [15; 3]);
        assert_eq!(course.urgency(), None);
        assert!(course.is_forsaken());
    }
}
