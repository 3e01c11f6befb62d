//! Days that are cut into slices: their sums are kept, so that no minute of a finished day is needed again.
//!
//! What is kept is only ever found again under the hash of the minutes that it was made of: a day that changes is cut
//! anew, and so is every day when a promise is cut another way.
//!
//! **Invariant:** kept or not, the sums are those of the minutes.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::partial_sums::TimesliceRequests;
use super::view::{DayTable, View};
use super::{DayMinutes, DaySums, Ledger, NotLoaded, Partition};
use crate::counts::{SLOTS_PER_DAY, Sums};
use crate::series::SeriesKey;
use crate::slo::Timeslices;
use crate::time::{Day, Span};

/// A view with slices, and the text under which its sums are kept: all that they depend on besides the minutes.
#[derive(Debug)]
pub(super) struct TimesliceView<'a> {
    view: &'a View,
    timeslices: &'a Timeslices,
    cache_key: SeriesKey,
}

impl<'a> TimesliceView<'a> {
    /// `None` if the view has no slices.
    pub(super) fn from_view(view: &'a View) -> Option<Self> {
        let slices = view.timeslices.as_ref()?;
        let Timeslices { minutes, budget, is_idle_good: idle_good } = slices;
        let idle = if *idle_good { ", good when idle" } else { "" };
        let key = format!("{} in timeslices of {minutes}m, bad above {budget}{idle}", view.series);
        Some(Self { view, timeslices: slices, cache_key: SeriesKey::new(&key) })
    }

    /// The text for a day: what does not count of it is part of it.
    fn cache_key_on(&self, day: Day) -> SeriesKey {
        let mut excluded = self.view.excluded_within(day.span()).peekable();
        if excluded.peek().is_none() {
            return self.cache_key.clone();
        }
        let mut key = format!("{}, excluding", self.cache_key);
        for out in excluded {
            let start = out.start.minute_of_day();
            key.push_str(&format!(" {start}-{}", start + out.minutes() as usize));
        }
        SeriesKey::new(&key)
    }

    /// The smallest span of whole slices around a span within a day.
    fn align_to_timeslices(&self, span: Span) -> Span {
        let day = span.start.day().start();
        let length = i32::try_from(self.timeslices.minutes).unwrap_or(i32::MAX);
        let round_down = |minutes: i32| minutes - minutes.rem_euclid(length);
        Span::new(day.plus(round_down(span.start.0 - day.0)), day.plus(round_down(span.end.0 - day.0 + length - 1)))
    }
}

impl View {
    /// Turns the minutes of a day into what the view sees, in the part of the day that matters.
    pub(super) fn apply_to(&self, table: &mut DayTable, span: Span) {
        let day = span.start.day();
        for out in self.excluded_within(day.span()) {
            let (from, to) = (out.start.minute_of_day(), out.start.minute_of_day() + out.minutes() as usize);
            table.total[from..to].fill(0);
            table.bad[from..to].fill(0);
            table.known[from..to].fill(1);
        }
        if let (Some(slices), Some(cut)) = (&self.timeslices, TimesliceView::from_view(self)) {
            let aligned = cut.align_to_timeslices(span);
            let first = aligned.start.minute_of_day();
            *table = evaluate_timeslices(table, slices, first, first + aligned.minutes() as usize);
        }
    }
}

/// The slices that start in the slots `first..end`. A slice is an event of its last minute.
fn evaluate_timeslices(table: &DayTable, timeslices: &Timeslices, first: usize, end: usize) -> DayTable {
    let length = timeslices.minutes as usize;
    let mut evaluated = DayTable::default();
    for start in (first..end).step_by(length) {
        let range = start..start + length;
        if table.known[range.clone()].contains(&0) {
            continue;
        }
        evaluated.known[range.clone()].fill(1);
        let sums = table.sums(range.start, range.end);
        if sums.total > 0 || timeslices.is_idle_good {
            let over = || {
                i128::from(sums.bad) * timeslices.budget.denom() > i128::from(sums.total) * timeslices.budget.numer()
            };
            evaluated.total[range.end - 1] = 1;
            evaluated.bad[range.end - 1] = u32::from(sums.bad > 0 && over());
        }
    }
    evaluated
}

