//! The past of an SLO for charts: sums over time buckets, and the intervals that used most of its budget.
//!
//! It is read a day at a time, and minutes are dropped again, so that the past of a whole fleet takes little memory,
//! however long windows are.
//!
//! **Invariant:** the sums of a window's buckets add up to the sums of the window.

mod buckets;
mod worst_intervals;

use std::collections::BTreeSet;

pub use buckets::BucketSums;
pub use worst_intervals::WorstInterval;

use self::worst_intervals::WorstIntervals;
use crate::counts::{MinuteTable, Sums};
use crate::evaluation::SloViews;
use crate::ledger::{Ledger, NotLoaded, ViewSums};
use crate::slo::{Exclusions, Service, Slo, SloId};
use crate::time::{Day, MINUTES_PER_DAY, Minute, Span, Window};

/// Lengths of time buckets; each divides a day.
const BUCKET_MINUTES: [i32; 5] = [1, 5, 15, 60, MINUTES_PER_DAY];

/// Buckets that fit into a chart. A month of hours is less.
const MAX_BUCKETS: u32 = 750;

/// How far back the worst intervals are searched.
const WORST_INTERVAL_DAYS: i32 = 31;

/// How far back the burn rates of tiers are sampled, once an hour.
pub const TIER_HISTORY_MINUTES: i32 = 7 * MINUTES_PER_DAY;
const TIER_SAMPLE_MINUTES: i32 = 60;

#[derive(Clone, Debug)]
pub struct History {
    pub id: SloId,
    pub excluded: Vec<Span>,
    evaluated_at: Minute,
    corrected: BucketSums,
    /// Without corrections, if these exclude anything.
    raw: Option<BucketSums>,
    worst_intervals: WorstIntervals,
}

/// A history that is still being read.
#[derive(Debug)]
pub struct HistoryBuilder {
    history: History,
    views: SloViews,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBucket {
    pub span: Span,
    /// With corrections.
    pub sums: Sums,
    /// Without corrections.
    pub raw: Sums,
}

impl HistoryBuilder {
    pub fn new(service: &Service, slo: &Slo, excluded: &Exclusions<'_>, evaluated_at: Minute) -> Self {
        let boundaries = bucket_boundaries(slo, evaluated_at);
        let excluded = excluded.spans(service, slo);
        let corrected = BucketSums::new(boundaries);
        let has_raw = excluded.iter().any(|out| !out.intersect(corrected.span()).is_empty());
        let window =
            slo.windows.first().map_or(Span::new(evaluated_at, evaluated_at), |window| window.span_at(evaluated_at));
        let recent = Span::ending_at(evaluated_at, WORST_INTERVAL_DAYS * MINUTES_PER_DAY);
        let history = History {
            id: slo.id.clone(),
            evaluated_at,
            raw: has_raw.then(|| corrected.clone()),
            corrected,
            worst_intervals: WorstIntervals::new(slo, window.intersect(recent)),
            excluded: excluded.clone(),
        };
        Self { history, views: SloViews::new(slo, excluded) }
    }

    pub fn days(&self) -> BTreeSet<Day> {
        self.history.corrected.span().days().collect()
    }

    /// Adds a day by its sums; `false` if its minutes are needed.
    pub fn add_day_sums(&mut self, ledger: &Ledger, day: Day) -> bool {
        let history = &mut self.history;
        let span = day.span().intersect(history.corrected.span());
        if span.is_empty() {
            return true;
        }
        if span != day.span() || history.corrected.has_boundary_within(day) || history.worst_intervals.overlaps(day) {
            return false;
        }
        let load_sums = |view| ViewSums::new(ledger, view).sum_span(span).ok();
        let Some(corrected) = load_sums(&self.views.corrected) else { return false };
        if let Some(bucket_sums) = &mut history.raw {
            let Some(raw) = load_sums(&self.views.raw) else { return false };
            bucket_sums.add(span, raw);
        }
        history.corrected.add(span, corrected);
        true
    }

    /// Adds a day by its minutes.
    ///
    /// # Errors
    /// [`NotLoaded`] if they were not loaded.
    pub fn add_day_minutes(&mut self, ledger: &Ledger, day: Day) -> Result<(), NotLoaded> {
        let history = &mut self.history;
        let Some(table) = ledger.view_day(&self.views.corrected, day)? else { return Ok(()) };
        history.corrected.add_day(day, &table);
        history.worst_intervals.add_day(day, &table);
        if let Some(bucket_sums) = &mut history.raw {
            let raw: Option<MinuteTable> = ledger.view_day(&self.views.raw, day)?;
            bucket_sums.add_day(day, &raw.unwrap_or_default());
        }
        Ok(())
    }

    pub fn build(mut self) -> History {
        self.history.worst_intervals.finish();
        self.history
    }
}

impl History {
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

    /// Each UTC day of a window.
    pub fn daily_buckets(&self, window: &Window) -> Vec<TimeBucket> {
        self.split(window.span_at(self.evaluated_at), MINUTES_PER_DAY)
    }

    fn split(&self, span: Span, step: i32) -> Vec<TimeBucket> {
        let boundaries = split_points(span, step);
        let to_bucket = |(start, end): (&Minute, &Minute)| {
            let span = Span::new(*start, *end);
            let sums = self.corrected.sum(span);
            TimeBucket { span, sums, raw: self.raw.as_ref().map_or(sums, |cells| cells.sum(span)) }
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
    pub fn worst_intervals(&self) -> &[WorstInterval] {
        self.worst_intervals.intervals()
    }
}

/// The minutes between which sums are kept.
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

/// The length of the buckets of a window.
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
}
