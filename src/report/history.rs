//! The past of an SLO for charts: sums over time buckets, and the intervals that used most of its budget.
//!
//! It is read a day at a time, and minutes are dropped again, so that the past of a whole fleet takes little memory,
//! however long windows are.
//!
//! **Invariant:** the sums of a window's buckets add up to the sums of the window.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::counts::{MinuteTable, Sums};
use crate::evaluation::SloViews;
use crate::ledger::{Ledger, NotLoaded, ViewSums};
use crate::rational::Rational;
use crate::slo::{Exclusions, Service, Slo};
use crate::time::{Day, MINUTES_PER_DAY, Minute, Span, Window};

/// Lengths of time buckets; each divides a day.
const BUCKET_MINUTES: [i32; 5] = [1, 5, 15, 60, MINUTES_PER_DAY];

/// Buckets that fit into a chart. A month of hours is less.
const MAX_BUCKETS: u32 = 750;

const WORST_INTERVAL_DAYS: i32 = 31;

/// How far back the burn rates of tiers are sampled, once an hour.
pub const TIER_HISTORY_MINUTES: i32 = 7 * MINUTES_PER_DAY;
const TIER_SAMPLE_MINUTES: i32 = 60;

/// The resolution of the worst intervals; a timeslice may be longer.
const SLOT_MINUTES: u32 = 5;
/// Intervals that are no further apart are one.
const MERGE_GAP_MINUTES: i32 = 5;
const MAX_INTERVALS: usize = 40;

/// The past of one SLO, which is added day by day.
#[derive(Debug)]
pub struct History {
    views: SloViews,
    evaluated_at: Minute,
    corrected: BucketSums,
    /// Without corrections, if these exclude anything.
    raw: Option<BucketSums>,
    worst_intervals: WorstIntervals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBucket {
    pub span: Span,
    pub sums: Sums,
    pub raw: Sums,
}

impl History {
    pub fn new(service: &Service, slo: &Slo, exclusions: &Exclusions<'_>, evaluated_at: Minute) -> Self {
        let excluded = exclusions.spans(service, slo);
        let corrected = BucketSums::new(bucket_boundaries(slo, evaluated_at));
        let has_raw = excluded.iter().any(|out| !out.intersect(corrected.span()).is_empty());
        let window =
            slo.windows.first().map_or(Span::new(evaluated_at, evaluated_at), |window| window.span_at(evaluated_at));
        let recent = Span::ending_at(evaluated_at, WORST_INTERVAL_DAYS * MINUTES_PER_DAY);
        Self {
            views: SloViews::new(slo, excluded),
            evaluated_at,
            raw: has_raw.then(|| corrected.clone()),
            corrected,
            worst_intervals: WorstIntervals::new(slo, window.intersect(recent)),
        }
    }

    pub fn days(&self) -> impl Iterator<Item = Day> {
        self.corrected.span().days()
    }

    /// Adds a day by its sums; `false` if its minutes are needed.
    pub fn add_day_sums(&mut self, ledger: &Ledger, day: Day) -> bool {
        let span = day.span().intersect(self.corrected.span());
        if span.is_empty() {
            return true;
        }
        if span != day.span() || self.corrected.has_boundary_within(day) || self.worst_intervals.overlaps(day) {
            return false;
        }
        let load_sums = |view| ViewSums::new(ledger, view).sum_span(span).ok();
        let Some(corrected) = load_sums(&self.views.corrected) else { return false };
        if let Some(bucket_sums) = &mut self.raw {
            let Some(raw) = load_sums(&self.views.raw) else { return false };
            bucket_sums.add(span.start, raw);
        }
        self.corrected.add(span.start, corrected);
        true
    }

    pub fn add_day_minutes(&mut self, ledger: &Ledger, day: Day) -> Result<(), NotLoaded> {
        let Some(table) = ledger.view_day(&self.views.corrected, day)? else { return Ok(()) };
        self.corrected.add_day(day, &table);
        self.worst_intervals.add_day(day, &table);
        if let Some(bucket_sums) = &mut self.raw {
            bucket_sums.add_day(day, &ledger.view_day(&self.views.raw, day)?.unwrap_or_default());
        }
        Ok(())
    }

