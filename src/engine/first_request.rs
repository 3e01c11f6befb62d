//! Since when anything can be said of target groups by tags: logs hold their names, and not what had the tags before
//! anybody looked, so that no request before the first that is known of them is no silence.

use std::collections::{BTreeMap, BTreeSet};

use crate::counts::{Counts, MinuteCount};
use crate::fetch_plan::{AccessLogRequest, RangeRequest};
use crate::ledger::Ledger;
use crate::series::SeriesKey;
use crate::store::LedgerStore;
use crate::time::{Day, Minute};

/// What the minute of a series' first request is kept by.
const FIRST_REQUEST_KEY: &str = "request";
/// No window is longer than so many days.
const LOOKBACK_DAYS: i32 = 400;

/// What objects held of each series, by minutes of the day.
type DailyCounts = BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>;

/// Notes the first requests that objects held of series by tags.
pub(super) fn record_first_requests(
    request: &AccessLogRequest,
    ledger: &Ledger,
    counts: &DailyCounts,
    store: &mut LedgerStore,
) {
    let mut first_minutes = BTreeMap::new();
    for series in &request.tagged_series {
        let mut days = counts.iter().filter(|((of, _), _)| of == series);
        let found = days
            .find_map(|((_, day), minutes)| first_minute_with_traffic(*day, minutes.iter().map(|count| count.total)));
        first_minutes.insert(series.clone(), first_request(series, found, (ledger, request.span.end), store));
    }
    store_first_minutes(&first_minutes, store);
}

/// When each series by tags had its first request, as far as it is known by now, of whatever source. One without any is
/// unknown for ever.
pub(super) fn first_requests(tagged: &BTreeSet<SeriesKey>, store: &LedgerStore) -> BTreeMap<SeriesKey, Minute> {
    let stored_minute =
        |series: &SeriesKey| store.first_values(series).get(FIRST_REQUEST_KEY).copied().unwrap_or(Minute(i32::MAX));
    tagged.iter().map(|series| (series.clone(), stored_minute(series))).collect()
}

/// Leaves out of counts what lies before the first request. Spans come newest first, so that what lies before the first
/// one of a span stays unknown unless an older one is known already.
pub(super) fn drop_before_first_request(
    request: &RangeRequest,
    (ledger, counts): (&Ledger, &mut Counts),
    store: &mut LedgerStore,
) {
    let mut first_minutes = BTreeMap::new();
    for series in &request.tagged_series {
        let mut days = counts.iter().filter(|((of, _), _)| of == series);
        let totals = |count: &Option<MinuteCount>| count.map_or(0, |count| count.total);
        let found = days.find_map(|((_, day), minutes)| first_minute_with_traffic(*day, minutes.0.iter().map(totals)));
        let first_minute = first_request(series, found, (ledger, request.end), store);
        for ((_, day), minutes) in counts.iter_mut().filter(|((of, _), _)| of == series) {
            let dropped_minutes = first_minute.map_or(i32::MAX, |first| first.0.saturating_sub(day.start().0));
            let dropped_minutes = usize::try_from(dropped_minutes).unwrap_or(0);
            minutes.0.iter_mut().take(dropped_minutes).for_each(|count| *count = None);
        }
        first_minutes.insert(series.clone(), first_minute);
    }
    store_first_minutes(&first_minutes, store);
}

fn store_first_minutes(first_minutes: &BTreeMap<SeriesKey, Option<Minute>>, store: &mut LedgerStore) {
    let known = first_minutes.iter().filter_map(|(series, at)| Some((series.clone(), (*at)?)));
    let known = known.map(|(series, at)| (series, BTreeMap::from([(FIRST_REQUEST_KEY.to_owned(), at)])));
    store.add_first_values(&known.collect());
}

/// The minute of a day that has the first events.
fn first_minute_with_traffic(day: Day, mut totals: impl Iterator<Item = u32>) -> Option<Minute> {
    let slot = totals.position(|total| total > 0)?;
    Some(day.start().plus(i32::try_from(slot).ok()?))
}

/// The first request of a series up to some minute: what was found now, or is known already.
fn first_request(
    series: &SeriesKey,
    found: Option<Minute>,
    (ledger, end): (&Ledger, Minute),
    store: &LedgerStore,
) -> Option<Minute> {
    // An older ledger has not kept it, and has the day of it.
    let mut days = (0..=LOOKBACK_DAYS).rev().map(|back| end.day().plus(-back));
    let first_ledger_day = || days.find(|day| ledger.day_sums(series, *day).total > 0).map(Day::start);
    let stored = store.first_values(series).get(FIRST_REQUEST_KEY).copied().or_else(first_ledger_day);
    found.into_iter().chain(stored).min()
}
