//! The minutes of a day, or of some parts of it: three columns in which the series lie one after the other.

use std::ops::Range;

use crate::counts::{DaySlice, SLOTS, Sums};
use crate::series::SeriesKey;

/// Minutes of all series of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayMinutes {
    /// The minutes of the day that are here, the same for all series.
    slots: Range<usize>,
    /// Sorted; the columns have as many minutes of each as there are slots.
    series: Vec<SeriesKey>,
    total: Vec<u32>,
    bad: Vec<u32>,
    known: Vec<u8>,
}

impl Default for DayMinutes {
    fn default() -> Self {
        Self::empty(0..SLOTS, Vec::new())
    }
}

/// Some minutes of one series, to be changed.
pub(super) struct RowMut<'a> {
    pub(super) total: &'a mut [u32],
    pub(super) bad: &'a mut [u32],
    pub(super) known: &'a mut [u8],
}

impl DayMinutes {
    /// Nothing counted and nothing known of some series, sorted.
    pub(crate) fn empty(slots: Range<usize>, series: Vec<SeriesKey>) -> Self {
        let rows = slots.len() * series.len();
        Self { slots, series, total: vec![0; rows], bad: vec![0; rows], known: vec![0; rows] }
    }

    /// Wanted series, sorted, out of the columns of more of them.
    pub(crate) fn picked(
        slots: Range<usize>,
        wanted: Vec<SeriesKey>,
        series: &[SeriesKey],
        columns: &DaySlice<'_>,
    ) -> Self {
        let width = slots.len();
        let mut picked = Self::empty(slots.clone(), wanted);
        for place in 0..picked.series.len() {
            let Ok(from) = series.binary_search(&picked.series[place]) else { continue };
            let (from, row) = (from * width..(from + 1) * width, picked.row_mut(place, &slots));
            row.total.copy_from_slice(&columns.total[from.clone()]);
            row.bad.copy_from_slice(&columns.bad[from.clone()]);
            row.known.copy_from_slice(&columns.known[from]);
        }
        picked
    }

    /// The minutes of the day that are here.
    pub(crate) fn slots(&self) -> Range<usize> {
        self.slots.clone()
    }

    /// The series, sorted.
    pub(crate) fn series(&self) -> &[SeriesKey] {
        &self.series
    }

    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// All minutes of a series that are here.
    pub(super) fn of(&self, series: &SeriesKey) -> Option<DaySlice<'_>> {
        Some(self.row(self.place(series)?, self.slots()))
    }

    pub(super) fn place(&self, series: &SeriesKey) -> Option<usize> {
        self.series.binary_search(series).ok()
    }

    /// Some minutes of the series at a place; those that are not here are left out.
    pub(crate) fn row(&self, place: usize, slots: Range<usize>) -> DaySlice<'_> {
        let range = self.range(place, &slots);
        DaySlice { total: &self.total[range.clone()], bad: &self.bad[range.clone()], known: &self.known[range] }
    }

    pub(super) fn row_mut(&mut self, place: usize, slots: &Range<usize>) -> RowMut<'_> {
        let range = self.range(place, slots);
        RowMut {
            total: &mut self.total[range.clone()],
            bad: &mut self.bad[range.clone()],
            known: &mut self.known[range],
        }
    }

    fn range(&self, place: usize, slots: &Range<usize>) -> Range<usize> {
        let (first, width) = (self.slots.start, self.slots.len());
        let within = |slot: usize| place * width + slot.clamp(first, self.slots.end) - first;
        within(slots.start)..within(slots.end)
    }

    /// Sums of a series over some minutes.
    pub(super) fn sums(&self, series: &SeriesKey, slots: Range<usize>) -> Sums {
        self.place(series).map_or_else(Sums::default, |place| self.row(place, slots).sums())
    }

    /// Puts columns of the same series, or of some of them, in their place. They have the slots' minutes of each.
    pub(crate) fn fill(&mut self, slots: &Range<usize>, series: &[SeriesKey], columns: &DaySlice<'_>) {
        let width = slots.len();
        let mut place = 0;
        for (row, key) in series.iter().enumerate() {
            place += self.series[place..].partition_point(|held| held < key);
            let (from, to) = (row * width..(row + 1) * width, self.range(place, slots));
            self.total[to.clone()].copy_from_slice(&columns.total[from.clone()]);
            self.bad[to.clone()].copy_from_slice(&columns.bad[from.clone()]);
            self.known[to].copy_from_slice(&columns.known[from]);
        }
    }

    /// Makes room for minutes and for series; what is here stays as it is.
    pub(super) fn admit<'a>(&mut self, slots: &Range<usize>, wanted: impl Iterator<Item = &'a SeriesKey>) {
        let new: Vec<SeriesKey> = wanted.filter(|series| self.place(series).is_none()).cloned().collect();
        let wide = self.slots.start.min(slots.start)..self.slots.end.max(slots.end);
        if new.is_empty() && wide == self.slots {
            return;
        }
        let mut series = self.series.clone();
        series.extend(new);
        series.sort_unstable();
        series.dedup();
        let mut wider = Self::empty(wide, series);
        let columns = DaySlice { total: &self.total, bad: &self.bad, known: &self.known };
        wider.fill(&self.slots, &self.series, &columns);
        *self = wider;
    }

    /// Drops the series of which nothing is known and nothing counted.
    pub(super) fn tidy(&mut self) {
        let kept: Vec<SeriesKey> = (0..self.series.len())
            .filter(|place| self.row(*place, self.slots()).says_something())
            .filter_map(|place| self.series.get(place).cloned())
            .collect();
        if kept.len() == self.series.len() {
            return;
        }
        let mut rest = Self::empty(self.slots(), kept);
        for place in 0..rest.series.len() {
            let Some(from) = self.place(&rest.series[place]) else { continue };
            let (row, to) = (self.row(from, self.slots()), rest.range(place, &self.slots));
            rest.total[to.clone()].copy_from_slice(row.total);
            rest.bad[to.clone()].copy_from_slice(row.bad);
            rest.known[to].copy_from_slice(row.known);
        }
        *self = rest;
    }
}
