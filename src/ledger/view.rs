//! What an SLO sees of a series: cut into slices or not, and without the minutes that do not count.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::slices::{Cut, CutDays};
use super::{DaySums, Ledger, NotLoaded, Wanted};
use crate::counts::{DaySlice, SLOTS, Sums};
use crate::minute::{Day, MINUTES_PER_DAY, Span};
use crate::series::SeriesKey;
use crate::slo::Slices;

/// What an SLO sees of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The series.
    pub series: SeriesKey,
    /// Slices as events.
    pub slices: Option<Slices>,
    /// Minutes that do not count: the fewest spans, in order.
    pub excluded: Vec<Span>,
}

/// One day as an SLO sees it, a slot a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Events that were counted.
    pub total: Vec<u32>,
    /// Bad ones among them.
    pub bad: Vec<u32>,
    /// 1 where the minute was observed whole, else 0.
    pub known: Vec<u8>,
}

impl Default for Table {
    fn default() -> Self {
        Self { total: vec![0; SLOTS], bad: vec![0; SLOTS], known: vec![0; SLOTS] }
    }
}

impl Table {
    /// Sums of the known minutes among the slots `from..to`, at most [`SLOTS`].
    #[must_use]
    pub fn sums(&self, from: usize, to: usize) -> Sums {
        let range = from.min(SLOTS)..to.min(SLOTS);
        DaySlice { total: &self.total[range.clone()], bad: &self.bad[range.clone()], known: &self.known[range] }.sums()
    }

    /// Puts minutes in their place.
    pub(super) fn fill(&mut self, slots: Range<usize>, minutes: Option<DaySlice<'_>>) {
        let Some(minutes) = minutes else { return };
        self.total[slots.clone()].copy_from_slice(minutes.total);
        self.bad[slots.clone()].copy_from_slice(minutes.bad);
        self.known[slots].copy_from_slice(minutes.known);
    }

    /// Its columns.
    #[must_use]
    pub fn slice(&self) -> DaySlice<'_> {
        DaySlice { total: &self.total, bad: &self.bad, known: &self.known }
    }
}

impl View {
    /// Whether it shows the series as it is.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.slices.is_none() && self.excluded.is_empty()
    }

    /// The stretches of a span that do not count.
    pub(super) fn excluded(&self, span: Span) -> impl Iterator<Item = Span> {
        let first = self.excluded.partition_point(|out| out.end <= span.start);
        let inside = self.excluded[first..].iter().take_while(move |out| out.start < span.end);
        inside.map(move |out| out.intersect(span)).filter(|out| !out.is_empty())
    }
}

/// The sums of a view. Most spans that are asked for end in the same minute, so what was summed up within a day is
/// kept.
#[derive(Debug)]
pub struct ViewSums<'a> {
    ledger: &'a Ledger,
    view: &'a View,
    days: Option<&'a DaySums>,
    /// Where the view has slices, sums of days are those of slices.
    cut: Option<RefCell<CutDays<'a>>>,
    within_days: RefCell<HashMap<Span, Sums>>,
}

impl<'a> ViewSums<'a> {
    /// The sums of a view of a ledger.
    #[must_use]
    pub fn of(ledger: &'a Ledger, view: &'a View) -> Self {
        let days = ledger.sums.get(&view.series).map(Arc::as_ref);
        let cut = Cut::of(view).map(|cut| RefCell::new(CutDays::of(ledger, cut)));
        Self { ledger, view, days, cut, within_days: RefCell::default() }
    }

    /// Sums over any span.
    ///
    /// # Errors
    /// [`NotLoaded`] if a day that it needs the minutes of is kept but was not loaded.
    pub fn over(&self, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = self.by_days(span)?;
        if self.cut.is_none() {
            // What does not count is as good as known: taken out of the sums, it needs no minutes of its own.
            for out in self.view.excluded(span) {
                sums = sums.less(self.by_days(out)?);
                sums.known += out.minutes();
            }
        }
        Ok(sums)
    }

    /// Sums over a span: those of its whole days, and of parts of days at its ends.
    fn by_days(&self, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = Sums::default();
        for part in Ledger::ends(span) {
            sums.add(self.within_day(part)?);
        }
        let (first, end) = Ledger::whole_days(span);
        if first < end {
            sums.add(match &self.cut {
                Some(cut) => cut.borrow_mut().over(first, end)?,
                None => self.days.map_or_else(Sums::default, |days| days.over(first, end)),
            });
        }
        Ok(sums)
    }

    fn within_day(&self, part: Span) -> Result<Sums, NotLoaded> {
        let mut kept = self.within_days.borrow_mut();
        if let Some(sums) = kept.get(&part) {
            return Ok(*sums);
        }
        let sums = match &self.cut {
            Some(cut) => cut.borrow().within_day(part)?,
            None => self.ledger.part_sums(&self.view.series, part)?,
        };
        kept.insert(part, sums);
        Ok(sums)
    }
}

impl Ledger {
    /// The minutes of a day of a view; `None` if nothing is known of it.
    ///
    /// # Errors
    /// [`NotLoaded`] if a part of the day is kept but was not loaded.
    pub fn view_day(&self, view: &View, day: Day) -> Result<Option<Table>, NotLoaded> {
        let held = self.day(&view.series, day)?;
        let mut table = Table::default();
        table.fill(0..SLOTS, held);
        view.alter(&mut table, day.span());
        Ok(table.slice().says_something().then_some(table))
    }

    /// The same of all days of a span.
    ///
    /// # Errors
    /// [`NotLoaded`] if a part of one of them is kept but was not loaded.
    pub fn view_days(&self, view: &View, span: Span) -> Result<Vec<(Day, Option<Table>)>, NotLoaded> {
        span.days().map(|day| Ok((day, self.view_day(view, day)?))).collect()
    }

    /// Adds what [`ViewSums::over`] needs of minutes over some spans: of the days that a span, or what does not count,
    /// begins or ends within. Where the view has slices, also days that were never cut so, or have changed since.
    pub fn want(&self, view: &Arc<View>, spans: &BTreeSet<Span>, wanted: &mut Wanted) {
        if let Some(cut) = Cut::of(view) {
            for (day, parts) in self.want_slices(&cut, spans) {
                wanted.sliced.entry(day).or_default().push((Arc::clone(view), parts));
            }
        } else {
            let excluded = spans.iter().flat_map(|span| view.excluded(*span));
            wanted.sums.extend(spans.iter().copied().chain(excluded).flat_map(Self::ends));
        }
    }

    /// The parts of a span at its ends that are less than a day: [`Self::sums`] needs the sums of each.
    pub fn ends(span: Span) -> impl Iterator<Item = Span> {
        let (first, last) = (span.start.day(), span.end.plus(-1).day());
        let days = [Some(first), Some(last).filter(|last| *last != first)].into_iter().flatten();
        let parts = days.map(move |day| (day, span.intersect(day.span())));
        parts.filter(|(day, part)| !part.is_empty() && *part != day.span()).map(|(_, part)| part)
    }

    /// The first of the whole days of a span, and the day after the last of them.
    #[must_use]
    pub(super) fn whole_days(span: Span) -> (Day, Day) {
        let first = span.start.plus(MINUTES_PER_DAY - 1).day();
        (first, span.end.day().max(first))
    }
}
