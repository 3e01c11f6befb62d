//! Sums of a view over any span: of whole days at once, and of minutes only where a span begins or ends within a day.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::view::{TimesliceView, View};
use super::{DaySums, Ledger, NotLoaded, PartialSumsRequest, Partition};
use crate::counts::{MinuteTable, Sums};
use crate::series::SeriesKey;
use crate::time::{Day, MINUTES_PER_DAY, Span};

/// The sums of a view. Most requested spans end in the same minute, so sums within a day are cached.
#[derive(Debug)]
pub struct ViewSums<'a> {
    ledger: &'a Ledger,
    view: &'a View,
    days: Option<&'a DaySums>,
    timeslices: Option<TimesliceView<'a>>,
    timeslice_days: RefCell<TimesliceDays>,
    partial_days: RefCell<HashMap<Span, Sums>>,
}

#[derive(Debug, Default)]
struct TimesliceDays {
    sums: DaySums,
    /// The first computed day, and the day after the last.
    range: Option<(Day, Day)>,
}

impl<'a> ViewSums<'a> {
    pub fn new(ledger: &'a Ledger, view: &'a View) -> Self {
        Self {
            ledger,
            view,
            days: ledger.daily_sums.get(&view.series).map(Arc::as_ref),
            timeslices: TimesliceView::new(view),
            timeslice_days: RefCell::default(),
            partial_days: RefCell::default(),
        }
    }

    pub fn sum_span(&self, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = self.sum_without_exclusions(span)?;
        if self.timeslices.is_none() {
            // Excluded minutes count as known: taken out of the sums, they need no minutes of their own.
            for excluded in self.view.excluded_within(span) {
                sums = sums.minus(self.sum_without_exclusions(excluded)?);
                sums.known += excluded.minutes();
            }
        }
        Ok(sums)
    }

    fn sum_without_exclusions(&self, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = Sums::default();
        for partial_day in Ledger::partial_days(span) {
            sums.add(self.sum_within_day(partial_day)?);
        }
        let (first, end) = whole_days(span);
        if first < end {
            sums.add(match &self.timeslices {
                Some(timeslices) => self.sum_timeslice_days(timeslices, first, end)?,
                None => self.days.map_or_else(Sums::default, |days| days.sum_range(first, end)),
            });
        }
        Ok(sums)
    }

    fn sum_within_day(&self, span: Span) -> Result<Sums, NotLoaded> {
        if let Some(sums) = self.partial_days.borrow().get(&span) {
            return Ok(*sums);
        }
        let sums = match &self.timeslices {
            Some(timeslices) => self.ledger.sum_timeslices(timeslices, span)?,
            None => self.ledger.sums_within_day(&self.view.series, span)?,
        };
        self.partial_days.borrow_mut().insert(span, sums);
        Ok(sums)
    }

    /// Sums over whole days. Nearly all spans end on the same day, so that days are added a few times only.
    fn sum_timeslice_days(&self, timeslices: &TimesliceView<'_>, first: Day, end: Day) -> Result<Sums, NotLoaded> {
        let mut days = self.timeslice_days.borrow_mut();
        let (computed_first, computed_end) = days.range.unwrap_or((first, first));
        for day in (first.0..computed_first.0).chain(computed_end.0..end.0).map(Day) {
            let sums = self.ledger.sum_timeslices(timeslices, day.span())?;
            days.sums.set(day, sums);
        }
        days.range = Some((computed_first.min(first), computed_end.max(end)));
        Ok(days.sums.sum_range(first, end))
    }
}

impl Ledger {
    /// The minutes of a day of a view; `None` if nothing is known of it.
    pub fn view_day(&self, view: &View, day: Day) -> Result<Option<MinuteTable>, NotLoaded> {
        let mut table = self.day_minutes(&view.series, day)?;
        view.apply_to(&mut table, day);
        Ok(table.columns().has_data().then_some(table))
    }

    pub fn view_days(&self, view: &View, span: Span) -> Result<Vec<(Day, Option<MinuteTable>)>, NotLoaded> {
        span.days().map(|day| Ok((day, self.view_day(view, day)?))).collect()
    }

    fn sum_timeslices(&self, timeslices: &TimesliceView<'_>, span: Span) -> Result<Sums, NotLoaded> {
        let (view, day) = (timeslices.view, span.start.day());
        if let Some(sums) = self.timeslices.get(&timeslices.cache_key_on(day), span) {
            return Ok(sums);
        }
        let table = if self.is_unknown(&view.series, day) {
            MinuteTable::for_day()
        } else {
            self.day_minutes(&view.series, day)?
        };
        Ok(view.sum_minutes(table, &[span]).first().copied().unwrap_or_default())
    }

    /// Adds what [`ViewSums`] needs of minutes over some spans: of the days that a span, or what is excluded, begins or
    /// ends within. With timeslices also days of which no sums are cached.
    pub fn request_sums(&self, view: &Arc<View>, spans: &BTreeSet<Span>, request: &mut PartialSumsRequest) {
        if let Some(timeslices) = TimesliceView::new(view) {
            for (day, day_spans) in self.missing_timeslices(&timeslices, spans) {
                request.timeslices.entry(day).or_default().push((Arc::clone(view), day_spans));
            }
        } else {
            let excluded = spans.iter().flat_map(|span| view.excluded_within(*span));
            request.sum_spans.extend(spans.iter().copied().chain(excluded).flat_map(Self::partial_days));
        }
    }

    /// Spans within a day whose sums of timeslices need minutes that are not loaded.
    fn missing_timeslices(&self, timeslices: &TimesliceView<'_>, spans: &BTreeSet<Span>) -> BTreeMap<Day, Vec<Span>> {
        let partial_days: BTreeSet<Span> = spans.iter().flat_map(|span| Self::partial_days(*span)).collect();
        // The days between two spans are seldom many, and looking at each span by itself would be at too many.
        let day_ranges = spans.iter().map(|span| whole_days(*span)).filter(|(first, end)| first < end);
        let hull = day_ranges.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let whole_days = hull.into_iter().flat_map(|(first, end)| (first.0..end.0).map(|day| Day(day).span()));
        let mut missing = BTreeMap::<Day, Vec<Span>>::new();
        for span in partial_days.into_iter().chain(whole_days) {
            let day = span.start.day();
            if Partition::in_day(day).any(|part| self.unloaded_minutes.contains(&part))
                && !self.is_unknown(&timeslices.view.series, day)
                && self.timeslices.get(&timeslices.cache_key_on(day), span).is_none()
            {
                missing.entry(day).or_default().push(span);
            }
        }
        missing
    }

    /// Whether no minute of a day is known: then a view sees nothing but what is excluded.
    fn is_unknown(&self, series: &SeriesKey, day: Day) -> bool {
        self.day_sums(series, day).known == 0
    }

    /// The parts of a span at its ends that are less than a day.
    pub fn partial_days(span: Span) -> impl Iterator<Item = Span> {
        let (first, last) = (span.start.day(), span.end.plus(-1).day());
        let days = [Some(first), Some(last).filter(|last| *last != first)].into_iter().flatten();
        let parts = days.map(move |day| span.intersect(day.span()));
        parts.filter(|part| !part.is_empty() && *part != part.start.day().span())
    }
}

/// The first of the whole days of a span, and the day after the last of them.
fn whole_days(span: Span) -> (Day, Day) {
    let first = span.start.plus(MINUTES_PER_DAY - 1).day();
    (first, span.end.day().max(first))
}
