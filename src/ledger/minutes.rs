//! The minutes of a day, or of some partitions of it, as a table in which rows of minutes lie one after the other.
//!
//! Series may share a row. A fleet has many series without traffic on the same day behind the same load balancer, and a
//! day without traffic is then stored and computed once.

use std::ops::Range;

use crate::counts::{MinuteColumns, MinuteColumnsMut, MinuteTable, SLOTS_PER_DAY, Sums};
use crate::series::SeriesKey;

#[derive(Clone, Debug)]
pub struct DayMinutes {
    /// The minutes of the day that are held, the same for all series.
    slots: Range<usize>,
    /// Sorted.
    series: Vec<SeriesKey>,
    row_of_series: Vec<usize>,
    /// How many series have each row.
    row_users: Vec<usize>,
    /// Rows without a series.
    free_rows: Vec<usize>,
    /// As many minutes of each row as there are slots.
    rows: MinuteTable,
}

impl Default for DayMinutes {
    fn default() -> Self {
        Self::empty(0..SLOTS_PER_DAY, Vec::new())
    }
}

impl PartialEq for DayMinutes {
    fn eq(&self, other: &Self) -> bool {
        (&self.slots, &self.series) == (&other.slots, &other.series)
            && (0..self.series.len()).all(|index| self.row(index, self.slots()) == other.row(index, self.slots()))
    }
}

impl Eq for DayMinutes {}

impl DayMinutes {
    /// Unknown minutes of some series, sorted, which share one row.
    pub(crate) fn empty(slots: Range<usize>, series: Vec<SeriesKey>) -> Self {
        let row_count = usize::from(!series.is_empty());
        Self {
            rows: MinuteTable::new(row_count * slots.len()),
            slots,
            row_of_series: vec![0; series.len()],
            row_users: vec![series.len(); row_count],
            free_rows: Vec::new(),
            series,
        }
    }

    /// Unknown minutes of some series, sorted, with a row each.
    fn with_own_rows(slots: Range<usize>, series: Vec<SeriesKey>) -> Self {
        Self {
            rows: MinuteTable::new(series.len() * slots.len()),
            slots,
            row_of_series: (0..series.len()).collect(),
            row_users: vec![1; series.len()],
            free_rows: Vec::new(),
            series,
        }
    }

