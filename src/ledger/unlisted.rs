//! Folders of days that could not be listed: what would lie there is unknown, so that no gap around it is taken for
//! silence.
//!
//! Minutes that are known stay known; none becomes known until the folder was listed.

use std::collections::{BTreeMap, BTreeSet};

use crate::minute::{Day, Span};
use crate::series::SeriesKey;

/// Minutes before a day whose objects lie in its folder: the interval that ends at midnight.
const BEFORE_MINUTES: i32 = 5;
/// The same of a Classic Load Balancer, which may write once an hour.
const BEFORE_MINUTES_CLASSIC: i32 = 60;

/// By source and day of delivery, the areas of which the folder was not listed: an area, the start of several, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlisted(pub BTreeMap<String, BTreeMap<Day, BTreeSet<String>>>);

impl Unlisted {
    /// Notes that the folders of some areas were not listed; every area of the source starts with the empty text.
    pub fn add(&mut self, source: &str, day: Day, area: &str) {
        self.0.entry(source.to_owned()).or_default().entry(day).or_default().insert(area.to_owned());
    }

    /// Notes that all folders of a day were listed.
    pub fn remove(&mut self, source: &str, day: Day) {
        if let Some(days) = self.0.get_mut(source) {
            days.remove(&day);
            if days.is_empty() {
                self.0.remove(source);
            }
        }
    }

    /// Whether a folder of a day was not listed.
    #[must_use]
    pub fn has(&self, source: &str, day: Day) -> bool {
        self.0.get(source).is_some_and(|days| days.contains_key(&day))
    }

    /// Days of which a folder was not listed.
    pub fn days(&self, source: &str) -> impl Iterator<Item = Day> + use<'_> {
        self.0.get(source).into_iter().flat_map(|days| days.keys().copied())
    }

    /// The minutes of a day whose objects may lie in folders that were not listed, for a series of some balancers, each
    /// as area and name.
    pub(super) fn of(&self, series: &SeriesKey, balancers: &[(&str, &str)], day: Day) -> Option<Span> {
        let source = series.as_str().split(' ').next().unwrap_or_default();
        let days = self.0.get(source)?;
        let is_unlisted = |of: Day, area: &str| {
            days.get(&of).is_some_and(|areas| areas.iter().any(|one| area.starts_with(one.as_str())))
        };
        let mut found: Option<Span> = None;
        for (area, name) in balancers {
            let before = if name.starts_with("classic/") { BEFORE_MINUTES_CLASSIC } else { BEFORE_MINUTES };
            let start = if is_unlisted(day, area) {
                day.start()
            } else if is_unlisted(day.plus(1), area) {
                day.span().end.plus(-before)
            } else {
                continue;
            };
            found = Some(Span::new(found.map_or(start, |held| held.start.min(start)), day.span().end));
        }
        found
    }
}
