//! What an SLO sees of a series: cut into slices or not, and without the minutes that do not count.

use std::collections::BTreeSet;

use super::{Ledger, NotLoaded, Table};
use crate::counts::{SLOTS, Sums};
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

impl Ledger {
    /// Sums over any span of a view.
    ///
    /// # Errors
    /// [`NotLoaded`] if a day that it needs the minutes of is kept but was not loaded.
    pub fn view_sums(&self, view: &View, span: Span) -> Result<Sums, NotLoaded> {
        let mut sums = Sums::default();
        for day in span.days() {
            let part = span.intersect(day.span());
            if view.slices.is_none() && !view.excluded.iter().any(|out| !out.intersect(part).is_empty()) {
                sums.add(self.sums(&view.series, part)?);
            } else if let Some(table) = self.view_day(view, day)? {
                let from = part.start.of_day();
                sums.add(table.sums(from, from + part.minutes() as usize));
            }
        }
        Ok(sums)
    }

    /// The minutes of a day of a view; `None` if nothing is known of it.
    ///
    /// # Errors
    /// [`NotLoaded`] if the day is kept but was not loaded.
    pub fn view_day(&self, view: &View, day: Day) -> Result<Option<Table>, NotLoaded> {
        if self.minutes_left.contains(&day) {
            return Err(NotLoaded(day));
        }
        let mut table = self.table(&view.series, day).cloned().unwrap_or_default();
        for part in view.excluded.iter().map(|out| out.intersect(day.span())).filter(|part| !part.is_empty()) {
            let (from, to) = (part.start.of_day(), part.start.of_day() + part.minutes() as usize);
            table.total[from..to].fill(0);
            table.bad[from..to].fill(0);
            table.known[from..to].fill(1);
        }
        if let Some(slices) = &view.slices {
            table = sliced(&table, slices);
        }
        Ok(table.says_something().then_some(table))
    }

    /// The days of a span whose minutes [`Self::view_sums`] needs.
    #[must_use]
    pub fn days_missing(&self, view: &View, span: Span) -> BTreeSet<Day> {
        let needs = |day: &Day| {
            let part = span.intersect(day.span());
            view.slices.is_some()
                || part != day.span()
                || view.excluded.iter().any(|out| !out.intersect(part).is_empty())
        };
        span.days().filter(needs).collect()
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
