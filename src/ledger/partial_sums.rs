//! Sums that are computed while minutes are read that are not kept in memory: sums over spans within a day, newest
//! known minutes, and which minutes are known.
//!
//! A window of a month needs one sum for each series of the day it begins in. So the minutes of such a day are read in
//! passing, and memory holds a few partitions at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::Partition;
use super::timeslices::{TimesliceRequests, timeslice_partitions};
use crate::counts::{MinuteColumns, Sums};
use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

/// What to compute from minutes without keeping them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSumsRequest {
    /// Spans, each within a day and shorter.
    pub sum_spans: BTreeSet<Span>,
    /// Spans, each within a day, of which to find the newest known minute.
    pub watermark_spans: BTreeSet<Span>,
    /// Partitions of which to keep which minutes are known.
    pub known_partitions: BTreeSet<Partition>,
    pub timeslices: TimesliceRequests,
}

impl PartialSumsRequest {
    /// The partitions that sums and newest minutes come from.
    pub(crate) fn sum_partitions(&self) -> BTreeSet<Partition> {
        let spans = self.sum_spans.iter().flat_map(|span| spans_to_sum(*span).0);
        spans.chain(self.watermark_spans.iter().copied()).flat_map(Partition::in_span).collect()
    }

    pub(crate) fn timeslice_partitions(&self) -> BTreeSet<Partition> {
        timeslice_partitions(&self.timeslices)
    }

    /// The series that have timeslices on a day, sorted.
    pub(crate) fn timeslice_series(&self, day: Day) -> Vec<SeriesKey> {
        let series: BTreeSet<&SeriesKey> =
            self.timeslices.get(&day).into_iter().flatten().map(|(view, _)| &view.series).collect();
        series.into_iter().cloned().collect()
    }
}

/// The spans that are read for the sums of a span within a day: itself, or the rest of the day if that lies in fewer
/// partitions. `true` for the rest: it is subtracted from the sums of the day.
fn spans_to_sum(span: Span) -> (Vec<Span>, bool) {
    let day = span.start.day().span();
    let mut rest_of_day = vec![Span::new(day.start, span.start), Span::new(span.end, day.end)];
    rest_of_day.retain(|span| !span.is_empty());
    let partition_count = |spans: &[Span]| spans.iter().flat_map(|span| Partition::in_span(*span)).count();
    if partition_count(&rest_of_day) < partition_count(&[span]) { (rest_of_day, true) } else { (vec![span], false) }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct PartialSums {
    sums: BTreeMap<Span, HashMap<SeriesKey, Sums>>,
    /// Ends of the newest known minutes.
    watermarks: BTreeMap<Span, HashMap<SeriesKey, Minute>>,
    known: BTreeMap<Partition, (Arc<Vec<SeriesKey>>, Vec<u8>)>,
}

impl PartialSums {
    /// Empty sums of everything requested, as of partitions without a file.
    pub(crate) fn new(request: &PartialSumsRequest) -> Self {
        let spans = request.sum_spans.iter().flat_map(|span| spans_to_sum(*span).0);
        Self {
            sums: spans.map(|span| (span, HashMap::new())).collect(),
            watermarks: request.watermark_spans.iter().map(|span| (*span, HashMap::new())).collect(),
            known: BTreeMap::new(),
        }
    }

    /// The requested sums of a partition, from the minutes of its series one after the other.
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

    /// Adds which minutes of a partition are known, of its series one after the other.
    pub(crate) fn insert_known(&mut self, partition: Partition, series: Arc<Vec<SeriesKey>>, known: Vec<u8>) {
        self.known.insert(partition, (series, known));
    }

    /// The sums over a span within a day; `None` if they were not requested.
    pub(super) fn sums(&self, series: &SeriesKey, span: Span, day_sums: impl Fn() -> Sums) -> Option<Sums> {
        let stored_sums = |span: &Span| Some(self.sums.get(span)?.get(series).copied().unwrap_or_default());
        if let Some(sums) = stored_sums(&span) {
            return Some(sums);
        }
        let (spans, is_complement) = spans_to_sum(span);
        let complement = spans.iter().map(stored_sums).collect::<Option<Vec<Sums>>>().filter(|_| is_complement)?;
        Some(complement.into_iter().fold(day_sums(), Sums::minus))
    }

    /// Whether the newest known minutes of a span were requested.
    pub(super) fn has_watermark(&self, span: Span) -> bool {
        self.watermarks.contains_key(&span)
    }

    pub(super) fn watermark(&self, series: &SeriesKey, span: Span) -> Option<Minute> {
        self.watermarks.get(&span)?.get(series).copied()
    }

    /// Which minutes of a partition are known, empty where none is; `None` if that was not requested.
    pub(super) fn known_minutes(&self, series: &SeriesKey, partition: Partition) -> Option<&[u8]> {
        let (series_list, known) = self.known.get(&partition)?;
        let width = partition.slots().len();
        let index = series_list.binary_search(series).ok();
        Some(index.and_then(|place| known.get(place * width..(place + 1) * width)).unwrap_or_default())
    }
}

/// The minutes of each series of a partition that lie in a span.
fn rows_in_span<'a>(
    partition: Partition,
    span: Span,
    columns: &MinuteColumns<'a>,
) -> impl Iterator<Item = MinuteColumns<'a>> {
    let (slots, partition_slots) = (span.intersect(partition.span()).slots(), partition.slots());
    let range = slots.start - partition_slots.start..slots.end - partition_slots.start;
    columns.chunks(partition_slots.len()).map(move |row| row.slice(range.clone()))
}
