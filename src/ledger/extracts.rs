//! What is taken from minutes that then are let go: sums over spans within a day, the newest known minute, which are
//! known.
//!
//! A window of a month needs of the day it begins in no more than one sum for each series. So the minutes of such a day
//! pass by and are gone, and memory holds no more of them than a few parts at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Ledger, Part, View, around, slots};
use crate::counts::{DaySlice, Sums};
use crate::minute::{Day, Minute, Span};
use crate::series::SeriesKey;

/// Days and parts of them that views cut into slices.
pub(super) type SlicedWants = BTreeMap<Day, Vec<(Arc<View>, Vec<Span>)>>;

/// What is wanted of minutes without keeping them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Spans, each within a day and less than it, of which the sums are wanted.
    pub sums: BTreeSet<Span>,
    /// Spans, each within a day, of which the newest known minute is wanted.
    pub newest: BTreeSet<Span>,
    /// Parts of which it is wanted which minutes are known.
    pub known: BTreeSet<Part>,
    /// Days, and spans within them, of which the sums of slices are wanted.
    pub sliced: SlicedWants,
}

impl Wanted {
    /// The parts that sums and newest minutes come from.
    pub(crate) fn parts(&self) -> BTreeSet<Part> {
        let summed = self.sums.iter().flat_map(|span| summed(*span).0);
        summed.chain(self.newest.iter().copied()).flat_map(Part::of_span).collect()
    }

    /// The parts that sums of slices come from.
    pub(crate) fn sliced_parts(&self) -> BTreeSet<Part> {
        let wants = self.sliced.values().flatten();
        wants.flat_map(|(view, spans)| Ledger::parts_of_slices(view, spans)).collect()
    }

    /// The series that are cut into slices on a day, sorted.
    pub(crate) fn sliced_series(&self, day: Day) -> Vec<SeriesKey> {
        let series: BTreeSet<&SeriesKey> =
            self.sliced.get(&day).into_iter().flatten().map(|(view, _)| &view.series).collect();
        series.into_iter().cloned().collect()
    }
}

/// The spans whose minutes are added up for the sums of a span within a day: itself, or the rest of the day if that
/// lies in fewer parts. Then the sums are those of the day without the rest, which is told by `true`.
fn summed(span: Span) -> (Vec<Span>, bool) {
    let rest: Vec<Span> = around(span).into_iter().filter(|span| !span.is_empty()).collect();
    let parts = |spans: &[Span]| spans.iter().flat_map(|span| Part::of_span(*span)).count();
    if parts(&rest) < parts(&[span]) { (rest, true) } else { (vec![span], false) }
}

/// What was taken, of all series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extracts {
    sums: BTreeMap<Span, HashMap<SeriesKey, Sums>>,
    /// Ends of the newest known minutes.
    newest: BTreeMap<Span, HashMap<SeriesKey, Minute>>,
    known: BTreeMap<Part, (Arc<Vec<SeriesKey>>, Vec<u8>)>,
}

impl Extracts {
    /// Nothing, of everything that is wanted: what is kept nowhere has no sums.
    pub(crate) fn of(wanted: &Wanted) -> Self {
        let summed = wanted.sums.iter().flat_map(|span| summed(*span).0);
        Self {
            sums: summed.map(|span| (span, HashMap::new())).collect(),
            newest: wanted.newest.iter().map(|span| (*span, HashMap::new())).collect(),
            known: BTreeMap::new(),
        }
    }

    /// What is wanted of a part, from the minutes of its series one after the other.
    pub(crate) fn look(wanted: &Wanted, part: Part, series: &[SeriesKey], columns: &DaySlice<'_>) -> Self {
        let mut found = Self::of(wanted);
        found.sums.retain(|span, _| !span.intersect(part.span()).is_empty());
        found.newest.retain(|span, _| !span.intersect(part.span()).is_empty());
        for (span, sums) in &mut found.sums {
            for (series, row) in series.iter().zip(rows(part, *span, columns)) {
                sums.insert(series.clone(), row.sums());
            }
        }
        for (span, newest) in &mut found.newest {
            let start = span.intersect(part.span()).start;
            for (series, row) in series.iter().zip(rows(part, *span, columns)) {
                let slot = row.known.iter().rposition(|known| *known == 1);
                let end = slot.and_then(|slot| Some(start.plus(i32::try_from(slot + 1).ok()?)));
                newest.extend(end.map(|end| (series.clone(), end)));
            }
        }
        found
    }

    /// Adds what another part gave.
    pub(crate) fn add(&mut self, other: Self) {
        for (span, sums) in other.sums {
            let held = self.sums.entry(span).or_default();
            sums.into_iter().for_each(|(series, sums)| held.entry(series).or_default().add(sums));
        }
        for (span, newest) in other.newest {
            let held = self.newest.entry(span).or_default();
            for (series, end) in newest {
                let newest = held.entry(series).or_insert(end);
                *newest = end.max(*newest);
            }
        }
        self.known.extend(other.known);
    }

    /// Adds which minutes of a part are known, of its series one after the other.
    pub(crate) fn add_known(&mut self, part: Part, series: Arc<Vec<SeriesKey>>, known: Vec<u8>) {
        self.known.insert(part, (series, known));
    }

    /// The sums over a span within a day; `None` if they were not wanted.
    pub(super) fn sums(&self, series: &SeriesKey, span: Span, of_day: impl Fn() -> Sums) -> Option<Sums> {
        let of = |span: &Span| Some(self.sums.get(span)?.get(series).copied().unwrap_or_default());
        if let Some(sums) = of(&span) {
            return Some(sums);
        }
        let (spans, is_rest) = summed(span);
        let rest = spans.iter().map(of).collect::<Option<Vec<Sums>>>().filter(|_| is_rest)?;
        Some(rest.into_iter().fold(of_day(), Sums::less))
    }

    /// Whether the newest known minutes of a span were wanted.
    pub(super) fn has_newest(&self, span: Span) -> bool {
        self.newest.contains_key(&span)
    }

    /// The end of the newest known minute of a span, where it was wanted and there is one.
    pub(super) fn newest(&self, series: &SeriesKey, span: Span) -> Option<Minute> {
        self.newest.get(&span)?.get(series).copied()
    }

    /// Which minutes of a part are known, nothing where nothing is; `None` if it was not wanted.
    pub(super) fn known(&self, series: &SeriesKey, part: Part) -> Option<&[u8]> {
        let (list, known) = self.known.get(&part)?;
        let width = part.slots().len();
        let place = list.binary_search(series).ok();
        Some(place.and_then(|place| known.get(place * width..(place + 1) * width)).unwrap_or_default())
    }
}

/// The minutes of a part that lie in a span, of one series after the other.
fn rows<'a>(part: Part, span: Span, columns: &DaySlice<'a>) -> impl Iterator<Item = DaySlice<'a>> {
    let inside = slots(span.intersect(part.span()));
    let range = inside.start - part.slots().start..inside.end - part.slots().start;
    let width = part.slots().len();
    let all =
        columns.total.chunks_exact(width).zip(columns.bad.chunks_exact(width)).zip(columns.known.chunks_exact(width));
    all.map(move |((total, bad), known)| DaySlice {
        total: &total[range.clone()],
        bad: &bad[range.clone()],
        known: &known[range.clone()],
    })
}
