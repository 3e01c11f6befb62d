//! The stretch of the line that tables of Athena walk: what is missing is asked for piece by piece, newest first, and
//! kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use super::cloudwatch::{check_cost_limit, store_counts};
use super::first_request::drop_before_first_request;
use super::{EngineError, RunOptions};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::fetch_plan::{FetchRange, FetchedRange, RangeRequest, mark_fetched};
use crate::ledger::Ledger;
use crate::outcome::{AthenaSummary, Diagnostics};
use crate::series::SeriesKey;
use crate::slo::{AthenaSource, AwsScope, Indicator, LogTable};
use crate::source::athena::{
    AthenaResponse, AthenaSession, CountRule, CustomQuery, QueryError, ScanEstimate, ScanLimit, TableQuery, plan_ranges,
};
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{MINUTES_PER_DAY, Span};

/// A balancer that had lines within as many days, or a part of that, is not missing.
const RECENT_LINES_DAYS: i32 = 14;
/// Hexadecimal digits of the mark of a query's text.
const QUERY_HASH_LENGTH: usize = 32;

/// What is scanned by itself: a table for all of its series, or a team's own query.
enum QueryTarget<'a> {
    Table(Box<TableQuery<'a>>, BTreeMap<&'a SeriesKey, CountRule<'a>>),
    Custom(CustomQuery<'a>, AthenaSession<'a>, &'a SeriesKey),
}

/// Asks one source for what the ledger lacks.
pub(super) async fn read_athena(
    options: &RunOptions<'_>,
    (request, ranges): (&RangeRequest, &[FetchRange]),
    (reach, athena_source): (&AwsScope, &AthenaSource),
    (fetched, store): (&mut BTreeMap<SeriesKey, FetchedRange>, &mut LedgerStore),
    diagnostics: &mut Diagnostics,
) -> Result<(), EngineError> {
    let aws = Aws::shared().await.for_scope(reach).await;
    let client = aws.athena();
    let in_flight_limit = AtomicU64::new(u64::MAX);
    let access = AthenaSession {
        client: &client,
        source: athena_source,
        fetch_end: request.end,
        stop_requested: &options.stop,
        bytes_left: &in_flight_limit,
    };
    let sums = store.load(&LoadRequest::default()).await?;
    let mut summary = AthenaSummary::new(options.catalog, &request.source);
    let scan_limit = ScanLimit::new(athena_source, request.end, options.now);
    let mut athena_run =
        AthenaRun { options: options, aws: &aws, request, ranges, sums, scan_limit, in_flight_limit: &in_flight_limit };
    for (name, target) in query_targets(options, request, access) {
        match target {
            Ok(target) => athena_run.read(&name, target, (fetched, store), &mut summary).await?,
            Err(error) => summary.add_error(&name, &error),
        }
    }
    summary.report(diagnostics);
    Ok(())
}

/// What the series of a question are read from, by its name.
fn query_targets<'a>(
    options: &RunOptions<'a>,
    request: &'a RangeRequest,
    access: AthenaSession<'a>,
) -> Vec<(String, Result<QueryTarget<'a>, QueryError>)> {
    let mut rules: BTreeMap<bool, BTreeMap<&SeriesKey, CountRule<'_>>> = BTreeMap::new();
    let mut custom_targets = Vec::new();
    for (series, (indicator, _)) in &request.series {
        match indicator {
            Indicator::Requests { traffic, measure, .. } => {
                let is_classic = traffic.load_balancer.starts_with("classic/");
                rules.entry(is_classic).or_default().insert(series, CountRule { series, traffic, measure });
            }
            Indicator::Query { file, sql: Some(sql), .. } => {
                let query = CustomQuery::new(options.queries, file, sql, series);
                custom_targets.push((file.clone(), Ok(QueryTarget::Custom(query, access, series))));
            }
            // Who read the definitions has named a file that is not there, and an indicator that does not fit its
            // source.
            Indicator::Query { sql: None, .. } | Indicator::Ratio { .. } | Indicator::Counts { .. } => {}
        }
    }
    let limit = super::unparsed_limit(options.catalog, &request.source);
    let tables = rules.into_iter().filter_map(|(is_classic, rules)| {
        let table: &LogTable =
            if is_classic { access.source.classic_table.as_ref()? } else { &access.source.log_table };
        Some((
            table.to_string(),
            TableQuery::new(access, table, limit).map(|table| QueryTarget::Table(Box::new(table), rules)),
        ))
    });
    tables.chain(custom_targets).collect()
}

