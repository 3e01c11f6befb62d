//! Sums between moments.

use std::collections::BTreeSet;

use crate::counts::Sums;
use crate::ledger::Table;
use crate::minute::{Day, Minute, Span};

/// Sums between neighbours of a list of moments.
#[derive(Clone, Debug)]
pub struct Cells {
    /// In order, each once.
    cuts: Vec<Minute>,
    /// One less than there are cuts.
    sums: Vec<Sums>,
}

impl Cells {
    /// Nothing yet between some moments.
    #[must_use]
    pub fn between(cuts: BTreeSet<Minute>) -> Self {
        let cuts: Vec<Minute> = cuts.into_iter().collect();
        Self { sums: vec![Sums::default(); cuts.len().saturating_sub(1)], cuts }
    }

    /// From the first moment to the last one.
    #[must_use]
    pub fn span(&self) -> Span {
        let start = self.cuts.first().copied().unwrap_or(Minute(0));
        Span::new(start, self.cuts.last().copied().unwrap_or(start))
    }

    /// Whether a moment lies within a day, and not at its ends.
    #[must_use]
    pub fn is_cut_within(&self, day: Day) -> bool {
        let next = self.cuts.partition_point(|cut| *cut <= day.start());
        self.cuts.get(next).is_some_and(|cut| *cut < day.span().end)
    }

    /// Adds the sums of a span that no moment lies within.
    pub fn add(&mut self, span: Span, sums: Sums) {
        if let Some(cell) = self.place(span.start).and_then(|place| self.sums.get_mut(place)) {
            cell.add(sums);
        }
    }

    /// Adds the minutes of a day.
    pub fn add_day(&mut self, day: Day, table: &Table) {
        let inside = day.span().intersect(self.span());
        let mut start = inside.start;
        while start < inside.end {
            let Some(place) = self.place(start) else { return };
            let end = self.cuts.get(place + 1).copied().unwrap_or(inside.end).min(inside.end);
            let from = start.of_day();
            let sums = table.sums(from, from + Span::new(start, end).minutes() as usize);
            if let Some(cell) = self.sums.get_mut(place) {
                cell.add(sums);
            }
            start = end;
        }
    }

    /// Sums over a span whose ends are moments of the list; of another, those of the cells that begin in it.
    #[must_use]
    pub fn over(&self, span: Span) -> Sums {
        let place = |at: Minute| self.cuts.partition_point(|cut| *cut < at).min(self.sums.len());
        let mut sums = Sums::default();
        self.sums[place(span.start)..place(span.end).max(place(span.start))].iter().for_each(|cell| sums.add(*cell));
        sums
    }

    fn place(&self, at: Minute) -> Option<usize> {
        self.cuts.partition_point(|cut| *cut <= at).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_in_any_way_adds_up() {
        let day = Day(20_000);
        let at = |minute: i32| day.start().plus(minute);
        let mut cells = Cells::between([at(-1_440), at(-720), at(10), at(20), at(1_500)].into());
        let mut table = Table::default();
        table.known.fill(1);
        table.total.fill(3);
        table.bad[15] = 2;
        assert!(cells.is_cut_within(day) && cells.is_cut_within(day.plus(-1)) && !cells.is_cut_within(day.plus(2)));
        cells.add_day(day.plus(-1), &table);
        cells.add_day(day, &table);
        cells.add_day(day.plus(1), &table);
        assert_eq!(cells.over(Span::new(at(10), at(20))), Sums { total: 30, bad: 2, known: 10 });
        assert_eq!(cells.over(Span::new(at(-720), at(10))), Sums { total: 2_190, bad: 0, known: 730 });
        assert_eq!(cells.over(cells.span()), Sums { total: 3 * 2_940, bad: 6, known: 2_940 });
    }
}
