//! What a run may scan: what would be more is refused before it is asked for.

use super::cost::{Bytes, MEGABYTE, QUERY_BYTES_MIN, day_bytes, expected};
use super::plan::runs;
use super::{Answer, Fault};
use crate::cost::Dollars;
use crate::demand::Ask;
use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::slo::Lake;

/// The most days that anybody may look back.
const DAYS_MAX: i32 = 400;
const GIGABYTE: u64 = 1_000 * MEGABYTE;
const CENT: u64 = 10_000_000;

/// The limit of a source, and how much of it is used up.
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    limit: Bytes,
    spent: Bytes,
    /// The end of what is asked for.
    end: Minute,
    /// What time it is: folders of the future are empty.
    now: Minute,
}

/// What a piece of the past costs.
#[derive(Clone, Copy, Debug)]
pub struct Price {
    /// Queries that each span takes.
    pub queries: u64,
    /// Bytes of a day, if they are known.
    pub day_bytes: Option<u64>,
}

impl Cap {
    /// Nothing is used up yet.
    #[must_use]
    pub const fn new(lake: &Lake, end: Minute, now: Minute) -> Self {
        Self { limit: Bytes(lake.scan_limit_bytes), spent: Bytes(0), end, now }
    }

    /// Uses up what an answer cost, and tells what a day scans by it.
    pub fn spend(&mut self, answer: &Answer, span: Span) -> Option<u64> {
        self.spent.0 = self.spent.0.saturating_add(answer.spent.billed.0);
        day_bytes(answer.scan?.0, span, self.now)
    }

    /// What a span will be billed for: what is expected, or, where nobody knows, all that is left of the limit.
    #[must_use]
    pub fn most(&self, span: Span, price: Price) -> Bytes {
        let known = price.day_bytes.map(|day_bytes| expected([(span, price.queries)], day_bytes, self.now));
        known.unwrap_or(Bytes(self.limit.0.saturating_sub(self.spent.0)))
    }

    /// Why something that nobody knows the size of is not asked, where a run may cost so much and has cost some of it.
    #[must_use]
    pub fn too_dear(&self, of: &str, most: Bytes, (spent, allowed): (Dollars, Dollars)) -> Fault {
        let left = Dollars(allowed.0.saturating_sub(spent.0));
        let said = format!(
            "skipped `{of}`: scan size unknown, up to {most} ({}) allowed by `scan_limit`, but only {left} of \
             `--max-cost` {allowed} is left",
            most.price(),
        );
        let paid = Bytes::paid_by(left);
        let limit = self.spent.0.saturating_add(paid.0);
        let lowered = match (paid.0, limit) {
            (..QUERY_BYTES_MIN, _) => String::new(),
            (_, ..GIGABYTE) => format!("set `scan_limit: {}MB` for the source in fleet.yaml, or ", limit / MEGABYTE),
            _ => format!("set `scan_limit: {}GB` for the source in fleet.yaml, or ", limit / GIGABYTE),
        };
        let raised = Dollars(spent.0.saturating_add(most.price().0).div_ceil(CENT).saturating_mul(CENT));
        Fault::new(said, format!("{lowered}raise `--max-cost` to {raised} until a day has been fetched"))
    }

    /// The part of a piece to be asked for next, its newest. Where nobody knows what a day costs, that is one day.
    /// Where all of it would be too much, the newest day is asked for all the same, so that what happens now is seen.
    ///
    /// # Errors
    /// When it would be too much: with what it would cost, and the remedy.
    pub fn next(&self, piece: &Ask, price: Price) -> Result<Span, Fault> {
        let run = |is_known| runs(piece.span, piece.series.len(), is_known).first().copied().unwrap_or(piece.span);
        let Some(day_bytes) = price.day_bytes else {
            let least = Bytes(QUERY_BYTES_MIN.saturating_mul(price.queries));
            return if self.has_room(least) { Ok(run(false)) } else { Err(self.no_room(least)) };
        };
        let cost =
            |spans: Vec<Span>| expected(spans.into_iter().map(|span| (span, price.queries)), day_bytes, self.now);
        let all = cost(runs(piece.span, piece.series.len(), true));
        if self.has_room(all) {
            return Ok(run(true));
        }
        let newest = run(false);
        if piece.span.end == self.end && newest != piece.span && self.has_room(cost(vec![newest])) {
            return Ok(newest);
        }
        Err(self.refusal(piece, price, all, day_bytes))
    }

    fn has_room(&self, cost: Bytes) -> bool {
        self.spent.0.saturating_add(cost.0) <= self.limit.0
    }

    fn no_room(&self, least: Bytes) -> Fault {
        let said = format!(
            "skipped because its first fetch is billed for at least {least}, but `scan_limit` is {}{}",
            self.limit,
            self.used_up(),
        );
        Fault::new(said, "raise `scan_limit` for the source in fleet.yaml")
    }

    fn used_up(&self) -> String {
        if self.spent.0 == 0 { String::new() } else { format!(", of which {} is used", self.spent) }
    }

