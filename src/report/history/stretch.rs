//! Stretches of time in which more failed than may: what a budget went into.

use crate::counts::Sums;
use crate::exact::Exact;
use crate::ledger::Table;
use crate::minute::{Day, MINUTES_PER_DAY, Minute, Span};
use crate::slo::Slo;

/// Slots in which it is looked; a slice of time may be longer.
const SLOT_MINUTES: u32 = 5;
/// What is no further apart is one stretch.
const GAP_MINUTES: i32 = 5;
/// So many are kept.
const KEPT: usize = 40;

/// A stretch in which more failed than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// From when until when.
    pub span: Span,
    /// What happened in it.
    pub sums: Sums,
}

/// The worst stretches of a span.
#[derive(Clone, Debug)]
pub(super) struct Stretches {
    within: Span,
    share: Exact,
    slot_minutes: u32,
    found: Vec<Stretch>,
}

impl Stretches {
    pub(super) fn of(slo: &Slo, within: Span) -> Self {
        let slot_minutes = slo.slices.as_ref().map_or(SLOT_MINUTES, |slices| slices.minutes.max(SLOT_MINUTES));
        Self { within, share: slo.objective.budget(), slot_minutes, found: Vec::new() }
    }

    /// Whether it looks at a day.
    pub(super) fn look_at(&self, day: Day) -> bool {
        !self.within.intersect(day.span()).is_empty()
    }

    /// Looks at the minutes of the next day.
    pub(super) fn add_day(&mut self, day: Day, table: &Table) {
        let length = self.slot_minutes as usize;
        for from in (0..MINUTES_PER_DAY.unsigned_abs() as usize).step_by(length) {
            let at = |slot: usize| day.start().plus(i32::try_from(slot).unwrap_or(0));
            let span = Span::new(at(from), at(from + length)).intersect(self.within);
            if span.is_empty() || table.bad[from..from + length].iter().all(|bad| *bad == 0) {
                continue;
            }
            let start = span.start.of_day();
            let sums = table.sums(start, start + span.minutes() as usize);
            let may = i128::from(sums.total) * self.share.numer();
            if i128::from(sums.bad) * self.share.denom() > may {
                self.add(span, sums);
            }
        }
        self.keep_worst();
    }

    fn add(&mut self, span: Span, sums: Sums) {
        match self.found.last_mut() {
            Some(last) if span.start <= last.span.end.plus(GAP_MINUTES) => {
                last.span.end = span.end;
                last.sums.add(sums);
            }
            _ => self.found.push(Stretch { span, sums }),
        }
    }

    /// Forgets the least of them; the newest may still grow.
    fn keep_worst(&mut self) {
        if self.found.len() <= 2 * KEPT {
            return;
        }
        let newest = self.found.pop();
        self.found.sort_by_key(worst_first);
        self.found.truncate(KEPT);
        self.found.sort_by_key(|stretch| stretch.span);
        self.found.extend(newest);
    }

    pub(super) fn finish(&mut self) {
        self.found.sort_by_key(worst_first);
        self.found.truncate(KEPT);
    }

    pub(super) fn found(&self) -> &[Stretch] {
        &self.found
    }
}

fn worst_first(stretch: &Stretch) -> (std::cmp::Reverse<u64>, Minute) {
    (std::cmp::Reverse(stretch.sums.bad), stretch.span.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_stretch_and_the_worst_comes_first() {
        let day = Day(20_000);
        let mut table = Table::default();
        table.known.fill(1);
        table.total.fill(10);
        for (slot, bad) in [(100, 5), (112, 5), (600, 9), (1_439, 1)] {
            table.bad[slot] = bad;
        }
        let share = Exact::new(1, 100);
        let mut found = Stretches { within: day.span(), share, slot_minutes: 5, found: Vec::new() };
        assert!(found.look_at(day) && !found.look_at(day.plus(1)));
        found.add_day(day, &table);
        found.finish();
        let told: Vec<(usize, u32, u64)> =
            found.found().iter().map(|one| (one.span.start.of_day(), one.span.minutes(), one.sums.bad)).collect();
        assert_eq!(told, [(100, 15, 10), (600, 5, 9), (1_435, 5, 1)]);
    }
}
