//! Which minutes of a log series are known: those of which all listed objects were read, and gaps that are quiet.
//!
//! A node of a load balancer writes no object when it had no traffic
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>), so a missing
//! object is either no traffic or a gap in delivery. The rule looks at recorded objects of one day to each side only.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::gaps::known_spans;
use super::{DeliveredInterval, Ledger, NotLoaded, ObjectGroup, Partition, PartitionObjects, filing_partition};
use crate::counts::SLOTS_PER_DAY;
use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

/// A load balancer: account and region, and its name. Classic names, and those without an id, are unique there only.
type BalancerId<'a> = (&'a str, &'a str);

/// The newest end of what was delivered for an account and region, by day.
type NewestDeliveries<'a> = BTreeMap<(&'a str, Day), Minute>;

#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// The minutes of the day, 1 where known, of each series that changes within a partition.
    pub(super) changes: BTreeMap<Partition, BTreeMap<SeriesKey, Arc<[u8]>>>,
    /// Days of which some minutes would be known but for a folder that was not listed.
    pub(super) held_back_days: BTreeSet<Day>,
    not_loaded: BTreeSet<Partition>,
}

/// Delivered intervals in order, those of a group side by side.
type Runs<'d> = Vec<&'d [DeliveredInterval]>;

/// Deliveries of one load balancer, or of several as one: those of a reused name, or of the same tags. Together they
/// are its nodes.
#[derive(Default)]
struct BalancerDeliveries<'d> {
    groups: Vec<&'d Arc<ObjectGroup>>,
    /// Interval, lines and index of the group, in order.
    intervals: Vec<(Span, u64, usize)>,
}

impl<'d> BalancerDeliveries<'d> {
    fn new(runs: impl Iterator<Item = &'d [DeliveredInterval]>) -> Self {
        let mut deliveries = Self::default();
        for run in runs {
            let Some(DeliveredInterval { group, .. }) = run.first() else { continue };
            let index = deliveries.groups.iter().rposition(|known| *known == group).unwrap_or_else(|| {
                deliveries.groups.push(group);
                deliveries.groups.len() - 1
            });
            deliveries.intervals.extend(run.iter().map(|delivered| (delivered.interval, delivered.lines, index)));
        }
        deliveries.intervals.sort_by_key(|(span, ..)| *span);
        deliveries
    }

    /// The known minutes of a day, for the series that were counted from the same objects.
    fn known_by_series(&self, day: Day, newest: &NewestDeliveries<'_>) -> Vec<(Vec<&SeriesKey>, Arc<[u8]>)> {
        let nearby: Vec<(Span, u64, usize)> = self
            .intervals
            .iter()
            .copied()
            .filter(|(span, ..)| day.0.abs_diff(filing_partition(*span).day().0) <= 1)
            .collect();
        let group_indices: BTreeSet<usize> = nearby.iter().map(|(.., group)| *group).collect();
        let mut series_by_groups: BTreeMap<Vec<usize>, Vec<&SeriesKey>> = BTreeMap::new();
        let all_series: BTreeSet<&SeriesKey> =
            group_indices.iter().flat_map(|group| self.groups[*group].series()).collect();
        for series in all_series {
            let counted = group_indices.iter().copied().filter(|group| self.groups[*group].counted.contains(series));
            series_by_groups.entry(counted.collect()).or_default().push(series);
        }
        let known_minutes = |groups: &[usize]| self.known_minutes(groups, &nearby, day, newest);
        series_by_groups.into_iter().map(|(groups, series)| (series, known_minutes(&groups))).collect()
    }

    fn known_minutes(
        &self,
        counted_groups: &[usize],
        nearby: &[(Span, u64, usize)],
        day: Day,
        newest: &NewestDeliveries<'_>,
    ) -> Arc<[u8]> {
        let mut counted: Vec<(Span, u64)> = Vec::with_capacity(nearby.len());
        // An interval with an object that was not counted is unknown, whatever the other nodes wrote. An empty file
        // hides nothing that they wrote: its node may have had no traffic.
        let (mut uncounted, mut pending_spans) = (Vec::new(), Vec::new());
        for (span, lines, group) in nearby {
            match counted.last_mut() {
                _ if !counted_groups.contains(group) && self.groups[*group].is_pending => pending_spans.push(*span),
                _ if !counted_groups.contains(group) => uncounted.push(*span),
                Some((last, sum)) if last == span => *sum += lines,
                _ => counted.push((*span, *lines)),
            }
        }
        let has_lines =
            |span: &Span| counted.iter().any(|(other, lines)| *lines > 0 && !other.intersect(*span).is_empty());
        uncounted.extend(pending_spans.into_iter().filter(|span| !has_lines(span)));
        // Where a name is used in several accounts or regions, gaps are quiet as far as all of them have delivered.
        let account_regions = counted_groups.iter().map(|group| self.groups[*group].account_region.as_str());
        let newest_delivery =
            account_regions.filter_map(|account_region| newest_delivery_near(newest, account_region, day)).min();
        let known = known_spans(&counted, newest_delivery).into_iter().map(|span| (span, 1));
        let mut minutes = vec![0; SLOTS_PER_DAY];
        for (span, value) in known.chain(uncounted.into_iter().map(|span| (span, 0))) {
            minutes[span.intersect(day.span()).slots()].fill(value);
        }
        Arc::from(minutes)
    }
}

fn newest_delivery_near(newest: &NewestDeliveries<'_>, account_region: &str, day: Day) -> Option<Minute> {
    newest.range((account_region, day.plus(-1))..=(account_region, day.plus(1))).map(|(_, end)| *end).max()
}

