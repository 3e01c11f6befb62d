//! How responses enter the ledger: a source's minutes replace, a log object's counts are added exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::HashMap;

use super::coverage::CoverageLimits;
use super::objects::{ListedObject, PartitionObjects, filing_partition, merge_records};
use super::{DayMinutes, Ledger, NotLoaded, ObjectRecord, Partition};
use crate::counts::{Counts, DayCounts, MinuteColumns, MinuteColumnsMut, MinuteCount, MinuteTable, Sums};
use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

/// Counts of log objects, added up over all of `objects`.
#[derive(Clone, Debug, Default)]
pub struct ObjectCounts {
    /// `counted` names the series of this reading only, none if the object could not be read.
    pub objects: Vec<ObjectRecord>,
    /// Their lines, by series and day: a slot a minute, zero where they have no event.
    pub counts: BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
    /// Tag-selected series and the minute of their first known request; earlier minutes are unknown.
    pub first_requests: BTreeMap<SeriesKey, Minute>,
    /// Further days of which the known minutes are recomputed.
    pub recheck_days: BTreeSet<Day>,
}

/// A response was rejected as a whole; the ledger is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// The object's lines are already in the counts of this series.
    #[error("`{key}` is already counted for `{series}`\nhint: pass only objects that `unread` returns")]
    AlreadyCounted { key: String, series: SeriesKey },
    /// A minute would hold more events than a `u32`.
    #[error(
        "`{series}` has more than 4294967295 events in the minute {minute}\nhint: split the SLO, for example by path"
    )]
    TooManyEvents { series: SeriesKey, minute: Minute },
}

impl ObjectCounts {
    pub fn partitions(&self) -> BTreeSet<Partition> {
        let days = self.counts.iter().map(|((_, day), counts)| (day, counts));
        let partitions =
            days.flat_map(|(day, counts)| Partition::in_day(*day).filter(|part| has_events(&counts[part.slots()])));
        partitions.collect()
    }
}

/// What a response does to a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MinuteEdit {
    Keep,
    Unknown,
    Set(MinuteCount),
}

/// What the counts of a day, and replaced spans, do to the minutes of a partition.
fn minute_edits(partition: Partition, counts: Option<&DayCounts>, replaced: &[Span]) -> Vec<MinuteEdit> {
    let mut edits = vec![MinuteEdit::Keep; partition.slots().len()];
    for span in replaced {
        let inside = span.intersect(partition.span());
        let first = usize::try_from(inside.start.0 - partition.span().start.0).unwrap_or(0);
        edits.iter_mut().skip(first).take(inside.minutes() as usize).for_each(|edit| *edit = MinuteEdit::Unknown);
    }
    for (edit, count) in edits.iter_mut().zip(counts.into_iter().flat_map(|counts| &counts.0[partition.slots()])) {
        if let Some(count) = count {
            *edit = MinuteEdit::Set(*count);
        }
    }
    edits
}

fn has_events(counts: &[MinuteCount]) -> bool {
    counts.iter().any(|count| *count != MinuteCount::default())
}

impl Ledger {
    /// Listed objects that must be read: the index of each, with the wanted series that it was not counted for.
    pub fn unread_objects(
        &self,
        listed: &[ListedObject<'_>],
        wanted: &BTreeMap<String, BTreeSet<SeriesKey>>,
    ) -> Vec<(usize, Arc<BTreeSet<SeriesKey>>)> {
        let wanted: BTreeMap<&str, Arc<BTreeSet<SeriesKey>>> =
            wanted.iter().map(|(balancer, series)| (balancer.as_str(), Arc::new(series.clone()))).collect();
        // Records share their sets: comparing all series of a load balancer for every object would dominate the run.
        let mut uncounted_by_record = HashMap::new();
        let mut uncounted_series = |object: &ListedObject<'_>| {
            let wanted = wanted.get(object.load_balancer)?;
            let record = self.objects.get(&filing_partition(object.interval)).and_then(|part| part.record(object.key));
            let record = record.filter(|record| !record.can_be_recounted(object.size));
            let Some(record) = record else { return (!wanted.is_empty()).then(|| Arc::clone(wanted)) };
            let uncounted =
                uncounted_by_record.entry((Arc::as_ptr(wanted), Arc::as_ptr(&record.counted))).or_insert_with(|| {
                    let lacks: BTreeSet<SeriesKey> = wanted.difference(&record.counted).cloned().collect();
                    (!lacks.is_empty()).then(|| Arc::new(lacks))
                });
            uncounted.clone()
        };
        listed.iter().enumerate().filter_map(|(index, object)| Some((index, uncounted_series(object)?))).collect()
    }

