//! Sums of one series by day, kept as running sums: those over any run of days are two look-ups, however long it is.

use crate::counts::Sums;
use crate::time::Day;

/// Sums of one series by UTC day; days without a known minute are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DaySums {
    days: Vec<Day>,
    /// Sums over all days up to this one, and with it.
    cumulative: Vec<Sums>,
}

impl DaySums {
    /// Sums over the days from `first` up to, not including, `end`.
    pub(crate) fn sum_range(&self, first: Day, end: Day) -> Sums {
        let sums_before = |day: Day| self.cumulative_before(self.days.partition_point(|held| *held < day));
        if first < end { sums_before(end).minus(sums_before(first)) } else { Sums::default() }
    }

    fn cumulative_before(&self, index: usize) -> Sums {
        index.checked_sub(1).and_then(|index| self.cumulative.get(index)).copied().unwrap_or_default()
    }

    pub(super) fn first(&self) -> Option<Day> {
        self.days.first().copied()
    }

    pub(super) fn newest_until(&self, last: Day) -> Option<Day> {
        self.days.partition_point(|day| *day <= last).checked_sub(1).and_then(|index| self.days.get(index)).copied()
    }

    /// Days with known minutes up to `last`, newest first.
    pub(super) fn days_back_from(&self, last: Day) -> impl Iterator<Item = Day> + '_ {
        self.days[..self.days.partition_point(|day| *day <= last)].iter().rev().copied()
    }

    /// Each day from `first` up to, not including, `end`, with its sums.
    pub(crate) fn iter_range(&self, first: Day, end: Day) -> impl Iterator<Item = (Day, Sums)> + '_ {
        let indices = self.days.partition_point(|day| *day < first)..self.days.partition_point(|day| *day < end);
        indices.map(|index| (self.days[index], self.cumulative_before(index + 1).minus(self.cumulative_before(index))))
    }

    /// Sets the sums of a day. What comes in the order of time is added in no time.
    pub(crate) fn set(&mut self, day: Day, sums: Sums) {
        let index = self.days.partition_point(|held| *held < day);
        let old = self.sum_range(day, day.plus(1));
        match (old.known > 0, sums.known > 0) {
            (false, true) => {
                self.days.insert(index, day);
                self.cumulative.insert(index, self.cumulative_before(index));
            }
            (true, false) => {
                self.days.remove(index);
                self.cumulative.remove(index);
            }
            _ => {}
        }
        for cumulative in &mut self.cumulative[index..] {
            cumulative.add(sums);
            *cumulative = cumulative.minus(old);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.days.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daily_sums_reflect_every_update_of_a_day() {
        let sums = |number: u32| Sums { total: u64::from(number) * 10, bad: u64::from(number), known: number };
        let mut days = DaySums::default();
        for (day, number) in [(5, 3), (2, 1), (9, 4), (5, 7), (2, 0), (7, 2), (11, 0)] {
            days.set(Day(day), sums(number));
        }
        let all: Vec<(Day, Sums)> = days.iter_range(Day(0), Day(20)).collect();
        assert_eq!(all, [(Day(5), sums(7)), (Day(7), sums(2)), (Day(9), sums(4))]);
        assert_eq!(days.sum_range(Day(0), Day(20)), sums(13));
        assert_eq!(days.sum_range(Day(6), Day(9)), sums(2));
        assert_eq!(days.sum_range(Day(9), Day(6)), Sums::default());
        assert_eq!((days.newest_until(Day(8)), days.newest_until(Day(4))), (Some(Day(7)), None));
        assert_eq!(days.days_back_from(Day(8)).collect::<Vec<_>>(), [Day(7), Day(5)]);
    }
}