/// What one source is asked in the course of a run.
struct AthenaRun<'a> {
    options: &'a RunOptions<'a>,
    aws: &'a Aws,
    request: &'a RangeRequest,
    ranges: &'a [FetchRange],
    sums: Ledger,
    scan_limit: ScanLimit,
    /// What queries in flight may scan.
    in_flight_limit: &'a AtomicU64,
}

impl AthenaRun<'_> {
    /// Reads a part, so that memory and what a crash can lose stay bounded, until all is there or something is in the
    /// way.
    async fn read(
        &mut self,
        name: &str,
        mut target: QueryTarget<'_>,
        (fetched, store): (&mut BTreeMap<SeriesKey, FetchedRange>, &mut LedgerStore),
        summary: &mut AthenaSummary,
    ) -> Result<(), EngineError> {
        let mut pending = plan_ranges(self.ranges, |series| target.contains(series));
        let minutes: u32 = pending.iter().map(|piece| piece.span.minutes()).sum();
        pending.reverse();
        let target_key = format!("{} {name}", self.request.source);
        let scan_key =
            target.query_hash().map_or_else(|| target_key.clone(), |query_hash| format!("{target_key} {query_hash}"));
        let whole_span =
            pending.first().zip(pending.last()).map(|(first, last)| Span::new(first.span.start, last.span.end));
        while let Some(range) = pending.pop() {
            let done_minutes =
                minutes - pending.iter().map(|piece| piece.span.minutes()).sum::<u32>() - range.span.minutes();
            (self.options.progress)(done_minutes as usize, minutes as usize);
            if self.options.stop.load(Ordering::Relaxed) {
                summary.add_error(name, &QueryError::stopped());
                return Ok(());
            }
            let Some(span) =
                self.next_span(&target, &range, (name, store.scanned_bytes_per_day().get(&scan_key).copied()), summary)
            else {
                return Ok(());
            };
            let mut response = target.fetch(span, &range.series).await;
            self.aws.record_scanned_bytes(response.usage.billed.0);
            drop_before_first_request(self.request, (&self.sums, &mut response.counts), store);
            store_counts(&response.counts, &target.replaced_spans(&response, span), store).await?;
            if target.is_trusted() {
                for series in &response.complete_series {
                    mark_fetched(fetched, self.request, series, span);
                }
                store.save_fetched_ranges(fetched).await?;
            }
            if let Some(day_bytes) = self.scan_limit.record_scan(&response, span) {
                let mut scanned = store.scanned_bytes_per_day().clone();
                // What an earlier text of a query scanned says nothing of this one.
                scanned.retain(|known_key, _| !is_scan_key_of(known_key, &target_key));
                scanned.insert(scan_key.clone(), day_bytes);
                store.set_scanned_bytes_per_day(scanned);
            }
            // It is paid for: a run that is killed must not ask for it again.
            store.publish().await?;
            summary.add(name, &response);
            if response.error.is_some() {
                return Ok(());
            }
            let remaining = Span::new(range.span.start, span.start);
            if !remaining.is_empty() {
                pending.push(FetchRange { span: remaining, ..range });
            }
        }
        if let Some(whole_span) = whole_span {
            summary.add_missing(name, whole_span, &target.missing_load_balancers(&self.sums, whole_span));
        }
        Ok(())
    }

    /// What of a piece is asked for next, if it may be.
    fn next_span(
        &self,
        target: &QueryTarget<'_>,
        range: &FetchRange,
        (target_name, day_bytes): (&str, Option<u64>),
        summary: &mut AthenaSummary,
    ) -> Option<Span> {
        let planned = target.query_count(range).and_then(|queries| {
            let price = ScanEstimate { query_count: queries, day_bytes };
            let span = self.scan_limit.next_span(range, price)?;
            Ok((span, self.scan_limit.max_bytes(span, price)))
        });
        let (span, scan_bytes) = planned.map_err(|fault| summary.add_error(target_name, &fault)).ok()?;
        let usage = Usage { athena_bytes: scan_bytes.0, ..Usage::default() };
        match check_cost_limit(self.options, &self.request.source, &usage) {
            Ok(()) => {
                // A guess may be a little too low, and what is all but done has been paid for. Where there is none, the
                // limit holds.
                self.in_flight_limit
                    .store(if day_bytes.is_some() { u64::MAX } else { scan_bytes.0 }, Ordering::Relaxed);
                return Some(span);
            }
            Err(refused) if day_bytes.is_some() => summary.add_warning(refused),
            Err(_) => {
                let cost = (Aws::usage().price(), self.options.max_cost.unwrap_or_default());
                summary.add_error(target_name, &self.scan_limit.over_cost_limit_error(target_name, scan_bytes, cost));
            }
        }
        None
    }
}