    /// The records of listed objects that were counted when they had another size: a recompressed copy, or a changed
    /// object, which differs in its number of lines.
    pub fn resized_objects(&self, listed: &[ListedObject<'_>]) -> Vec<&ObjectRecord> {
        let resized_record = |object: &ListedObject<'_>| {
            let record = self.objects.get(&filing_partition(object.interval))?.record(object.key)?;
            let is_resized = record.size != object.size && !record.can_be_recounted(object.size);
            (!record.counted.is_empty() && is_resized).then_some(record)
        };
        listed.iter().filter_map(resized_record).collect()
    }

    /// Sets every minute that the source knows and leaves the others; the same again changes nothing.
    pub fn merge_counts(&mut self, counts: &Counts) -> Result<(), MergeError> {
        self.replace_counts(counts, &BTreeMap::new())
    }

    /// Sets every minute that the source knows. In replaced spans, the others become unknown. The same again changes
    /// nothing.
    pub fn replace_counts(
        &mut self,
        counts: &Counts,
        replaced: &BTreeMap<SeriesKey, Vec<Span>>,
    ) -> Result<(), MergeError> {
        let days = replaced.iter().flat_map(|(series, spans)| {
            spans.iter().flat_map(|span| span.days()).map(move |day| (series.clone(), day))
        });
        let series_days: BTreeSet<(SeriesKey, Day)> = days.chain(counts.keys().cloned()).collect();
        let mut edits: BTreeMap<Partition, BTreeMap<SeriesKey, Vec<MinuteEdit>>> = BTreeMap::new();
        for (series, day) in series_days {
            let (counts, spans) = (counts.get(&(series.clone(), day)), replaced.get(&series));
            for partition in Partition::in_day(day) {
                let slot_edits = minute_edits(partition, counts, spans.map_or(&[], Vec::as_slice));
                if slot_edits.iter().all(|edit| *edit == MinuteEdit::Keep) {
                    continue;
                }
                self.require_minutes(partition)?;
                if slot_edits.iter().any(|edit| matches!(edit, MinuteEdit::Set(_)))
                    || self.minutes_in_partition(&series, partition).is_some()
                {
                    edits.entry(partition).or_default().insert(series.clone(), slot_edits);
                }
            }
        }
        for (partition, series_edits) in edits {
            self.edit_partition(partition, &series_edits, |slot_edits, row| {
                for (slot, edit) in slot_edits.iter().enumerate() {
                    let (count, known) = match edit {
                        MinuteEdit::Keep => continue,
                        MinuteEdit::Unknown => (MinuteCount::default(), 0),
                        MinuteEdit::Set(count) => (*count, 1),
                    };
                    (row.total[slot], row.bad[slot], row.known[slot]) = (count.total, count.bad, known);
                }
            });
        }
        Ok(())
    }

    /// Adds the counts of objects, all or none, and recomputes which minutes around them are known. Returns the days of
    /// which some stay unknown because a folder was not listed.
    pub fn merge_objects(&mut self, batch: &ObjectCounts) -> Result<BTreeSet<Day>, MergeError> {
        self.check_not_yet_counted(batch)?;
        let edits = self.counts_by_partition(&batch.counts)?;
        let mut affected_days = batch.recheck_days.clone();
        let mut new_by_partition: BTreeMap<Partition, Vec<&ObjectRecord>> = BTreeMap::new();
        for object in &batch.objects {
            affected_days.extend([-1, 0, 1].map(|days| object.day().plus(days)));
            new_by_partition.entry(object.partition()).or_default().push(object);
        }
        let objects: BTreeMap<Partition, PartitionObjects> = new_by_partition
            .into_iter()
            .map(|(part, new)| (part, PartitionObjects::Records(merge_records(self.objects.get(&part), new))))
            .collect();
        let limits = CoverageLimits { first_requests: &batch.first_requests, unlisted: &self.unlisted };
        let coverage = self.recompute_coverage(&affected_days, &objects, limits)?;
        for (partition, edits) in edits {
            self.edit_partition(partition, &edits, |counts, row| {
                for (slot, count) in counts.iter().enumerate() {
                    row.total[slot] += count.total;
                    row.bad[slot] += count.bad;
                }
            });
        }
        for (partition, known) in coverage.changes {
            self.edit_partition(partition, &known, |known, row| row.known.copy_from_slice(&known[partition.slots()]));
        }
        self.changed_objects.extend(objects.keys());
        self.objects.extend(objects);
        Ok(coverage.held_back_days)
    }

