//! Sums between boundaries in time.

use std::collections::BTreeSet;

use crate::counts::{MinuteTable, Sums};
use crate::time::{Day, Minute, Span};

/// Sums between neighbouring boundaries.
#[derive(Clone, Debug)]
pub struct BucketSums {
    /// In order, each once.
    boundaries: Vec<Minute>,
    /// One less than there are boundaries.
    sums: Vec<Sums>,
}

impl BucketSums {
    pub fn new(boundaries: BTreeSet<Minute>) -> Self {
        let boundaries: Vec<Minute> = boundaries.into_iter().collect();
        Self { sums: vec![Sums::default(); boundaries.len().saturating_sub(1)], boundaries }
    }

    pub fn span(&self) -> Span {
        let start = self.boundaries.first().copied().unwrap_or(Minute(0));
        Span::new(start, self.boundaries.last().copied().unwrap_or(start))
    }

    /// Whether a boundary lies within a day, and not at its ends.
    pub fn has_boundary_within(&self, day: Day) -> bool {
        let next = self.boundaries.partition_point(|cut| *cut <= day.start());
        self.boundaries.get(next).is_some_and(|cut| *cut < day.span().end)
    }

    /// Adds the sums of a span without a boundary inside.
    pub fn add(&mut self, span: Span, sums: Sums) {
        if let Some(bucket) = self.index(span.start).and_then(|index| self.sums.get_mut(index)) {
            bucket.add(sums);
        }
    }

    pub fn add_day(&mut self, day: Day, table: &MinuteTable) {
        let covered = day.span().intersect(self.span());
        let mut start = covered.start;
        while start < covered.end {
            let Some(index) = self.index(start) else { return };
            let end = self.boundaries.get(index + 1).copied().unwrap_or(covered.end).min(covered.end);
            let sums = table.slice(Span::new(start, end).slots()).sums();
            if let Some(bucket) = self.sums.get_mut(index) {
                bucket.add(sums);
            }
            start = end;
        }
    }

    /// Sums over a span between boundaries; of another span, those of the buckets that begin in it.
    pub fn sum(&self, span: Span) -> Sums {
        let index = |at: Minute| self.boundaries.partition_point(|cut| *cut < at).min(self.sums.len());
        let mut sums = Sums::default();
        self.sums[index(span.start)..index(span.end).max(index(span.start))].iter().for_each(|cell| sums.add(*cell));
        sums
    }

    fn index(&self, at: Minute) -> Option<usize> {
        self.boundaries.partition_point(|cut| *cut <= at).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_added_by_span_or_by_day_are_equal() {
        let day = Day(20_000);
        let at = |minute: i32| day.start().plus(minute);
        let mut bucket_sums = BucketSums::new([at(-1_440), at(-720), at(10), at(20), at(1_500)].into());
        let mut table = MinuteTable::for_day();
        table.known.fill(1);
        table.total.fill(3);
        table.bad[15] = 2;
        assert!(
            bucket_sums.has_boundary_within(day)
                && bucket_sums.has_boundary_within(day.plus(-1))
                && !bucket_sums.has_boundary_within(day.plus(2))
        );
        bucket_sums.add_day(day.plus(-1), &table);
        bucket_sums.add_day(day, &table);
        bucket_sums.add_day(day.plus(1), &table);
        assert_eq!(bucket_sums.sum(Span::new(at(10), at(20))), Sums { total: 30, bad: 2, known: 10 });
        assert_eq!(bucket_sums.sum(Span::new(at(-720), at(10))), Sums { total: 2_190, bad: 0, known: 730 });
        assert_eq!(bucket_sums.sum(bucket_sums.span()), Sums { total: 3 * 2_940, bad: 6, known: 2_940 });
    }
}
