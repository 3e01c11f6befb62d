//! What is fetched next, so that a run stays within `scan_limit`: the ranges of all series together, newest first, in
//! whole days. A query scans whole days of its table, however little of them it selects.

use std::collections::BTreeSet;

use super::response::AthenaResponse;
use super::templates::day_folder_range;
use crate::cost::{ATHENA_MEGABYTE as MEGABYTE, ATHENA_QUERY_BYTES_MIN as QUERY_BYTES_MIN, Bytes, NanoDollars};
use crate::fetch_plan::FetchRange;
use crate::hinted_error::HintedError;
use crate::series::SeriesKey;
use crate::slo::AthenaSource;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// Each query reads a day more than it selects.
const QUERY_DAYS_MAX: i32 = 7;
/// Counts of 16 bytes each that are held in memory, if every minute of every series has events.
const COUNTS_IN_MEMORY_MAX: i32 = 10_000_000;
/// The longest history that a hint suggests.
const HISTORY_DAYS_MAX: i32 = 400;
const DAY_MINUTES: u64 = MINUTES_PER_DAY.unsigned_abs() as u64;
const GIGABYTE: u64 = 1_000 * MEGABYTE;
const CENT: u64 = 10_000_000;

#[derive(Clone, Copy, Debug)]
pub struct ScanLimit {
    limit: Bytes,
    used: Bytes,
    fetch_end: Minute,
    now: Minute,
}

#[derive(Clone, Copy, Debug)]
pub struct ScanEstimate {
    pub query_count: u64,
    /// Bytes of a day, if they are known.
    pub day_bytes: Option<u64>,
}

impl ScanLimit {
    pub const fn new(source: &AthenaSource, fetch_end: Minute, now: Minute) -> Self {
        Self { limit: Bytes(source.scan_limit_bytes), used: Bytes(0), fetch_end, now }
    }

    /// Records what was billed. Returns the bytes of a day according to the response.
    pub fn record_scan(&mut self, response: &AthenaResponse, span: Span) -> Option<u64> {
        self.used.0 = self.used.0.saturating_add(response.usage.billed.0);
        day_bytes(response.scan_size?, span, self.now)
    }

    /// What a span will be billed for at most: the estimate, or, while the size of a day is unknown, the rest of the
    /// limit.
    pub fn max_bytes(&self, span: Span, estimate: ScanEstimate) -> Bytes {
        match estimate.day_bytes {
            Some(day_bytes) => expected_bytes(&[span], estimate.query_count, day_bytes, self.now),
            None => Bytes(self.limit.0.saturating_sub(self.used.0)),
        }
    }

    /// A scan of unknown size was skipped because of `--max-cost`.
    pub fn over_cost_limit_error(
        &self,
        name: &str,
        max_bytes: Bytes,
        spent: NanoDollars,
        cost_limit: NanoDollars,
    ) -> HintedError {
        let left = NanoDollars(cost_limit.0.saturating_sub(spent.0));
        let message = format!(
            "skipped `{name}`: scan size unknown, up to {max_bytes} ({}) allowed by `scan_limit`, but only {left} of \
             `--max-cost` {cost_limit} is left",
            max_bytes.price(),
        );
        let affordable = Bytes::affordable_with(left).0;
        let suggested_limit = match self.used.0.saturating_add(affordable) {
            _ if affordable < QUERY_BYTES_MIN => None,
            bytes @ ..GIGABYTE => Some(format!("{}MB", bytes / MEGABYTE)),
            bytes => Some(format!("{}GB", bytes / GIGABYTE)),
        };
        let lower_limit_hint = suggested_limit
            .map_or_else(String::new, |limit| format!("set `scan_limit: {limit}` for the source in fleet.yaml, or "));
        let suggested_cost =
            NanoDollars(spent.0.saturating_add(max_bytes.price().0).div_ceil(CENT).saturating_mul(CENT));
        HintedError::new(
            message,
            format!("{lower_limit_hint}raise `--max-cost` to {suggested_cost} until a day has been fetched"),
        )
    }