    /// The minutes of some series, sorted, from partitions of a day. Each partition has all minutes of its slots for
    /// its own series, one after the other; those of other series are ignored.
    pub(crate) fn from_partitions<'a>(
        slots: Range<usize>,
        series: Vec<SeriesKey>,
        partitions: impl Iterator<Item = (Range<usize>, &'a [SeriesKey], MinuteColumns<'a>)>,
    ) -> Self {
        let mut minutes = Self::with_own_rows(slots, series);
        for (slots, series, columns) in partitions {
            let mut index = 0;
            for (name, source) in series.iter().zip(columns.chunks(slots.len())) {
                index += minutes.series[index..].partition_point(|other| other < name);
                if minutes.series.get(index) == Some(name) {
                    minutes.row_mut(index, &slots).copy_from(&source);
                }
            }
        }
        minutes
    }

    pub(crate) fn slots(&self) -> Range<usize> {
        self.slots.clone()
    }

    /// Sorted.
    pub(crate) fn series(&self) -> &[SeriesKey] {
        &self.series
    }

    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    pub(super) fn columns_of(&self, series: &SeriesKey) -> Option<MinuteColumns<'_>> {
        Some(self.row(self.index_of(series)?, self.slots()))
    }

    pub(super) fn index_of(&self, series: &SeriesKey) -> Option<usize> {
        self.series.binary_search(series).ok()
    }

    /// Those of some minutes of a series that are held.
    pub(crate) fn row(&self, index: usize, slots: Range<usize>) -> MinuteColumns<'_> {
        self.rows.slice(self.range(index, &slots))
    }

    pub(super) fn row_mut(&mut self, index: usize, slots: &Range<usize>) -> MinuteColumnsMut<'_> {
        self.unshare_row(index);
        let range = self.range(index, slots);
        self.rows.slice_mut(range)
    }

    fn range(&self, index: usize, slots: &Range<usize>) -> Range<usize> {
        let (first, width, row) = (self.slots.start, self.slots.len(), self.row_of_series[index]);
        let offset = |slot: usize| row * width + slot.clamp(first, self.slots.end) - first;
        offset(slots.start)..offset(slots.end)
    }

    /// The row of a series. Others that have it hold the same minutes.
    pub(super) fn row_index(&self, index: usize) -> usize {
        self.row_of_series[index]
    }

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

    /// Adds a row without a series.
    fn add_row(&mut self) -> usize {
        self.row_users.push(0);
        self.rows.resize(self.row_users.len() * self.slots.len());
        self.row_users.len() - 1
    }

    /// Gives a series a row of its own.
    fn unshare_row(&mut self, index: usize) {
        let from = self.row_of_series[index];
        if self.row_users[from] < 2 {
            return;
        }
        let to = self.free_rows.pop().unwrap_or_else(|| self.add_row());
        let width = self.slots.len();
        self.rows.copy_within(from * width..(from + 1) * width, to * width);
        self.row_users[from] -= 1;
        self.row_users[to] = 1;
        self.row_of_series[index] = to;
    }

    pub(super) fn series_sums(&self, series: &SeriesKey, slots: Range<usize>) -> Sums {
        self.index_of(series).map_or_else(Sums::default, |index| self.row(index, slots).sums())
    }

    /// Extends the table by minutes and series; its counts stay as they are.
    pub(super) fn extend_to<'a>(&mut self, slots: &Range<usize>, new_series: impl Iterator<Item = &'a SeriesKey>) {
        let missing_series: Vec<SeriesKey> =
            new_series.filter(|series| self.index_of(series).is_none()).cloned().collect();
        self.widen_slots(self.slots.start.min(slots.start)..self.slots.end.max(slots.end));
        if missing_series.is_empty() {
            return;
        }
        let empty_row = self.add_row();
        let existing = std::mem::take(&mut self.series).into_iter().zip(std::mem::take(&mut self.row_of_series));
        let mut merged: Vec<(SeriesKey, usize)> =
            existing.chain(missing_series.into_iter().map(|series| (series, empty_row))).collect();
        merged.sort_unstable();
        merged.dedup_by(|one, other| one.0 == other.0);
        self.row_users[empty_row] = merged.iter().filter(|(_, row)| *row == empty_row).count();
        (self.series, self.row_of_series) = merged.into_iter().unzip();
    }

    fn widen_slots(&mut self, slots: Range<usize>) {
        if slots == self.slots {
            return;
        }
        let (old_width, offset) = (self.slots.len(), self.slots.start - slots.start);
        let mut wider = MinuteTable::new(self.row_users.len() * slots.len());
        for (row, minutes) in self.rows.columns().chunks(old_width).enumerate() {
            let start = row * slots.len() + offset;
            wider.slice_mut(start..start + old_width).copy_from(&minutes);
        }
        (self.rows, self.slots) = (wider, slots);
    }

    /// Drops the series of which nothing is known and nothing counted.
    pub(super) fn remove_empty_series(&mut self) {
        let is_kept: Vec<bool> = (0..self.series.len()).map(|index| self.row(index, self.slots()).has_data()).collect();
        if is_kept.iter().all(|is_kept| *is_kept) {
            return;
        }
        for index in (0..is_kept.len()).filter(|index| !is_kept[*index]) {
            self.release_row(self.row_of_series[index]);
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
        assert_eq!((minutes.row_of_series.as_slice(), minutes.rows.total.len()), (&[1, 1, 0][..], 8));
        minutes.row_mut(1, &(1..2)).total[0] = 7;
        assert_eq!(minutes.row(1, 0..4), MinuteColumns { total: &[0, 7, 0, 0], bad: &[0; 4], known: &[1; 4] });
        assert_eq!(minutes.row(0, 0..4), MinuteColumns { total: &[0; 4], bad: &[0; 4], known: &[1; 4] });
        minutes.remove_empty_series();
        assert_eq!(minutes.series(), [key("a"), key("b")]);
        assert_eq!(minutes.free_rows, [0], "no series has the row of c any more");
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
