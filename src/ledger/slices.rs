//! Days that are cut into slices: their sums are kept, so that no minute of a finished day is needed again.
//!
//! What is kept is only ever found again under the hash of the minutes that it was made of: a day that changes is cut
//! anew, and so is every day when a promise is cut another way.
//!
//! **Invariant:** kept or not, the sums are those of the minutes.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::extracts::SlicedWants;
use super::view::{Table, View};
use super::{DayMinutes, DaySums, Ledger, NotLoaded, Part};
use crate::counts::{SLOTS, Sums};
use crate::minute::{Day, Span};
use crate::series::SeriesKey;
use crate::slo::Slices;

/// A view with slices, and the text under which its sums are kept: all that they depend on besides the minutes.
#[derive(Debug)]
pub(super) struct Cut<'a> {
    view: &'a View,
    slices: &'a Slices,
    key: SeriesKey,
}

impl<'a> Cut<'a> {
    /// `None` if the view has no slices.
    pub(super) fn of(view: &'a View) -> Option<Self> {
        let slices = view.slices.as_ref()?;
        let Slices { minutes, budget, idle_good } = slices;
        let idle = if *idle_good { ", good when idle" } else { "" };
        let key = format!("{} in timeslices of {minutes}m, bad above {budget}{idle}", view.series);
        Some(Self { view, slices, key: SeriesKey::new(&key) })
    }

    /// The text for a day: what does not count of it is part of it.
    fn key_on(&self, day: Day) -> SeriesKey {
        let mut excluded = self.view.excluded(day.span()).peekable();
        if excluded.peek().is_none() {
            return self.key.clone();
        }
        let mut key = format!("{}, excluding", self.key);
        for out in excluded {
            let start = out.start.of_day();
            key.push_str(&format!(" {start}-{}", start + out.minutes() as usize));
        }
        SeriesKey::new(&key)
    }

    /// The smallest span of whole slices around a span within a day.
    fn whole_slices(&self, part: Span) -> Span {
        let day = part.start.day().start();
        let length = i32::try_from(self.slices.minutes).unwrap_or(i32::MAX);
        let down = |minutes: i32| minutes - minutes.rem_euclid(length);
        Span::new(day.plus(down(part.start.0 - day.0)), day.plus(down(part.end.0 - day.0 + length - 1)))
    }
}

impl View {
    /// Turns the minutes of a day into what the view sees, in the part of the day that matters.
    pub(super) fn alter(&self, table: &mut Table, part: Span) {
        let day = part.start.day();
        for out in self.excluded(day.span()) {
            let (from, to) = (out.start.of_day(), out.start.of_day() + out.minutes() as usize);
            table.total[from..to].fill(0);
            table.bad[from..to].fill(0);
            table.known[from..to].fill(1);
        }
        if let (Some(slices), Some(cut)) = (&self.slices, Cut::of(self)) {
            let part = cut.whole_slices(part);
            let first = part.start.of_day();
            *table = sliced(table, slices, first, first + part.minutes() as usize);
        }
    }
}

/// The slices that start in the slots `first..end`. A slice is an event of its last minute.
fn sliced(table: &Table, slices: &Slices, first: usize, end: usize) -> Table {
    let length = slices.minutes as usize;
    let mut cut = Table::default();
    for start in (first..end).step_by(length) {
        let range = start..start + length;
        if table.known[range.clone()].contains(&0) {
            continue;
        }
        cut.known[range.clone()].fill(1);
        let sums = table.sums(range.start, range.end);
        if sums.total > 0 || slices.idle_good {
            let over = || i128::from(sums.bad) * slices.budget.denom() > i128::from(sums.total) * slices.budget.numer();
            cut.total[range.end - 1] = 1;
            cut.bad[range.end - 1] = u32::from(sums.bad > 0 && over());
        }
    }
    cut
}

/// Sums of slices over days and parts of days.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlicedSums {
    sums: HashMap<SeriesKey, BTreeMap<Span, Sums>>,
    /// Whole days that were cut only now.
    new: BTreeSet<Day>,
}

impl SlicedSums {
    /// Adds sums of days that were kept.
    pub(crate) fn hold(&mut self, key: &SeriesKey, days: impl Iterator<Item = (Day, Sums)>) {
        self.sums.entry(key.clone()).or_default().extend(days.map(|(day, sums)| (day.span(), sums)));
    }

    fn put(&mut self, key: &SeriesKey, part: Span, sums: Sums) {
        self.sums.entry(key.clone()).or_default().insert(part, sums);
    }

    fn get(&self, key: &SeriesKey, part: Span) -> Option<Sums> {
        self.sums.get(key)?.get(&part).copied()
    }

    /// Whole days that are not kept yet.
    pub(crate) const fn new_days(&self) -> &BTreeSet<Day> {
        &self.new
    }

    /// The sums of whole days from `first` up to, not including, `end`, sorted by name and day.
    pub(crate) fn days(&self, first: Day, end: Day) -> Vec<(&SeriesKey, Day, Sums)> {
        let mut keys: Vec<_> = self.sums.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        let mut rows = Vec::new();
        for (key, held) in keys {
            let parts = held.range(first.span()..Span::new(end.start(), end.start()));
            let whole = parts.filter(|(part, _)| **part == part.start.day().span());
            rows.extend(whole.map(|(part, sums)| (key, part.start.day(), *sums)));
        }
        rows
    }

