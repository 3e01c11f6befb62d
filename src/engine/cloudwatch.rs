//! The stretch of the line that sources walk which answer with the counts of any span: asked for what is missing,
//! absorbed, kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::{EngineError, RunOptions, athena};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::counts::Counts;
use crate::discovery::{Discovery, ResolvedTraffic};
use crate::fetch_plan::{
    FetchRange, FetchedRange, RangeRequest, discard_future, invalidate, mark_fetched, metric_counts, missing_ranges,
};
use crate::ledger::{Ledger, NotLoaded, Partition};
use crate::outcome::{CloudWatchSummary, Diagnostics};
use crate::series::SeriesKey;
use crate::slo::{AwsScope, Indicator, SourceKind};
use crate::source::cloudwatch::{self, MetricFetch, SeriesQuery};
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{Day, Span};

/// Numbers that are held at the same time while the past is asked for: about 100 MB.
const DATAPOINTS_MAX: u64 = 5_000_000;
/// Values of CloudWatch are rarely later than this: exporters see them converge within ten minutes.
const TYPICAL_DELAY_MINUTES: i32 = 15;

/// Asks one source for what the ledger lacks.
pub(super) async fn read_ranges(
    options: &RunOptions<'_>,
    discovery: &Discovery,
    request: &RangeRequest,
    store: &mut LedgerStore,
    diagnostics: &mut Diagnostics,
) -> Result<(), EngineError> {
    let mut fetched = store.fetched_ranges().await?;
    let discarded = discard_future(&mut fetched, request, options.now);
    if !discarded.is_empty() {
        // What is asked again comes last: whoever comes after a crash finds the same anew.
        store_counts(&Counts::new(), &discarded, store).await?;
        store.save_fetched_ranges(&fetched).await?;
        diagnostics.notes.push(format!(
            "discarded data from `{}` that an earlier run recorded for a time in the future; it is fetched again",
            request.source
        ));
    }
    let missing = missing_ranges(request, &fetched);
    if missing.is_empty() {
        diagnostics.notes.push(format!("`{}` is already fetched up to {}", request.source, request.end));
        return Ok(());
    }
    match &request.kind {
        SourceKind::CloudWatch { aws: reach, account } => {
            let target = (reach, account.as_deref(), discovery);
            read_metrics(options, (request, &missing), target, (&mut fetched, store), diagnostics).await
        }
        SourceKind::Athena { aws: reach, athena: lake } => {
            athena::read_athena(options, (request, &missing), (reach, lake), (&mut fetched, store), diagnostics).await
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => Ok(()),
    }
}

/// CloudWatch, some series at a time, so that memory and what a crash can lose stay bounded.
async fn read_metrics(
    options: &RunOptions<'_>,
    (request, ranges): (&RangeRequest, &[FetchRange]),
    (reach, account, discovery): (&AwsScope, Option<&str>, &Discovery),
    (fetched, store): (&mut BTreeMap<SeriesKey, FetchedRange>, &mut LedgerStore),
    diagnostics: &mut Diagnostics,
) -> Result<(), EngineError> {
    let aws = Aws::shared().await.for_scope(reach).await;
    let client = aws.cloudwatch();
    let mut summary = CloudWatchSummary::default();
    let sums = load_traffic_history(request, ranges, store).await?;
    // The newest is asked first; a past that would be too dear takes nothing from it.
    let planned = ranges.iter().map(|range| Ok((range.span, batches(request, range, &sums, (discovery, reach))?)));
    let planned = planned.collect::<Result<Vec<(Span, Vec<Vec<SeriesQuery>>)>, NotLoaded>>()?;
    let batch_count: usize = planned.iter().map(|(_, batches)| batches.len()).sum();
    let mut done = 0;
    let mut watermark = None;
    'asks: for (span, batches) in planned {
        let metrics = batches.iter().map(|wanted| cloudwatch::estimate_billed_metrics(span, options.now, wanted)).sum();
        if let Err(refused) = check_cost_limit(options, &request.source, &Usage { metrics, ..Usage::default() }) {
            diagnostics.warnings.push(refused);
            continue;
        }
        for mut batch in batches {
            (options.progress)(done, batch_count);
            done += 1;
            if options.stop.load(Ordering::Relaxed) {
                diagnostics
                    .warnings
                    .push("stopped before all metrics were fetched\nhint: run again to fetch the rest".to_owned());
                break 'asks;
            }
            // A newer span may have had the first values.
            for series_query in &mut batch {
                series_query.first_datapoints =
                    series_query.first_datapoints.take().map(|_| store.first_values(&series_query.series));
            }
            let (settled, expected_until) =
                (request.settled, request.end.min(options.at.min(options.now).plus(-TYPICAL_DELAY_MINUTES)));
            let metric_fetch =
                MetricFetch { client: &client, account, span, settled, expected_until, watermark, now: options.now };
            let response = cloudwatch::fetch_metrics(&metric_fetch, &batch).await;
            watermark = response.watermark;
            // It is paid for, whatever becomes of it.
            aws.record_metrics(response.billed_metrics);
            store_counts(&response.counts, &response.replaced, store).await?;
            store.add_first_values(&response.first_datapoints);
            for series in &response.complete_series {
                mark_fetched(fetched, request, series, span);
            }
            invalidate_later_gaps(fetched, (&response, span), store).await?;
            store.save_fetched_ranges(fetched).await?;
            // It is paid for: a run that is killed must not ask for it again.
            store.publish().await?;
            summary.add(&response, |series| sums.has_series(series));
        }
    }
    summary.report(options.catalog, &request.source, diagnostics);
    Ok(())
}