    /// Changes some series of a partition, and the sums of its day. Where series share their minutes and an edit, it is
    /// made once for all of them.
    pub(super) fn edit_partition<T, E: Deref<Target = [T]>>(
        &mut self,
        partition: Partition,
        edits: &BTreeMap<SeriesKey, E>,
        apply: impl Fn(&[T], &mut MinuteColumnsMut<'_>),
    ) {
        let (day, slots) = (partition.day(), partition.slots());
        // Partitions of the day that are not loaded take no memory.
        let is_whole = Partition::in_day(day).all(|part| !self.unloaded_minutes.contains(&part));
        let stored_slots = if is_whole { DayMinutes::default().slots() } else { slots.clone() };
        let minutes = self.minutes.entry(day).or_insert_with(|| DayMinutes::empty(stored_slots.clone(), Vec::new()));
        minutes.extend_to(&stored_slots, edits.keys());
        let mut applied: HashMap<(usize, *const T), (usize, Sums, Sums)> = HashMap::new();
        for (series, edit) in edits {
            let Some(index) = minutes.index_of(series) else { continue };
            let edit_key = (minutes.row_index(index), edit.as_ptr());
            let (before, after) = if let Some((same_index, before, after)) = applied.get(&edit_key) {
                minutes.share_row(index, *same_index);
                (*before, *after)
            } else {
                let previous = MinuteTable::from(minutes.row(index, slots.clone()));
                apply(edit, &mut minutes.row_mut(index, &slots));
                let row = minutes.row(index, slots.clone());
                if row != previous.columns() {
                    self.changed_minutes.insert(partition);
                }
                let (before, after) = (previous.columns().sums(), row.sums());
                applied.insert(edit_key, (index, before, after));
                (before, after)
            };
            if before != after {
                let sums = Arc::make_mut(self.daily_sums.entry(series.clone()).or_default());
                let mut day_total = sums.sum_range(day, day.plus(1));
                day_total.add(after);
                sums.set(day, day_total.minus(before));
                if sums.is_empty() {
                    self.daily_sums.remove(series);
                }
            }
        }
        minutes.remove_empty_series();
        if minutes.is_empty() {
            self.minutes.remove(&day);
        }
    }

    fn check_not_yet_counted(&self, batch: &ObjectCounts) -> Result<(), MergeError> {
        let days: BTreeSet<Day> =
            batch.objects.iter().map(ObjectRecord::day).chain(batch.recheck_days.iter().copied()).collect();
        for partition in
            days.into_iter().flat_map(|day| (-2..=2).flat_map(move |offset| Partition::in_day(day.plus(offset))))
        {
            self.require_objects(partition)?;
        }
        let mut objects: Vec<&ObjectRecord> = batch.objects.iter().collect();
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        let find_double_count = |one: &ObjectRecord, other: &ObjectRecord| {
            let series = one.counted.intersection(&other.counted).next();
            series.map(|series| MergeError::AlreadyCounted { key: one.key.clone(), series: series.clone() })
        };
        for same_key in objects.chunk_by(|one, other| one.key == other.key) {
            for (index, object) in same_key.iter().enumerate() {
                let stored = match self.objects.get(&object.partition()) {
                    Some(PartitionObjects::Intervals(_)) => return Err(NotLoaded::from(object.partition()).into()),
                    // An object without lines added nothing.
                    held => held.and_then(|part| part.record(&object.key)).filter(|held| held.lines > 0),
                };
                let mut counted_before = same_key[..index].iter().copied().chain(stored);
                if let Some(error) = counted_before.find_map(|earlier| find_double_count(object, earlier)) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The counts by partition, but for partitions without an event.
    fn counts_by_partition<'a>(
        &self,
        counts: &'a BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
    ) -> Result<BTreeMap<Partition, BTreeMap<SeriesKey, &'a [MinuteCount]>>, MergeError> {
        let mut by_partition: BTreeMap<Partition, BTreeMap<SeriesKey, &[MinuteCount]>> = BTreeMap::new();
        for ((series, day), day_counts) in counts {
            for partition in Partition::in_day(*day) {
                let partition_counts = &day_counts[partition.slots()];
                if !has_events(partition_counts) {
                    continue;
                }
                self.require_minutes(partition)?;
                let stored_totals = self.minutes_in_partition(series, partition).map_or(&[][..], |row| row.total);
                for ((minute, count), total) in (partition.span().start.0..).zip(partition_counts).zip(stored_totals) {
                    if total.checked_add(count.total).is_none() {
                        return Err(MergeError::TooManyEvents { series: series.clone(), minute: Minute(minute) });
                    }
                }
                by_partition.entry(partition).or_default().insert(series.clone(), partition_counts);
            }
        }
        Ok(by_partition)
    }

    pub(super) fn minutes_in_partition(&self, series: &SeriesKey, partition: Partition) -> Option<MinuteColumns<'_>> {
        let minutes = self.minutes.get(&partition.day())?;
        Some(minutes.row(minutes.index_of(series)?, partition.slots()))
    }

    fn require_minutes(&self, partition: Partition) -> Result<(), NotLoaded> {
        if self.unloaded_minutes.contains(&partition) { Err(partition.into()) } else { Ok(()) }
    }

    fn require_objects(&self, partition: Partition) -> Result<(), NotLoaded> {
        if self.unloaded_objects.contains(&partition) { Err(partition.into()) } else { Ok(()) }
    }
}