    /// Takes what is wanted of a day from its minutes, of which all parts are here that are wanted.
    pub(crate) fn cut(wants: &SlicedWants, day: Day, parts: &BTreeMap<Part, DayMinutes>) -> Self {
        let mut found = Self::default();
        for (view, spans) in wants.get(&day).into_iter().flatten() {
            let Some(cut) = Cut::of(view) else { continue };
            let key = cut.key_on(day);
            let (start, end) = (spans.iter().map(|span| span.start).min(), spans.iter().map(|span| span.end).max());
            let hull = start.zip(end).map_or(day.span(), |(start, end)| Span::new(start, end));
            let mut table = Table::default();
            for (part, minutes) in parts.range(Part::of(day.start())..Part::of(day.plus(1).start())) {
                table.fill(part.slots(), minutes.of(&view.series));
            }
            view.alter(&mut table, hull);
            for span in spans {
                let from = span.start.of_day();
                found.put(&key, *span, table.sums(from, from + span.minutes() as usize));
                found.new.extend((*span == day.span()).then_some(day));
            }
        }
        found
    }

    /// Adds what another day gave.
    pub(crate) fn add(&mut self, other: Self) {
        for (key, held) in other.sums {
            self.sums.entry(key).or_default().extend(held);
        }
        self.new.extend(other.new);
    }
}

/// Sums of a view's slices over whole days, as far as they were asked for, as running sums.
#[derive(Debug)]
pub(super) struct CutDays<'a> {
    ledger: &'a Ledger,
    cut: Cut<'a>,
    /// The first day that was asked for, and the one after the last.
    asked: Option<(Day, Day)>,
    days: DaySums,
}

impl<'a> CutDays<'a> {
    pub(super) fn of(ledger: &'a Ledger, cut: Cut<'a>) -> Self {
        Self { ledger, cut, asked: None, days: DaySums::default() }
    }

    /// Sums over the days from `first` up to, not including, `end`. Nearly all spans end on the same day, so that days
    /// are added a few times only.
    pub(super) fn over(&mut self, first: Day, end: Day) -> Result<Sums, NotLoaded> {
        let (from, to) = self.asked.map_or((first, end), |(from, to)| (from.min(first), to.max(end)));
        if self.asked != Some((from, to)) {
            let mut days = DaySums::default();
            for day in (from.0..to.0).map(Day) {
                let held = self.asked.is_some_and(|(from, to)| from <= day && day < to);
                let sums = if held { self.days.over(day, day.plus(1)) } else { self.within_day(day.span())? };
                days.set(day, sums);
            }
            (self.days, self.asked) = (days, Some((from, to)));
        }
        Ok(self.days.over(first, end))
    }

    /// Sums over a day or a part of one.
    pub(super) fn within_day(&self, part: Span) -> Result<Sums, NotLoaded> {
        let (day, view) = (part.start.day(), self.cut.view);
        if let Some(sums) = self.ledger.sliced.get(&self.cut.key_on(day), part) {
            return Ok(sums);
        }
        let mut table = Table::default();
        if !self.ledger.is_unknown(&view.series, day) {
            table.fill(0..SLOTS, self.ledger.day(&view.series, day)?);
        }
        view.alter(&mut table, part);
        let from = part.start.of_day();
        Ok(table.sums(from, from + part.minutes() as usize))
    }
}

impl Ledger {
    /// What is wanted of minutes for the sums of a view with slices over some spans.
    pub(super) fn want_slices(&self, cut: &Cut<'_>, spans: &BTreeSet<Span>) -> BTreeMap<Day, Vec<Span>> {
        let (view, mut parts) = (cut.view, BTreeMap::<Day, Vec<Span>>::new());
        let mut want = |part: Span| {
            let day = part.start.day();
            let is_left = Part::of_day(day).any(|part| self.minutes_left.contains(&part));
            if is_left && !self.is_unknown(&view.series, day) && self.sliced.get(&cut.key_on(day), part).is_none() {
                parts.entry(day).or_default().push(part);
            }
        };
        let ends: BTreeSet<Span> = spans.iter().flat_map(|span| Self::ends(*span)).collect();
        ends.into_iter().for_each(&mut want);
        // The days between two spans are seldom many, and looking at each span by itself would be at too many.
        let whole = spans.iter().map(|span| Self::whole_days(*span)).filter(|(first, end)| first < end);
        if let Some((first, end)) = whole.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))) {
            (first.0..end.0).map(|day| Day(day).span()).for_each(want);
        }
        parts
    }

    /// Whether no minute of a day is known: then all that a view sees is what does not count.
    fn is_unknown(&self, series: &SeriesKey, day: Day) -> bool {
        self.day_sums(series, day).known == 0
    }

    /// The parts of a day that hold the slices of spans within it.
    pub(super) fn parts_of_slices<'s>(view: &'s View, spans: &'s [Span]) -> impl Iterator<Item = Part> + 's {
        let cut = Cut::of(view);
        spans.iter().filter_map(move |span| Some(cut.as_ref()?.whole_slices(*span))).flat_map(Part::of_span)
    }
}
