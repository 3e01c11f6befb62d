//! The stretch of the line that sources walk which answer with the counts of any span: asked for what is missing,
//! absorbed, kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::{EngineError, Job, lake};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::counts::Counts;
use crate::demand::{Ask, AskedOf, SpanQuestion, asks, forget, metric_counts, remember, retract_future};
use crate::discovery::{Discovery, Located};
use crate::fetch::cloudwatch::{self, Question, Wanted};
use crate::ledger::{Ledger, NotLoaded, Part};
use crate::minute::{Day, Span};
use crate::outcome::{MetricsRead, Said};
use crate::series::SeriesKey;
use crate::slo::{Indicator, Reach, SourceKind};
use crate::store::{LedgerStore, Needs};

/// Numbers that are held at the same time while the past is asked for: about 100 MB.
const NUMBERS_MAX: u64 = 5_000_000;
/// Values of CloudWatch are rarely later than this: exporters see them converge within ten minutes.
const USUAL_LATENESS_MINUTES: i32 = 15;

/// Asks one source for what the ledger lacks.
pub(super) async fn read_spans(
    job: &Job<'_>,
    discovery: &Discovery,
    question: &SpanQuestion,
    store: &mut LedgerStore,
    said: &mut Said,
) -> Result<(), EngineError> {
    let mut asked = store.asked().await?;
    let unknown = retract_future(&mut asked, question, job.now);
    if !unknown.is_empty() {
        // What is asked again comes last: whoever comes after a crash finds the same anew.
        keep(&Counts::new(), &unknown, store).await?;
        store.keep_asked(&asked).await?;
        said.notes.push(format!(
            "discarded data from `{}` that an earlier run recorded for a time in the future; it is fetched again",
            question.source
        ));
    }
    let asks = asks(question, &asked);
    if asks.is_empty() {
        said.notes.push(format!("`{}` is already fetched up to {}", question.source, question.end));
        return Ok(());
    }
    match &question.kind {
        SourceKind::CloudWatch { reach, account } => {
            let of = (reach, account.as_deref(), discovery);
            read_metrics(job, (question, &asks), of, (&mut asked, store), said).await
        }
        SourceKind::Athena { reach, lake } => {
            lake::read_lake(job, (question, &asks), (reach, lake), (&mut asked, store), said).await
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => Ok(()),
    }
}

/// CloudWatch, some series at a time, so that memory and what a crash can lose stay bounded.
async fn read_metrics(
    job: &Job<'_>,
    (question, asks): (&SpanQuestion, &[Ask]),
    (reach, account, discovery): (&Reach, Option<&str>, &Discovery),
    (asked, store): (&mut BTreeMap<SeriesKey, AskedOf>, &mut LedgerStore),
    said: &mut Said,
) -> Result<(), EngineError> {
    let aws = Aws::reach().await.of(reach).await;
    let client = aws.cloudwatch();
    let mut read = MetricsRead::default();
    let sums = with_first_days(question, asks, store).await?;
    // The newest is asked first; a past that would be too dear takes nothing from it.
    let planned = asks.iter().map(|ask| Ok((ask.span, batches(question, ask, &sums, (discovery, reach))?)));
    let planned = planned.collect::<Result<Vec<(Span, Vec<Vec<Wanted>>)>, NotLoaded>>()?;
    let all: usize = planned.iter().map(|(_, batches)| batches.len()).sum();
    let mut done = 0;
    let mut watermark = None;
    'asks: for (span, batches) in planned {
        let metrics = batches.iter().map(|wanted| cloudwatch::metrics(span, job.now, wanted)).sum();
        if let Err(refused) = affordable(job, &question.source, &Usage { metrics, ..Usage::default() }) {
            said.faults.push(refused);
            continue;
        }
        for mut wanted in batches {
            (job.progress)(done, all);
            done += 1;
            if job.stop.load(Ordering::Relaxed) {
                said.faults
                    .push("stopped before all metrics were fetched\nhint: run again to fetch the rest".to_owned());
                break 'asks;
            }
            // A newer span may have had the first values.
            for wanted in &mut wanted {
                wanted.began = wanted.began.take().map(|_| store.began(&wanted.series));
            }
            let (settled, expected_until) =
                (question.settled, question.end.min(job.at.min(job.now).plus(-USUAL_LATENESS_MINUTES)));
            let of = Question { client: &client, account, span, settled, expected_until, watermark, now: job.now };
            let answer = cloudwatch::answer(&of, &wanted).await;
            watermark = answer.watermark;
            // It is paid for, whatever becomes of it.
            aws.note_metrics(answer.metrics);
            keep(&answer.counts, &answer.replaced, store).await?;
            store.keep_began(&answer.began);
            for series in &answer.answered {
                remember(asked, question, series, span);
            }
            refetch_behind(asked, (&answer, span), store).await?;
            store.keep_asked(asked).await?;
            // It is paid for: a run that is killed must not ask for it again.
            store.publish().await?;
            read.add(&answer, |series| sums.knows(series));
        }
    }
    read.tell(job.catalog, &question.source, said);
    Ok(())
}

