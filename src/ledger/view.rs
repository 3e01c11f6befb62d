//! What an SLO sees of a series: as timeslices or as it is, and without the minutes that do not count.

use std::ops::Range;

use crate::counts::{MinuteTable, Sums};
use crate::series::SeriesKey;
use crate::slo::Timeslices;
use crate::time::{Day, Span};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub series: SeriesKey,
    /// Timeslices are the events, not requests.
    pub timeslices: Option<Timeslices>,
    /// Minutes that do not count: the fewest spans, in order.
    pub excluded: Vec<Span>,
}

impl View {
    pub fn is_plain(&self) -> bool {
        self.timeslices.is_none() && self.excluded.is_empty()
    }

    pub(super) fn excluded_within(&self, span: Span) -> impl Iterator<Item = Span> {
        let first = self.excluded.partition_point(|excluded| excluded.end <= span.start);
        let overlapping = self.excluded[first..].iter().take_while(move |excluded| excluded.start < span.end);
        overlapping.map(move |excluded| excluded.intersect(span)).filter(|excluded| !excluded.is_empty())
    }

    /// Turns the minutes of a day into what the view sees of them.
    pub(super) fn apply_to(&self, table: &mut MinuteTable, day: Day) {
        self.exclude(table, day);
        if let Some(view) = TimesliceView::new(self) {
            *table = view.evaluate(table, day.span());
        }
    }

    fn exclude(&self, table: &mut MinuteTable, day: Day) {
        for excluded in self.excluded_within(day.span()) {
            let minutes = table.slice_mut(excluded.slots());
            minutes.total.fill(0);
            minutes.bad.fill(0);
            minutes.known.fill(1);
        }
    }

    /// Sums over spans within a day, of the minutes of the day.
    pub(super) fn sum_minutes(&self, mut minutes: MinuteTable, spans: &[Span]) -> Vec<Sums> {
        let hull =
            spans.iter().copied().reduce(|one, other| Span::new(one.start.min(other.start), one.end.max(other.end)));
        let Some(hull) = hull else { return Vec::new() };
        self.exclude(&mut minutes, hull.start.day());
        let timeslices = TimesliceView::new(self);
        let evaluated = timeslices.as_ref().map(|timeslices| (timeslices, timeslices.evaluate(&minutes, hull)));
        let sum = |span: &Span| match &evaluated {
            Some((timeslices, evaluated)) => timeslices.sum_span(&minutes, evaluated, *span),
            None => minutes.slice(span.slots()).sums(),
        };
        spans.iter().map(sum).collect()
    }
}

#[derive(Debug)]
pub(super) struct TimesliceView<'a> {
    pub(super) view: &'a View,
    timeslices: &'a Timeslices,
    /// Names all that sums of timeslices depend on, besides the minutes and what is excluded.
    cache_key: SeriesKey,
}

impl<'a> TimesliceView<'a> {
    /// `None` if the view has no timeslices.
    pub(super) fn new(view: &'a View) -> Option<Self> {
        let timeslices = view.timeslices.as_ref()?;
        let Timeslices { minutes, budget, is_idle_good } = timeslices;
        let idle = if *is_idle_good { ", good when idle" } else { "" };
        let key = format!("{} in timeslices of {minutes}m, bad above {budget}{idle}", view.series);
        Some(Self { view, timeslices, cache_key: SeriesKey::new(&key) })
    }

    /// The cache key for a day, with what is excluded of it.
    pub(super) fn cache_key_on(&self, day: Day) -> SeriesKey {
        let excluded = self.view.excluded_within(day.span()).map(Span::slots);
        let excluded: Vec<String> = excluded.map(|slots| format!("{}-{}", slots.start, slots.end)).collect();
        if excluded.is_empty() {
            return self.cache_key.clone();
        }
        SeriesKey::new(&format!("{}, without {}", self.cache_key, excluded.join(" ")))
    }

    /// The smallest span of whole timeslices around a span within a day.
    pub(super) fn align(&self, span: Span) -> Span {
        let day = span.start.day().start();
        let length = i32::try_from(self.timeslices.minutes).unwrap_or(i32::MAX);
        let round_down = |minutes: i32| minutes - minutes.rem_euclid(length);
        Span::new(day.plus(round_down(span.start.0 - day.0)), day.plus(round_down(span.end.0 - day.0 + length - 1)))
    }

    /// Sums over a span within a day, of its minutes and of its timeslices.
    ///
    /// A timeslice that the span ends within has not ended: its minutes so far are known, and it counts once it cannot
    /// become good, at its present rate of events.
    fn sum_span(&self, minutes: &MinuteTable, timeslices: &MinuteTable, span: Span) -> Sums {
        let length = i32::try_from(self.timeslices.minutes).unwrap_or(i32::MAX);
        let unfinished_minutes = (span.end.0 - span.start.day().start().0).rem_euclid(length);
        let unfinished = Span::new(span.end.plus(-unfinished_minutes), span.end);
        let finished = Span::new(span.start, unfinished.start.max(span.start));
        let mut sums = timeslices.slice(finished.slots()).sums();
        let so_far = minutes.slice(unfinished.slots());
        if unfinished.is_empty() || so_far.known.contains(&0) {
            return sums;
        }
        let budget = self.timeslices.budget;
        let events = so_far.sums();
        let is_lost = i128::from(events.bad) * i128::from(unfinished_minutes) * budget.denom()
            > i128::from(events.total) * i128::from(length) * budget.numer();
        let known = unfinished.intersect(span).minutes();
        sums.add(Sums { total: u64::from(is_lost), bad: u64::from(is_lost), known });
        sums
    }

    /// The timeslices of a span within a day. Each is an event of its last minute.
    fn evaluate(&self, table: &MinuteTable, span: Span) -> MinuteTable {
        let (slots, length) = (self.align(span).slots(), self.timeslices.minutes as usize);
        let is_excluded = |slots: &Range<usize>| {
            self.view.excluded_within(span.start.day().span()).any(|excluded| {
                let excluded = excluded.slots();
                excluded.start <= slots.start && slots.end <= excluded.end
            })
        };
        let mut evaluated = MinuteTable::for_day();
        for start in slots.step_by(length) {
            let range = start..start + length;
            let minutes = table.slice(range.clone());
            if minutes.known.contains(&0) {
                continue;
            }
            evaluated.known[range.clone()].fill(1);
            let sums = minutes.sums();
            if sums.total > 0 || (self.timeslices.is_idle_good && !is_excluded(&range)) {
                let budget = self.timeslices.budget;
                let is_over_budget =
                    sums.bad > 0 && i128::from(sums.bad) * budget.denom() > i128::from(sums.total) * budget.numer();
                evaluated.total[range.end - 1] = 1;
                evaluated.bad[range.end - 1] = u32::from(is_over_budget);
            }
        }
        evaluated
    }
}
