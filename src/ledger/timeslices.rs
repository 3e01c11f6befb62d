//! A cache of sums of timeslices, so that no minute of a finished day is read again.
//!
//! Stored sums are only used with the same minutes and the same settings of timeslices: the store holds a hash of the
//! minutes beside them, and the key names the settings.
//!
//! **Invariant:** cached or not, the sums are those of the minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::view::{TimesliceView, View};
use super::{Partition, PartitionMinutes};
use crate::counts::{MinuteTable, Sums};
use crate::series::SeriesKey;
use crate::time::{Day, Span};

/// Spans within a day of which views with timeslices need sums.
pub(super) type TimesliceRequests = BTreeMap<Day, Vec<(Arc<View>, Vec<Span>)>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct TimesliceSums {
    sums: BTreeMap<SeriesKey, BTreeMap<Span, Sums>>,
    /// Whole days that are not stored yet.
    new_days: BTreeSet<Day>,
}

impl TimesliceSums {
    pub(crate) fn insert_cached(&mut self, key: &SeriesKey, days: impl Iterator<Item = (Day, Sums)>) {
        self.sums.entry(key.clone()).or_default().extend(days.map(|(day, sums)| (day.span(), sums)));
    }

    pub(super) fn get(&self, key: &SeriesKey, span: Span) -> Option<Sums> {
        self.sums.get(key)?.get(&span).copied()
    }

    pub(crate) const fn new_days(&self) -> &BTreeSet<Day> {
        &self.new_days
    }

    /// The sums of whole days from `first` up to, not including, `end`, sorted by name and day.
    pub(crate) fn daily_rows(&self, first: Day, end: Day) -> Vec<(&SeriesKey, Day, Sums)> {
        let mut rows = Vec::new();
        for (key, sums_by_span) in &self.sums {
            let in_range = sums_by_span.range(first.span()..Span::new(end.start(), end.start()));
            let whole_days = in_range.filter(|(part, _)| **part == part.start.day().span());
            rows.extend(whole_days.map(|(part, sums)| (key, part.start.day(), *sums)));
        }
        rows
    }

    /// Computes the requested sums of a day, of which all requested partitions are given.
    pub(crate) fn evaluate_day(
        requests: &TimesliceRequests,
        day: Day,
        minutes: &BTreeMap<Partition, PartitionMinutes>,
    ) -> Self {
        let mut evaluated = Self::default();
        for (view, spans) in requests.get(&day).into_iter().flatten() {
            let Some(timeslices) = TimesliceView::new(view) else { continue };
            let mut table = MinuteTable::for_day();
            for partition in Partition::in_day(day) {
                if let Some(row) = minutes.get(&partition).and_then(|by_series| by_series.get(&view.series)) {
                    table.slice_mut(partition.slots()).copy_from(&row.columns());
                }
            }
            let sums = evaluated.sums.entry(timeslices.cache_key_on(day)).or_default();
            sums.extend(spans.iter().copied().zip(view.sum_minutes(table, spans)));
            evaluated.new_days.extend(spans.contains(&day.span()).then_some(day));
        }
        evaluated
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (key, sums_by_span) in other.sums {
            self.sums.entry(key).or_default().extend(sums_by_span);
        }
        self.new_days.extend(other.new_days);
    }
}
