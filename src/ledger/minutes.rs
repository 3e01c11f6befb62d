//! The minutes of a day, or of some parts of it: three columns in which rows of minutes lie one after the other.
//!
//! Series may share a row. A fleet has many that are silent on the same day behind the same balancer, and a day of
//! silence is then held once, and worked at once.

use std::ops::Range;

use crate::counts::{DaySlice, SLOTS, Sums};
use crate::series::SeriesKey;

/// Minutes of all series of a day.
#[derive(Clone, Debug)]
pub struct DayMinutes {
    /// The minutes of the day that are here, the same for all series.
    slots: Range<usize>,
    /// Sorted.
    series: Vec<SeriesKey>,
    /// The row of each series.
    rows: Vec<usize>,
    /// How many series have each row.
    sharers: Vec<usize>,
    /// Rows that nobody has any more.
    free: Vec<usize>,
    /// As many minutes of each row as there are slots.
    total: Vec<u32>,
    bad: Vec<u32>,
    known: Vec<u8>,
}

impl Default for DayMinutes {
    fn default() -> Self {
        Self::empty(0..SLOTS, Vec::new())
    }
}

impl PartialEq for DayMinutes {
    fn eq(&self, other: &Self) -> bool {
        (&self.slots, &self.series) == (&other.slots, &other.series)
            && (0..self.series.len()).all(|place| self.row(place, self.slots()) == other.row(place, self.slots()))
    }
}

impl Eq for DayMinutes {}

/// Some minutes of one series, to be changed.
pub(super) struct RowMut<'a> {
    pub(super) total: &'a mut [u32],
    pub(super) bad: &'a mut [u32],
    pub(super) known: &'a mut [u8],
}

impl DayMinutes {
    /// Nothing counted and nothing known of some series, sorted.
    pub(crate) fn empty(slots: Range<usize>, series: Vec<SeriesKey>) -> Self {
        let mut empty = Self::without(slots);
        if !series.is_empty() {
            empty.add_rows(1);
            empty.sharers[0] = series.len();
            empty.rows = vec![0; series.len()];
            empty.series = series;
        }
        empty
    }

    fn without(slots: Range<usize>) -> Self {
        let (rows, sharers, free) = (Vec::new(), Vec::new(), Vec::new());
        Self { slots, series: Vec::new(), rows, sharers, free, total: Vec::new(), bad: Vec::new(), known: Vec::new() }
    }

    /// Adds rows without anything, which nobody has yet.
    fn add_rows(&mut self, count: usize) {
        self.sharers.resize(self.sharers.len() + count, 0);
        let length = self.sharers.len() * self.slots.len();
        self.total.resize(length, 0);
        self.bad.resize(length, 0);
        self.known.resize(length, 0);
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
        picked.part_all();
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
        self.part(place);
        let range = self.range(place, slots);
        RowMut {
            total: &mut self.total[range.clone()],
            bad: &mut self.bad[range.clone()],
            known: &mut self.known[range],
        }
    }

    fn range(&self, place: usize, slots: &Range<usize>) -> Range<usize> {
        let (first, width, row) = (self.slots.start, self.slots.len(), self.rows[place]);
        let within = |slot: usize| row * width + slot.clamp(first, self.slots.end) - first;
        within(slots.start)..within(slots.end)
    }

    /// Which row the series at a place has. Others that have it hold the same minutes.
    pub(super) fn row_of(&self, place: usize) -> usize {
        self.rows[place]
    }

    /// Gives the series at a place the minutes of another's.
    pub(super) fn share(&mut self, place: usize, with: usize) {
        let row = self.rows[with];
        self.sharers[row] += 1;
        let before = std::mem::replace(&mut self.rows[place], row);
        self.leave(before);
    }

    fn leave(&mut self, row: usize) {
        self.sharers[row] -= 1;
        if self.sharers[row] == 0 {
            self.free.push(row);
        }
    }

    /// Gives the series at a place a row of its own.
    fn part(&mut self, place: usize) {
        let from = self.rows[place];
        if self.sharers[from] < 2 {
            return;
        }
        let to = self.free.pop().unwrap_or_else(|| {
            self.add_rows(1);
            self.sharers.len() - 1
        });
        let width = self.slots.len();
        let (source, target) = (from * width..(from + 1) * width, to * width);
        self.total.copy_within(source.clone(), target);
        self.bad.copy_within(source.clone(), target);
        self.known.copy_within(source, target);
        self.sharers[from] -= 1;
        self.sharers[to] = 1;
        self.rows[place] = to;
    }

    /// Gives every series a row of its own, of series of which nothing is known yet.
    fn part_all(&mut self) {
        self.add_rows(self.series.len() - self.sharers.len());
        self.sharers.fill(1);
        self.rows = (0..self.series.len()).collect();
    }

    /// Sums of a series over some minutes.
    pub(super) fn sums(&self, series: &SeriesKey, slots: Range<usize>) -> Sums {
        self.place(series).map_or_else(Sums::default, |place| self.row(place, slots).sums())
    }

