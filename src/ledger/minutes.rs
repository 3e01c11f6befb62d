//! The minutes of a day, or of some partitions of it.
//!
//! Series may share a row. A fleet has many series without traffic on the same day behind the same load balancer, and a
//! day without traffic is then stored and computed once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::counts::{MinuteColumns, MinuteTable, SLOTS_PER_DAY};
use crate::series::SeriesKey;
use crate::time::{Minute, Span};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayMinutes {
    /// The minutes of the day that are held, the same for all series.
    slots: Range<usize>,
    /// As many minutes of each series as there are slots.
    pub(super) rows: BTreeMap<SeriesKey, Arc<MinuteTable>>,
}

impl DayMinutes {
    pub(crate) const ALL_SLOTS: Range<usize> = 0..SLOTS_PER_DAY;

    pub(super) const fn new(slots: Range<usize>) -> Self {
        Self { slots, rows: BTreeMap::new() }
    }

    /// The minutes of some series, from partitions of a day. Each partition has all minutes of its slots for its own
    /// series, sorted, one after the other; those of other series are ignored.
    pub(crate) fn from_partitions<'a>(
        slots: Range<usize>,
        series: Vec<SeriesKey>,
        partitions: impl Iterator<Item = (Range<usize>, &'a [SeriesKey], MinuteColumns<'a>)>,
    ) -> Self {
        let width = slots.len();
        let mut minutes = Self::new(slots);
        minutes.rows.extend(series.into_iter().map(|series| (series, Arc::new(MinuteTable::new(width)))));
        for (slots, series, columns) in partitions {
            let offsets = minutes.offsets(&slots);
            let mut rows = minutes.rows.iter_mut().peekable();
            for (name, source) in series.iter().zip(columns.chunks(slots.len())) {
                while rows.next_if(|(other, _)| *other < name).is_some() {}
                if let Some((_, row)) = rows.next_if(|(other, _)| *other == name) {
                    Arc::make_mut(row).slice_mut(offsets.clone()).copy_from(&source);
                }
            }
        }
        minutes
    }

    pub(crate) fn slots(&self) -> Range<usize> {
        self.slots.clone()
    }

    /// Those of some minutes of a series that are held.
    pub(super) fn row(&self, series: &SeriesKey, slots: &Range<usize>) -> Option<MinuteColumns<'_>> {
        Some(self.rows.get(series)?.slice(self.offsets(slots)))
    }

    /// The end of the newest known minute of a span of the day.
    pub(super) fn watermark(&self, series: &SeriesKey, span: Span) -> Option<Minute> {
        let newest = self.row(series, &span.slots())?.known.iter().rposition(|known| *known == 1)?;
        let first_slot = self.slots.start.max(span.slots().start);
        Some(span.start.day().start().plus(i32::try_from(first_slot + newest + 1).ok()?))
    }

    /// Those of some minutes that are held, by series.
    pub(crate) fn rows(&self, slots: &Range<usize>) -> impl Iterator<Item = (&SeriesKey, MinuteColumns<'_>)> {
        let offsets = self.offsets(slots);
        self.rows.iter().map(move |(series, row)| (series, row.slice(offsets.clone())))
    }

    /// Those of some slots that are held, as indices into a row.
    pub(super) fn offsets(&self, slots: &Range<usize>) -> Range<usize> {
        let Range { start, end } = self.slots;
        slots.start.clamp(start, end) - start..slots.end.clamp(start, end) - start
    }

    /// Extends the table by minutes and series; its counts stay as they are.
    pub(super) fn extend_to<'a>(&mut self, slots: &Range<usize>, series: impl Iterator<Item = &'a SeriesKey>) {
        self.widen_slots(self.slots.start.min(slots.start)..self.slots.end.max(slots.end));
        let unknown = Arc::new(MinuteTable::new(self.slots.len()));
        for series in series {
            if !self.rows.contains_key(series) {
                self.rows.insert(series.clone(), Arc::clone(&unknown));
            }
        }
    }

    fn widen_slots(&mut self, slots: Range<usize>) {
        if slots == self.slots {
            return;
        }
        let start = self.slots.start - slots.start;
        let mut wider_rows: HashMap<*const MinuteTable, Arc<MinuteTable>> = HashMap::new();
        for row in self.rows.values_mut() {
            let wider = wider_rows.entry(Arc::as_ptr(row)).or_insert_with(|| {
                let mut wider = MinuteTable::new(slots.len());
                wider.slice_mut(start..start + self.slots.len()).copy_from(&row.columns());
                Arc::new(wider)
            });
            *row = Arc::clone(wider);
        }
        self.slots = slots;
    }

    /// Drops the series of which nothing is known and nothing counted.
    pub(super) fn remove_empty_series(&mut self) {
        self.rows.retain(|_, row| row.columns().has_data());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> SeriesKey {
        SeriesKey::new(name)
    }

    fn row_mut<'a>(minutes: &'a mut DayMinutes, series: &str) -> &'a mut MinuteTable {
        Arc::make_mut(minutes.rows.get_mut(&key(series)).unwrap())
    }

    #[test]
    fn changing_one_series_unshares_its_row() {
        let mut minutes = DayMinutes::new(1..4);
        minutes.extend_to(&(1..4), [key("a"), key("b"), key("c")].iter());
        row_mut(&mut minutes, "a").known.fill(1);
        minutes.rows.insert(key("b"), Arc::clone(&minutes.rows[&key("a")]));
        minutes.extend_to(&(0..4), std::iter::empty());
        assert!(Arc::ptr_eq(&minutes.rows[&key("a")], &minutes.rows[&key("b")]), "a wider row is shared as before");
        row_mut(&mut minutes, "b").total[1] = 7;
        let row = |series: &str| minutes.row(&key(series), &(0..4)).unwrap();
        assert_eq!(row("b"), MinuteColumns { total: &[0, 7, 0, 0], bad: &[0; 4], known: &[0, 1, 1, 1] });
        assert_eq!(row("a"), MinuteColumns { total: &[0; 4], bad: &[0; 4], known: &[0, 1, 1, 1] });
        minutes.remove_empty_series();
        assert_eq!(minutes.rows.into_keys().collect::<Vec<_>>(), [key("a"), key("b")]);
    }

    #[test]
    fn extending_slots_and_series_keeps_stored_minutes() {
        let mut minutes = DayMinutes::new(2..4);
        minutes.extend_to(&(2..4), [key("b"), key("d")].iter());
        row_mut(&mut minutes, "b").total[1] = 5;
        row_mut(&mut minutes, "d").known.fill(1);
        minutes.extend_to(&(0..5), [key("a"), key("b"), key("c")].iter());
        let row = |series: &str| minutes.row(&key(series), &(0..5)).unwrap();
        assert_eq!(minutes.rows.keys().cloned().collect::<Vec<_>>(), ["a", "b", "c", "d"].map(key));
        assert_eq!(row("b").total, [0, 0, 0, 5, 0]);
        assert_eq!(row("d").known, [0, 0, 1, 1, 0]);
        assert!(!row("a").has_data() && !row("c").has_data());
        let columns = MinuteColumns { total: &[0, 0, 0, 5, 0], bad: &[0; 5], known: &[0; 5] };
        assert_eq!(
            DayMinutes::from_partitions(0..5, vec![key("b")], [(0..5, &[key("b")][..], columns)].into_iter()),
            {
                let mut other = minutes.clone();
                row_mut(&mut other, "d").known.fill(0);
                other.remove_empty_series();
                other
            }
        );
    }
}
