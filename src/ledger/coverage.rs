//! Which minutes of a log series are known: where all objects that are there were read, and where silence is plausible.
//!
//! A node of a load balancer writes no object when it had no traffic
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>), so a missing
//! object is either silence or a gap in delivery. The rule looks at recorded objects of one day to each side only.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::silence::heard;
use super::{Delivery, Ledger, NotLoaded, Origin, Part, PartObjects, filed_under};
use crate::counts::SLOTS;
use crate::minute::{Day, Minute, Span};
use crate::series::SeriesKey;

/// A day's minutes, 1 where known, of each series that changes within a part.
pub(super) type Covered = BTreeMap<Part, BTreeMap<SeriesKey, Arc<[u8]>>>;

/// What one balancer delivered: origins, and intervals with their lines and the place of their origin, in order.
#[derive(Default)]
struct Delivered {
    origins: Vec<Arc<Origin>>,
    intervals: Vec<(Span, u64, usize)>,
}

impl Delivered {
    /// Adds deliveries of one origin.
    fn add(&mut self, run: &[Delivery]) {
        let Some(Delivery { origin, .. }) = run.first() else { return };
        let place = self.origins.iter().rposition(|held| held == origin).unwrap_or_else(|| {
            self.origins.push(Arc::clone(origin));
            self.origins.len() - 1
        });
        self.intervals.extend(run.iter().map(|delivery| (delivery.interval, delivery.lines, place)));
    }

    /// Several balancers as one: those of a name that was given anew, or of the same tags. Together they are its nodes.
    fn together<'d>(all: impl Iterator<Item = &'d Self>) -> Self {
        let mut sum = Self::default();
        for delivered in all {
            let places = sum.origins.len();
            sum.origins.extend(delivered.origins.iter().map(Arc::clone));
            let moved = delivered.intervals.iter().map(|(span, lines, origin)| (*span, *lines, origin + places));
            sum.intervals.extend(moved);
        }
        sum.intervals.sort_by_key(|(span, ..)| *span);
        sum
    }

    /// What is known of a day, for each group of series that were counted from the same objects.
    fn known(&self, day: Day, newest: &BTreeMap<(&str, Day), Minute>) -> Vec<(Vec<&SeriesKey>, Arc<[u8]>)> {
        let near: Vec<(Span, u64, usize)> = self
            .intervals
            .iter()
            .copied()
            .filter(|(span, ..)| day.0.abs_diff(filed_under(*span).day().0) <= 1)
            .collect();
        let seen: BTreeSet<usize> = near.iter().map(|(.., origin)| *origin).collect();
        let mut groups: BTreeMap<Vec<usize>, Vec<&SeriesKey>> = BTreeMap::new();
        let all: BTreeSet<&SeriesKey> = seen.iter().flat_map(|origin| self.origins[*origin].counted.iter()).collect();
        for series in all {
            let counted = seen.iter().copied().filter(|origin| self.origins[*origin].counted.contains(series));
            groups.entry(counted.collect()).or_default().push(series);
        }
        let minutes = |origins: &[usize]| self.minutes_of(origins, &near, day, newest);
        groups.into_iter().map(|(origins, series)| (series, minutes(&origins))).collect()
    }

    /// Which minutes of a day are known of the series that were counted from the objects of some origins.
    fn minutes_of(
        &self,
        origins: &[usize],
        near: &[(Span, u64, usize)],
        day: Day,
        newest: &BTreeMap<(&str, Day), Minute>,
    ) -> Arc<[u8]> {
        let mut counted: Vec<(Span, u64)> = Vec::with_capacity(near.len());
        // An interval of which an object is there but not counted is not known, whatever the other nodes wrote.
        let mut unread = Vec::new();
        for (span, lines, origin) in near {
            match counted.last_mut() {
                _ if !origins.contains(origin) => unread.push(*span),
                Some((last, sum)) if last == span => *sum += lines,
                _ => counted.push((*span, *lines)),
            }
        }
        // Where a balancer's name is used in several areas, silence is plausible as far as all of them are heard of.
        let areas = origins.iter().map(|origin| self.origins[*origin].area.as_str());
        let end = areas.filter_map(|area| newest_near(newest, area, day)).min();
        let known = heard(&counted, end).into_iter().map(|span| (span, 1));
        let mut minutes = vec![0; SLOTS];
        for (span, value) in known.chain(unread.into_iter().map(|span| (span, 0))) {
            let part = span.intersect(day.span());
            let from = part.start.of_day();
            minutes.iter_mut().skip(from).take(part.minutes() as usize).for_each(|slot| *slot = value);
        }
        Arc::from(minutes)
    }
}

/// A day's minutes, of which none before one is known.
fn from_then_on(minutes: &Arc<[u8]>, day: Day, at: Minute) -> Arc<[u8]> {
    let before = usize::try_from(at.0.saturating_sub(day.span().start.0)).unwrap_or(0).min(minutes.len());
    std::iter::repeat_n(0, before).chain(minutes.iter().skip(before).copied()).collect()
}