    /// The newest part of a range, to be fetched next: one day while the size of a day is unknown. If the whole range
    /// would exceed the limit, the newest day before the end of the fetch is still fetched, to show the current state.
    pub fn next_span(&self, range: &FetchRange, estimate: ScanEstimate) -> Result<Span, HintedError> {
        let newest_day = range.span.intersect(range.span.end.plus(-1).day().span());
        let Some(day_bytes) = estimate.day_bytes else {
            let least_bytes = Bytes(QUERY_BYTES_MIN.saturating_mul(estimate.query_count));
            if self.is_within_limit(least_bytes) {
                return Ok(newest_day);
            }
            let message = format!(
                "skipped because its first fetch is billed for at least {least_bytes}, but `scan_limit` is {}",
                self.limit_text(),
            );
            return HintedError::err(message, "raise `scan_limit` for the source in fleet.yaml");
        };
        let bytes_for = |spans: &[Span]| expected_bytes(spans, estimate.query_count, day_bytes, self.now);
        let runs = split_by_days(range.span, range.series.len());
        let all_bytes = bytes_for(&runs);
        if self.is_within_limit(all_bytes) {
            return Ok(runs.first().copied().unwrap_or(range.span));
        }
        let is_newest_range = range.span.end == self.fetch_end && newest_day != range.span;
        if is_newest_range && self.is_within_limit(bytes_for(&[newest_day])) {
            return Ok(newest_day);
        }
        let is_affordable = |days: &i32| {
            let span = Span::new(self.fetch_end.plus(-days * MINUTES_PER_DAY), range.span.end);
            !span.is_empty() && self.is_within_limit(bytes_for(&split_by_days(span, range.series.len())))
        };
        let affordable_days = (1..=HISTORY_DAYS_MAX).rev().find(is_affordable);
        Err(self.over_scan_limit_error(range.span, all_bytes, affordable_days))
    }

    fn is_within_limit(&self, bytes: Bytes) -> bool {
        self.used.0.saturating_add(bytes.0) <= self.limit.0
    }

    fn limit_text(&self) -> String {
        let Self { limit, used, .. } = self;
        if used.0 == 0 { limit.to_string() } else { format!("{limit}, of which {used} is used") }
    }

    fn over_scan_limit_error(&self, span: Span, all_bytes: Bytes, affordable_days: Option<i32>) -> HintedError {
        let message = format!(
            "skipped {span}: fetching it would scan about {all_bytes} (list price {}), but `scan_limit` is {}",
            all_bytes.price(),
            self.limit_text(),
        );
        let needed_gigabytes = self.used.0.saturating_add(all_bytes.0).div_ceil(GIGABYTE);
        let fewer_days_hint =
            affordable_days.map_or_else(String::new, |days| format!(", or fetch fewer days with `--days {days}`"));
        let hint = format!(
            "set `scan_limit: {needed_gigabytes}GB` for the source in fleet.yaml until the history is fetched\
             {fewer_days_hint}; prices: https://aws.amazon.com/athena/pricing/"
        );
        HintedError::new(message, hint)
    }
}

/// Disjoint spans with all series that need them, newest first, so that no day is scanned again for another series.
pub fn plan_ranges(ranges: &[FetchRange], is_wanted: impl Fn(&SeriesKey) -> bool) -> Vec<FetchRange> {
    let requested: Vec<_> = ranges.iter().filter(|range| range.series.iter().any(&is_wanted)).collect();
    let edges: BTreeSet<Minute> = requested.iter().flat_map(|range| [range.span.start, range.span.end]).collect();
    let edges: Vec<Minute> = edges.into_iter().rev().collect();
    let spans = edges.windows(2).filter_map(|pair| Some(Span::new(*pair.last()?, *pair.first()?)));
    let ranges = spans.map(|span| {
        let overlapping = requested.iter().filter(|range| range.span.contains(span.start));
        let series: BTreeSet<_> = overlapping.flat_map(|range| &range.series).filter(|one| is_wanted(one)).collect();
        FetchRange { span, series: series.into_iter().cloned().collect() }
    });
    ranges.filter(|range| !range.series.is_empty()).collect()
}

