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

    /// Turns the minutes of a day into what the view sees of a span within it.
    pub(super) fn apply_to(&self, table: &mut MinuteTable, span: Span) {
        for excluded in self.excluded_within(span.start.day().span()) {
            let minutes = table.slice_mut(excluded.slots());
            minutes.total.fill(0);
            minutes.bad.fill(0);
            minutes.known.fill(1);
        }
        if let Some(view) = TimesliceView::new(self) {
            *table = view.evaluate(table, span);
        }
    }

    /// Sums over a span within a day, of the minutes of the day.
    pub(super) fn sum_minutes(&self, mut table: MinuteTable, span: Span) -> Sums {
        self.apply_to(&mut table, span);
        table.slice(span.slots()).sums()
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