/// Sums of slices over days and parts of days.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimesliceSums {
    sums: HashMap<SeriesKey, BTreeMap<Span, Sums>>,
    /// Whole days that were cut only now.
    new_days: BTreeSet<Day>,
}

impl TimesliceSums {
    /// Adds sums of days that were kept.
    pub(crate) fn insert_cached(&mut self, key: &SeriesKey, days: impl Iterator<Item = (Day, Sums)>) {
        self.sums.entry(key.clone()).or_default().extend(days.map(|(day, sums)| (day.span(), sums)));
    }

    fn insert(&mut self, key: &SeriesKey, span: Span, sums: Sums) {
        self.sums.entry(key.clone()).or_default().insert(span, sums);
    }

    fn get(&self, key: &SeriesKey, span: Span) -> Option<Sums> {
        self.sums.get(key)?.get(&span).copied()
    }

    /// Whole days that are not kept yet.
    pub(crate) const fn new_days(&self) -> &BTreeSet<Day> {
        &self.new_days
    }

    /// The sums of whole days from `first` up to, not including, `end`, sorted by name and day.
    pub(crate) fn daily_rows(&self, first: Day, end: Day) -> Vec<(&SeriesKey, Day, Sums)> {
        let mut keys: Vec<_> = self.sums.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        let mut rows = Vec::new();
        for (key, sums_by_span) in keys {
            let in_range = sums_by_span.range(first.span()..Span::new(end.start(), end.start()));
            let whole_days = in_range.filter(|(part, _)| **part == part.start.day().span());
            rows.extend(whole_days.map(|(part, sums)| (key, part.start.day(), *sums)));
        }
        rows
    }

    /// Takes what is wanted of a day from its minutes, of which all parts are here that are wanted.
    pub(crate) fn evaluate_day(
        requests: &TimesliceRequests,
        day: Day,
        minutes: &BTreeMap<Partition, DayMinutes>,
    ) -> Self {
        let mut evaluated = Self::default();
        for (view, spans) in requests.get(&day).into_iter().flatten() {
            let Some(timeslices) = TimesliceView::from_view(view) else { continue };
            let key = timeslices.cache_key_on(day);
            let (start, end) = (spans.iter().map(|span| span.start).min(), spans.iter().map(|span| span.end).max());
            let hull = start.zip(end).map_or(day.span(), |(start, end)| Span::new(start, end));
            let mut table = DayTable::default();
            for (partition, minutes) in
                minutes.range(Partition::containing(day.start())..Partition::containing(day.plus(1).start()))
            {
                table.fill(partition.slots(), minutes.columns_of(&view.series));
            }
            view.apply_to(&mut table, hull);
            for span in spans {
                let from = span.start.minute_of_day();
                evaluated.insert(&key, *span, table.sums(from, from + span.minutes() as usize));
                evaluated.new_days.extend((*span == day.span()).then_some(day));
            }
        }
        evaluated
    }

    /// Adds what another day gave.
    pub(crate) fn merge(&mut self, other: Self) {
        for (key, sums_by_span) in other.sums {
            self.sums.entry(key).or_default().extend(sums_by_span);
        }
        self.new_days.extend(other.new_days);
    }
}

/// Sums of a view's slices over whole days, as far as they were asked for, as running sums.
#[derive(Debug)]
pub(super) struct TimesliceDays<'a> {
    ledger: &'a Ledger,
    timeslices: TimesliceView<'a>,
    /// The first day that was asked for, and the one after the last.
    loaded_range: Option<(Day, Day)>,
    days: DaySums,
}