    pub fn excluded(&self) -> &[Span] {
        &self.views.corrected.excluded
    }

    /// A window in buckets of one length; the first and the last end where the window does.
    pub fn buckets(&self, window: &Window) -> Vec<TimeBucket> {
        let span = window.span_at(self.evaluated_at);
        self.split(span, bucket_minutes(span))
    }

    /// The same in buckets of twice the length.
    pub fn wide_buckets(&self, window: &Window) -> Vec<TimeBucket> {
        let span = window.span_at(self.evaluated_at);
        let step = bucket_minutes(span);
        self.split(span, if step < MINUTES_PER_DAY { 2 * step } else { step })
    }

    pub fn daily_buckets(&self, window: &Window) -> Vec<TimeBucket> {
        self.split(window.span_at(self.evaluated_at), MINUTES_PER_DAY)
    }

    fn split(&self, span: Span, step: i32) -> Vec<TimeBucket> {
        let boundaries = split_points(span, step);
        let to_bucket = |(start, end): (&Minute, &Minute)| {
            let span = Span::new(*start, *end);
            let sums = self.corrected.sum(span);
            TimeBucket { span, sums, raw: self.raw.as_ref().map_or(sums, |raw| raw.sum(span)) }
        };
        boundaries.iter().zip(boundaries.iter().skip(1)).map(to_bucket).collect()
    }

    /// The sums over the `minutes` before each sample of the last days, oldest first.
    pub fn tier_samples(&self, minutes: u32) -> Vec<(Minute, Sums)> {
        let minutes = i32::try_from(minutes).unwrap_or(i32::MAX);
        let sample = |at: Minute| (at, self.corrected.sum(Span::ending_at(at, minutes)));
        sample_times(self.evaluated_at).map(sample).collect()
    }

    /// The intervals that used more than their share of the budget, the worst first.
    pub fn worst_intervals(&self) -> Vec<WorstInterval> {
        let mut intervals = self.worst_intervals.intervals.clone();
        keep_worst(&mut intervals);
        intervals
    }
}

fn bucket_boundaries(slo: &Slo, evaluated_at: Minute) -> BTreeSet<Minute> {
    let mut boundaries = BTreeSet::new();
    for window in &slo.windows {
        let span = window.span_at(evaluated_at);
        boundaries.extend(split_points(span, bucket_minutes(span)));
    }
    for at in sample_times(evaluated_at) {
        boundaries.insert(at);
        let starts = slo.tiers.iter().map(|tier| at.plus(-i32::try_from(tier.long_minutes).unwrap_or(i32::MAX)));
        boundaries.extend(starts);
    }
    boundaries
}

fn bucket_minutes(span: Span) -> i32 {
    let is_within_limit = |step: &i32| span.minutes().div_ceil(step.unsigned_abs()) <= MAX_BUCKETS;
    BUCKET_MINUTES.into_iter().find(is_within_limit).unwrap_or(MINUTES_PER_DAY)
}

/// Both ends of a span, and the multiples of a length between them.
fn split_points(span: Span, step: i32) -> Vec<Minute> {
    let mut points = vec![span.start];
    let mut at = Minute(span.start.0.div_euclid(step).saturating_add(1).saturating_mul(step));
    while at < span.end {
        points.push(at);
        at = at.plus(step);
    }
    points.push(span.end);
    points.dedup();
    points
}

/// The full hours of the last days, and the minute of the evaluation.
fn sample_times(evaluated_at: Minute) -> impl Iterator<Item = Minute> {
    let last_sample = Minute(evaluated_at.0.div_euclid(TIER_SAMPLE_MINUTES) * TIER_SAMPLE_MINUTES);
    let hours = (0..=TIER_HISTORY_MINUTES / TIER_SAMPLE_MINUTES)
        .rev()
        .map(move |back| last_sample.plus(-back * TIER_SAMPLE_MINUTES));
    hours.chain((last_sample != evaluated_at).then_some(evaluated_at))
}

#[derive(Clone, Debug)]
struct BucketSums {
    boundaries: Vec<Minute>,
    /// One less than there are boundaries.
    sums: Vec<Sums>,
}

impl BucketSums {
    fn new(boundaries: BTreeSet<Minute>) -> Self {
        let boundaries: Vec<Minute> = boundaries.into_iter().collect();
        Self { sums: vec![Sums::default(); boundaries.len().saturating_sub(1)], boundaries }
    }

