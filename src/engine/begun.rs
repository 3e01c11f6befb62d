//! Since when anything can be said of target groups by tags: logs hold their names, and not what had the tags before
//! anybody looked, so that no request before the first that is known of them is no silence.

use std::collections::{BTreeMap, BTreeSet};

use crate::counts::{Count, Counts};
use crate::demand::{LogsQuestion, SpanQuestion};
use crate::ledger::Ledger;
use crate::minute::{Day, Minute};
use crate::series::SeriesKey;
use crate::store::LedgerStore;

/// What the minute of a series' first request is kept by.
const FIRST_REQUEST: &str = "request";
/// No window is longer than so many days.
const DAYS_KEPT: i32 = 400;

/// What objects held of each series, by minutes of the day.
type ByDay = BTreeMap<(SeriesKey, Day), Box<[Count]>>;

/// Notes the first requests that objects held of series by tags.
pub(super) fn note_first_requests(question: &LogsQuestion, ledger: &Ledger, counts: &ByDay, store: &mut LedgerStore) {
    let mut began = BTreeMap::new();
    for series in &question.tagged {
        let mut days = counts.iter().filter(|((of, _), _)| of == series);
        let found = days.find_map(|((_, day), minutes)| first_of(*day, minutes.iter().map(|count| count.total)));
        began.insert(series.clone(), first(series, found, (ledger, question.span.end), store));
    }
    keep(&began, store);
}

/// When each series by tags had its first request, as far as it is known by now, of whatever source. One without any is
/// unknown for ever.
pub(super) fn first_requests(tagged: &BTreeSet<SeriesKey>, store: &LedgerStore) -> BTreeMap<SeriesKey, Minute> {
    let first = |series: &SeriesKey| store.began(series).get(FIRST_REQUEST).copied().unwrap_or(Minute(i32::MAX));
    tagged.iter().map(|series| (series.clone(), first(series))).collect()
}

/// Leaves out of counts what lies before the first request. Spans come newest first, so that what lies before the first
/// one of a span stays unknown unless an older one is known already.
pub(super) fn leave_unseen(question: &SpanQuestion, (ledger, counts): (&Ledger, &mut Counts), store: &mut LedgerStore) {
    let mut began = BTreeMap::new();
    for series in &question.tagged {
        let mut days = counts.iter().filter(|((of, _), _)| of == series);
        let totals = |count: &Option<Count>| count.map_or(0, |count| count.total);
        let found = days.find_map(|((_, day), minutes)| first_of(*day, minutes.0.iter().map(totals)));
        let first = first(series, found, (ledger, question.end), store);
        for ((_, day), minutes) in counts.iter_mut().filter(|((of, _), _)| of == series) {
            let before = first.map_or(i32::MAX, |first| first.0.saturating_sub(day.start().0));
            let before = usize::try_from(before).unwrap_or(0);
            minutes.0.iter_mut().take(before).for_each(|count| *count = None);
        }
        began.insert(series.clone(), first);
    }
    keep(&began, store);
}

fn keep(began: &BTreeMap<SeriesKey, Option<Minute>>, store: &mut LedgerStore) {
    let known = began.iter().filter_map(|(series, at)| Some((series.clone(), (*at)?)));
    let known = known.map(|(series, at)| (series, BTreeMap::from([(FIRST_REQUEST.to_owned(), at)])));
    store.keep_began(&known.collect());
}

/// The minute of a day that has the first events.
fn first_of(day: Day, mut totals: impl Iterator<Item = u32>) -> Option<Minute> {
    let slot = totals.position(|total| total > 0)?;
    Some(day.start().plus(i32::try_from(slot).ok()?))
}

/// The first request of a series up to some minute: what was found now, or is known already.
fn first(
    series: &SeriesKey,
    found: Option<Minute>,
    (ledger, end): (&Ledger, Minute),
    store: &LedgerStore,
) -> Option<Minute> {
    // An older ledger has not kept it, and has the day of it.
    let mut days = (0..=DAYS_KEPT).rev().map(|back| end.day().plus(-back));
    let of_ledger = || days.find(|day| ledger.day_sums(series, *day).total > 0).map(Day::start);
    let held = store.began(series).get(FIRST_REQUEST).copied().or_else(of_ledger);
    found.into_iter().chain(held).min()
}
