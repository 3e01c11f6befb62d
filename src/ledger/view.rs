//! What an SLO sees of a series: cut into slices or not, and without the minutes that do not count.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use super::{DaySums, Ledger, NotLoaded, Part};
use crate::counts::{DaySlice, SLOTS, Sums};
use crate::minute::{Day, Span};
use crate::series::SeriesKey;
use crate::slo::Slices;

/// What an SLO sees of a series.
#[derive(Clone, Debug)]
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
    fn excluded(&self, span: Span) -> impl Iterator<Item = Span> {
        self.excluded.iter().map(move |out| out.intersect(span)).filter(|out| !out.is_empty())
    }
}

/// The sums of a view. Most spans that are asked for end in the same minute, so what was summed up within a day is kept.
#[derive(Debug)]
pub struct ViewSums<'a> {
    ledger: &'a Ledger,
    view: &'a View,
    days: Option<&'a DaySums>,
    within_days: RefCell<Vec<(Span, Sums)>>,
    sliced: RefCell<BTreeMap<Day, (Option<Table>, Sums)>>,
}

impl<'a> ViewSums<'a> {
    /// The sums of a view of a ledger.
    #[must_use]
    pub fn of(ledger: &'a Ledger, view: &'a View) -> Self {
        let days = ledger.sums.get(&view.series);
        Self { ledger, view, days, within_days: RefCell::default(), sliced: RefCell::default() }
    }

    /// Sums over any span.
    ///
    /// # Errors
    /// [`NotLoaded`] if a day that it needs the minutes of is kept but was not loaded.
    pub fn over(&self, span: Span) -> Result<Sums, NotLoaded> {
        if self.view.slices.is_some() {
            let mut sums = Sums::default();
            for day in span.days() {
                sums.add(self.sliced(day, day.span().intersect(span))?);
            }
            return Ok(sums);
        }
        // What does not count is as good as known: taken out of the sums, it needs no minutes of its own.
        let mut sums = self.plain(span)?;
        for out in self.view.excluded(span) {
            sums = sums.less(self.plain(out)?);
            sums.known += out.minutes();
        }
        Ok(sums)
    }

    /// Sums over a span without anything that the view alters.
    fn plain(&self, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = Sums::default();
        if span.is_empty() {
            return Ok(sums);
        }
        let (mut first, mut end) = (span.start.day(), span.end.plus(-1).day().plus(1));
        let head = span.intersect(first.span());
        if head != first.span() {
            sums.add(self.within_day(head)?);
            first = first.plus(1);
        }
        let last = end.plus(-1);
        let tail = span.intersect(last.span());
        if first < end && tail != last.span() {
            sums.add(self.within_day(tail)?);
            end = last;
        }
        sums.add(self.days.map_or_else(Sums::default, |days| days.over(first, end)));
        Ok(sums)
    }

    fn within_day(&self, part: Span) -> Result<Sums, NotLoaded> {
        let mut kept = self.within_days.borrow_mut();
        if let Some((_, sums)) = kept.iter().find(|(span, _)| *span == part) {
            return Ok(*sums);
        }
        let sums = self.ledger.part_sums(&self.view.series, part)?;
        kept.push((part, sums));
        Ok(sums)
    }

    /// Sums over a part of a day of slices.
    fn sliced(&self, day: Day, part: Span) -> Result<Sums, NotLoaded> {
        let mut kept = self.sliced.borrow_mut();
        let (table, sums) = match kept.entry(day) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(free) => {
                let table = self.ledger.view_day(self.view, day)?;
                let sums = table.as_ref().map_or_else(Sums::default, |table| table.sums(0, SLOTS));
                free.insert((table, sums))
            }
        };
        let from = part.start.of_day();
        let some = |table: &Table| table.sums(from, from + part.minutes() as usize);
        Ok(if part == day.span() { *sums } else { table.as_ref().map_or_else(Sums::default, some) })
    }
}

impl Ledger {
    /// The minutes of a day of a view; `None` if nothing is known of it.
    ///
    /// # Errors
    /// [`NotLoaded`] if a part of the day is kept but was not loaded.
    pub fn view_day(&self, view: &View, day: Day) -> Result<Option<Table>, NotLoaded> {
        let held = self.day(&view.series, day)?;
        let mut table = held.map_or_else(Table::default, |held| Table {
            total: held.total.to_vec(),
            bad: held.bad.to_vec(),
            known: held.known.to_vec(),
        });
        for part in view.excluded.iter().map(|out| out.intersect(day.span())).filter(|part| !part.is_empty()) {
            let (from, to) = (part.start.of_day(), part.start.of_day() + part.minutes() as usize);
            table.total[from..to].fill(0);
            table.bad[from..to].fill(0);
            table.known[from..to].fill(1);
        }
        if let Some(slices) = &view.slices {
            table = sliced(&table, slices);
        }
        Ok(table.slice().says_something().then_some(table))
    }

    /// The same of all days of a span.
    ///
    /// # Errors
    /// [`NotLoaded`] if a part of one of them is kept but was not loaded.
    pub fn view_days(&self, view: &View, span: Span) -> Result<Vec<(Day, Option<Table>)>, NotLoaded> {
        span.days().map(|day| Ok((day, self.view_day(view, day)?))).collect()
    }

    /// The parts of days whose minutes [`ViewSums::over`] needs over a span, because the view cuts them into slices.
    #[must_use]
    pub fn parts_sliced(view: &View, span: Span) -> BTreeSet<Part> {
        let days = view.slices.iter().flat_map(|_| span.days());
        days.flat_map(Part::of_day).collect()
    }

    /// The parts of days whose sums [`ViewSums::over`] needs over a span: at its ends, and at those of what does not count.
    #[must_use]
    pub fn ends_seen(view: &View, span: Span) -> BTreeSet<Span> {
        let whole = std::iter::once(span).filter(|_| view.slices.is_none());
        whole.chain(view.excluded(span).filter(|_| view.slices.is_none())).flat_map(Self::ends).collect()
    }

    /// The parts of a span at its ends that are less than a day: [`Self::sums`] needs the sums of each.
    #[must_use]
    pub fn ends(span: Span) -> Vec<Span> {
        let days = BTreeSet::from([span.start.day(), span.end.plus(-1).day()]);
        let parts = days.into_iter().map(|day| (day, span.intersect(day.span())));
        parts.filter(|(day, part)| !part.is_empty() && *part != day.span()).map(|(_, part)| part).collect()
    }
}

fn sliced(table: &Table, slices: &Slices) -> Table {
    let length = slices.minutes as usize;
    let mut cut = Table::default();
    for start in (0..SLOTS).step_by(length) {
        let range = start..start + length;
        if table.known[range.clone()].contains(&0) {
            continue;
        }
        cut.known[range.clone()].fill(1);
        let sums = table.sums(range.start, range.end);
        let over = i128::from(sums.bad) * slices.budget.denom() > i128::from(sums.total) * slices.budget.numer();
        if sums.total > 0 || slices.idle_good {
            cut.total[range.end - 1] = 1;
            cut.bad[range.end - 1] = u32::from(sums.total > 0 && over);
        }
    }
    cut
}
