//! What is taken from minutes that then are let go: sums over spans within a day, the newest known minute, which are
//! known.
//!
//! A window of a month needs of the day it begins in no more than one sum for each series. So the minutes of such a day
//! pass by and are gone, and memory holds no more of them than a few parts at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Ledger, Partition, View, rest_of_day, slot_range};
use crate::counts::{MinuteColumns, Sums};
use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

/// Days and parts of them that views cut into slices.
pub(super) type TimesliceRequests = BTreeMap<Day, Vec<(Arc<View>, Vec<Span>)>>;

/// What is wanted of minutes without keeping them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSumsRequest {
    /// Spans, each within a day and less than it, of which the sums are wanted.
    pub sum_spans: BTreeSet<Span>,
    /// Spans, each within a day, of which the newest known minute is wanted.
    pub watermark_spans: BTreeSet<Span>,
    /// Parts of which it is wanted which minutes are known.
    pub known_partitions: BTreeSet<Partition>,
    /// Days, and spans within them, of which the sums of slices are wanted.
    pub timeslices: TimesliceRequests,
}

impl PartialSumsRequest {
    /// The parts that sums and newest minutes come from.
    pub(crate) fn sum_partitions(&self) -> BTreeSet<Partition> {
        let spans = self.sum_spans.iter().flat_map(|span| spans_to_sum(*span).0);
        spans.chain(self.watermark_spans.iter().copied()).flat_map(Partition::in_span).collect()
    }

    /// The parts that sums of slices come from.
    pub(crate) fn timeslice_partitions(&self) -> BTreeSet<Partition> {
        let requests = self.timeslices.values().flatten();
        requests.flat_map(|(view, spans)| Ledger::timeslice_partitions(view, spans)).collect()
    }

    /// The series that are cut into slices on a day, sorted.
    pub(crate) fn timeslice_series(&self, day: Day) -> Vec<SeriesKey> {
        let series: BTreeSet<&SeriesKey> =
            self.timeslices.get(&day).into_iter().flatten().map(|(view, _)| &view.series).collect();
        series.into_iter().cloned().collect()
    }
}

/// The spans whose minutes are added up for the sums of a span within a day: itself, or the rest of the day if that
/// lies in fewer parts. Then the sums are those of the day without the rest, which is told by `true`.
fn spans_to_sum(span: Span) -> (Vec<Span>, bool) {
    let rest_of_day: Vec<Span> = rest_of_day(span).into_iter().filter(|span| !span.is_empty()).collect();
    let partition_count = |spans: &[Span]| spans.iter().flat_map(|span| Partition::in_span(*span)).count();
    if partition_count(&rest_of_day) < partition_count(&[span]) { (rest_of_day, true) } else { (vec![span], false) }
}

/// What was taken, of all series.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartialSums {
    sums: BTreeMap<Span, HashMap<SeriesKey, Sums>>,
    /// Ends of the newest known minutes.
    watermarks: BTreeMap<Span, HashMap<SeriesKey, Minute>>,
    known: BTreeMap<Partition, (Arc<Vec<SeriesKey>>, Vec<u8>)>,
}

impl PartialSums {
    /// Nothing, of everything that is wanted: what is kept nowhere has no sums.
    pub(crate) fn new(request: &PartialSumsRequest) -> Self {
        let spans = request.sum_spans.iter().flat_map(|span| spans_to_sum(*span).0);
        Self {
            sums: spans.map(|span| (span, HashMap::new())).collect(),
            watermarks: request.watermark_spans.iter().map(|span| (*span, HashMap::new())).collect(),
            known: BTreeMap::new(),
        }
    }

