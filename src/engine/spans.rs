//! The stretch of the line that sources walk which answer with the counts of any span: asked for what is missing, absorbed, kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::{EngineError, Job, lake};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::counts::Counts;
use crate::demand::{Ask, AskedOf, SpanQuestion, asks, metric_counts, remember};
use crate::discovery::{Discovery, Located};
use crate::fetch::cloudwatch::{self, Question, Wanted};
use crate::ledger::{Ledger, Part};
use crate::minute::{Day, Span};
use crate::outcome::{MetricsRead, Said};
use crate::series::SeriesKey;
use crate::slo::{Indicator, Reach, SourceKind};
use crate::store::{LedgerStore, Needs};

/// Numbers that are held at the same time while the past is asked for: about 100 MB.
const NUMBERS_MAX: u64 = 5_000_000;
/// A metric that had events within as many days still exists: CloudWatch lists metrics of the last two weeks.
const ALIVE_DAYS: i32 = 14;

/// Asks one source for what the ledger lacks.
pub(super) async fn read_spans(
    job: &Job<'_>,
    discovery: &Discovery,
    question: &SpanQuestion,
    store: &mut LedgerStore,
    said: &mut Said,
) -> Result<(), EngineError> {
    let mut asked = store.asked().await?;
    let asks = asks(question, &asked);
    if asks.is_empty() {
        said.notes.push(format!("`{}` has been asked up to {}", question.source, question.end));
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
    let sums = store.load(&Needs::default()).await?;
    // The newest is asked first; a past that would be too dear takes nothing from it.
    let planned: Vec<(Span, Vec<Vec<Wanted>>)> =
        asks.iter().map(|ask| (ask.span, batches(question, ask, (&sums, store), (discovery, reach)))).collect();
    let all: usize = planned.iter().map(|(_, batches)| batches.len()).sum();
    let mut done = 0;
    'asks: for (span, batches) in planned {
        let metrics = batches.iter().map(|wanted| cloudwatch::metrics(span, job.now, wanted)).sum();
        if let Err(refused) = affordable(job, &question.source, &Usage { metrics, ..Usage::default() }) {
            said.faults.push(refused);
            continue;
        }
        for wanted in batches {
            (job.progress)(done, all);
            done += 1;
            if job.stop.load(Ordering::Relaxed) {
                said.faults
                    .push("stopped before all metrics were asked for\nhint: run again to ask for the rest".to_owned());
                break 'asks;
            }
            let of = Question { client: &client, account, span, settled: question.settled, now: job.now };
            let answer = cloudwatch::answer(&of, &wanted).await;
            // It is paid for, whatever becomes of it.
            aws.note_metrics(answer.metrics);
            keep(&answer.counts, store).await?;
            store.keep_began(&answer.began).await?;
            for series in &answer.answered {
                remember(asked, question, series, span);
            }
            store.keep_asked(asked).await?;
            read.add(&answer, |series| sums.knows(series));
        }
    }
    read.tell(job.catalog, &question.source, said);
    Ok(())
}

/// Keeps counts, a day at a time: a fleet's past is larger than memory should be.
pub(super) async fn keep(counts: &Counts, store: &mut LedgerStore) -> Result<(), EngineError> {
    let days: BTreeSet<Day> = counts.keys().map(|(_, day)| *day).collect();
    for day in days {
        let of_day = counts.iter().filter(|((_, of), _)| *of == day);
        let of_day: Counts = of_day.map(|(key, counts)| (key.clone(), counts.clone())).collect();
        let has = |part: &Part| of_day.values().any(|counts| counts.0[part.slots()].iter().any(Option::is_some));
        let minutes = Part::of_day(day).filter(has).collect();
        let mut ledger = store.load(&Needs { minutes, ..Needs::default() }).await?;
        ledger.absorb_counts(&of_day)?;
        store.commit(&mut ledger).await?;
    }
    Ok(())
}

/// Whether what a source is about to be asked stays within what the run may cost.
pub(super) fn affordable(job: &Job<'_>, source: &str, usage: &Usage) -> Result<(), String> {
    if Aws::has_room(job.max_cost, usage) {
        return Ok(());
    }
    let (price, spent, most) = (usage.price(), Aws::used().price(), job.max_cost.unwrap_or_default());
    Err(format!(
        "`{source}` is not asked: {usage} would cost {price} after {spent}, and the run may cost {most}\nhint: raise \
         `--max-cost`, ask less often with `every` of the source, or look fewer days back with `--days`"
    ))
}

/// The series of an ask in batches of a bounded size, each with what it is made of.
fn batches(
    question: &SpanQuestion,
    ask: &Ask,
    (sums, store): (&Ledger, &LedgerStore),
    (discovery, reach): (&Discovery, &Reach),
) -> Vec<Vec<Wanted>> {
    let mut batches: Vec<(u64, Vec<Wanted>)> = Vec::new();
    for series in &ask.series {
        let Some((indicator, _)) = question.series.get(series) else { continue };
        let Located { with_ids, lived } = match indicator {
            Indicator::Requests { traffic, .. } => discovery.located(reach, traffic, ask.span),
            _ => Located { with_ids: Vec::new(), lived: vec![ask.span] },
        };
        let Some(counts) = metric_counts(indicator, &with_ids) else { continue };
        let first = ask.span.start.day();
        let is_alive = (-ALIVE_DAYS..=0).any(|back| sums.day_sums(series, first.plus(back)).total > 0);
        let size = cloudwatch::size(&counts, ask.span);
        let began = matches!(indicator, Indicator::Ratio { .. }).then(|| store.began(series));
        let wanted = Wanted { series: series.clone(), counts, is_alive, lived, began };
        match batches.last_mut() {
            Some((held, batch)) if *held + size <= NUMBERS_MAX => {
                *held += size;
                batch.push(wanted);
            }
            _ => batches.push((size, vec![wanted])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}