    /// Of some series, sorted, the parts of a day as they were kept, each with the series that it has. They have the
    /// slots' minutes of each.
    pub(crate) fn filled<'a>(
        slots: Range<usize>,
        series: Vec<SeriesKey>,
        parts: impl Iterator<Item = (Range<usize>, &'a [SeriesKey], DaySlice<'a>)>,
    ) -> Self {
        let mut whole = Self::empty(slots, series);
        whole.part_all();
        for (slots, series, columns) in parts {
            let width = slots.len();
            let mut place = 0;
            for (row, key) in series.iter().enumerate() {
                place += whole.series[place..].partition_point(|held| held < key);
                let (from, to) = (row * width..(row + 1) * width, whole.range(place, &slots));
                whole.total[to.clone()].copy_from_slice(&columns.total[from.clone()]);
                whole.bad[to.clone()].copy_from_slice(&columns.bad[from.clone()]);
                whole.known[to].copy_from_slice(&columns.known[from]);
            }
        }
        whole
    }

    /// Makes room for minutes and for series; what is here stays as it is.
    pub(super) fn admit<'a>(&mut self, slots: &Range<usize>, wanted: impl Iterator<Item = &'a SeriesKey>) {
        let new: Vec<SeriesKey> = wanted.filter(|series| self.place(series).is_none()).cloned().collect();
        self.widen(self.slots.start.min(slots.start)..self.slots.end.max(slots.end));
        if new.is_empty() {
            return;
        }
        self.add_rows(1);
        let empty = self.sharers.len() - 1;
        let held = std::mem::take(&mut self.series).into_iter().zip(std::mem::take(&mut self.rows));
        let mut all: Vec<(SeriesKey, usize)> = held.chain(new.into_iter().map(|series| (series, empty))).collect();
        all.sort_unstable();
        all.dedup_by(|one, other| one.0 == other.0);
        self.sharers[empty] = all.iter().filter(|(_, row)| *row == empty).count();
        (self.series, self.rows) = all.into_iter().unzip();
    }

    fn widen(&mut self, wide: Range<usize>) {
        if wide == self.slots {
            return;
        }
        let (before, after) = (self.slots.len(), wide.len());
        let offset = self.slots.start - wide.start;
        let mut wider = Self::without(wide);
        wider.add_rows(self.sharers.len());
        for row in 0..self.sharers.len() {
            let (from, to) = (row * before..(row + 1) * before, row * after + offset..row * after + offset + before);
            wider.total[to.clone()].copy_from_slice(&self.total[from.clone()]);
            wider.bad[to.clone()].copy_from_slice(&self.bad[from.clone()]);
            wider.known[to].copy_from_slice(&self.known[from]);
        }
        let Self { series, rows, sharers, free, .. } = std::mem::take(self);
        *self = Self { series, rows, sharers, free, ..wider };
    }

    /// Drops the series of which nothing is known and nothing counted.
    pub(super) fn tidy(&mut self) {
        let kept: Vec<bool> =
            (0..self.series.len()).map(|place| self.row(place, self.slots()).says_something()).collect();
        if kept.iter().all(|kept| *kept) {
            return;
        }
        for place in (0..kept.len()).filter(|place| !kept[*place]) {
            self.leave(self.rows[place]);
        }
        let (mut of_series, mut of_rows) = (kept.iter(), kept.iter());
        self.series.retain(|_| of_series.next() == Some(&true));
        self.rows.retain(|_| of_rows.next() == Some(&true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> SeriesKey {
        SeriesKey::new(name)
    }

    #[test]
    fn series_that_share_a_row_part_when_one_is_changed() {
        let mut minutes = DayMinutes::empty(0..4, vec![key("a"), key("b"), key("c")]);
        minutes.row_mut(0, &(0..4)).known.fill(1);
        minutes.share(1, 0);
        assert_eq!((minutes.rows.as_slice(), minutes.total.len()), (&[1, 1, 0][..], 8));
        minutes.row_mut(1, &(1..2)).total[0] = 7;
        assert_eq!(minutes.row(1, 0..4), DaySlice { total: &[0, 7, 0, 0], bad: &[0; 4], known: &[1; 4] });
        assert_eq!(minutes.row(0, 0..4), DaySlice { total: &[0; 4], bad: &[0; 4], known: &[1; 4] });
        minutes.tidy();
        assert_eq!(minutes.series(), [key("a"), key("b")]);
        assert_eq!(minutes.free, [0], "nobody has the row of c any more");
    }

    #[test]
    fn room_for_more_minutes_and_series_leaves_what_is_there() {
        let mut minutes = DayMinutes::empty(2..4, vec![key("b"), key("d")]);
        minutes.row_mut(0, &(3..4)).total[0] = 5;
        minutes.row_mut(1, &(2..4)).known.fill(1);
        minutes.admit(&(0..5), [key("a"), key("b"), key("c")].iter());
        assert_eq!(minutes.series(), ["a", "b", "c", "d"].map(key));
        assert_eq!(minutes.row(1, 0..5).total, [0, 0, 0, 5, 0]);
        assert_eq!(minutes.row(3, 0..5).known, [0, 0, 1, 1, 0]);
        assert!(!minutes.row(0, 0..5).says_something() && !minutes.row(2, 0..5).says_something());
        let columns = DaySlice { total: &[0, 0, 0, 5, 0], bad: &[0; 5], known: &[0; 5] };
        assert_eq!(DayMinutes::filled(0..5, vec![key("b")], [(0..5, &[key("b")][..], columns)].into_iter()), {
            let mut other = minutes.clone();
            other.row_mut(3, &(0..5)).known.fill(0);
            other.tidy();
            other
        });
    }
}
