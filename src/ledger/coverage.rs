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
use super::unlisted::Unlisted;
use super::{Delivery, Ledger, NotLoaded, Origin, Part, PartObjects, filed_under};
use crate::counts::SLOTS;
use crate::minute::{Day, Minute, Span};
use crate::series::SeriesKey;

/// A day's minutes, 1 where known, of each series that changes within a part.
pub(super) type Covered = BTreeMap<Part, BTreeMap<SeriesKey, Arc<[u8]>>>;

/// A load balancer: account and region, and its name. Classic names, and those without an id, are unique there only.
type Balancer<'a> = (&'a str, &'a str);

/// What several balancers deliver together, or one alone: which, their names where they are several, and what.
type Group<'a> = (Vec<Balancer<'a>>, Option<&'a BTreeSet<Balancer<'a>>>, &'a Delivered);

/// What objects alone do not tell of coverage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits<'a> {
    /// Series that are unknown before a minute.
    pub(super) began: &'a BTreeMap<SeriesKey, Minute>,
    /// Folders of days that were not listed.
    pub(super) unlisted: &'a Unlisted,
}

/// Which minutes are known now.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Those that change.
    pub(super) changes: Covered,
    /// Days of which some minutes would be known but for a folder that was not listed.
    pub(super) held_back: BTreeSet<Day>,
}

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
        let all: BTreeSet<&SeriesKey> = seen.iter().flat_map(|origin| self.origins[*origin].series()).collect();
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
        // An interval of which an object is there but not counted is not known, whatever the other nodes wrote. A file
        // without a byte hides nothing that they wrote: its node may have nothing to say.
        let (mut unread, mut pending) = (Vec::new(), Vec::new());
        for (span, lines, origin) in near {
            match counted.last_mut() {
                _ if !origins.contains(origin) && self.origins[*origin].is_pending => pending.push(*span),
                _ if !origins.contains(origin) => unread.push(*span),
                Some((last, sum)) if last == span => *sum += lines,
                _ => counted.push((*span, *lines)),
            }
        }
        let has_lines =
            |span: &Span| counted.iter().any(|(other, lines)| *lines > 0 && !other.intersect(*span).is_empty());
        unread.extend(pending.into_iter().filter(|span| !has_lines(span)));
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

/// The balancers of those series that belong to several.
fn shared<'d>(balancers: &BTreeMap<Balancer<'d>, Delivered>) -> BTreeMap<SeriesKey, BTreeSet<Balancer<'d>>> {
    let mut owners: BTreeMap<&SeriesKey, BTreeSet<Balancer<'d>>> = BTreeMap::new();
    for (balancer, delivered) in balancers {
        for series in delivered.origins.iter().flat_map(|origin| origin.series()) {
            owners.entry(series).or_default().insert(*balancer);
        }
    }
    let several = owners.into_iter().filter(|(_, balancers)| balancers.len() > 1);
    several.map(|(series, balancers)| (series.clone(), balancers)).collect()
}

/// What each balancer delivered, and the newest end of what was delivered in each area, by days.
struct Deliveries<'d> {
    balancers: BTreeMap<Balancer<'d>, Delivered>,
    newest: BTreeMap<(&'d str, Day), Minute>,
}

impl<'d> Deliveries<'d> {
    fn of(parts: &'d [Cow<'_, [Delivery]>]) -> Self {
        let mut all = Self { balancers: BTreeMap::new(), newest: BTreeMap::new() };
        let runs = parts.iter().flat_map(|part| part.chunk_by(|one, other| Arc::ptr_eq(&one.origin, &other.origin)));
        for run in runs {
            let Some(Delivery { origin, .. }) = run.first() else { continue };
            for delivery in run {
                let filed = filed_under(delivery.interval).day();
                let end = all.newest.entry((&origin.area, filed)).or_insert(delivery.interval.end);
                *end = (*end).max(delivery.interval.end);
            }
            all.balancers.entry((&origin.area, &origin.load_balancer)).or_default().add(run);
        }
        for delivered in all.balancers.values_mut() {
            delivered.intervals.sort_by_key(|(span, ..)| *span);
        }
        all
    }
}