    /// What is wanted of a part, from the minutes of its series one after the other.
    pub(crate) fn from_partition(
        request: &PartialSumsRequest,
        partition: Partition,
        series: &[SeriesKey],
        columns: &MinuteColumns<'_>,
    ) -> Self {
        let mut partial = Self::new(request);
        partial.sums.retain(|span, _| !span.intersect(partition.span()).is_empty());
        partial.watermarks.retain(|span, _| !span.intersect(partition.span()).is_empty());
        for (span, sums) in &mut partial.sums {
            for (series, row) in series.iter().zip(rows_in_span(partition, *span, columns)) {
                sums.insert(series.clone(), row.sums());
            }
        }
        for (span, newest) in &mut partial.watermarks {
            let start = span.intersect(partition.span()).start;
            for (series, row) in series.iter().zip(rows_in_span(partition, *span, columns)) {
                let slot = row.known.iter().rposition(|known| *known == 1);
                let end = slot.and_then(|slot| Some(start.plus(i32::try_from(slot + 1).ok()?)));
                newest.extend(end.map(|end| (series.clone(), end)));
            }
        }
        partial
    }

    /// Adds what another part gave.
    pub(crate) fn merge(&mut self, other: Self) {
        for (span, sums) in other.sums {
            let stored = self.sums.entry(span).or_default();
            sums.into_iter().for_each(|(series, sums)| stored.entry(series).or_default().add(sums));
        }
        for (span, newest) in other.watermarks {
            let stored = self.watermarks.entry(span).or_default();
            for (series, end) in newest {
                let newest = stored.entry(series).or_insert(end);
                *newest = end.max(*newest);
            }
        }
        self.known.extend(other.known);
    }

    /// Adds which minutes of a part are known, of its series one after the other.
    pub(crate) fn insert_known(&mut self, partition: Partition, series: Arc<Vec<SeriesKey>>, known: Vec<u8>) {
        self.known.insert(partition, (series, known));
    }

    /// The sums over a span within a day; `None` if they were not wanted.
    pub(super) fn sums(&self, series: &SeriesKey, span: Span, day_sums: impl Fn() -> Sums) -> Option<Sums> {
        let stored_sums = |span: &Span| Some(self.sums.get(span)?.get(series).copied().unwrap_or_default());
        if let Some(sums) = stored_sums(&span) {
            return Some(sums);
        }
        let (spans, is_complement) = spans_to_sum(span);
        let complement = spans.iter().map(stored_sums).collect::<Option<Vec<Sums>>>().filter(|_| is_complement)?;
        Some(complement.into_iter().fold(day_sums(), Sums::minus))
    }

    /// Whether the newest known minutes of a span were wanted.
    pub(super) fn has_watermark(&self, span: Span) -> bool {
        self.watermarks.contains_key(&span)
    }

    /// The end of the newest known minute of a span, where it was wanted and there is one.
    pub(super) fn watermark(&self, series: &SeriesKey, span: Span) -> Option<Minute> {
        self.watermarks.get(&span)?.get(series).copied()
    }

    /// Which minutes of a part are known, nothing where nothing is; `None` if it was not wanted.
    pub(super) fn known_minutes(&self, series: &SeriesKey, partition: Partition) -> Option<&[u8]> {
        let (series_list, known) = self.known.get(&partition)?;
        let width = partition.slots().len();
        let index = series_list.binary_search(series).ok();
        Some(index.and_then(|place| known.get(place * width..(place + 1) * width)).unwrap_or_default())
    }
}

/// The minutes of a part that lie in a span, of one series after the other.
fn rows_in_span<'a>(
    partition: Partition,
    span: Span,
    columns: &MinuteColumns<'a>,
) -> impl Iterator<Item = MinuteColumns<'a>> {
    let day_slots = slot_range(span.intersect(partition.span()));
    let columns_range = day_slots.start - partition.slots().start..day_slots.end - partition.slots().start;
    let width = partition.slots().len();
    let columns_by_series =
        columns.total.chunks_exact(width).zip(columns.bad.chunks_exact(width)).zip(columns.known.chunks_exact(width));
    columns_by_series.map(move |((total, bad), known)| MinuteColumns {
        total: &total[columns_range.clone()],
        bad: &bad[columns_range.clone()],
        known: &known[columns_range.clone()],
    })
}
