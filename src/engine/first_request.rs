//! First requests of series that select target groups by tags.
//!
//! Logs contain the names of target groups, and not what had the tags before discovery looked, so silence
//! before the first known request is unknown.

use std::collections::{BTreeMap, BTreeSet};

use crate::counts::{Counts, MinuteCount};
use crate::fetch_plan::{AccessLogRequest, RangeRequest};
use crate::ledger::Ledger;
use crate::series::SeriesKey;
use crate::store::LedgerStore;
use crate::time::{Day, Minute};

/// The name under which the minute of the first request is stored.
const FIRST_REQUEST_KEY: &str = "request";
/// No window is longer.
const LOOKBACK_DAYS: i32 = 400;

/// First values by series, as the ledger stores them.
type FirstValues = BTreeMap<SeriesKey, BTreeMap<String, Minute>>;

/// The first requests of tagged series, including those that `counts` of log objects add.
pub(super) fn first_requests_in_objects(
    request: &AccessLogRequest,
    ledger: &Ledger,
    counts: &BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
    store: &LedgerStore,
) -> FirstValues {
    let find_first = |series: &SeriesKey| {
        let days = counts.iter().filter(|((one, _), _)| one == series);
        let found = first_minute_with_traffic(days.map(|((_, day), minutes)| (*day, minutes.iter().copied())));
        Some((series.clone(), first_value(first_request(series, found, (ledger, request.span.end), store)?)))
    };
    request.tagged_series.iter().filter_map(find_first).collect()
}

/// When each tagged series had its first request, as far as any source has shown. A series without any is unknown for
/// ever.
pub(super) fn first_requests(tagged: &BTreeSet<SeriesKey>, store: &LedgerStore) -> BTreeMap<SeriesKey, Minute> {
    let stored =
        |series: &SeriesKey| store.first_values(series).get(FIRST_REQUEST_KEY).copied().unwrap_or(Minute(i32::MAX));
    tagged.iter().map(|series| (series.clone(), stored(series))).collect()
}

/// Removes counts before the first request, and returns the first requests. Spans come newest first, so that what lies
/// before the first request of a span stays unknown unless an older one is already known.
pub(super) fn drop_before_first_request(
    request: &RangeRequest,
    ledger: &Ledger,
    counts: &mut Counts,
    store: &LedgerStore,
) -> FirstValues {
    let mut first_values = FirstValues::new();
    for series in &request.tagged_series {
        let days = counts.iter().filter(|((one, _), _)| one == series);
        let days = days.map(|((_, day), minutes)| (*day, minutes.0.iter().map(|count| count.unwrap_or_default())));
        let first = first_request(series, first_minute_with_traffic(days), (ledger, request.end), store);
        for ((_, day), minutes) in counts.iter_mut().filter(|((one, _), _)| one == series) {
            let dropped = first.map_or(i32::MAX, |first| first.0.saturating_sub(day.start().0));
            minutes.0.iter_mut().take(usize::try_from(dropped).unwrap_or(0)).for_each(|count| *count = None);
        }
        first_values.extend(first.map(|first| (series.clone(), first_value(first))));
    }
    first_values
}

fn first_value(first: Minute) -> BTreeMap<String, Minute> {
    BTreeMap::from([(FIRST_REQUEST_KEY.to_owned(), first)])
}

fn first_minute_with_traffic<M: Iterator<Item = MinuteCount>>(
    mut days: impl Iterator<Item = (Day, M)>,
) -> Option<Minute> {
    days.find_map(|(day, mut minutes)| {
        let slot = minutes.position(|count| count.total > 0)?;
        Some(day.start().plus(i32::try_from(slot).ok()?))
    })
}

/// The first request of a series before a minute: what was found now, or is stored.
fn first_request(
    series: &SeriesKey,
    found: Option<Minute>,
    (ledger, end): (&Ledger, Minute),
    store: &LedgerStore,
) -> Option<Minute> {
    // An older ledger has not stored it, and has its day.
    let mut days = (0..=LOOKBACK_DAYS).rev().map(|back| end.day().plus(-back));
    let first_ledger_day = || days.find(|day| ledger.day_sums(series, *day).total > 0).map(Day::start);
    let stored = store.first_values(series).get(FIRST_REQUEST_KEY).copied().or_else(first_ledger_day);
    found.into_iter().chain(stored).min()
}