/// The sums of all days, and the minutes that tell whether a series had its first traffic before a span that is asked
/// for.
async fn load_traffic_history(
    request: &RangeRequest,
    ranges: &[FetchRange],
    store: &LedgerStore,
) -> Result<Ledger, EngineError> {
    let mut ledger = store.load(&LoadRequest::default()).await?;
    let mut minutes = BTreeSet::new();
    for FetchRange { span, series } in ranges {
        let is_undecided = |series: &SeriesKey| ledger.had_traffic(series, span.start).is_err();
        if series.iter().filter(|series| request.series.contains_key(*series)).any(is_undecided) {
            minutes.extend(Partition::in_span(Span::new(span.start.day().start(), span.start)));
        }
    }
    store.load_more(&mut ledger, &LoadRequest { minutes, ..LoadRequest::default() }).await?;
    Ok(ledger)
}

/// Where a series turns out to have had traffic before all that was asked of it, silence behind that was no traffic,
/// and is asked for again by the next run.
async fn invalidate_later_gaps(
    fetched: &mut BTreeMap<SeriesKey, FetchedRange>,
    (response, span): (&cloudwatch::MetricResponse, Span),
    store: &LedgerStore,
) -> Result<(), EngineError> {
    let is_older = |series: &SeriesKey| {
        let is_first_in_span = response.first_known.get(series).is_some_and(|first| span.contains(*first));
        is_first_in_span && fetched.get(series).is_some_and(|range| range.from <= span.start && range.end > span.end)
    };
    let older: Vec<&SeriesKey> = response.complete_series.iter().filter(|series| is_older(series)).collect();
    if older.is_empty() {
        return Ok(());
    }
    let next_minute = Span::new(span.end, span.end.plus(1));
    let ledger = store
        .load(&LoadRequest { minutes: Partition::in_span(next_minute).collect(), ..LoadRequest::default() })
        .await?;
    for series in older {
        if ledger.sums(series, next_minute)?.known == 0 {
            invalidate(fetched, series, span.end);
        }
    }
    Ok(())
}