/// Whether a place whose size is known is this one, with whatever mark of its text.
fn is_scan_key_of(scan_key: &str, target_key: &str) -> bool {
    let suffix = scan_key.strip_prefix(target_key).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
    suffix.is_some_and(|query_hash| {
        query_hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && [0, QUERY_HASH_LENGTH].contains(&query_hash.len())
    })
}

/// The source, and the table or file, that a place whose size is known is of.
pub(super) fn split_scan_key(scan_key: &str) -> Option<(String, String)> {
    let (source, target) = scan_key.split_once(' ')?;
    let target = target
        .rsplit_once(' ')
        .filter(|(part, _)| is_scan_key_of(scan_key, &format!("{source} {part}")))
        .map_or(target, |(part, _)| part);
    Some((source.to_owned(), target.to_owned()))
}

impl QueryTarget<'_> {
    fn contains(&self, series: &SeriesKey) -> bool {
        match self {
            Self::Table(_, rules) => rules.contains_key(series),
            Self::Custom(_, _, own) => series == *own,
        }
    }

    fn rules(&self, series: &[SeriesKey]) -> Vec<CountRule<'_>> {
        match self {
            Self::Table(_, rules) => series.iter().filter_map(|series| rules.get(series).copied()).collect(),
            Self::Custom(..) => Vec::new(),
        }
    }

    fn query_count(&self, range: &FetchRange) -> Result<u64, QueryError> {
        match self {
            Self::Table(table, _) => table.query_count(range.span, &self.rules(&range.series)),
            Self::Custom(..) => Ok(1),
        }
    }

    async fn fetch(&mut self, span: Span, series: &[SeriesKey]) -> AthenaResponse {
        match self {
            Self::Table(table, rules) => {
                let rules: Vec<CountRule<'_>> = series.iter().filter_map(|series| rules.get(series).copied()).collect();
                table.fetch_counts(span, &rules).await
            }
            Self::Custom(query, access, _) => query.fetch_counts(access, span).await,
        }
    }

    /// The spans in which an answer replaces all that was known. Lines of a table that come late are added to those
    /// that were there, and a team's own query says all there is.
    fn replaced_spans(&self, response: &AthenaResponse, span: Span) -> BTreeMap<SeriesKey, Vec<Span>> {
        match self {
            Self::Table(..) => BTreeMap::new(),
            Self::Custom(..) => response.complete_series.iter().map(|series| (series.clone(), vec![span])).collect(),
        }
    }

    /// What tells the text of a team's own query from an earlier one.
    fn query_hash(&self) -> Option<&str> {
        match self {
            Self::Table(..) => None,
            Self::Custom(query, ..) => Some(query.text_hash()),
        }
    }

    /// Whether an answer may be taken for one. A table that looks in the wrong place has no lines, and no error either:
    /// it is asked again until it has.
    const fn is_trusted(&self) -> bool {
        match self {
            Self::Table(table, _) => table.has_lines(),
            Self::Custom(..) => true,
        }
    }

    /// Balancers without a line, now and in the past; a few silent hours are nothing to speak of. `None` if there is no
    /// line at all.
    fn missing_load_balancers(&self, sums: &Ledger, span: Span) -> Option<Vec<String>> {
        let Self::Table(table, rules) = self else { return Some(Vec::new()) };
        if !table.has_lines() {
            return None;
        }
        let is_known = |series: &SeriesKey| {
            (-RECENT_LINES_DAYS..=0).any(|back| sums.day_sums(series, span.end.day().plus(back)).known > 0)
        };
        let without_lines = rules.values().filter(|rule| !table.has_lines_for(rule) && !is_known(rule.series));
        let without_lines = without_lines.map(|rule| rule.traffic.load_balancer.clone());
        let without_lines: BTreeSet<String> = without_lines.collect();
        if span.minutes() < MINUTES_PER_DAY.unsigned_abs() {
            Some(Vec::new())
        } else {
            Some(without_lines.into_iter().collect())
        }
    }
}
