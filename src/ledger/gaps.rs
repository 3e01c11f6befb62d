//! When minutes without log lines are minutes without traffic, and not a gap in delivery.
//!
//! The rule is the same wherever log lines are counted, by slowburn or by Athena. Around folders that could not be
//! listed it does not apply: what would lie there is unknown. Known minutes stay known; none becomes known until the
//! folder was listed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

/// Minutes before a day whose objects lie in its folder: the interval that ends at midnight.
const INTERVAL_MINUTES: i32 = 5;
/// The same of a Classic Load Balancer, which may write once an hour.
const CLASSIC_INTERVAL_MINUTES: i32 = 60;
/// With at least this many lines in five minutes, minutes without lines are a gap in delivery: with a mean of 8
/// requests the probability of none is e^-8 = 0.03% (Poisson), and lower for a longer gap.
const QUIET_LINES: u64 = 8;

/// Minutes on each side of a gap over which the rate of lines is measured. One interval alone would be too uneven, and
/// a whole day would miss the evening of an office.
const RATE_WINDOW_MINUTES: i32 = 60;

/// Spans of known minutes, with traffic or without, from delivered intervals in order with their lines. None lies
/// beyond the newest delivery.
pub fn known_spans(intervals: &[(Span, u64)], newest_delivery: Option<Minute>) -> Vec<Span> {
    let mut spans: Vec<Span> = intervals.iter().map(|(span, _)| *span).collect();
    for pair in intervals.windows(2) {
        let [(left, _), (right, _)] = pair else { continue };
        let before = Span::ending_at(left.end, RATE_WINDOW_MINUTES);
        let after = Span::new(right.start, right.start.plus(RATE_WINDOW_MINUTES));
        if left.end < right.start && (is_quiet(intervals, before) || is_quiet(intervals, after)) {
            spans.push(Span::new(left.end, right.start));
        }
    }
    if let (Some((last, _)), Some(newest)) = (intervals.last(), newest_delivery)
        && is_quiet(intervals, Span::ending_at(last.end, RATE_WINDOW_MINUTES))
    {
        spans.push(Span::new(last.end, newest));
    }
    spans
}

/// Whether the intervals within a span have, on average over the whole of it, fewer than [`QUIET_LINES`] in five
/// minutes.
fn is_quiet(intervals: &[(Span, u64)], span: Span) -> bool {
    let first = intervals.partition_point(|(interval, _)| interval.start < span.start);
    let inside = intervals[first..].iter().take_while(|(interval, _)| interval.end <= span.end);
    inside.map(|(_, lines)| lines * 5).sum::<u64>() < QUIET_LINES * u64::from(span.minutes())
}

/// By source and day of delivery, the accounts and regions whose folder was not listed: one, the common start of
/// several, or the empty text for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlistedFolders(pub BTreeMap<String, BTreeMap<Day, BTreeSet<String>>>);

impl UnlistedFolders {
    pub fn insert(&mut self, source: &str, day: Day, account_region: &str) {
        self.0.entry(source.to_owned()).or_default().entry(day).or_default().insert(account_region.to_owned());
    }

    /// Removes a day of which all folders were listed.
    pub fn remove(&mut self, source: &str, day: Day) {
        if let Some(days) = self.0.get_mut(source) {
            days.remove(&day);
        }
        self.0.retain(|_, days| !days.is_empty());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn drop_before(&mut self, first: Day) {
        self.0.retain(|_, days| {
            days.retain(|day, _| *day >= first);
            !days.is_empty()
        });
    }

    pub fn contains(&self, source: &str, day: Day) -> bool {
        self.0.get(source).is_some_and(|days| days.contains_key(&day))
    }

    pub fn days(&self, source: &str) -> impl Iterator<Item = Day> + use<'_> {
        self.0.get(source).into_iter().flat_map(|days| days.keys().copied())
    }

    /// The minutes of a day whose objects may lie in folders that were not listed, for a series of some load balancers,
    /// each as account and region, and name.
    pub(super) fn affected_span(
        &self,
        series: &SeriesKey,
        balancers: &BTreeSet<(&str, &str)>,
        day: Day,
    ) -> Option<Span> {
        let days = self.0.get(series.source())?;
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
