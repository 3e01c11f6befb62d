//! All known minutes of all series, and which log objects they were counted from; absent on purpose: where it is kept.
//!
//! **Invariant:** the state depends on the set of answers absorbed, never on their order or batching.

mod absorb;
mod coverage;
mod extracts;
mod minutes;
mod objects;
mod part;
mod silence;
mod slices;
mod sums;
mod unlisted;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::counts::{DaySlice, Sums};
use crate::minute::{Day, Minute, Span};
use crate::series::SeriesKey;

pub use absorb::{AbsorbError, ObjectsAnswer};
pub(crate) use extracts::Extracts;
pub use extracts::Wanted;
pub use minutes::DayMinutes;
pub(crate) use objects::{Delivery, Origin, PartObjects, deliver};
pub use objects::{ListedObject, ObjectRecord, filed_under};
pub use part::Part;
pub use silence::heard;
pub(crate) use slices::SlicedSums;
pub(crate) use sums::DaySums;
pub use unlisted::Unlisted;
pub use view::{Table, View, ViewSums};

/// Parts of days are in the ledger, but were not loaded for this question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the minutes or objects of {} are not loaded\nhint: load them first", first(.0))]
pub struct NotLoaded(pub BTreeSet<Part>);

impl From<Part> for NotLoaded {
    fn from(part: Part) -> Self {
        Self(BTreeSet::from([part]))
    }
}

fn first(parts: &BTreeSet<Part>) -> String {
    parts.first().map_or_else(String::new, ToString::to_string)
}

/// Log objects of one load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectsWritten {
    /// How many.
    pub count: u64,
    /// The sources that they were read by.
    pub sources: BTreeSet<String>,
}

/// What has been loaded of the ledger.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub(crate) minutes: BTreeMap<Day, DayMinutes>,
    pub(crate) objects: BTreeMap<Part, PartObjects>,
    pub(crate) sums: HashMap<SeriesKey, Arc<DaySums>>,
    pub(crate) sliced: SlicedSums,
    /// Of parts whose minutes were left where they are.
    pub(crate) extracts: Extracts,
    /// Parts that are kept, but whose minutes or objects were left where they are.
    pub(crate) minutes_left: BTreeSet<Part>,
    pub(crate) objects_left: BTreeSet<Part>,
    pub(crate) minutes_changed: BTreeSet<Part>,
    pub(crate) objects_changed: BTreeSet<Part>,
    /// Folders of days that were not listed.
    pub(crate) unlisted: Unlisted,
    /// Which state of a shelf it was loaded from, if from any.
    pub(crate) edition: Option<u64>,
}

impl Ledger {
    /// Exact sums over any span: day sums for whole days, minutes for partial ones.
    ///
    /// # Errors
    /// [`NotLoaded`] if a partial day of the span is kept but was not loaded.
    pub fn sums(&self, series: &SeriesKey, span: Span) -> Result<Sums, NotLoaded> {
        let view = View { series: series.clone(), slices: None, excluded: Vec::new() };
        ViewSums::of(self, &view).over(span)
    }

    /// Sums over a span within one day.
    fn part_sums(&self, series: &SeriesKey, part: Span) -> Result<Sums, NotLoaded> {
        let day = part.start.day();
        if part == day.span() {
            return Ok(self.day_sums(series, day));
        }
        if let Some(sums) = self.extracts.sums(series, part, || self.day_sums(series, day)) {
            return Ok(sums);
        }
        match self.first_left(part) {
            Some(left) => Err(left.into()),
            None => Ok(self.minutes.get(&day).map_or_else(Sums::default, |minutes| minutes.sums(series, slots(part)))),
        }
    }

    /// The first part of a span that is kept but was not loaded.
    fn first_left(&self, span: Span) -> Option<Part> {
        Part::of_span(span).find(|part| self.minutes_left.contains(part))
    }

    /// Whether anything was ever known of a series.
    #[must_use]
    pub fn knows(&self, series: &SeriesKey) -> bool {
        self.sums.contains_key(series)
    }

