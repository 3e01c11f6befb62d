//! The minutes of a day, or of some parts of it: three columns in which rows of minutes lie one after the other.
//!
//! Series may share a row. A fleet has many that are silent on the same day behind the same balancer, and a day of
//! silence is then held once, and worked at once.

use std::ops::Range;

use crate::counts::{MinuteColumns, SLOTS_PER_DAY, Sums};
use crate::series::SeriesKey;

/// Minutes of all series of a day.
#[derive(Clone, Debug)]
pub struct DayMinutes {
    /// The minutes of the day that are here, the same for all series.
    slots: Range<usize>,
    /// Sorted.
    series: Vec<SeriesKey>,
    /// The row of each series.
    row_of_series: Vec<usize>,
    /// How many series have each row.
    row_users: Vec<usize>,
    /// Rows that nobody has any more.
    free_rows: Vec<usize>,
    /// As many minutes of each row as there are slots.
    total: Vec<u32>,
    bad: Vec<u32>,
    known: Vec<u8>,
}

impl Default for DayMinutes {
    fn default() -> Self {
        Self::empty(0..SLOTS_PER_DAY, Vec::new())
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
        let mut empty = Self::with_slots(slots);
        if !series.is_empty() {
            empty.add_rows(1);
            empty.row_users[0] = series.len();
            empty.row_of_series = vec![0; series.len()];
            empty.series = series;
        }
        empty
    }

