//! Sums that are computed while minutes are read that are not kept in memory: sums over spans within a day, newest
//! known minutes, and which minutes are known.
//!
//! A window of a month needs one sum for each series of the day it begins in. So the minutes of such a day are read in
//! passing, and memory holds a few partitions at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::timeslices::TimesliceRequests;
use super::view::TimesliceView;
use super::{Partition, newest_known};
use crate::counts::{MinuteColumns, Sums};
use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

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
    /// The spans, each within a day, that sums and newest minutes are computed over.
    fn spans(&self) -> impl Iterator<Item = Span> {
        let sum_spans = self.sum_spans.iter().flat_map(|span| spans_to_sum(*span).0);
        sum_spans.chain(self.watermark_spans.iter().copied())
    }

    pub(crate) fn sum_partitions(&self) -> BTreeSet<Partition> {
        self.spans().flat_map(Partition::in_span).collect()
    }

    pub(crate) fn timeslice_partitions(&self) -> BTreeSet<Partition> {
        let views = self.timeslices.values().flatten();
        let timeslices = views.filter_map(|(view, spans)| Some((TimesliceView::new(view)?, spans)));
        let spans = timeslices.flat_map(|(timeslices, spans)| spans.iter().map(move |span| timeslices.align(*span)));
        spans.flat_map(Partition::in_span).collect()
    }

    pub(crate) fn timeslice_series(&self, day: Day) -> BTreeSet<&SeriesKey> {
        self.timeslices.get(&day).into_iter().flatten().map(|(view, _)| &view.series).collect()
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
    spans: BTreeMap<Span, HashMap<SeriesKey, SpanSums>>,
    /// Which minutes of partitions are known.
    pub(crate) known: BTreeMap<Partition, BTreeMap<SeriesKey, Arc<[u8]>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct SpanSums {
    sums: Sums,
    watermark: Option<Minute>,
}

impl PartialSums {
    /// Empty sums of everything requested, as of partitions without a file.
    pub(crate) fn new(request: &PartialSumsRequest) -> Self {
        Self { spans: request.spans().map(|span| (span, HashMap::new())).collect(), known: BTreeMap::new() }
    }

    /// The requested sums of a partition, from the minutes of its series.
    pub(crate) fn from_partition<'a>(
        request: &PartialSumsRequest,
        partition: Partition,
        minutes: &(impl Iterator<Item = (&'a SeriesKey, MinuteColumns<'a>)> + Clone),
    ) -> Self {
        let mut partial = Self::new(request);
        partial.spans.retain(|span, _| !span.intersect(partition.span()).is_empty());
        for (span, by_series) in &mut partial.spans {
            for (series, row) in minutes.clone() {
                let row = row.slice(partition.indices_of(*span));
                let watermark = newest_known(row.known, span.intersect(partition.span()).start);
                by_series.insert(series.clone(), SpanSums { sums: row.sums(), watermark });
            }
        }
        partial
    }

    /// Adds sums of other spans or partitions.
    pub(crate) fn extend(&mut self, other: Self) {
        self.spans.extend(other.spans);
        self.known.extend(other.known);
    }

    /// Adds the sums of another partition to those of the same spans.
    pub(crate) fn merge(&mut self, other: Self) {
        for (span, by_series) in other.spans {
            let stored = self.spans.entry(span).or_default();
            for (series, new) in by_series {
                let SpanSums { sums, watermark } = stored.entry(series).or_default();
                sums.add(new.sums);
                *watermark = new.watermark.max(*watermark);
            }
        }
        self.known.extend(other.known);
    }

    /// The sums over a span within a day; `None` if they were not requested.
    pub(super) fn sums(&self, series: &SeriesKey, span: Span, day_sums: impl Fn() -> Sums) -> Option<Sums> {
        let stored_sums = |span: &Span| Some(self.spans.get(span)?.get(series).copied().unwrap_or_default().sums);
        if let Some(sums) = stored_sums(&span) {
            return Some(sums);
        }
        let (spans, is_complement) = spans_to_sum(span);
        let complement = spans.iter().map(stored_sums).collect::<Option<Vec<Sums>>>().filter(|_| is_complement)?;
        Some(complement.into_iter().fold(day_sums(), Sums::minus))
    }

    /// Whether the newest known minutes of a span were computed.
    pub(super) fn has_watermark(&self, span: Span) -> bool {
        self.spans.contains_key(&span)
    }

    pub(super) fn watermark(&self, series: &SeriesKey, span: Span) -> Option<Minute> {
        self.spans.get(&span)?.get(series)?.watermark
    }

    /// Which minutes of a partition are known, empty where none is; `None` if that was not requested.
    pub(super) fn known_minutes(&self, series: &SeriesKey, partition: Partition) -> Option<&[u8]> {
        Some(self.known.get(&partition)?.get(series).map_or(&[][..], |known| known))
    }
}
