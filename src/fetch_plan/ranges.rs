//! The ranges to fetch from sources that answer with the counts of any span, so that each minute is fetched once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::series::SeriesKey;
use crate::slo::{Indicator, Source, SourceKind};
use crate::time::{Minute, Span};

/// CloudWatch counts younger than this are fetched again by every run: values have come more than 20 minutes late for
/// hours on end (grafana/alloy #3929, Netflix/atlas #1300), and a metric costs the same whatever the span.
const CLOUDWATCH_LATENESS_MINUTES: i32 = 120;
/// Log objects may arrive hours late. A query reads whole days anyway, so that fetching half a day again costs little.
const ATHENA_LATENESS_MINUTES: i32 = 12 * 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeRequest {
    pub source: String,
    pub kind: SourceKind,
    /// The end of what the source can know.
    pub end: Minute,
    /// Minutes before this no longer change.
    pub settled: Minute,
    /// `settled` as of now, where the evaluation is of an earlier minute.
    pub settled_now: Minute,
    /// The indicator and the first minute of each series.
    pub series: BTreeMap<SeriesKey, (Indicator, Minute)>,
    /// Series of target groups by tags: their minutes before the look-up are unknown.
    pub tagged_series: BTreeSet<SeriesKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FetchedRange {
    pub from: Minute,
    #[serde(rename = "settled_until")]
    pub settled: Minute,
    /// Minutes from `settled` up to this may still change.
    #[serde(rename = "until")]
    pub end: Minute,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRange {
    pub span: Span,
    pub series: Vec<SeriesKey>,
}

impl RangeRequest {
    /// A request without series. A future `at` is fetched up to now.
    pub(super) fn new(name: &str, source: &Source, at: Minute, now: Minute) -> Self {
        let is_cloudwatch = matches!(source.kind, SourceKind::CloudWatch { .. });
        let lateness_minutes = if is_cloudwatch { CLOUDWATCH_LATENESS_MINUTES } else { ATHENA_LATENESS_MINUTES };
        let end = source.settled_until(at.min(now));
        let settled_at = |moment: Minute| source.settled_until(moment).min(moment.plus(-lateness_minutes));
        Self {
            source: name.to_owned(),
            kind: source.kind.clone(),
            end,
            settled: settled_at(at.min(now)),
            settled_now: settled_at(now),
            series: BTreeMap::new(),
            tagged_series: BTreeSet::new(),
        }
    }

    /// Adds the series of an SLO; several SLOs may have the same.
    pub(super) fn add_series(&mut self, series: SeriesKey, indicator: &Indicator, from: Minute) {
        // CloudWatch keeps hours longest.
        let from = from.plus(-from.0.rem_euclid(60));
        let (_, earliest) = self.series.entry(series).or_insert_with(|| (indicator.clone(), from));
        *earliest = from.min(*earliest);
    }
}

/// The ranges that were not fetched yet or may have changed, newest first.
pub fn missing_ranges(request: &RangeRequest, fetched: &BTreeMap<SeriesKey, FetchedRange>) -> Vec<FetchRange> {
    let mut ranges: BTreeMap<(Minute, Minute), Vec<SeriesKey>> = BTreeMap::new();
    for (series, (_, from)) in &request.series {
        let missing = match fetched.get(series) {
            None => [Some(Span::new(*from, request.end)), None],
            Some(range) => [
                // A clock that went back, or an earlier evaluation time, fetches nothing.
                (range.end < request.end).then(|| Span::new(range.settled, request.end)),
                Some(Span::new(*from, request.end.min(range.from))),
            ],
        };
        for span in missing.into_iter().flatten().filter(|span| !span.is_empty()) {
            ranges.entry((span.start, span.end)).or_default().push(series.clone());
        }
    }
    let newest_first = ranges.into_iter().rev();
    newest_first.map(|((start, end), series)| FetchRange { span: Span::new(start, end), series }).collect()
}

pub fn mark_fetched(
    fetched: &mut BTreeMap<SeriesKey, FetchedRange>,
    request: &RangeRequest,
    series: &SeriesKey,
    span: Span,
) {
    let settled = span.end.min(request.settled);
    let range = fetched.entry(series.clone()).or_insert(FetchedRange { from: span.start, settled, end: span.end });
    // A span that does not touch the range would leave a gap: it is fetched again with what lies between.
    if span.end < range.from || span.start > range.end {
        return;
    }
    if span.start <= range.settled {
        range.settled = range.settled.max(settled);
    }
    range.from = range.from.min(span.start);
    range.end = range.end.max(span.end);
}

/// Discards the minutes after now: an earlier run was given an evaluation time in the future. Returns the spans whose
/// minutes are unknown again, by series. What may still change is fetched again in any case.
pub fn discard_future(
    fetched: &mut BTreeMap<SeriesKey, FetchedRange>,
    request: &RangeRequest,
    now: Minute,
) -> BTreeMap<SeriesKey, Vec<Span>> {
    let mut discarded = BTreeMap::new();
    for series in request.series.keys() {
        let Some(range) = fetched.get_mut(series) else { continue };
        range.settled = range.settled.min(request.settled_now);
        if range.end > now {
            // It is unknown which minutes that run took for settled, so that all that may still change is discarded.
            discarded.insert(series.clone(), vec![Span::new(request.settled_now.max(range.from), range.end)]);
            invalidate(fetched, series, request.settled_now);
        }
    }
    discarded
}

/// Forgets that a series was fetched from a minute on, because more resources belong to it than were known.
pub fn invalidate(fetched: &mut BTreeMap<SeriesKey, FetchedRange>, series: &SeriesKey, from: Minute) {
    let Some(range) = fetched.get_mut(series) else { return };
    if from <= range.from {
        fetched.remove(series);
        return;
    }
    range.settled = range.settled.min(from);
    range.end = range.end.min(from);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rational::Rational;
    use crate::slo::AwsScope;

    const SERIES: &str = "metrics a query unread";

    fn request(at: i32, from: i32) -> RangeRequest {
        request_at(at, at, from)
    }

    fn request_at(at: i32, now: i32, from: i32) -> RangeRequest {
        let kind = SourceKind::CloudWatch { aws: AwsScope::default(), account: None };
        let source =
            Source { kind, delay_minutes: 3, fetch_interval_minutes: 5, unparsed_limit: Rational::from_integer(0) };
        let mut request = RangeRequest::new("metrics", &source, Minute(at), Minute(now));
        let indicator = Indicator::Query { source: "metrics".to_owned(), file: "a".to_owned(), sql: None };
        assert_eq!(indicator.series().as_str(), SERIES);
        request.add_series(indicator.series(), &indicator, Minute(from));
        request
    }

    /// What is asked at some moments, if all of it is answered.
    fn ranges_at(moments: &[(i32, i32)]) -> Vec<Vec<(i32, i32)>> {
        let mut fetched = BTreeMap::new();
        let ranges = |(at, from): &(i32, i32)| {
            let request = request(*at, *from);
            let missing = missing_ranges(&request, &fetched);
            for range in &missing {
                for series in &range.series {
                    mark_fetched(&mut fetched, &request, series, range.span);
                }
            }
            missing.iter().map(|ask| (ask.span.start.0, ask.span.end.0)).collect()
        };
        moments.iter().map(ranges).collect()
    }

    #[test]
    fn each_minute_is_fetched_once_unless_it_may_still_change() {
        assert_eq!(
            ranges_at(&[(1_000, 130), (1_002, 130), (1_005, 130), (1_066, 130), (1_070, 65)]),
            [
                vec![(120, 997)],
                vec![],                        // nothing is due before the next five minutes
                vec![(880, 1_002)],            // what was younger than two hours once more
                vec![(885, 1_062)],            // a pause leaves no gap
                vec![(946, 1_067), (60, 120)], // a longer window asks for what lies before
            ]
        );
    }

    #[test]
    fn evaluating_an_earlier_time_fetches_nothing() {
        assert_eq!(ranges_at(&[(1_000, 100), (900, 100)]), [vec![(60, 997)], vec![]]);
    }

    #[test]
    fn fetching_newest_first_settles_only_contiguous_ranges() {
        let mut fetched = BTreeMap::new();
        let mark_all = |asked: &mut BTreeMap<SeriesKey, FetchedRange>, at: i32, spans: &[(i32, i32)]| {
            let request = request(at, 60);
            for (start, end) in spans {
                mark_fetched(asked, &request, &SeriesKey::new(SERIES), Span::new(Minute(*start), Minute(*end)));
            }
            let range = asked[&SeriesKey::new(SERIES)];
            (range.from.0, range.settled.0, range.end.0)
        };
        assert_eq!(mark_all(&mut fetched, 1_000, &[(990, 997), (500, 990), (60, 500)]), (60, 880, 997));
        assert_eq!(
            mark_all(&mut fetched, 1_005, &[(992, 1_002)]),
            (60, 880, 1_002),
            "what lies before was not asked again yet"
        );
        assert_eq!(mark_all(&mut fetched, 1_005, &[(880, 992)]), (60, 885, 1_002));
        // After a pause the newest piece alone would leave a hole.
        assert_eq!(mark_all(&mut fetched, 2_000, &[(1_500, 1_997)]), (60, 885, 1_002));
        assert_eq!(mark_all(&mut fetched, 2_000, &[(885, 1_500), (1_500, 1_997)]), (60, 1_880, 1_997));
    }

    #[test]
    fn invalidated_minutes_are_fetched_again_and_none_before_them() {
        let request = request(1_000, 100);
        let series = SeriesKey::new(SERIES);
        let spans = |from: i32| {
            let mut fetched = BTreeMap::new();
            mark_fetched(&mut fetched, &request, &series, Span::new(Minute(60), Minute(997)));
            invalidate(&mut fetched, &series, Minute(from));
            missing_ranges(&request, &fetched).iter().map(|ask| (ask.span.start.0, ask.span.end.0)).collect::<Vec<_>>()
        };
        assert_eq!(spans(700), [(700, 997)]);
        assert_eq!(spans(990), [(880, 997)], "what may still change goes with it");
        assert_eq!(spans(997), []);
        assert_eq!(spans(50), [(60, 997)]);
    }

    #[test]
    fn future_evaluation_time_is_fetched_up_to_now() {
        assert_eq!(request_at(5_000, 1_000, 60), request(1_000, 60));
        // A look back settles no more than it would have then.
        let earlier = request_at(800, 1_000, 60);
        assert_eq!((earlier.end, earlier.settled, earlier.settled_now), (Minute(797), Minute(680), Minute(880)));
    }

    #[test]
    fn ranges_fetched_from_the_future_are_discarded() {
        let series = SeriesKey::new(SERIES);
        let range = |from: i32, settled: i32, end: i32| FetchedRange {
            from: Minute(from),
            settled: Minute(settled),
            end: Minute(end),
        };
        let discard = |at: i32, before: FetchedRange| {
            let mut fetched = BTreeMap::from([(series.clone(), before)]);
            let discarded = discard_future(&mut fetched, &request_at(at, 1_000, 60), Minute(1_000));
            let discarded: Vec<(i32, i32)> =
                discarded.into_values().flatten().map(|span| (span.start.0, span.end.0)).collect();
            (discarded, fetched.get(&series).copied())
        };
        let valid = range(60, 880, 997);
        assert_eq!(discard(1_000, valid), (vec![], Some(valid)));
        assert_eq!(discard(600, valid), (vec![], Some(valid)), "a look back changes nothing");
        // A run of a moment that was to come, and one of the time when younger minutes were settled.
        assert_eq!(discard(1_000, range(60, 1_100, 1_217)), (vec![(880, 1_217)], Some(range(60, 880, 880))));
        assert_eq!(discard(1_000, range(990, 1_100, 1_217)), (vec![(990, 1_217)], None));
        assert_eq!(discard(1_000, range(60, 985, 997)), (vec![], Some(valid)));
    }

    #[test]
    fn unanswered_range_is_fetched_again() {
        let request = request(1_000, 100);
        let mut fetched = BTreeMap::new();
        mark_fetched(&mut fetched, &request, &SeriesKey::new(SERIES), Span::new(Minute(500), Minute(997)));
        let spans: Vec<Span> = missing_ranges(&request, &fetched).iter().map(|ask| ask.span).collect();
        assert_eq!(spans, [Span::new(Minute(60), Minute(500))]);
    }
}