/// Runs of days that are queried together, newest first.
fn split_by_days(span: Span, series_count: usize) -> Vec<Span> {
    let series_count = i32::try_from(series_count.max(1)).unwrap_or(i32::MAX);
    let days = (COUNTS_IN_MEMORY_MAX / MINUTES_PER_DAY / series_count).clamp(1, QUERY_DAYS_MAX);
    let mut runs = Vec::new();
    let mut end = span.end;
    while end > span.start {
        let start = end.plus(-1).day().plus(1 - days).start().max(span.start);
        runs.push(Span::new(start, end));
        end = start;
    }
    runs
}

/// Minutes of logs in the day folders that a query over a span reads: folders of the future are empty.
fn folder_minutes(span: Span, now: Minute) -> u64 {
    let (first, last) = day_folder_range(span);
    u64::from(Span::new(first.start(), last.plus(1).start().min(now)).minutes())
}

/// Bytes of a day, by what a query over a span scanned. `None` if it read less than a quarter of a day.
fn day_bytes(scanned: Bytes, span: Span, now: Minute) -> Option<u64> {
    let minutes = folder_minutes(span, now);
    (minutes >= DAY_MINUTES / 4).then(|| scanned.0.saturating_mul(DAY_MINUTES).div_ceil(minutes.max(1)))
}