fn balancers_by_series<'d>(
    balancers: &BTreeMap<BalancerId<'d>, Runs<'d>>,
) -> BTreeMap<&'d SeriesKey, BTreeSet<BalancerId<'d>>> {
    let mut by_series: BTreeMap<&SeriesKey, BTreeSet<BalancerId<'d>>> = BTreeMap::new();
    for (balancer, runs) in balancers {
        for series in runs.iter().filter_map(|run| run.first()).flat_map(|delivered| delivered.group.series()) {
            by_series.entry(series).or_default().insert(*balancer);
        }
    }
    by_series
}

fn runs_by_balancer<'d>(
    partitions: &'d [Cow<'_, [DeliveredInterval]>],
) -> (BTreeMap<BalancerId<'d>, Runs<'d>>, NewestDeliveries<'d>) {
    let (mut balancers, mut newest) = (BTreeMap::<BalancerId<'_>, Runs<'_>>::new(), BTreeMap::new());
    let runs = partitions.iter().flat_map(|part| part.chunk_by(|one, other| Arc::ptr_eq(&one.group, &other.group)));
    for run in runs {
        let Some(DeliveredInterval { group, .. }) = run.first() else { continue };
        for DeliveredInterval { interval, .. } in run {
            let day = filing_partition(*interval).day();
            let end = newest.entry((group.account_region.as_str(), day)).or_insert(interval.end);
            *end = interval.end.max(*end);
        }
        balancers.entry((&group.account_region, &group.load_balancer)).or_default().push(run);
    }
    (balancers, newest)
}

impl Ledger {
    /// Which minutes of some days change when partitions have other objects than the ledger's, for every log series
    /// with objects near these days.
    pub(super) fn recompute_coverage(
        &self,
        days: &BTreeSet<Day>,
        changed_objects: &BTreeMap<Partition, PartitionObjects>,
        first_requests: &BTreeMap<SeriesKey, Minute>,
    ) -> Result<Coverage, NotLoaded> {
        let mut coverage = Coverage::default();
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(coverage) };
        let nearby_partitions = Partition::in_span(Span::new(first.plus(-1).start(), last.plus(2).start()));
        let objects =
            nearby_partitions.filter_map(|part| changed_objects.get(&part).or_else(|| self.objects.get(&part)));
        let partitions: Vec<Cow<'_, [DeliveredInterval]>> =
            objects.map(PartitionObjects::delivered_intervals).collect();
        let (balancers, newest) = runs_by_balancer(&partitions);
        let balancers_of = balancers_by_series(&balancers);
        let distinct_members: BTreeSet<&BTreeSet<BalancerId<'_>>> = balancers_of.values().collect();
        let deliveries = distinct_members.into_iter().map(|members| {
            let runs = members.iter().filter_map(|member| balancers.get(member)).flatten().copied();
            (members, BalancerDeliveries::new(runs))
        });
        let deliveries: Vec<_> = deliveries.collect();
        for day in days {
            // Load balancers are independent of each other, so they are computed on all cores.
            let known_by_members: Vec<_> =
                deliveries.par_iter().map(|(_, deliveries)| deliveries.known_by_series(*day, &newest)).collect();
            for ((members, _), known_by_series) in deliveries.iter().zip(known_by_members) {
                for (series, known_minutes) in known_by_series {
                    for series in series.into_iter().filter(|series| balancers_of.get(series) == Some(*members)) {
                        let mut minutes = Arc::clone(&known_minutes);
                        if let Some(first_request) = first_requests.get(series) {
                            let unknown = Span::new(day.start(), *first_request).intersect(day.span());
                            Arc::make_mut(&mut minutes)[unknown.slots()].fill(0);
                        }
                        let unlisted_span = self.unlisted.affected_span(series, members, *day);
                        self.record_changes(&mut coverage, series, *day, &minutes, unlisted_span);
                    }
                }
            }
        }
        if coverage.not_loaded.is_empty() { Ok(coverage) } else { Err(NotLoaded(coverage.not_loaded)) }
    }

    /// Records what changes of a day's minutes of a series. In a span of unlisted folders no minute becomes known.
    fn record_changes(
        &self,
        coverage: &mut Coverage,
        series: &SeriesKey,
        day: Day,
        known_minutes: &Arc<[u8]>,
        unlisted_span: Option<Span>,
    ) {
        for partition in Partition::in_day(day) {
            let is_unloaded = self.unloaded_minutes.contains(&partition);
            let known_before = if is_unloaded {
                self.partial_sums.known_minutes(series, partition)
            } else {
                Some(self.minutes_in_partition(series, partition).map_or(&[][..], |row| row.known))
            };
            let Some(known_before) = known_before else {
                coverage.not_loaded.insert(partition);
                continue;
            };
            let mut known_now = Arc::clone(known_minutes);
            for slot in unlisted_span.into_iter().flat_map(|span| span.intersect(partition.span()).slots()) {
                let was_known = known_before.get(slot - partition.slots().start) == Some(&1);
                if !was_known && known_now[slot] == 1 {
                    Arc::make_mut(&mut known_now)[slot] = 0;
                    coverage.held_back_days.insert(day);
                }
            }
            let known_in_partition = &known_now[partition.slots()];
            let differs = if known_before.is_empty() {
                known_in_partition.contains(&1)
            } else {
                known_before != known_in_partition
            };
            if differs && is_unloaded {
                coverage.not_loaded.insert(partition);
            } else if differs {
                coverage.changes.entry(partition).or_default().insert(series.clone(), known_now);
            }
        }
    }
}
