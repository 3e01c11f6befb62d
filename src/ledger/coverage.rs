//! Which minutes of a log series are known: where all objects that are there were read, and where silence is plausible.
//!
//! A node of a load balancer writes no object when it had no traffic
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>), so a missing
//! object is either silence or a gap in delivery. The rule looks at recorded objects of one day to each side only.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::gap_rule::known_spans;
use super::unlisted::UnlistedFolders;
use super::{DeliveredInterval, Ledger, NotLoaded, ObjectGroup, Partition, PartitionObjects, filing_partition};
use crate::counts::SLOTS_PER_DAY;
use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

/// A day's minutes, 1 where known, of each series that changes within a part.
pub(super) type KnownMinuteChanges = BTreeMap<Partition, BTreeMap<SeriesKey, Arc<[u8]>>>;

/// A load balancer: account and region, and its name. Classic names, and those without an id, are unique there only.
type BalancerId<'a> = (&'a str, &'a str);

/// What several balancers deliver together, or one alone: which, their names where they are several, and what.
type BalancerGroup<'a> = (Vec<BalancerId<'a>>, Option<&'a BTreeSet<BalancerId<'a>>>, &'a BalancerDeliveries);

/// What objects alone do not tell of coverage.
#[derive(Clone, Copy, Debug)]
pub(super) struct CoverageLimits<'a> {
    /// Series that are unknown before a minute.
    pub(super) first_requests: &'a BTreeMap<SeriesKey, Minute>,
    /// Folders of days that were not listed.
    pub(super) unlisted: &'a UnlistedFolders,
}

/// Which minutes are known now.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Those that change.
    pub(super) changes: KnownMinuteChanges,
    /// Days of which some minutes would be known but for a folder that was not listed.
    pub(super) held_back_days: BTreeSet<Day>,
}

/// What one balancer delivered: origins, and intervals with their lines and the place of their origin, in order.
#[derive(Default)]
struct BalancerDeliveries {
    groups: Vec<Arc<ObjectGroup>>,
    intervals: Vec<(Span, u64, usize)>,
}

impl BalancerDeliveries {
    /// Adds deliveries of one origin.
    fn push_run(&mut self, run: &[DeliveredInterval]) {
        let Some(DeliveredInterval { group: origin, .. }) = run.first() else { return };
        let index = self.groups.iter().rposition(|known_group| known_group == origin).unwrap_or_else(|| {
            self.groups.push(Arc::clone(origin));
            self.groups.len() - 1
        });
        self.intervals.extend(run.iter().map(|delivery| (delivery.interval, delivery.lines, index)));
    }

    /// Several balancers as one: those of a name that was given anew, or of the same tags. Together they are its nodes.
    fn merge_all<'d>(all: impl Iterator<Item = &'d Self>) -> Self {
        let mut sum = Self::default();
        for delivered in all {
            let offset = sum.groups.len();
            sum.groups.extend(delivered.groups.iter().map(Arc::clone));
            let reindexed = delivered.intervals.iter().map(|(span, lines, origin)| (*span, *lines, origin + offset));
            sum.intervals.extend(reindexed);
        }
        sum.intervals.sort_by_key(|(span, ..)| *span);
        sum
    }

    /// What is known of a day, for each group of series that were counted from the same objects.
    fn known_by_series(&self, day: Day, newest: &BTreeMap<(&str, Day), Minute>) -> Vec<(Vec<&SeriesKey>, Arc<[u8]>)> {
        let nearby: Vec<(Span, u64, usize)> = self
            .intervals
            .iter()
            .copied()
            .filter(|(span, ..)| day.0.abs_diff(filing_partition(*span).day().0) <= 1)
            .collect();
        let group_indices: BTreeSet<usize> = nearby.iter().map(|(.., origin)| *origin).collect();
        let mut series_by_groups: BTreeMap<Vec<usize>, Vec<&SeriesKey>> = BTreeMap::new();
        let all_series: BTreeSet<&SeriesKey> =
            group_indices.iter().flat_map(|origin| self.groups[*origin].series()).collect();
        for series in all_series {
            let counted = group_indices.iter().copied().filter(|origin| self.groups[*origin].counted.contains(series));
            series_by_groups.entry(counted.collect()).or_default().push(series);
        }
        let known_minutes = |origins: &[usize]| self.known_minutes(origins, &nearby, day, newest);
        series_by_groups.into_iter().map(|(origins, series)| (series, known_minutes(&origins))).collect()
    }

    /// Which minutes of a day are known of the series that were counted from the objects of some origins.
    fn known_minutes(
        &self,
        counted_groups: &[usize],
        nearby: &[(Span, u64, usize)],
        day: Day,
        newest: &BTreeMap<(&str, Day), Minute>,
    ) -> Arc<[u8]> {
        let mut counted: Vec<(Span, u64)> = Vec::with_capacity(nearby.len());
        // An interval of which an object is there but not counted is not known, whatever the other nodes wrote. A file
        // without a byte hides nothing that they wrote: its node may have nothing to say.
        let (mut uncounted, mut pending_spans) = (Vec::new(), Vec::new());
        for (span, lines, origin) in nearby {
            match counted.last_mut() {
                _ if !counted_groups.contains(origin) && self.groups[*origin].is_pending => pending_spans.push(*span),
                _ if !counted_groups.contains(origin) => uncounted.push(*span),
                Some((last, sum)) if last == span => *sum += lines,
                _ => counted.push((*span, *lines)),
            }
        }
        let has_lines =
            |span: &Span| counted.iter().any(|(other, lines)| *lines > 0 && !other.intersect(*span).is_empty());
        uncounted.extend(pending_spans.into_iter().filter(|span| !has_lines(span)));
        // Where a balancer's name is used in several areas, silence is plausible as far as all of them are heard of.
        let account_regions = counted_groups.iter().map(|origin| self.groups[*origin].account_region.as_str());
        let newest_delivery =
            account_regions.filter_map(|account_region| newest_delivery_near(newest, account_region, day)).min();
        let known = known_spans(&counted, newest_delivery).into_iter().map(|span| (span, 1));
        let mut minutes = vec![0; SLOTS_PER_DAY];
        for (span, value) in known.chain(uncounted.into_iter().map(|span| (span, 0))) {
            let inside = span.intersect(day.span());
            let start = inside.start.minute_of_day();
            minutes.iter_mut().skip(start).take(inside.minutes() as usize).for_each(|slot| *slot = value);
        }
        Arc::from(minutes)
    }
}

