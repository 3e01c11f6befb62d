//! What a run may scan: what would be more is refused before it is asked for.

use super::cost::{Bytes, MEGABYTE, QUERY_BYTES_MIN, day_bytes, expected_bytes};
use super::plan::split_by_days;
use super::{AthenaResponse, QueryError};
use crate::cost::NanoDollars;
use crate::fetch_plan::FetchRange;
use crate::slo::AthenaSource;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// The most days that anybody may look back.
const DAYS_MAX: i32 = 400;
const GIGABYTE: u64 = 1_000 * MEGABYTE;
const CENT: u64 = 10_000_000;

/// The limit of a source, and how much of it is used up.
#[derive(Clone, Copy, Debug)]
pub struct ScanLimit {
    limit: Bytes,
    used: Bytes,
    /// The end of what is asked for.
    fetch_end: Minute,
    /// What time it is: folders of the future are empty.
    now: Minute,
}

/// What a piece of the past costs.
#[derive(Clone, Copy, Debug)]
pub struct ScanEstimate {
    /// Queries that each span takes.
    pub query_count: u64,
    /// Bytes of a day, if they are known.
    pub day_bytes: Option<u64>,
}

impl ScanLimit {
    /// Nothing is used up yet.
    #[must_use]
    pub const fn new(source: &AthenaSource, fetch_end: Minute, now: Minute) -> Self {
        Self { limit: Bytes(source.scan_limit_bytes), used: Bytes(0), fetch_end, now }
    }

    /// Uses up what an answer cost, and tells what a day scans by it.
    pub fn record_scan(&mut self, response: &AthenaResponse, span: Span) -> Option<u64> {
        self.used.0 = self.used.0.saturating_add(response.usage.billed.0);
        day_bytes(response.scan_size?.0, span, self.now)
    }

    /// What a span will be billed for: what is expected, or, where nobody knows, all that is left of the limit.
    #[must_use]
    pub fn max_bytes(&self, span: Span, estimate: ScanEstimate) -> Bytes {
        let known_bytes =
            estimate.day_bytes.map(|day_bytes| expected_bytes([(span, estimate.query_count)], day_bytes, self.now));
        known_bytes.unwrap_or(Bytes(self.limit.0.saturating_sub(self.used.0)))
    }

    /// Why something that nobody knows the size of is not asked, where a run may cost so much and has cost some of it.
    #[must_use]
    pub fn over_cost_limit_error(
        &self,
        name: &str,
        max_bytes: Bytes,
        (spent, cost_limit): (NanoDollars, NanoDollars),
    ) -> QueryError {
        let left = NanoDollars(cost_limit.0.saturating_sub(spent.0));
        let message = format!(
            "skipped `{name}`: scan size unknown, up to {max_bytes} ({}) allowed by `scan_limit`, but only {left} of \
             `--max-cost` {cost_limit} is left",
            max_bytes.price(),
        );
        let affordable = Bytes::affordable_with(left);
        let suggested_limit = self.used.0.saturating_add(affordable.0);
        let lower_limit_hint = match (affordable.0, suggested_limit) {
            (..QUERY_BYTES_MIN, _) => String::new(),
            (_, ..GIGABYTE) => {
                format!("set `scan_limit: {}MB` for the source in fleet.yaml, or ", suggested_limit / MEGABYTE)
            }
            _ => format!("set `scan_limit: {}GB` for the source in fleet.yaml, or ", suggested_limit / GIGABYTE),
        };
        let suggested_cost =
            NanoDollars(spent.0.saturating_add(max_bytes.price().0).div_ceil(CENT).saturating_mul(CENT));
        QueryError::new(
            message,
            format!("{lower_limit_hint}raise `--max-cost` to {suggested_cost} until a day has been fetched"),
        )
    }

    /// The part of a piece to be asked for next, its newest. Where nobody knows what a day costs, that is one day.
    /// Where all of it would be too much, the newest day is asked for all the same, so that what happens now is seen.
    ///
    /// # Errors
    /// When it would be too much: with what it would cost, and the remedy.
    pub fn next_span(&self, range: &FetchRange, estimate: ScanEstimate) -> Result<Span, QueryError> {
        let newest_run = |is_day_size_known| {
            split_by_days(range.span, range.series.len(), is_day_size_known).first().copied().unwrap_or(range.span)
        };
        let Some(day_bytes) = estimate.day_bytes else {
            let least_bytes = Bytes(QUERY_BYTES_MIN.saturating_mul(estimate.query_count));
            return if self.is_within_limit(least_bytes) {
                Ok(newest_run(false))
            } else {
                Err(self.limit_too_low_error(least_bytes))
            };
        };
        let bytes_for = |spans: Vec<Span>| {
            expected_bytes(spans.into_iter().map(|span| (span, estimate.query_count)), day_bytes, self.now)
        };
        let all_bytes = bytes_for(split_by_days(range.span, range.series.len(), true));
        if self.is_within_limit(all_bytes) {
            return Ok(newest_run(true));
        }
        let newest_day = newest_run(false);
        if range.span.end == self.fetch_end
            && newest_day != range.span
            && self.is_within_limit(bytes_for(vec![newest_day]))
        {
            return Ok(newest_day);
        }
        Err(self.over_scan_limit_error(range, estimate, all_bytes, day_bytes))
    }

    fn is_within_limit(&self, bytes: Bytes) -> bool {
        self.used.0.saturating_add(bytes.0) <= self.limit.0
    }

    fn limit_too_low_error(&self, least_bytes: Bytes) -> QueryError {
        let message = format!(
            "skipped because its first fetch is billed for at least {least_bytes}, but `scan_limit` is {}{}",
            self.limit,
            self.used_text(),
        );
        QueryError::new(message, "raise `scan_limit` for the source in fleet.yaml")
    }

    fn used_text(&self) -> String {
        if self.used.0 == 0 { String::new() } else { format!(", of which {} is used", self.used) }
    }

    fn over_scan_limit_error(
        &self,
        range: &FetchRange,
        estimate: ScanEstimate,
        all_bytes: Bytes,
        day_bytes: u64,
    ) -> QueryError {
        let needed_gigabytes = self.used.0.saturating_add(all_bytes.0).div_ceil(1_000_000_000);
        let used = self.used_text();
        let message = format!(
            "skipped {}: fetching it would scan about {all_bytes} (list price {}), but `scan_limit` is {}{used}",
            range.span,
            all_bytes.price(),
            self.limit,
        );
        let is_affordable = |days: &i32| {
            let span = Span::new(self.fetch_end.plus(-days * MINUTES_PER_DAY), range.span.end);
            let spans =
                split_by_days(span, range.series.len(), true).into_iter().map(|span| (span, estimate.query_count));
            !span.is_empty() && self.is_within_limit(expected_bytes(spans, day_bytes, self.now))
        };
        let affordable_days = (1..=DAYS_MAX).rev().find(is_affordable);
        let fewer_days_hint =
            affordable_days.map_or_else(String::new, |days| format!(", or fetch fewer days with `--days {days}`"));
        let hint = format!(
            "set `scan_limit: {needed_gigabytes}GB` for the source in fleet.yaml until the history is fetched{fewer_days_hint}; prices: \
             https://aws.amazon.com/athena/pricing/"
        );
        QueryError::new(message, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::SeriesKey;
    use crate::slo::LogTable;
    use crate::source::athena::ScanUsage;

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
            cap.over_cost_limit_error("elb.alb", max_bytes, (NanoDollars(1_000_000), NanoDollars(allowed))).to_string()
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
}