impl<'a> TimesliceDays<'a> {
    pub(super) fn new(ledger: &'a Ledger, timeslices: TimesliceView<'a>) -> Self {
        Self { ledger, timeslices: timeslices, loaded_range: None, days: DaySums::default() }
    }

    /// Sums over the days from `first` up to, not including, `end`. Nearly all spans end on the same day, so that days
    /// are added a few times only.
    pub(super) fn sum_range(&mut self, first: Day, end: Day) -> Result<Sums, NotLoaded> {
        let (from, to) = self.loaded_range.map_or((first, end), |(from, to)| (from.min(first), to.max(end)));
        if self.loaded_range != Some((from, to)) {
            let mut days = DaySums::default();
            for day in (from.0..to.0).map(Day) {
                let is_loaded = self.loaded_range.is_some_and(|(from, to)| from <= day && day < to);
                let sums =
                    if is_loaded { self.days.sum_range(day, day.plus(1)) } else { self.sums_within_day(day.span())? };
                days.set(day, sums);
            }
            (self.days, self.loaded_range) = (days, Some((from, to)));
        }
        Ok(self.days.sum_range(first, end))
    }

    /// Sums over a day or a part of one.
    pub(super) fn sums_within_day(&self, span: Span) -> Result<Sums, NotLoaded> {
        let (day, view) = (span.start.day(), self.timeslices.view);
        if let Some(sums) = self.ledger.timeslices.get(&self.timeslices.cache_key_on(day), span) {
            return Ok(sums);
        }
        let mut table = DayTable::default();
        if !self.ledger.is_unknown(&view.series, day) {
            table.fill(0..SLOTS_PER_DAY, self.ledger.day_columns(&view.series, day)?);
        }
        view.apply_to(&mut table, span);
        let from = span.start.minute_of_day();
        Ok(table.sums(from, from + span.minutes() as usize))
    }
}

impl Ledger {
    /// What is wanted of minutes for the sums of a view with slices over some spans.
    pub(super) fn missing_timeslices(
        &self,
        timeslices: &TimesliceView<'_>,
        spans: &BTreeSet<Span>,
    ) -> BTreeMap<Day, Vec<Span>> {
        let (view, mut missing) = (timeslices.view, BTreeMap::<Day, Vec<Span>>::new());
        let mut add_missing = |span: Span| {
            let day = span.start.day();
            let is_unloaded = Partition::in_day(day).any(|part| self.unloaded_minutes.contains(&part));
            if is_unloaded
                && !self.is_unknown(&view.series, day)
                && self.timeslices.get(&timeslices.cache_key_on(day), span).is_none()
            {
                missing.entry(day).or_default().push(span);
            }
        };
        let partial_days: BTreeSet<Span> = spans.iter().flat_map(|span| Self::partial_days(*span)).collect();
        partial_days.into_iter().for_each(&mut add_missing);
        // The days between two spans are seldom many, and looking at each span by itself would be at too many.
        let day_ranges = spans.iter().map(|span| Self::whole_days(*span)).filter(|(first, end)| first < end);
        if let Some((first, end)) = day_ranges.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))) {
            (first.0..end.0).map(|day| Day(day).span()).for_each(add_missing);
        }
        missing
    }

    /// Whether no minute of a day is known: then all that a view sees is what does not count.
    fn is_unknown(&self, series: &SeriesKey, day: Day) -> bool {
        self.day_sums(series, day).known == 0
    }

    /// The parts of a day that hold the slices of spans within it.
    pub(super) fn timeslice_partitions<'s>(view: &'s View, spans: &'s [Span]) -> impl Iterator<Item = Partition> + 's {
        let timeslices = TimesliceView::from_view(view);
        spans
            .iter()
            .filter_map(move |span| Some(timeslices.as_ref()?.align_to_timeslices(*span)))
            .flat_map(Partition::in_span)
    }
}