/// The newest end of what was delivered in an area, of the day and those beside it.
fn newest_near(newest: &BTreeMap<(&str, Day), Minute>, area: &str, day: Day) -> Option<Minute> {
    newest.range((area, day.plus(-1))..=(area, day.plus(1))).map(|(_, end)| *end).max()
}

/// The balancers of those series that were counted from the logs of several.
fn shared<'d>(balancers: &'d BTreeMap<&str, Delivered>) -> BTreeMap<&'d SeriesKey, BTreeSet<&'d str>> {
    let mut owners: BTreeMap<&SeriesKey, BTreeSet<&str>> = BTreeMap::new();
    for (name, delivered) in balancers {
        for series in delivered.origins.iter().flat_map(|origin| origin.counted.iter()) {
            owners.entry(series).or_default().insert(name);
        }
    }
    owners.retain(|_, names| names.len() > 1);
    owners
}

impl Ledger {
    /// Decides anew which minutes of the days are known, for every log series with objects near them, when some parts have
    /// other objects than the ledger's: gives the days' minutes, 1 where known, of each series that changes within a part. Of some
    /// series nothing is known before the minute in which they `began`.
    pub(super) fn cover(
        &self,
        days: &BTreeSet<Day>,
        changed: &BTreeMap<Part, PartObjects>,
        began: &BTreeMap<SeriesKey, Minute>,
    ) -> Result<Covered, NotLoaded> {
        let mut edits = Covered::new();
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(edits) };
        let near = Part::of_span(Span::new(first.plus(-1).start(), last.plus(2).start()));
        let objects = near.filter_map(|part| changed.get(&part).or_else(|| self.objects.get(&part)));
        let deliveries: Vec<Cow<'_, [Delivery]>> = objects.map(PartObjects::deliveries).collect();
        let mut newest: BTreeMap<(&str, Day), Minute> = BTreeMap::new();
        let mut balancers: BTreeMap<&str, Delivered> = BTreeMap::new();
        let runs =
            deliveries.iter().flat_map(|part| part.chunk_by(|one, other| Arc::ptr_eq(&one.origin, &other.origin)));
        for run in runs {
            let Some(Delivery { origin, .. }) = run.first() else { continue };
            for delivery in run {
                let filed = filed_under(delivery.interval).day();
                let end = newest.entry((&origin.area, filed)).or_insert(delivery.interval.end);
                *end = (*end).max(delivery.interval.end);
            }
            balancers.entry(&origin.load_balancer).or_default().add(run);
        }
        for delivered in balancers.values_mut() {
            delivered.intervals.sort_by_key(|(span, ..)| *span);
        }
        let shared = shared(&balancers);
        let sets: BTreeSet<&BTreeSet<&str>> = shared.values().collect();
        let together = sets
            .into_iter()
            .map(|names| (Some(names), Delivered::together(names.iter().filter_map(|name| balancers.get(name)))));
        let together: Vec<(Option<&BTreeSet<&str>>, Delivered)> = together.collect();
        let all: Vec<(Option<&BTreeSet<&str>>, &Delivered)> = balancers
            .values()
            .map(|delivered| (None, delivered))
            .chain(together.iter().map(|(names, delivered)| (*names, delivered)))
            .collect();
        let mut missing = BTreeSet::new();
        for day in days {
            // Balancers know nothing of each other, so they are looked at on all cores, and put together in their order.
            let known: Vec<_> =
                all.par_iter().map(|(names, delivered)| (names, delivered.known(*day, &newest))).collect();
            for (names, of_balancer) in known {
                for (series, minutes) in of_balancer {
                    let series: Vec<&SeriesKey> =
                        series.into_iter().filter(|series| shared.get(series) == *names).collect();
                    for series in series {
                        let minutes =
                            began.get(series).map_or(Arc::clone(&minutes), |at| from_then_on(&minutes, *day, *at));
                        for part in Part::of_day(*day) {
                            if self.differs(series, part, &minutes, &mut missing) {
                                edits.entry(part).or_default().insert(series.clone(), Arc::clone(&minutes));
                            }
                        }
                    }
                }
            }
        }
        if missing.is_empty() { Ok(edits) } else { Err(NotLoaded(missing)) }
    }

    /// Whether other minutes of a part are known now than are said to be; adds the part to `missing` if they must be loaded to be
    /// changed, or nobody can say.
    fn differs(&self, series: &SeriesKey, part: Part, minutes: &[u8], missing: &mut BTreeSet<Part>) -> bool {
        let minutes = &minutes[part.slots()];
        let differs = |known: &[u8]| if known.is_empty() { minutes.contains(&1) } else { known != minutes };
        if !self.minutes_left.contains(&part) {
            return differs(self.row(series, part).map_or(&[], |row| row.known));
        }
        if self.extracts.known(series, part).is_none_or(differs) {
            missing.insert(part);
        }
        false
    }
}