    fn span(&self) -> Span {
        let start = self.boundaries.first().copied().unwrap_or(Minute(0));
        Span::new(start, self.boundaries.last().copied().unwrap_or(start))
    }

    /// Whether a boundary lies within a day, and not at its ends.
    fn has_boundary_within(&self, day: Day) -> bool {
        let next = self.boundaries.partition_point(|cut| *cut <= day.start());
        self.boundaries.get(next).is_some_and(|cut| *cut < day.span().end)
    }

    /// Adds sums to the bucket that a minute lies in.
    fn add(&mut self, at: Minute, sums: Sums) {
        let index = self.boundaries.partition_point(|cut| *cut <= at).checked_sub(1);
        if let Some(bucket) = index.and_then(|index| self.sums.get_mut(index)) {
            bucket.add(sums);
        }
    }

    fn add_day(&mut self, day: Day, table: &MinuteTable) {
        let covered = day.span().intersect(self.span());
        let mut start = covered.start;
        while start < covered.end {
            let next = self.boundaries.partition_point(|cut| *cut <= start);
            let end = self.boundaries.get(next).map_or(covered.end, |cut| covered.end.min(*cut));
            self.add(start, table.slice(Span::new(start, end).slots()).sums());
            start = end;
        }
    }

    /// Sums over a span between boundaries; of another span, those of the buckets that begin in it.
    fn sum(&self, span: Span) -> Sums {
        let index = |at: Minute| self.boundaries.partition_point(|cut| *cut < at).min(self.sums.len());
        let mut sums = Sums::default();
        self.sums[index(span.start)..index(span.end).max(index(span.start))].iter().for_each(|cell| sums.add(*cell));
        sums
    }
}

/// An interval in which more events were bad than the objective allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstInterval {
    pub span: Span,
    pub sums: Sums,
}

#[derive(Clone, Debug)]
struct WorstIntervals {
    within: Span,
    allowed_share: Rational,
    slot_minutes: u32,
    intervals: Vec<WorstInterval>,
}

impl WorstIntervals {
    fn new(slo: &Slo, within: Span) -> Self {
        let slot_minutes = slo.timeslices.as_ref().map_or(SLOT_MINUTES, |slices| slices.minutes.max(SLOT_MINUTES));
        Self { within, allowed_share: slo.objective.budget(), slot_minutes, intervals: Vec::new() }
    }

    fn overlaps(&self, day: Day) -> bool {
        !self.within.intersect(day.span()).is_empty()
    }

    fn add_day(&mut self, day: Day, table: &MinuteTable) {
        let length = self.slot_minutes as usize;
        for from in (0..MINUTES_PER_DAY.unsigned_abs() as usize).step_by(length) {
            let at = |slot: usize| day.start().plus(i32::try_from(slot).unwrap_or(0));
            let span = Span::new(at(from), at(from + length)).intersect(self.within);
            if span.is_empty() || table.bad[from..from + length].iter().all(|bad| *bad == 0) {
                continue;
            }
            let sums = table.slice(span.slots()).sums();
            let allowed = i128::from(sums.total) * self.allowed_share.numer();
            if i128::from(sums.bad) * self.allowed_share.denom() > allowed {
                self.add(span, sums);
            }
        }
        self.prune();
    }

    fn add(&mut self, span: Span, sums: Sums) {
        match self.intervals.last_mut() {
            Some(last) if span.start <= last.span.end.plus(MERGE_GAP_MINUTES) => {
                last.span.end = span.end;
                last.sums.add(sums);
            }
            _ => self.intervals.push(WorstInterval { span, sums }),
        }
    }

