//! What an SLO sees of a series: cut into slices or not, and without the minutes that do not count.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::timeslices::{TimesliceDays, TimesliceView};
use super::{DaySums, Ledger, NotLoaded, PartialSumsRequest};
use crate::counts::{MinuteColumns, SLOTS_PER_DAY, Sums};
use crate::series::SeriesKey;
use crate::slo::Timeslices;
use crate::time::{Day, MINUTES_PER_DAY, Span};

/// What an SLO sees of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The series.
    pub series: SeriesKey,
    /// Slices as events.
    pub timeslices: Option<Timeslices>,
    /// Minutes that do not count: the fewest spans, in order.
    pub excluded: Vec<Span>,
}

/// One day as an SLO sees it, a slot a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayTable {
    /// Events that were counted.
    pub total: Vec<u32>,
    /// Bad ones among them.
    pub bad: Vec<u32>,
    /// 1 where the minute was observed whole, else 0.
    pub known: Vec<u8>,
}

impl Default for DayTable {
    fn default() -> Self {
        Self { total: vec![0; SLOTS_PER_DAY], bad: vec![0; SLOTS_PER_DAY], known: vec![0; SLOTS_PER_DAY] }
    }
}

impl DayTable {
    /// Sums of the known minutes among the slots `from..to`, at most [`SLOTS`].
    pub fn sums(&self, from: usize, to: usize) -> Sums {
        let range = from.min(SLOTS_PER_DAY)..to.min(SLOTS_PER_DAY);
        MinuteColumns { total: &self.total[range.clone()], bad: &self.bad[range.clone()], known: &self.known[range] }
            .sums()
    }

    /// Puts minutes in their place.
    pub(super) fn fill(&mut self, slots: Range<usize>, minutes: Option<MinuteColumns<'_>>) {
        let Some(minutes) = minutes else { return };
        self.total[slots.clone()].copy_from_slice(minutes.total);
        self.bad[slots.clone()].copy_from_slice(minutes.bad);
        self.known[slots].copy_from_slice(minutes.known);
    }

    /// Its columns.
    pub fn columns(&self) -> MinuteColumns<'_> {
        MinuteColumns { total: &self.total, bad: &self.bad, known: &self.known }
    }
}

impl View {
    /// Whether it shows the series as it is.
    pub fn is_plain(&self) -> bool {
        self.timeslices.is_none() && self.excluded.is_empty()
    }

    /// The stretches of a span that do not count.
    pub(super) fn excluded_within(&self, span: Span) -> impl Iterator<Item = Span> {
        let first = self.excluded.partition_point(|excluded| excluded.end <= span.start);
        let overlapping = self.excluded[first..].iter().take_while(move |out| out.start < span.end);
        overlapping.map(move |out| out.intersect(span)).filter(|out| !out.is_empty())
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
    timeslice_days: Option<RefCell<TimesliceDays<'a>>>,
    partial_days: RefCell<HashMap<Span, Sums>>,
}

impl<'a> ViewSums<'a> {
    /// The sums of a view of a ledger.
    pub fn new(ledger: &'a Ledger, view: &'a View) -> Self {
        let days = ledger.daily_sums.get(&view.series).map(Arc::as_ref);
        let timeslice_days = TimesliceView::from_view(view).map(|cut| RefCell::new(TimesliceDays::new(ledger, cut)));
        Self { ledger, view, days, timeslice_days: timeslice_days, partial_days: RefCell::default() }
    }

    /// Sums over any span.
    pub fn sum_span(&self, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = self.sum_without_exclusions(span)?;
        if self.timeslice_days.is_none() {
            // What does not count is as good as known: taken out of the sums, it needs no minutes of its own.
            for excluded in self.view.excluded_within(span) {
                sums = sums.minus(self.sum_without_exclusions(excluded)?);
                sums.known += excluded.minutes();
            }
        }
        Ok(sums)
    }

    /// Sums over a span: those of its whole days, and of parts of days at its ends.
    fn sum_without_exclusions(&self, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = Sums::default();
        for partial_day in Ledger::partial_days(span) {
            sums.add(self.sums_within_day(partial_day)?);
        }
        let (first, end) = Ledger::whole_days(span);
        if first < end {
            sums.add(match &self.timeslice_days {
                Some(cut) => cut.borrow_mut().sum_range(first, end)?,
                None => self.days.map_or_else(Sums::default, |days| days.sum_range(first, end)),
            });
        }
        Ok(sums)
    }

    fn sums_within_day(&self, span: Span) -> Result<Sums, NotLoaded> {
        let mut cache = self.partial_days.borrow_mut();
        if let Some(sums) = cache.get(&span) {
            return Ok(*sums);
        }
        let sums = match &self.timeslice_days {
            Some(cut) => cut.borrow().sums_within_day(span)?,
            None => self.ledger.sums_within_day(&self.view.series, span)?,
        };
        cache.insert(span, sums);
        Ok(sums)
    }
}

impl Ledger {
    /// The minutes of a day of a view; `None` if nothing is known of it.
    pub fn view_day(&self, view: &View, day: Day) -> Result<Option<DayTable>, NotLoaded> {
        let columns = self.day_columns(&view.series, day)?;
        let mut table = DayTable::default();
        table.fill(0..SLOTS_PER_DAY, columns);
        view.apply_to(&mut table, day.span());
        Ok(table.columns().has_data().then_some(table))
    }

    /// The same of all days of a span.
    pub fn view_days(&self, view: &View, span: Span) -> Result<Vec<(Day, Option<DayTable>)>, NotLoaded> {
        span.days().map(|day| Ok((day, self.view_day(view, day)?))).collect()
    }

    /// Adds what [`ViewSums::over`] needs of minutes over some spans: of the days that a span, or what does not count,
    /// begins or ends within. Where the view has slices, also days that were never cut so, or have changed since.
    pub fn request_sums(&self, view: &Arc<View>, spans: &BTreeSet<Span>, request: &mut PartialSumsRequest) {
        if let Some(timeslices) = TimesliceView::from_view(view) {
            for (day, day_spans) in self.missing_timeslices(&timeslices, spans) {
                request.timeslices.entry(day).or_default().push((Arc::clone(view), day_spans));
            }
        } else {
            let excluded = spans.iter().flat_map(|span| view.excluded_within(*span));
            request.sum_spans.extend(spans.iter().copied().chain(excluded).flat_map(Self::partial_days));
        }
    }

    /// The parts of a span at its ends that are less than a day: [`Self::sums`] needs the sums of each.
    pub fn partial_days(span: Span) -> impl Iterator<Item = Span> {
        let (first, last) = (span.start.day(), span.end.plus(-1).day());
        let days = [Some(first), Some(last).filter(|last| *last != first)].into_iter().flatten();
        let day_spans = days.map(move |day| (day, span.intersect(day.span())));
        day_spans.filter(|(day, part)| !part.is_empty() && *part != day.span()).map(|(_, part)| part)
    }

    /// The first of the whole days of a span, and the day after the last of them.
    pub(super) fn whole_days(span: Span) -> (Day, Day) {
        let first = span.start.plus(MINUTES_PER_DAY - 1).day();
        (first, span.end.day().max(first))
    }
}