/// A day's minutes, of which none before one is known.
fn clear_before(minutes: &Arc<[u8]>, day: Day, at: Minute) -> Arc<[u8]> {
    let before = usize::try_from(at.0.saturating_sub(day.span().start.0)).unwrap_or(0).min(minutes.len());
    std::iter::repeat_n(0, before).chain(minutes.iter().skip(before).copied()).collect()
}

/// The newest end of what was delivered in an area, of the day and those beside it.
fn newest_delivery_near(newest: &BTreeMap<(&str, Day), Minute>, account_region: &str, day: Day) -> Option<Minute> {
    newest.range((account_region, day.plus(-1))..=(account_region, day.plus(1))).map(|(_, end)| *end).max()
}

/// The balancers of those series that belong to several.
fn balancers_of_shared_series<'d>(
    balancers: &BTreeMap<BalancerId<'d>, BalancerDeliveries>,
) -> BTreeMap<SeriesKey, BTreeSet<BalancerId<'d>>> {
    let mut owners: BTreeMap<&SeriesKey, BTreeSet<BalancerId<'d>>> = BTreeMap::new();
    for (balancer, delivered) in balancers {
        for series in delivered.groups.iter().flat_map(|origin| origin.series()) {
            owners.entry(series).or_default().insert(*balancer);
        }
    }
    let shared = owners.into_iter().filter(|(_, balancers)| balancers.len() > 1);
    shared.map(|(series, balancers)| (series.clone(), balancers)).collect()
}

/// What each balancer delivered, and the newest end of what was delivered in each area, by days.
struct DeliveriesByBalancer<'d> {
    balancers: BTreeMap<BalancerId<'d>, BalancerDeliveries>,
    newest_end_by_day: BTreeMap<(&'d str, Day), Minute>,
}

impl<'d> DeliveriesByBalancer<'d> {
    fn from_partitions(partitions: &'d [Cow<'_, [DeliveredInterval]>]) -> Self {
        let mut result = Self { balancers: BTreeMap::new(), newest_end_by_day: BTreeMap::new() };
        let runs = partitions.iter().flat_map(|part| part.chunk_by(|one, other| Arc::ptr_eq(&one.group, &other.group)));
        for run in runs {
            let Some(DeliveredInterval { group: origin, .. }) = run.first() else { continue };
            for delivery in run {
                let filing_day = filing_partition(delivery.interval).day();
                let end = result
                    .newest_end_by_day
                    .entry((&origin.account_region, filing_day))
                    .or_insert(delivery.interval.end);
                *end = (*end).max(delivery.interval.end);
            }
            result.balancers.entry((&origin.account_region, &origin.load_balancer)).or_default().push_run(run);
        }
        for delivered in result.balancers.values_mut() {
            delivered.intervals.sort_by_key(|(span, ..)| *span);
        }
        result
    }
}