    fn refusal(&self, piece: &Ask, price: Price, all: Bytes, day_bytes: u64) -> Fault {
        let needed = self.spent.0.saturating_add(all.0).div_ceil(1_000_000_000);
        let spent = self.used_up();
        let said = format!(
            "skipped {}: fetching it would scan about {all} (list price {}), but `scan_limit` is {}{spent}",
            piece.span,
            all.price(),
            self.limit,
        );
        let fits = |days: &i32| {
            let span = Span::new(self.end.plus(-days * MINUTES_PER_DAY), piece.span.end);
            let spans = runs(span, piece.series.len(), true).into_iter().map(|span| (span, price.queries));
            !span.is_empty() && self.has_room(expected(spans, day_bytes, self.now))
        };
        let fewer = (1..=DAYS_MAX).rev().find(fits);
        let fewer = fewer.map_or_else(String::new, |days| format!(", or fetch fewer days with `--days {days}`"));
        let remedy = format!(
            "set `scan_limit: {needed}GB` for the source in fleet.yaml until the history is fetched{fewer}; prices: \
             https://aws.amazon.com/athena/pricing/"
        );
        Fault::new(said, remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::athena::Spent;
    use crate::series::SeriesKey;
    use crate::slo::TableOfLogs;

    fn minute(text: &str) -> Minute {
        text.parse().unwrap()
    }

    fn cap(limit: u64) -> Cap {
        let lake = Lake {
            table: TableOfLogs { database: "elb".to_owned(), name: "alb".to_owned() },
            classic_table: None,
            workgroup: "primary".to_owned(),
            results: None,
            scan_limit_bytes: limit,
            made_of: None,
        };
        Cap::new(&lake, minute("2026-10-31T12:00Z"), minute("2026-10-31T12:15Z"))
    }

    fn piece(start: &str, end: &str) -> Ask {
        Ask { span: Span::new(minute(start), minute(end)), series: vec![SeriesKey::new("s")] }
    }

    #[test]
    fn a_day_is_read_before_anybody_knows_what_days_cost() {
        let price = Price { queries: 1, day_bytes: None };
        let span = cap(QUERY_BYTES_MIN).next(&piece("2026-10-01T12:00Z", "2026-10-31T12:00Z"), price).unwrap();
        assert_eq!(span.to_string(), "2026-10-31T00:00Z to 2026-10-31T12:00Z");
        let least = cap(QUERY_BYTES_MIN - 1).next(&piece("2026-10-01T12:00Z", "2026-10-31T12:00Z"), price);
        assert!(least.unwrap_err().to_string().contains("at least 10.0 MB"));
    }

    #[test]
    fn what_nobody_knows_is_taken_for_all_that_may_be_scanned() {
        let (cap, span) = (cap(100 * GIGABYTE), piece("2026-10-31T00:00Z", "2026-10-31T12:00Z").span);
        let most = cap.most(span, Price { queries: 1, day_bytes: None });
        let known = cap.most(span, Price { queries: 2, day_bytes: Some(96 * GIGABYTE) });
        // Two queries of a day of which a quarter of an hour more than a half is over.
        assert_eq!((most, known), (Bytes(100 * GIGABYTE), Bytes(98 * GIGABYTE)));
        let said = |allowed: u64| cap.too_dear("elb.alb", most, (Dollars(1_000_000), Dollars(allowed))).to_string();
        insta::assert_snapshot!(said(101_000_000));
        assert!(said(4_000_000).contains("`scan_limit: 600MB`"), "{}", said(4_000_000));
        assert!(!said(1_040_000).contains("scan_limit:"), "{}", said(1_040_000));
    }

    #[test]
    fn what_would_be_too_much_is_refused_with_its_price_and_the_newest_day_is_read_all_the_same() {
        let price = Price { queries: 1, day_bytes: Some(10 * GIGABYTE) };
        let mut cap = cap(100 * GIGABYTE);
        let month = piece("2026-10-01T12:00Z", "2026-10-31T12:00Z");
        assert_eq!(cap.next(&month, price).unwrap().to_string(), "2026-10-31T00:00Z to 2026-10-31T12:00Z");
        let spent = Spent { queries: 1, scanned: Bytes(5 * GIGABYTE), billed: Bytes(5 * GIGABYTE) };
        let answer = Answer { spent, scan: Some(Bytes(5 * GIGABYTE)), ..Answer::default() };
        let day_bytes = cap.spend(&answer, Span::new(minute("2026-10-31T00:00Z"), minute("2026-10-31T12:00Z")));
        assert_eq!(day_bytes, Some(9_795_918_368));
        let fault = cap.next(&piece("2026-10-01T12:00Z", "2026-10-31T00:00Z"), price).unwrap_err();
        insta::assert_snapshot!(fault.to_string());
        let week = piece("2026-10-25T12:00Z", "2026-10-31T00:00Z");
        assert_eq!(cap.next(&week, price).unwrap(), week.span);
        assert!(cap.next(&week, Price { queries: 2, ..price }).is_err());
    }
}