/// What queries over some spans will be billed for.
fn expected_bytes(spans: &[Span], query_count: u64, day_bytes: u64, now: Minute) -> Bytes {
    let span_bytes = spans.iter().map(|span| {
        let scanned = u128::from(day_bytes) * u128::from(folder_minutes(*span, now)) / u128::from(DAY_MINUTES);
        Bytes(u64::try_from(scanned).unwrap_or(u64::MAX)).billed().0.saturating_mul(query_count)
    });
    Bytes(span_bytes.fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::LogTable;
    use crate::source::athena::response::ScanUsage;

    fn minute(text: &str) -> Minute {
        text.parse().unwrap()
    }

    fn scan_limit(limit: u64) -> ScanLimit {
        let lake = AthenaSource {
            log_table: LogTable { database: "elb".to_owned(), name: "alb".to_owned() },
            classic_table: None,
            workgroup: "primary".to_owned(),
            results: None,
            scan_limit_bytes: limit,
            table_source: None,
        };
        ScanLimit::new(&lake, minute("2026-10-31T12:00Z"), minute("2026-10-31T12:15Z"))
    }

    fn range(start: &str, end: &str) -> FetchRange {
        FetchRange { span: Span::new(minute(start), minute(end)), series: vec![SeriesKey::new("s")] }
    }

    #[test]
    fn only_the_newest_day_is_fetched_while_the_scan_size_is_unknown() {
        let price = ScanEstimate { query_count: 1, day_bytes: None };
        let span =
            scan_limit(QUERY_BYTES_MIN).next_span(&range("2026-10-01T12:00Z", "2026-10-31T12:00Z"), price).unwrap();
        assert_eq!(span.to_string(), "2026-10-31T00:00Z to 2026-10-31T12:00Z");
        let too_small =
            scan_limit(QUERY_BYTES_MIN - 1).next_span(&range("2026-10-01T12:00Z", "2026-10-31T12:00Z"), price);
        assert!(too_small.unwrap_err().to_string().contains("at least 10.0 MB"));
    }

    #[test]
    fn unknown_scan_size_is_assumed_to_be_the_whole_limit() {
        let (cap, span) = (scan_limit(100 * GIGABYTE), range("2026-10-31T00:00Z", "2026-10-31T12:00Z").span);
        let max_bytes = cap.max_bytes(span, ScanEstimate { query_count: 1, day_bytes: None });
        let known = cap.max_bytes(span, ScanEstimate { query_count: 2, day_bytes: Some(96 * GIGABYTE) });
        // Two queries of a day of which a quarter of an hour more than a half is over.
        assert_eq!((max_bytes, known), (Bytes(100 * GIGABYTE), Bytes(98 * GIGABYTE)));
        let message = |allowed: u64| {
            cap.over_cost_limit_error("elb.alb", max_bytes, NanoDollars(1_000_000), NanoDollars(allowed)).to_string()
        };
        insta::assert_snapshot!(message(101_000_000));
        assert!(message(4_000_000).contains("`scan_limit: 600MB`"), "{}", message(4_000_000));
        assert!(!message(1_040_000).contains("scan_limit:"), "{}", message(1_040_000));
    }

    #[test]
    fn fetch_over_the_limit_is_refused_with_its_price_but_the_newest_day_is_fetched() {
        let price = ScanEstimate { query_count: 1, day_bytes: Some(10 * GIGABYTE) };
        let mut cap = scan_limit(100 * GIGABYTE);
        let month = range("2026-10-01T12:00Z", "2026-10-31T12:00Z");
        assert_eq!(cap.next_span(&month, price).unwrap().to_string(), "2026-10-31T00:00Z to 2026-10-31T12:00Z");
        let spent = ScanUsage { queries: 1, scanned: Bytes(5 * GIGABYTE), billed: Bytes(5 * GIGABYTE) };
        let response =
            AthenaResponse { usage: spent, scan_size: Some(Bytes(5 * GIGABYTE)), ..AthenaResponse::default() };
        let day_bytes = cap.record_scan(&response, Span::new(minute("2026-10-31T00:00Z"), minute("2026-10-31T12:00Z")));
        assert_eq!(day_bytes, Some(9_795_918_368));
        let error = cap.next_span(&range("2026-10-01T12:00Z", "2026-10-31T00:00Z"), price).unwrap_err();
        insta::assert_snapshot!(error.to_string());
        let week = range("2026-10-25T12:00Z", "2026-10-31T00:00Z");
        assert_eq!(cap.next_span(&week, price).unwrap(), week.span);
        assert!(cap.next_span(&week, ScanEstimate { query_count: 2, ..price }).is_err());
    }

    fn minute_range(start: i32, end: i32, series: &[&str]) -> FetchRange {
        let series = series.iter().map(|name| SeriesKey::new(name)).collect();
        FetchRange { span: Span::new(Minute(start), Minute(end)), series }
    }

    #[test]
    fn range_shared_by_several_series_is_fetched_once() {
        let requested = [
            minute_range(500, 1_000, &["a", "b", "x"]),
            minute_range(200, 1_000, &["c"]),
            minute_range(100, 300, &["b"]),
            minute_range(0, 50, &["x"]),
        ];
        let planned = plan_ranges(&requested, |series| series.as_str() != "x");
        assert_eq!(
            planned,
            [
                minute_range(500, 1_000, &["a", "b", "c"]),
                minute_range(300, 500, &["c"]),
                minute_range(200, 300, &["b", "c"]),
                minute_range(100, 200, &["b"])
            ]
        );
    }

    #[test]
    fn history_is_split_by_days_newest_first() {
        let day = MINUTES_PER_DAY;
        let split = |span: Span, series| {
            split_by_days(span, series).iter().map(|span| (span.start.0, span.end.0)).collect::<Vec<_>>()
        };
        let span = Span::new(Minute(100), Minute(10 * day + 300));
        assert_eq!(split(span, 5), [(4 * day, 10 * day + 300), (100, 4 * day)]);
        assert_eq!(split(Span::new(Minute(0), Minute(2 * day)), 1_000_000), [(day, 2 * day), (0, day)]);
        assert_eq!(split(Span::new(Minute(5), Minute(5)), 1), []);
    }

    #[test]
    fn scan_estimate_covers_whole_day_folders_up_to_now() {
        let at = |text: &str| text.parse::<Minute>().unwrap();
        let now = at("2026-10-31T12:00Z");
        let hour = Span::new(at("2026-10-31T11:00Z"), now);
        let past = Span::new(at("2026-10-01T11:00Z"), at("2026-10-03T11:00Z"));
        assert_eq!([hour, past].map(|span| folder_minutes(span, now)), [720, 4 * 1_440]);
        assert_eq!(day_bytes(Bytes(1_000), hour, now), Some(2_000));
        assert_eq!(day_bytes(Bytes(1_000), hour, at("2026-10-31T00:30Z")), None);
        assert_eq!(expected_bytes(&[hour, past], 2, 1_000_000_000, now), Bytes(2 * (500_000_000 + 4_000_000_000)));
        assert_eq!(expected_bytes(&[past], 1, 0, now), Bytes(10_000_000));
    }
}