    /// Drops the least bad intervals but for the newest, which may still grow.
    fn prune(&mut self) {
        if self.intervals.len() > 2 * MAX_INTERVALS {
            let newest = self.intervals.pop();
            keep_worst(&mut self.intervals);
            self.intervals.extend(newest);
        }
    }
}

fn keep_worst(intervals: &mut Vec<WorstInterval>) {
    intervals.sort_by_key(|interval| (Reverse(interval.sums.bad), interval.span.start));
    intervals.truncate(MAX_INTERVALS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_length_grows_with_window_length() {
        let at = |text: &str| text.parse::<Minute>().unwrap();
        let end = at("2026-10-31T23:50Z");
        for (minutes, step) in [(60, 1), (1_440, 5), (7 * 1_440, 15), (31 * 1_440, 60), (90 * 1_440, 1_440)] {
            assert_eq!(super::bucket_minutes(Span::ending_at(end, minutes)), step, "{minutes}");
        }
        let moments = split_points(Span::ending_at(end, 130), 60);
        let texts: Vec<String> = moments.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["2026-10-31T21:40Z", "2026-10-31T22:00Z", "2026-10-31T23:00Z", "2026-10-31T23:50Z"]);
    }

    #[test]
    fn tiers_are_sampled_hourly_and_at_evaluation_time() {
        let samples: Vec<Minute> = sample_times("2026-10-31T23:50Z".parse().unwrap()).collect();
        let ends = [samples[0], samples[168], samples[169]].map(|at| at.to_string());
        assert_eq!(ends, ["2026-10-24T23:00Z", "2026-10-31T23:00Z", "2026-10-31T23:50Z"]);
    }

    #[test]
    fn sums_added_by_span_or_by_day_are_equal() {
        let day = Day(20_000);
        let at = |minute: i32| day.start().plus(minute);
        let mut bucket_sums = BucketSums::new([at(-1_440), at(-720), at(10), at(20), at(1_500)].into());
        let mut table = MinuteTable::for_day();
        table.known.fill(1);
        table.total.fill(3);
        table.bad[15] = 2;
        assert!(
            bucket_sums.has_boundary_within(day)
                && bucket_sums.has_boundary_within(day.plus(-1))
                && !bucket_sums.has_boundary_within(day.plus(2))
        );
        bucket_sums.add_day(day.plus(-1), &table);
        bucket_sums.add_day(day, &table);
        bucket_sums.add_day(day.plus(1), &table);
        assert_eq!(bucket_sums.sum(Span::new(at(10), at(20))), Sums { total: 30, bad: 2, known: 10 });
        assert_eq!(bucket_sums.sum(Span::new(at(-720), at(10))), Sums { total: 2_190, bad: 0, known: 730 });
        assert_eq!(bucket_sums.sum(bucket_sums.span()), Sums { total: 3 * 2_940, bad: 6, known: 2_940 });
    }

    #[test]
    fn adjacent_slots_merge_and_worst_interval_comes_first() {
        let day = Day(20_000);
        let mut table = MinuteTable::for_day();
        table.known.fill(1);
        table.total.fill(10);
        for (slot, bad) in [(100, 5), (112, 5), (600, 9), (1_439, 1)] {
            table.bad[slot] = bad;
        }
        let share = Rational::new(1, 100);
        let mut worst =
            WorstIntervals { within: day.span(), allowed_share: share, slot_minutes: 5, intervals: Vec::new() };
        assert!(worst.overlaps(day) && !worst.overlaps(day.plus(1)));
        worst.add_day(day, &table);
        keep_worst(&mut worst.intervals);
        let actual: Vec<(usize, u32, u64)> = worst
            .intervals
            .iter()
            .map(|one| (one.span.start.minute_of_day(), one.span.minutes(), one.sums.bad))
            .collect();
        assert_eq!(actual, [(100, 15, 10), (600, 5, 9), (1_435, 5, 1)]);
    }
}
