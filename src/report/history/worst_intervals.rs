//! Intervals in which more events were bad than the objective allows: what used up the budget.

use crate::counts::{MinuteTable, Sums};
use crate::rational::Rational;
use crate::slo::Slo;
use crate::time::{Day, MINUTES_PER_DAY, Minute, Span};

/// The resolution; a timeslice may be longer.
const SLOT_MINUTES: u32 = 5;
/// Intervals that are no further apart are one.
const MERGE_GAP_MINUTES: i32 = 5;
const MAX_INTERVALS: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstInterval {
    pub span: Span,
    pub sums: Sums,
}

/// The worst intervals within a span.
#[derive(Clone, Debug)]
pub(super) struct WorstIntervals {
    within: Span,
    allowed_share: Rational,
    slot_minutes: u32,
    intervals: Vec<WorstInterval>,
}

impl WorstIntervals {
    pub(super) fn new(slo: &Slo, within: Span) -> Self {
        let slot_minutes = slo.timeslices.as_ref().map_or(SLOT_MINUTES, |slices| slices.minutes.max(SLOT_MINUTES));
        Self { within, allowed_share: slo.objective.budget(), slot_minutes, intervals: Vec::new() }
    }

    pub(super) fn overlaps(&self, day: Day) -> bool {
        !self.within.intersect(day.span()).is_empty()
    }

    /// Adds the minutes of the next day.
    pub(super) fn add_day(&mut self, day: Day, table: &MinuteTable) {
        let length = self.slot_minutes as usize;
        for from in (0..MINUTES_PER_DAY.unsigned_abs() as usize).step_by(length) {
            let at = |slot: usize| day.start().plus(i32::try_from(slot).unwrap_or(0));
            let span = Span::new(at(from), at(from + length)).intersect(self.within);
            if span.is_empty() || table.bad[from..from + length].iter().all(|bad| *bad == 0) {
                continue;
            }
            let sums = table.slice(span.slots()).sums();
            let allowed = i128::from(sums.total) * self.allowed_share.numer();
            if i128::from(sums.bad) * self.allowed_share.denom() > allowed {
                self.add(span, sums);
            }
        }
        self.prune();
    }

    fn add(&mut self, span: Span, sums: Sums) {
        match self.intervals.last_mut() {
            Some(last) if span.start <= last.span.end.plus(MERGE_GAP_MINUTES) => {
                last.span.end = span.end;
                last.sums.add(sums);
            }
            _ => self.intervals.push(WorstInterval { span, sums }),
        }
    }

    /// Drops the least bad intervals but for the newest, which may still grow.
    fn prune(&mut self) {
        if self.intervals.len() <= 2 * MAX_INTERVALS {
            return;
        }
        let newest = self.intervals.pop();
        self.intervals.sort_by_key(worst_first);
        self.intervals.truncate(MAX_INTERVALS);
        self.intervals.sort_by_key(|interval| interval.span);
        self.intervals.extend(newest);
    }

    pub(super) fn finish(&mut self) {
        self.intervals.sort_by_key(worst_first);
        self.intervals.truncate(MAX_INTERVALS);
    }

    pub(super) fn intervals(&self) -> &[WorstInterval] {
        &self.intervals
    }
}

fn worst_first(interval: &WorstInterval) -> (std::cmp::Reverse<u64>, Minute) {
    (std::cmp::Reverse(interval.sums.bad), interval.span.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_slots_merge_and_worst_interval_comes_first() {
        let day = Day(20_000);
        let mut table = MinuteTable::for_day();
        table.known.fill(1);
        table.total.fill(10);
        for (slot, bad) in [(100, 5), (112, 5), (600, 9), (1_439, 1)] {
            table.bad[slot] = bad;
        }
        let share = Rational::new(1, 100);
        let mut worst =
            WorstIntervals { within: day.span(), allowed_share: share, slot_minutes: 5, intervals: Vec::new() };
        assert!(worst.overlaps(day) && !worst.overlaps(day.plus(1)));
        worst.add_day(day, &table);
        worst.finish();
        let actual: Vec<(usize, u32, u64)> = worst
            .intervals()
            .iter()
            .map(|one| (one.span.start.minute_of_day(), one.span.minutes(), one.sums.bad))
            .collect();
        assert_eq!(actual, [(100, 15, 10), (600, 5, 9), (1_435, 5, 1)]);
    }
}