impl Ledger {
    /// Decides anew which minutes of the days are known, for every log series with objects near them, when some parts
    /// have other objects than the ledger's.
    pub(super) fn recompute_coverage(
        &self,
        days: &BTreeSet<Day>,
        changed_objects: &BTreeMap<Partition, PartitionObjects>,
        limits: CoverageLimits<'_>,
    ) -> Result<Coverage, NotLoaded> {
        let mut coverage = Coverage::default();
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(coverage) };
        let nearby_partitions = Partition::in_span(Span::new(first.plus(-1).start(), last.plus(2).start()));
        let objects =
            nearby_partitions.filter_map(|part| changed_objects.get(&part).or_else(|| self.objects.get(&part)));
        let partitions: Vec<Cow<'_, [DeliveredInterval]>> =
            objects.map(PartitionObjects::delivered_intervals).collect();
        let DeliveriesByBalancer { balancers, newest_end_by_day: newest } =
            DeliveriesByBalancer::from_partitions(&partitions);
        let shared = balancers_of_shared_series(&balancers);
        let balancer_sets: BTreeSet<&BTreeSet<BalancerId<'_>>> = shared.values().collect();
        let merged = balancer_sets.into_iter().map(|names| {
            (Some(names), BalancerDeliveries::merge_all(names.iter().filter_map(|balancer| balancers.get(balancer))))
        });
        let merged: Vec<(Option<&BTreeSet<BalancerId<'_>>>, BalancerDeliveries)> = merged.collect();
        let alone = balancers.iter().map(|(balancer, delivered)| (vec![*balancer], None, delivered));
        let merged_groups = merged.iter().map(|(names, delivered)| {
            let all = names.iter().flat_map(|names| names.iter().copied()).collect();
            (all, *names, delivered)
        });
        let groups: Vec<BalancerGroup<'_>> = alone.chain(merged_groups).collect();
        let mut not_loaded = BTreeSet::new();
        for day in days {
            // Balancers know nothing of each other, so they are looked at on all cores, and put together in their
            // order.
            let known_by_group: Vec<_> =
                groups.par_iter().map(|(.., delivered)| delivered.known_by_series(*day, &newest)).collect();
            for ((members, names, _), known_by_series) in groups.iter().zip(known_by_group) {
                for (series, known_minutes) in known_by_series {
                    for series in series.into_iter().filter(|series| shared.get(*series) == *names) {
                        let first_request = limits.first_requests.get(series);
                        let minutes = first_request
                            .map_or(Arc::clone(&known_minutes), |at| clear_before(&known_minutes, *day, *at));
                        let unlisted_span = limits.unlisted.affected_span(series, members, *day);
                        self.record_changes((series, *day), &minutes, unlisted_span, &mut coverage, &mut not_loaded);
                    }
                }
            }
        }
        if not_loaded.is_empty() { Ok(coverage) } else { Err(NotLoaded(not_loaded)) }
    }

    /// Notes what changes of a day's minutes of a series; where folders were not listed, nothing more becomes known.
    fn record_changes(
        &self,
        (series, day): (&SeriesKey, Day),
        known_minutes: &Arc<[u8]>,
        unlisted_span: Option<Span>,
        coverage: &mut Coverage,
        not_loaded: &mut BTreeSet<Partition>,
    ) {
        for partition in Partition::in_day(day) {
            let unlisted_in_partition =
                unlisted_span.map(|span| span.intersect(partition.span())).filter(|span| !span.is_empty());
            let known_before = if self.unloaded_minutes.contains(&partition) {
                self.partial_sums.known_minutes(series, partition)
            } else {
                Some(self.minutes_in_partition(series, partition).map_or(&[][..], |row| row.known))
            };
            let Some(known_before) = known_before else {
                not_loaded.insert(partition);
                continue;
            };
            let known_now = match unlisted_in_partition
                .and_then(|span| clear_newly_known(known_minutes, partition, known_before, span))
            {
                Some(reduced) => {
                    coverage.held_back_days.insert(day);
                    reduced
                }
                None => Arc::clone(known_minutes),
            };
            let known_in_partition = &known_now[partition.slots()];
            let differs = if known_before.is_empty() {
                known_in_partition.contains(&1)
            } else {
                known_before != known_in_partition
            };
            if differs && self.unloaded_minutes.contains(&partition) {
                not_loaded.insert(partition);
            } else if differs {
                coverage.changes.entry(partition).or_default().insert(series.clone(), known_now);
            }
        }
    }
}

/// A day's minutes without those of a span within a part that were not known before; `None` if there are none.
fn clear_newly_known(
    known_minutes: &Arc<[u8]>,
    partition: Partition,
    known_before: &[u8],
    span: Span,
) -> Option<Arc<[u8]>> {
    let is_new = |slot: usize| {
        let was_known = known_before.get(slot - partition.slots().start).copied().unwrap_or_default();
        known_minutes.get(slot) == Some(&1) && was_known == 0
    };
    let new: BTreeSet<usize> = super::slot_range(span).filter(|slot| is_new(*slot)).collect();
    let keep_unless_new = |(slot, known): (usize, &u8)| if new.contains(&slot) { 0 } else { *known };
    (!new.is_empty()).then(|| known_minutes.iter().enumerate().map(keep_unless_new).collect())
}