/// The sums of all days, and the minutes that tell whether a series had its first traffic before a span that is asked
/// for.
async fn with_first_days(question: &SpanQuestion, asks: &[Ask], store: &LedgerStore) -> Result<Ledger, EngineError> {
    let mut ledger = store.load(&Needs::default()).await?;
    let mut minutes = BTreeSet::new();
    for Ask { span, series } in asks {
        let is_open = |series: &SeriesKey| ledger.had_traffic(series, span.start).is_err();
        if series.iter().filter(|series| question.series.contains_key(*series)).any(is_open) {
            minutes.extend(Part::of_span(Span::new(span.start.day().start(), span.start)));
        }
    }
    store.load_more(&mut ledger, &Needs { minutes, ..Needs::default() }).await?;
    Ok(ledger)
}

/// Where a series turns out to have had traffic before all that was asked of it, silence behind that was no traffic,
/// and is asked for again by the next run.
async fn refetch_behind(
    asked: &mut BTreeMap<SeriesKey, AskedOf>,
    (answer, span): (&cloudwatch::Answer, Span),
    store: &LedgerStore,
) -> Result<(), EngineError> {
    let is_older = |series: &SeriesKey| {
        let first = answer.first_known.get(series).is_some_and(|first| span.contains(*first));
        first && asked.get(series).is_some_and(|held| held.from <= span.start && held.end > span.end)
    };
    let older: Vec<&SeriesKey> = answer.answered.iter().filter(|series| is_older(series)).collect();
    if older.is_empty() {
        return Ok(());
    }
    let behind = Span::new(span.end, span.end.plus(1));
    let ledger = store.load(&Needs { minutes: Part::of_span(behind).collect(), ..Needs::default() }).await?;
    for series in older {
        if ledger.sums(series, behind)?.known == 0 {
            forget(asked, series, span.end);
        }
    }
    Ok(())
}

/// Keeps counts, and forgets the other minutes of spans that an answer replaces, a day at a time: a fleet's past is
/// larger than memory should be.
pub(super) async fn keep(
    counts: &Counts,
    replaced: &BTreeMap<SeriesKey, Vec<Span>>,
    store: &mut LedgerStore,
) -> Result<(), EngineError> {
    let answered = replaced.values().flatten().flat_map(|span| span.days());
    let days: BTreeSet<Day> = counts.keys().map(|(_, day)| *day).chain(answered).collect();
    for day in days {
        let of_day = counts.iter().filter(|((_, of), _)| *of == day);
        let of_day: Counts = of_day.map(|(key, counts)| (key.clone(), counts.clone())).collect();
        let within = |(series, spans): (&SeriesKey, &Vec<Span>)| {
            let spans: Vec<Span> = spans.iter().map(|span| span.intersect(day.span())).collect();
            (series.clone(), spans.into_iter().filter(|span| !span.is_empty()).collect())
        };
        let replaced = replaced.iter().map(within).collect();
        keep_day(day, &of_day, &replaced, store).await?;
    }
    Ok(())
}

/// The same of one day.
pub(super) async fn keep_day(
    day: Day,
    counts: &Counts,
    replaced: &BTreeMap<SeriesKey, Vec<Span>>,
    store: &mut LedgerStore,
) -> Result<(), EngineError> {
    let spans: BTreeSet<Span> = replaced.values().flatten().copied().collect();
    let has = |part: &Part| {
        let is_answered = spans.iter().any(|span| !span.intersect(part.span()).is_empty());
        is_answered || counts.values().any(|counts| counts.0[part.slots()].iter().any(Option::is_some))
    };
    let minutes = Part::of_day(day).filter(has).collect();
    let mut ledger = store.load(&Needs { minutes, ..Needs::default() }).await?;
    ledger.replace_counts(counts, replaced)?;
    Ok(store.commit(&mut ledger).await?)
}

/// Whether what a source is about to be asked stays within what the run may cost.
pub(super) fn affordable(job: &Job<'_>, source: &str, usage: &Usage) -> Result<(), String> {
    if Aws::has_room(job.max_cost, usage) {
        return Ok(());
    }
    let (price, spent, most) = (usage.price(), Aws::used().price(), job.max_cost.unwrap_or_default());
    Err(format!(
        "skipped `{source}` to stay within `--max-cost`: spent {spent} of {most}, and {usage} would cost \
         {price}\nhint: raise `--max-cost`, fetch less often with a longer `every` for the source, or fetch fewer days with \
         `--days`"
    ))
}

/// The series of an ask in batches of a bounded size, each with what it is made of.
fn batches(
    question: &SpanQuestion,
    ask: &Ask,
    sums: &Ledger,
    (discovery, reach): (&Discovery, &Reach),
) -> Result<Vec<Vec<Wanted>>, NotLoaded> {
    let mut batches: Vec<(u64, Vec<Wanted>)> = Vec::new();
    for series in &ask.series {
        let Some((indicator, _)) = question.series.get(series) else { continue };
        let Located { with_ids, lived } = match indicator {
            Indicator::Requests { traffic, .. } => discovery.located(reach, traffic, ask.span),
            _ => Located { with_ids: Vec::new(), lived: vec![ask.span] },
        };
        let Some(counts) = metric_counts(indicator, &with_ids) else { continue };
        let had_traffic = sums.had_traffic(series, ask.span.start)?;
        let size = cloudwatch::size(&counts, ask.span);
        let began = matches!(indicator, Indicator::Ratio { .. }).then(BTreeMap::new);
        let wanted = Wanted { series: series.clone(), counts, had_traffic, lived, began };
        match batches.last_mut() {
            Some((held, batch)) if *held + size <= NUMBERS_MAX => {
                *held += size;
                batch.push(wanted);
            }
            _ => batches.push((size, vec![wanted])),
        }
    }
    Ok(batches.into_iter().map(|(_, batch)| batch).collect())
}