impl Ledger {
    /// Decides anew which minutes of the days are known, for every log series with objects near them, when some parts
    /// have other objects than the ledger's.
    pub(super) fn cover(
        &self,
        days: &BTreeSet<Day>,
        changed: &BTreeMap<Part, PartObjects>,
        limits: Limits<'_>,
    ) -> Result<Coverage, NotLoaded> {
        let mut coverage = Coverage::default();
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(coverage) };
        let near = Part::of_span(Span::new(first.plus(-1).start(), last.plus(2).start()));
        let objects = near.filter_map(|part| changed.get(&part).or_else(|| self.objects.get(&part)));
        let parts: Vec<Cow<'_, [Delivery]>> = objects.map(PartObjects::deliveries).collect();
        let Deliveries { balancers, newest } = Deliveries::of(&parts);
        let shared = shared(&balancers);
        let sets: BTreeSet<&BTreeSet<Balancer<'_>>> = shared.values().collect();
        let together = sets.into_iter().map(|names| {
            (Some(names), Delivered::together(names.iter().filter_map(|balancer| balancers.get(balancer))))
        });
        let together: Vec<(Option<&BTreeSet<Balancer<'_>>>, Delivered)> = together.collect();
        let alone = balancers.iter().map(|(balancer, delivered)| (vec![*balancer], None, delivered));
        let together = together.iter().map(|(names, delivered)| {
            let all = names.iter().flat_map(|names| names.iter().copied()).collect();
            (all, *names, delivered)
        });
        let all: Vec<Group<'_>> = alone.chain(together).collect();
        let mut missing = BTreeSet::new();
        for day in days {
            // Balancers know nothing of each other, so they are looked at on all cores, and put together in their
            // order.
            let known: Vec<_> = all.par_iter().map(|(.., delivered)| delivered.known(*day, &newest)).collect();
            for ((of, names, _), of_balancer) in all.iter().zip(known) {
                for (series, minutes) in of_balancer {
                    for series in series.into_iter().filter(|series| shared.get(*series) == *names) {
                        let began = limits.began.get(series);
                        let minutes = began.map_or(Arc::clone(&minutes), |at| from_then_on(&minutes, *day, *at));
                        let unlisted = limits.unlisted.of(series, of, *day);
                        self.decide((series, *day), &minutes, unlisted, &mut coverage, &mut missing);
                    }
                }
            }
        }
        if missing.is_empty() { Ok(coverage) } else { Err(NotLoaded(missing)) }
    }

    /// Notes what changes of a day's minutes of a series; where folders were not listed, nothing more becomes known.
    fn decide(
        &self,
        (series, day): (&SeriesKey, Day),
        minutes: &Arc<[u8]>,
        unlisted: Option<Span>,
        coverage: &mut Coverage,
        missing: &mut BTreeSet<Part>,
    ) {
        for part in Part::of_day(day) {
            let unlisted = unlisted.map(|span| span.intersect(part.span())).filter(|span| !span.is_empty());
            let known = if self.minutes_left.contains(&part) {
                self.extracts.known(series, part)
            } else {
                Some(self.row(series, part).map_or(&[][..], |row| row.known))
            };
            let Some(known) = known else {
                missing.insert(part);
                continue;
            };
            let minutes = match unlisted.and_then(|span| held_back(minutes, part, known, span)) {
                Some(less) => {
                    coverage.held_back.insert(day);
                    less
                }
                None => Arc::clone(minutes),
            };
            let of_part = &minutes[part.slots()];
            let differs = if known.is_empty() { of_part.contains(&1) } else { known != of_part };
            if differs && self.minutes_left.contains(&part) {
                missing.insert(part);
            } else if differs {
                coverage.changes.entry(part).or_default().insert(series.clone(), minutes);
            }
        }
    }
}

/// A day's minutes without those of a span within a part that were not known before; `None` if there are none.
fn held_back(minutes: &Arc<[u8]>, part: Part, known: &[u8], span: Span) -> Option<Arc<[u8]>> {
    let is_new = |slot: usize| {
        let before = known.get(slot - part.slots().start).copied().unwrap_or_default();
        minutes.get(slot) == Some(&1) && before == 0
    };
    let new: BTreeSet<usize> = super::slots(span).filter(|slot| is_new(*slot)).collect();
    let kept = |(slot, known): (usize, &u8)| if new.contains(&slot) { 0 } else { *known };
    (!new.is_empty()).then(|| minutes.iter().enumerate().map(kept).collect())
}
