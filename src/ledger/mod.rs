//! All known minutes of all series, and which log objects they were counted from; absent on purpose: where it is
//! stored.
//!
//! **Invariant:** the state depends on the set of merged responses, never on their order or batching.

mod coverage;
mod daily_sums;
mod gaps;
mod merge;
mod objects;
mod partial_sums;
mod partition;
mod timeslices;
mod view;
mod view_sums;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::counts::{MinuteColumns, MinuteRow, MinuteTable, Sums};
use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

pub(crate) use daily_sums::DaySums;
pub use gaps::{UnlistedFolders, known_spans};
pub use merge::{MergeError, ObjectCounts};
pub(crate) use objects::{DeliveredInterval, ObjectGroup, PartitionObjects, push_interval};
pub use objects::{ListedObject, ObjectRecord, filing_partition};
pub(crate) use partial_sums::PartialSums;
pub use partial_sums::PartialSumsRequest;
pub use partition::Partition;
pub(crate) use timeslices::TimesliceSums;
pub use view::View;
pub use view_sums::ViewSums;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the minutes or objects of {} are not loaded\nhint: load them first", first_partition(.0))]
pub struct NotLoaded(pub BTreeSet<Partition>);

impl NotLoaded {
    /// Fails if any of some partitions is not loaded.
    fn check(partitions: impl IntoIterator<Item = Partition>, unloaded: &BTreeSet<Partition>) -> Result<(), Self> {
        let missing: BTreeSet<Partition> = partitions.into_iter().filter(|part| unloaded.contains(part)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Self(missing)) }
    }
}

fn first_partition(partitions: &BTreeSet<Partition>) -> String {
    partitions.first().map_or_else(String::new, ToString::to_string)
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectsWritten {
    pub count: u64,
    pub sources: BTreeSet<String>,
}

/// The minutes of a partition, by series. Series may share them: a fleet has many series without traffic behind the
/// same load balancer, and minutes without traffic are then stored and computed once.
pub type PartitionMinutes = BTreeMap<SeriesKey, MinuteRow>;

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub(crate) minutes: BTreeMap<Partition, PartitionMinutes>,
    pub(crate) objects: BTreeMap<Partition, PartitionObjects>,
    pub(crate) daily_sums: HashMap<SeriesKey, Arc<DaySums>>,
    pub(crate) timeslices: TimesliceSums,
    /// Sums of partitions whose minutes are not in memory.
    pub(crate) partial_sums: PartialSums,
    /// Partitions that are stored, but of which the minutes or objects are not in memory.
    pub(crate) unloaded_minutes: BTreeSet<Partition>,
    pub(crate) unloaded_objects: BTreeSet<Partition>,
    pub(crate) changed_minutes: BTreeSet<Partition>,
    pub(crate) changed_objects: BTreeSet<Partition>,
    pub(crate) unlisted: UnlistedFolders,
    /// The revision of the store that it was loaded from, if from any.
    pub(crate) revision: Option<u64>,
}

impl Ledger {
    /// Sums over any span: day sums for whole days, minutes for partial ones.
    pub fn sums(&self, series: &SeriesKey, span: Span) -> Result<Sums, NotLoaded> {
        let view = View { series: series.clone(), timeslices: None, excluded: Vec::new() };
        ViewSums::new(self, &view).sum_span(span)
    }

    fn sums_within_day(&self, series: &SeriesKey, span: Span) -> Result<Sums, NotLoaded> {
        let day = span.start.day();
        if span == day.span() {
            return Ok(self.day_sums(series, day));
        }
        if let Some(sums) = self.partial_sums.sums(series, span, || self.day_sums(series, day)) {
            return Ok(sums);
        }
        let mut sums = Sums::default();
        self.rows_in_span(series, span)?.for_each(|(_, row)| sums.add(row.sums()));
        Ok(sums)
    }

    /// The minutes of a series within a span, by the parts of the span that partitions hold.
    fn rows_in_span(
        &self,
        series: &SeriesKey,
        span: Span,
    ) -> Result<impl DoubleEndedIterator<Item = (Span, MinuteColumns<'_>)>, NotLoaded> {
        NotLoaded::check(Partition::in_span(span), &self.unloaded_minutes)?;
        Ok(Partition::in_span(span).filter_map(move |part| {
            let minutes = self.minutes_in_partition(series, part)?;
            Some((span.intersect(part.span()), minutes.slice(part.indices_of(span))))
        }))
    }