/// Keeps counts, and forgets the other minutes of spans that an answer replaces, a day at a time: a fleet's past is
/// larger than memory should be.
pub(super) async fn store_counts(
    counts: &Counts,
    replaced_spans: &BTreeMap<SeriesKey, Vec<Span>>,
    store: &mut LedgerStore,
) -> Result<(), EngineError> {
    let replaced_days = replaced_spans.values().flatten().flat_map(|span| span.days());
    let days: BTreeSet<Day> = counts.keys().map(|(_, day)| *day).chain(replaced_days).collect();
    for day in days {
        let day_counts = counts.iter().filter(|((_, count_day), _)| *count_day == day);
        let day_counts: Counts = day_counts.map(|(key, counts)| (key.clone(), counts.clone())).collect();
        let clip_to_day = |(series, spans): (&SeriesKey, &Vec<Span>)| {
            let spans: Vec<Span> = spans.iter().map(|span| span.intersect(day.span())).collect();
            (series.clone(), spans.into_iter().filter(|span| !span.is_empty()).collect())
        };
        let replaced = replaced_spans.iter().map(clip_to_day).collect();
        store_day(day, &day_counts, &replaced, store).await?;
    }
    Ok(())
}

/// The same of one day.
pub(super) async fn store_day(
    day: Day,
    counts: &Counts,
    replaced_spans: &BTreeMap<SeriesKey, Vec<Span>>,
    store: &mut LedgerStore,
) -> Result<(), EngineError> {
    let spans: BTreeSet<Span> = replaced_spans.values().flatten().copied().collect();
    let has_changes = |part: &Partition| {
        let is_replaced = spans.iter().any(|span| !span.intersect(part.span()).is_empty());
        is_replaced || counts.values().any(|counts| counts.0[part.slots()].iter().any(Option::is_some))
    };
    let minutes = Partition::in_day(day).filter(has_changes).collect();
    let mut ledger = store.load(&LoadRequest { minutes, ..LoadRequest::default() }).await?;
    ledger.replace_counts(counts, replaced_spans)?;
    Ok(store.commit(&mut ledger).await?)
}

/// Whether what a source is about to be asked stays within what the run may cost.
pub(super) fn check_cost_limit(options: &RunOptions<'_>, source: &str, usage: &Usage) -> Result<(), String> {
    if Aws::is_within_cost_limit(options.max_cost, usage) {
        return Ok(());
    }
    let (price, used, limit) = (usage.price(), Aws::usage().price(), options.max_cost.unwrap_or_default());
    Err(format!(
        "skipped `{source}` to stay within `--max-cost`: spent {used} of {limit}, and {usage} would cost \
         {price}\nhint: raise `--max-cost`, fetch less often with a longer `every` for the source, or fetch fewer days with \
         `--days`"
    ))
}

/// The series of an ask in batches of a bounded size, each with what it is made of.
fn batches(
    request: &RangeRequest,
    range: &FetchRange,
    sums: &Ledger,
    (discovery, reach): (&Discovery, &AwsScope),
) -> Result<Vec<Vec<SeriesQuery>>, NotLoaded> {
    let mut batches: Vec<(u64, Vec<SeriesQuery>)> = Vec::new();
    for series in &range.series {
        let Some((indicator, _)) = request.series.get(series) else { continue };
        let ResolvedTraffic { with_ids, lifetimes: lived } = match indicator {
            Indicator::Requests { traffic, .. } => discovery.resolve_ids(reach, traffic, range.span),
            _ => ResolvedTraffic { with_ids: Vec::new(), lifetimes: vec![range.span] },
        };
        let Some(counts) = metric_counts(indicator, &with_ids) else { continue };
        let had_traffic = sums.had_traffic(series, range.span.start)?;
        let size = cloudwatch::value_count(&counts, range.span);
        let began = matches!(indicator, Indicator::Ratio { .. }).then(BTreeMap::new);
        let wanted =
            SeriesQuery { series: series.clone(), counts, had_traffic, lifetimes: lived, first_datapoints: began };
        match batches.last_mut() {
            Some((held, batch)) if *held + size <= DATAPOINTS_MAX => {
                *held += size;
                batch.push(wanted);
            }
            _ => batches.push((size, vec![wanted])),
        }
    }
    Ok(batches.into_iter().map(|(_, batch)| batch).collect())
}