    /// Whether a series had events before a minute.
    ///
    /// # Errors
    /// [`NotLoaded`] if only the minutes of that day can tell, and they were not loaded.
    pub fn had_traffic(&self, series: &SeriesKey, before: Minute) -> Result<bool, NotLoaded> {
        let day = before.day();
        if self.sums.get(series).is_some_and(|days| days.over(Day(i32::MIN), day).total > 0) {
            return Ok(true);
        }
        Ok(self.day_sums(series, day).total > 0 && self.sums(series, Span::new(day.start(), before))?.total > 0)
    }

    /// Sums of a whole UTC day.
    #[must_use]
    pub fn day_sums(&self, series: &SeriesKey, day: Day) -> Sums {
        self.sums.get(series).map_or_else(Sums::default, |days| days.over(day, day.plus(1)))
    }

    /// The minutes of a day; `None` if nothing is known of it.
    ///
    /// # Errors
    /// [`NotLoaded`] if a part of the day is kept but was not loaded.
    pub fn day(&self, series: &SeriesKey, day: Day) -> Result<Option<DaySlice<'_>>, NotLoaded> {
        match self.first_left(day.span()) {
            Some(left) => Err(left.into()),
            None => Ok(self.minutes.get(&day).and_then(|minutes| minutes.of(series))),
        }
    }

    /// The end of the newest known minute before `before`; `None` if no minute is known.
    ///
    /// # Errors
    /// [`NotLoaded`] if the minutes before `before` of that minute's day were not loaded.
    pub fn watermark(&self, series: &SeriesKey, before: Minute) -> Result<Option<Minute>, NotLoaded> {
        let Some(days) = self.sums.get(series) else { return Ok(None) };
        for day in days.back_from(before.plus(-1).day()) {
            let span = Span::new(day.start(), before).intersect(day.span());
            if self.extracts.has_newest(span) {
                match self.extracts.newest(series, span) {
                    None => continue,
                    newest => return Ok(newest),
                }
            }
            let left: BTreeSet<Part> = Part::of_span(span).filter(|part| self.minutes_left.contains(part)).collect();
            if !left.is_empty() {
                return Err(NotLoaded(left));
            }
            let Some(minutes) = self.minutes.get(&day) else { continue };
            let known = minutes.place(series).map(|place| minutes.row(place, slots(span)).known);
            if let Some(slot) = known.and_then(|known| known.iter().rposition(|known| *known == 1)) {
                let slot = i32::try_from(slot + minutes.slots().start).unwrap_or(0);
                return Ok(Some(day.start().plus(slot + 1)));
            }
        }
        Ok(None)
    }

    /// How many log objects were loaded, by account and region and by the load balancer that wrote them: the name of a
    /// Classic one may be that of another in the next account.
    #[must_use]
    pub fn objects_by_balancer(&self) -> BTreeMap<(String, String), ObjectsWritten> {
        let mut found: BTreeMap<(String, String), ObjectsWritten> = BTreeMap::new();
        for part in self.objects.values() {
            let PartObjects::Records(records) = part else { continue };
            for record in records {
                let key = (record.area().to_owned(), record.load_balancer.to_string());
                let written = found.entry(key).or_default();
                written.count += 1;
                for source in record.counted.iter().map(SeriesKey::source) {
                    if !written.sources.contains(source) {
                        written.sources.insert(source.to_owned());
                    }
                }
            }
        }
        found
    }

    /// The minutes that [`Self::watermark`] looks at first: those before `before` of the newest day with a known
    /// minute.
    #[must_use]
    pub fn newest_known(&self, series: &SeriesKey, before: Minute) -> Span {
        let newest = self.sums.get(series).and_then(|days| days.newest(before.plus(-1).day()));
        newest.map_or(Span::new(before, before), |day| Span::new(day.start(), before).intersect(day.span()))
    }
}

/// The minutes of a span within one day as places in its tables.
fn slots(span: Span) -> Range<usize> {
    let start = span.start.of_day();
    start..start + span.minutes() as usize
}

/// The rest of the day of a span within it.
fn around(part: Span) -> [Span; 2] {
    let day = part.start.day().span();
    [Span::new(day.start, part.start), Span::new(part.end, day.end)]
}