    fn minutes_in_partition(&self, series: &SeriesKey, partition: Partition) -> Option<MinuteColumns<'_>> {
        self.minutes.get(&partition)?.get(series).map(MinuteRow::columns)
    }

    /// Whether any minute of a series is known.
    pub fn has_series(&self, series: &SeriesKey) -> bool {
        self.daily_sums.contains_key(series)
    }

    pub fn had_traffic(&self, series: &SeriesKey, before: Minute) -> Result<bool, NotLoaded> {
        let day = before.day();
        if self.daily_sums.get(series).is_some_and(|days| days.sum_range(Day(i32::MIN), day).total > 0) {
            return Ok(true);
        }
        Ok(self.day_sums(series, day).total > 0 && self.sums(series, Span::new(day.start(), before))?.total > 0)
    }

    pub fn day_sums(&self, series: &SeriesKey, day: Day) -> Sums {
        self.daily_sums.get(series).map_or_else(Sums::default, |days| days.sum_range(day, day.plus(1)))
    }

    pub fn day_minutes(&self, series: &SeriesKey, day: Day) -> Result<MinuteTable, NotLoaded> {
        let mut table = MinuteTable::for_day();
        for (span, row) in self.rows_in_span(series, day.span())? {
            table.slice_mut(span.slots()).copy_from(&row);
        }
        Ok(table)
    }

    /// The end of the newest known minute before `before`; `None` if no minute is known.
    pub fn watermark(&self, series: &SeriesKey, before: Minute) -> Result<Option<Minute>, NotLoaded> {
        let Some(days) = self.daily_sums.get(series) else { return Ok(None) };
        for day in days.days_back_from(before.plus(-1).day()) {
            let span = Span::new(day.start(), before).intersect(day.span());
            let newest = if self.partial_sums.has_watermark(span) {
                self.partial_sums.watermark(series, span)
            } else {
                self.rows_in_span(series, span)?.rev().find_map(|(span, row)| newest_known(row.known, span.start))
            };
            if newest.is_some() {
                return Ok(newest);
            }
        }
        Ok(None)
    }

    /// The day of the first known minute.
    pub fn first_day(&self, series: &SeriesKey) -> Option<Day> {
        self.daily_sums.get(series)?.first()
    }

    /// The newest minute with an event before `before`, back to `oldest`.
    pub fn last_event(&self, series: &SeriesKey, oldest: Day, before: Minute) -> Result<Option<Minute>, NotLoaded> {
        let Some(days) = self.daily_sums.get(series) else { return Ok(None) };
        let days = days.days_back_from(before.plus(-1).day()).take_while(|day| *day >= oldest);
        for day in days.filter(|day| self.day_sums(series, *day).total > 0) {
            let span = Span::new(day.start(), before).intersect(day.span());
            let newest = self.rows_in_span(series, span)?.rev().find_map(|(span, row)| {
                let index = row.total.iter().rposition(|total| *total > 0)?;
                Some(span.start.plus(i32::try_from(index).ok()?))
            });
            if newest.is_some() {
                return Ok(newest);
            }
        }
        Ok(None)
    }

    /// How many log objects were loaded, by account and region and by the load balancer that wrote them: the name of a
    /// Classic one may be that of another in the next account.
    pub fn objects_by_load_balancer(&self) -> BTreeMap<(String, String), ObjectsWritten> {
        let mut by_load_balancer: BTreeMap<(String, String), ObjectsWritten> = BTreeMap::new();
        for record in self.objects.values().flat_map(PartitionObjects::records) {
            let key = (record.account_region().to_owned(), record.load_balancer.to_string());
            let written = by_load_balancer.entry(key).or_default();
            written.count += 1;
            for source in record.counted.iter().map(SeriesKey::source) {
                if !written.sources.contains(source) {
                    written.sources.insert(source.to_owned());
                }
            }
        }
        by_load_balancer
    }

    /// The minutes that [`Self::watermark`] looks at first: those before `before` of the newest day with a known
    /// minute.
    pub fn watermark_span(&self, series: &SeriesKey, before: Minute) -> Span {
        let newest = self.daily_sums.get(series).and_then(|days| days.newest_until(before.plus(-1).day()));
        newest.map_or(Span::new(before, before), |day| Span::new(day.start(), before).intersect(day.span()))
    }
}

/// The end of the newest known minute, of minutes from `start` on.
fn newest_known(known: &[u8], start: Minute) -> Option<Minute> {
    let index = known.iter().rposition(|known| *known == 1)?;
    Some(start.plus(i32::try_from(index + 1).ok()?))
}
