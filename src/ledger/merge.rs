//! How responses enter the ledger: a source's minutes replace, a log object's counts are added exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::HashMap;

use super::objects::{ListedObject, PartitionObjects, filing_partition, merge_records};
use super::{Ledger, NotLoaded, ObjectRecord, Partition};
use crate::counts::{Counts, MinuteCount, MinuteRow, MinuteTable};
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
    #[error("`{key}` is already counted for `{series}`\nhint: pass only objects that `unread` returns")]
    AlreadyCounted { key: String, series: SeriesKey },
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
        let mut new_minutes: BTreeMap<Partition, BTreeMap<SeriesKey, Box<MinuteTable>>> = BTreeMap::new();
        for (series, day) in series_days {
            let counts = counts.get(&(series.clone(), day)).map_or(&[][..], |counts| &counts.0);
            for partition in Partition::in_day(day) {
                let counts = counts.get(partition.slots()).unwrap_or_default();
                let spans = replaced.get(&series).into_iter().flatten().map(|span| span.intersect(partition.span()));
                let spans: Vec<Span> = spans.filter(|span| !span.is_empty()).collect();
                if spans.is_empty() && counts.iter().all(Option::is_none) {
                    continue;
                }
                NotLoaded::check([partition], &self.unloaded_minutes)?;
                let mut minutes = self
                    .minutes_in_partition(&series, partition)
                    .map_or_else(|| MinuteTable::new(partition.slots().len()), |row| row.to_table());
                for index in spans.into_iter().flat_map(|span| partition.indices_of(span)) {
                    minutes.set(index, MinuteCount::default(), 0);
                }
                for (slot, count) in counts.iter().enumerate().filter_map(|(slot, count)| Some((slot, (*count)?))) {
                    minutes.set(slot, count, 1);
                }
                new_minutes.entry(partition).or_default().insert(series.clone(), Box::new(minutes));
            }
        }
        for (partition, new_minutes) in new_minutes {
            self.edit_partition(partition, &new_minutes, |new, row| row.clone_from(new));
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
            .map(|(part, new)| (part, PartitionObjects::Records(merge_records(self.objects.get(&part), &new))))
            .collect();
        let coverage = self.recompute_coverage(&affected_days, &objects, &batch.first_requests)?;
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
    fn edit_partition<T: ?Sized, E: Deref<Target = T>>(
        &mut self,
        partition: Partition,
        edits: &BTreeMap<SeriesKey, E>,
        apply: impl Fn(&T, &mut MinuteTable),
    ) {
        let day = partition.day();
        let minutes = self.minutes.entry(partition).or_default();
        let unknown = MinuteRow::from(MinuteTable::new(partition.slots().len()));
        let mut edited_rows = HashMap::new();
        for (series, edit) in edits {
            let row = minutes.entry(series.clone()).or_insert_with(|| unknown.clone());
            let row_and_edit = (row.identity(), std::ptr::from_ref::<T>(edit));
            let (edited, before, after) = edited_rows.entry(row_and_edit).or_insert_with(|| {
                let mut edited = row.columns().to_table();
                apply(edit, &mut edited);
                if edited.columns() != row.columns() {
                    self.changed_minutes.insert(partition);
                }
                let (before, after) = (row.columns().sums(), edited.columns().sums());
                (MinuteRow::from(edited), before, after)
            });
            *row = edited.clone();
            if before != after {
                let sums = Arc::make_mut(self.daily_sums.entry(series.clone()).or_default());
                let mut day_total = sums.sum_range(day, day.plus(1));
                day_total.add(*after);
                sums.set(day, day_total.minus(*before));
                if sums.is_empty() {
                    self.daily_sums.remove(series);
                }
            }
        }
        minutes.retain(|_, row| row.columns().has_data());
        if minutes.is_empty() {
            self.minutes.remove(&partition);
        }
    }

    fn check_not_yet_counted(&self, batch: &ObjectCounts) -> Result<(), MergeError> {
        let days: BTreeSet<Day> =
            batch.objects.iter().map(ObjectRecord::day).chain(batch.recheck_days.iter().copied()).collect();
        let nearby_days = days.into_iter().flat_map(|day| (-2..=2).map(move |offset| day.plus(offset)));
        NotLoaded::check(nearby_days.flat_map(Partition::in_day), &self.unloaded_objects)?;
        let mut objects: Vec<&ObjectRecord> = batch.objects.iter().collect();
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        let find_double_count = |one: &ObjectRecord, other: &ObjectRecord| {
            let series = one.counted.intersection(&other.counted).next();
            series.map(|series| MergeError::AlreadyCounted { key: one.key.clone(), series: series.clone() })
        };
        for same_key in objects.chunk_by(|one, other| one.key == other.key) {
            for (index, object) in same_key.iter().enumerate() {
                let stored = match self.objects.get(&object.partition()) {
                    Some(PartitionObjects::Intervals(_)) => return Err(NotLoaded([object.partition()].into()).into()),
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
                NotLoaded::check([partition], &self.unloaded_minutes)?;
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Sums;

    #[test]
    fn equal_edits_of_shared_minutes_stay_shared_and_leave_other_series() {
        let [a, b, c] = ["logs x a", "logs x b", "logs x c"].map(SeriesKey::new);
        let partition = Partition::containing(Minute(0));
        let unknown = MinuteTable::new(partition.slots().len());
        let mut known = unknown.clone();
        known.set(7, MinuteCount { total: 2, bad: 1 }, 1);
        let known = Arc::new(known);
        let mut ledger = Ledger::default();
        let rows = [&a, &b, &c].map(|series| (series.clone(), Arc::clone(&known)));
        ledger.edit_partition(partition, &BTreeMap::from(rows), |new, row: &mut MinuteTable| {
            row.clone_from(new);
        });
        assert_eq!(ledger.minutes[&partition][&a].identity(), ledger.minutes[&partition][&c].identity());
        let edit: Arc<[u8]> = Arc::from(vec![1; partition.slots().len()]);
        let edits = BTreeMap::from([(a.clone(), Arc::clone(&edit)), (b.clone(), edit)]);
        ledger.edit_partition(partition, &edits, |known: &[u8], row| row.known.copy_from_slice(known));
        let minutes = &ledger.minutes[&partition];
        assert_eq!(minutes[&a].identity(), minutes[&b].identity());
        assert_eq!(minutes[&a].columns().sums(), Sums { total: 2, bad: 1, known: 240 });
        assert_eq!(minutes[&c].columns(), known.columns());
        let forget = Arc::new(unknown);
        ledger.edit_partition(partition, &BTreeMap::from([(c.clone(), forget)]), |new, row: &mut MinuteTable| {
            row.clone_from(new);
        });
        assert!(!ledger.minutes[&partition].contains_key(&c), "a series without known minutes is dropped");
        assert_eq!(ledger.changed_minutes, BTreeSet::from([partition]));
    }
}