    fn with_slots(slots: Range<usize>) -> Self {
        let (row_of_series, row_users, free_rows) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            slots,
            series: Vec::new(),
            row_of_series,
            row_users,
            free_rows,
            total: Vec::new(),
            bad: Vec::new(),
            known: Vec::new(),
        }
    }

    /// Adds rows without anything, which nobody has yet.
    fn add_rows(&mut self, count: usize) {
        self.row_users.resize(self.row_users.len() + count, 0);
        let length = self.row_users.len() * self.slots.len();
        self.total.resize(length, 0);
        self.bad.resize(length, 0);
        self.known.resize(length, 0);
    }

    /// Wanted series, sorted, out of the columns of more of them.
    pub(crate) fn select_series(
        slots: Range<usize>,
        wanted_series: Vec<SeriesKey>,
        series: &[SeriesKey],
        columns: &MinuteColumns<'_>,
    ) -> Self {
        let width = slots.len();
        let mut selected = Self::empty(slots.clone(), wanted_series);
        selected.unshare_all();
        for index in 0..selected.series.len() {
            let Ok(source_row) = series.binary_search(&selected.series[index]) else { continue };
            let (source, row) = (source_row * width..(source_row + 1) * width, selected.row_mut(index, &slots));
            row.total.copy_from_slice(&columns.total[source.clone()]);
            row.bad.copy_from_slice(&columns.bad[source.clone()]);
            row.known.copy_from_slice(&columns.known[source]);
        }
        selected
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
    pub(super) fn columns_of(&self, series: &SeriesKey) -> Option<MinuteColumns<'_>> {
        Some(self.row(self.index_of(series)?, self.slots()))
    }

    pub(super) fn index_of(&self, series: &SeriesKey) -> Option<usize> {
        self.series.binary_search(series).ok()
    }

    /// Some minutes of the series at a place; those that are not here are left out.
    pub(crate) fn row(&self, index: usize, slots: Range<usize>) -> MinuteColumns<'_> {
        let range = self.range(index, &slots);
        MinuteColumns { total: &self.total[range.clone()], bad: &self.bad[range.clone()], known: &self.known[range] }
    }

    pub(super) fn row_mut(&mut self, index: usize, slots: &Range<usize>) -> RowMut<'_> {
        self.unshare_row(index);
        let range = self.range(index, slots);
        RowMut {
            total: &mut self.total[range.clone()],
            bad: &mut self.bad[range.clone()],
            known: &mut self.known[range],
        }
    }

    fn range(&self, index: usize, slots: &Range<usize>) -> Range<usize> {
        let (first, width, row) = (self.slots.start, self.slots.len(), self.row_of_series[index]);
        let offset_of = |slot: usize| row * width + slot.clamp(first, self.slots.end) - first;
        offset_of(slots.start)..offset_of(slots.end)
    }

    /// Which row the series at a place has. Others that have it hold the same minutes.
    pub(super) fn row_index(&self, index: usize) -> usize {
        self.row_of_series[index]
    }

    /// Gives the series at a place the minutes of another's.
    pub(super) fn share_row(&mut self, index: usize, source_index: usize) {
        let row = self.row_of_series[source_index];
        self.row_users[row] += 1;
        let old_row = std::mem::replace(&mut self.row_of_series[index], row);
        self.release_row(old_row);
    }

    fn release_row(&mut self, row: usize) {
        self.row_users[row] -= 1;
        if self.row_users[row] == 0 {
            self.free_rows.push(row);
        }
    }

    /// Gives the series at a place a row of its own.
    fn unshare_row(&mut self, index: usize) {
        let from = self.row_of_series[index];
        if self.row_users[from] < 2 {
            return;
        }
        let to = self.free_rows.pop().unwrap_or_else(|| {
            self.add_rows(1);
            self.row_users.len() - 1
        });
        let width = self.slots.len();
        let (source, target) = (from * width..(from + 1) * width, to * width);
        self.total.copy_within(source.clone(), target);
        self.bad.copy_within(source.clone(), target);
        self.known.copy_within(source, target);
        self.row_users[from] -= 1;
        self.row_users[to] = 1;
        self.row_of_series[index] = to;
    }

    /// Gives every series a row of its own, of series of which nothing is known yet.
    fn unshare_all(&mut self) {
        self.add_rows(self.series.len() - self.row_users.len());
        self.row_users.fill(1);
        self.row_of_series = (0..self.series.len()).collect();
    }

    /// Sums of a series over some minutes.
    pub(super) fn series_sums(&self, series: &SeriesKey, slots: Range<usize>) -> Sums {
        self.index_of(series).map_or_else(Sums::default, |index| self.row(index, slots).sums())
    }

    /// Of some series, sorted, the parts of a day as they were kept, each with the series that it has. They have the
    /// slots' minutes of each.
    pub(crate) fn from_partitions<'a>(
        slots: Range<usize>,
        series: Vec<SeriesKey>,
        partitions: impl Iterator<Item = (Range<usize>, &'a [SeriesKey], MinuteColumns<'a>)>,
    ) -> Self {
        let mut minutes = Self::empty(slots, series);
        minutes.unshare_all();
        for (slots, series, columns) in partitions {
            let width = slots.len();
            let mut index = 0;
            for (row, name) in series.iter().enumerate() {
                index += minutes.series[index..].partition_point(|other| other < name);
                let (from, to) = (row * width..(row + 1) * width, minutes.range(index, &slots));
                minutes.total[to.clone()].copy_from_slice(&columns.total[from.clone()]);
                minutes.bad[to.clone()].copy_from_slice(&columns.bad[from.clone()]);
                minutes.known[to].copy_from_slice(&columns.known[from]);
            }
        }
        minutes
    }

    /// Makes room for minutes and for series; what is here stays as it is.
    pub(super) fn extend_to<'a>(&mut self, slots: &Range<usize>, new_series: impl Iterator<Item = &'a SeriesKey>) {
        let missing_series: Vec<SeriesKey> =
            new_series.filter(|series| self.index_of(series).is_none()).cloned().collect();
        self.widen_slots(self.slots.start.min(slots.start)..self.slots.end.max(slots.end));
        if missing_series.is_empty() {
            return;
        }
        self.add_rows(1);
        let empty_row = self.row_users.len() - 1;
        let existing = std::mem::take(&mut self.series).into_iter().zip(std::mem::take(&mut self.row_of_series));
        let mut merged: Vec<(SeriesKey, usize)> =
            existing.chain(missing_series.into_iter().map(|series| (series, empty_row))).collect();
        merged.sort_unstable();
        merged.dedup_by(|one, other| one.0 == other.0);
        self.row_users[empty_row] = merged.iter().filter(|(_, row)| *row == empty_row).count();
        (self.series, self.row_of_series) = merged.into_iter().unzip();
    }

    fn widen_slots(&mut self, new_slots: Range<usize>) {
        if new_slots == self.slots {
            return;
        }
        let (old_width, new_width) = (self.slots.len(), new_slots.len());
        let offset = self.slots.start - new_slots.start;
        let mut wider = Self::with_slots(new_slots);
        wider.add_rows(self.row_users.len());
        for row in 0..self.row_users.len() {
            let (from, to) = (
                row * old_width..(row + 1) * old_width,
                row * new_width + offset..row * new_width + offset + old_width,
            );
            wider.total[to.clone()].copy_from_slice(&self.total[from.clone()]);
            wider.bad[to.clone()].copy_from_slice(&self.bad[from.clone()]);
            wider.known[to].copy_from_slice(&self.known[from]);
        }
        let Self { series, row_of_series: rows, row_users: sharers, free_rows: free, .. } = std::mem::take(self);
        *self = Self { series, row_of_series: rows, row_users: sharers, free_rows: free, ..wider };
    }

    /// Drops the series of which nothing is known and nothing counted.
    pub(super) fn remove_empty_series(&mut self) {
        let is_kept: Vec<bool> = (0..self.series.len()).map(|index| self.row(index, self.slots()).has_data()).collect();
        if is_kept.iter().all(|is_kept| *is_kept) {
            return;
        }
        for place in (0..is_kept.len()).filter(|place| !is_kept[*place]) {
            self.release_row(self.row_of_series[place]);
        }
        let (mut keep_series, mut keep_rows) = (is_kept.iter(), is_kept.iter());
        self.series.retain(|_| keep_series.next() == Some(&true));
        self.row_of_series.retain(|_| keep_rows.next() == Some(&true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> SeriesKey {
        SeriesKey::new(name)
    }

    #[test]
    fn changing_one_series_unshares_its_row() {
        let mut minutes = DayMinutes::empty(0..4, vec![key("a"), key("b"), key("c")]);
        minutes.row_mut(0, &(0..4)).known.fill(1);
        minutes.share_row(1, 0);
        assert_eq!((minutes.row_of_series.as_slice(), minutes.total.len()), (&[1, 1, 0][..], 8));
        minutes.row_mut(1, &(1..2)).total[0] = 7;
        assert_eq!(minutes.row(1, 0..4), MinuteColumns { total: &[0, 7, 0, 0], bad: &[0; 4], known: &[1; 4] });
        assert_eq!(minutes.row(0, 0..4), MinuteColumns { total: &[0; 4], bad: &[0; 4], known: &[1; 4] });
        minutes.remove_empty_series();
        assert_eq!(minutes.series(), [key("a"), key("b")]);
        assert_eq!(minutes.free_rows, [0], "nobody has the row of c any more");
    }

    #[test]
    fn extending_slots_and_series_keeps_stored_minutes() {
        let mut minutes = DayMinutes::empty(2..4, vec![key("b"), key("d")]);
        minutes.row_mut(0, &(3..4)).total[0] = 5;
        minutes.row_mut(1, &(2..4)).known.fill(1);
        minutes.extend_to(&(0..5), [key("a"), key("b"), key("c")].iter());
        assert_eq!(minutes.series(), ["a", "b", "c", "d"].map(key));
        assert_eq!(minutes.row(1, 0..5).total, [0, 0, 0, 5, 0]);
        assert_eq!(minutes.row(3, 0..5).known, [0, 0, 1, 1, 0]);
        assert!(!minutes.row(0, 0..5).has_data() && !minutes.row(2, 0..5).has_data());
        let columns = MinuteColumns { total: &[0, 0, 0, 5, 0], bad: &[0; 5], known: &[0; 5] };
        assert_eq!(
            DayMinutes::from_partitions(0..5, vec![key("b")], [(0..5, &[key("b")][..], columns)].into_iter()),
            {
                let mut other = minutes.clone();
                other.row_mut(3, &(0..5)).known.fill(0);
                other.remove_empty_series();
                other
            }
        );
    }
}
