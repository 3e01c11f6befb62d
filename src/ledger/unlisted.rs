//! Folders of days that could not be listed: what would lie there is unknown, so that no gap around it is taken for
//! silence.
//!
//! Minutes that are known stay known; none becomes known until the folder was listed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::series::SeriesKey;
use crate::time::{Day, Span};

/// Minutes before a day whose objects lie in its folder: the interval that ends at midnight.
const INTERVAL_MINUTES: i32 = 5;
/// The same of a Classic Load Balancer, which may write once an hour.
const CLASSIC_INTERVAL_MINUTES: i32 = 60;

/// By source and day of delivery, the areas of which the folder was not listed: an area, the start of several, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlistedFolders(pub BTreeMap<String, BTreeMap<Day, BTreeSet<String>>>);

impl UnlistedFolders {
    /// Notes that the folders of some areas were not listed; every area of the source starts with the empty text.
    pub fn insert(&mut self, source: &str, day: Day, account_region: &str) {
        self.0.entry(source.to_owned()).or_default().entry(day).or_default().insert(account_region.to_owned());
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

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops days before one.
    pub(crate) fn drop_before(&mut self, first: Day) {
        self.0.retain(|_, days| {
            days.retain(|day, _| *day >= first);
            !days.is_empty()
        });
    }

    /// Whether a folder of a day was not listed.
    pub fn contains(&self, source: &str, day: Day) -> bool {
        self.0.get(source).is_some_and(|days| days.contains_key(&day))
    }

    /// Days of which a folder was not listed.
    pub fn days(&self, source: &str) -> impl Iterator<Item = Day> + use<'_> {
        self.0.get(source).into_iter().flat_map(|days| days.keys().copied())
    }

    /// The minutes of a day whose objects may lie in folders that were not listed, for a series of some balancers, each
    /// as area and name.
    pub(super) fn affected_span(&self, series: &SeriesKey, balancers: &[(&str, &str)], day: Day) -> Option<Span> {
        let source = series.as_str().split(' ').next().unwrap_or_default();
        let days = self.0.get(source)?;
        let is_unlisted = |folder_day: Day, account_region: &str| {
            days.get(&folder_day).is_some_and(|areas| areas.iter().any(|one| account_region.starts_with(one.as_str())))
        };
        let mut affected: Option<Span> = None;
        for (account_region, name) in balancers {
            let interval_minutes =
                if name.starts_with("classic/") { CLASSIC_INTERVAL_MINUTES } else { INTERVAL_MINUTES };
            let start = if is_unlisted(day, account_region) {
                day.start()
            } else if is_unlisted(day.plus(1), account_region) {
                day.span().end.plus(-interval_minutes)
            } else {
                continue;
            };
            affected = Some(Span::new(affected.map_or(start, |held| held.start.min(start)), day.span().end));
        }
        affected
    }
}
