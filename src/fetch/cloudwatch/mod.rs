//! Counts from metrics of CloudWatch: [`answer`] asks for a span of some series, in as few requests as may be.
//!
//! **Invariant:** a minute is known only if every metric that it is made of was answered whole; what was not asked for,
//! not answered, or answered in part is nothing, and never zero. What was answered whole replaces what an earlier
//! answer said.

mod ask;
mod began;
mod plan;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use futures_util::stream::{self, StreamExt};

use crate::counts::Counts;
use crate::demand::billed;
use crate::minute::{Minute, Span};
use crate::series::SeriesKey;
use crate::slo::{MetricCount, MetricCounts};
use ask::{Answered, Unanswered};
use plan::{Call, Piece};

pub use began::{Began, Silent};

/// Requests at the same time. An account may send 50 a second to a region.
const ASKED_TOGETHER: usize = 8;

/// One series to be answered.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its key.
    pub series: SeriesKey,
    /// What counts its events.
    pub counts: MetricCounts,
    /// Whether the ledger has events of it from before the span, so that its metrics exist and silence is no traffic.
    pub had_traffic: bool,
    /// The minutes that its metrics tell of, in order: before and behind there was nothing that could have any.
    pub lived: Vec<Span>,
    /// When its metrics had their first values, as far as that was seen; `None` where nobody could have misspelt them.
    pub began: Option<Began>,
}

/// What a span is asked with.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// CloudWatch of a region, asked as somebody.
    pub client: &'a Client,
    /// In a monitoring account: whose metrics.
    pub account: Option<&'a str>,
    /// The minutes.
    pub span: Span,
    /// Minutes before this no longer change, so that nothing in them means no traffic.
    pub settled: Minute,
    /// Minutes before this have usually been delivered: nothing in them means no traffic where the watermark says that
    /// they have.
    pub expected_until: Minute,
    /// The newest minute that any metric of the source had a value of, as far as this run has asked.
    pub watermark: Option<Minute>,
    /// What time it is: the age of a minute decides how finely CloudWatch still has it.
    pub now: Minute,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Answer {
    /// The minutes that are known.
    pub counts: Counts,
    /// The spans in which this answer replaces what was known, by series: minutes without a count are unknown.
    pub replaced: BTreeMap<SeriesKey, Vec<Span>>,
    /// The series that were answered whole.
    pub answered: Vec<SeriesKey>,
    /// The newest minute that any metric had a value of.
    pub watermark: Option<Minute>,
    /// The first minute from which on silence is no traffic, of series that had no traffic before the span.
    pub first_known: BTreeMap<SeriesKey, Minute>,
    /// What went wrong, each with the number of series that it left unknown.
    pub faults: BTreeMap<String, usize>,
    /// Metrics that were paid for.
    pub metrics: u64,
    /// Requests that were sent, pages included.
    pub requests: u64,
    /// Series whose good or bad events outnumber all, by minutes.
    pub absurd: BTreeMap<SeriesKey, u32>,
    /// When the metrics of ratios had their first values, what was known before included.
    pub began: BTreeMap<SeriesKey, Began>,
    /// Ratios with metrics that never had any.
    pub silent: BTreeMap<SeriesKey, Silent>,
}

/// How many numbers an answer would hold: what its memory depends on.
#[must_use]
pub fn size(wanted: &MetricCounts, span: Span) -> u64 {
    wanted.all().len() as u64 * u64::from(span.minutes())
}

/// How many metrics a question would be paid as.
#[must_use]
pub fn metrics(span: Span, now: Minute, wanted: &[Wanted]) -> u64 {
    let queries: Vec<&MetricCount> = queries(wanted);
    let calls = plan::pieces(span, now).into_iter().flat_map(|piece| plan::calls(&queries, &piece));
    calls.map(|call| billed(&queries[call.queries])).sum()
}

/// All that has to be asked, sorted, each once.
fn queries(wanted: &[Wanted]) -> Vec<&MetricCount> {
    wanted.iter().flat_map(|wanted| wanted.counts.all()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Asks CloudWatch for a span of some series.
pub async fn answer(question: &Question<'_>, wanted: &[Wanted]) -> Answer {
    let queries = queries(wanted);
    let mut answer = Answer { watermark: question.watermark, ..Answer::default() };
    let mut failed: BTreeMap<&MetricCount, Unanswered> = BTreeMap::new();
    let mut began: Vec<Option<Began>> = wanted.iter().map(|wanted| wanted.began.clone()).collect();
    for piece in plan::pieces(question.span, question.now) {
        let calls = plan::calls(&queries, &piece);
        let sent = calls.iter().map(|call| ask::ask(question, &queries, call));
        let results: Vec<(&Call, ask::Result)> =
            stream::iter(calls.iter().zip(sent).map(async |(call, sent)| (call, sent.await)))
                .buffer_unordered(ASKED_TOGETHER)
                .collect()
                .await;
        let mut points = BTreeMap::new();
        for (call, result) in results {
            answer.requests += result.requests;
            answer.metrics += if result.is_paid { billed(&queries[call.queries.clone()]) } else { 0 };
            for (query, answered) in queries[call.queries.clone()].iter().zip(result.answers) {
                match answered {
                    Answered::Whole(values) => drop(points.insert(*query, values)),
                    Answered::Not(fault) => drop(failed.insert(*query, fault)),
                }
            }
        }
        let newest = points.values().filter_map(|values| values.last()).map(|(minute, _)| *minute).max();
        answer.watermark = answer.watermark.max(newest);
        absorb(question, (wanted, &mut began), &piece, &points, &mut answer);
    }
    for (wanted, began) in wanted.iter().zip(began) {
        let faults: BTreeSet<&Unanswered> =
            wanted.counts.all().into_iter().filter_map(|query| failed.get(query)).collect();
        match faults.first() {
            None => {
                answer.answered.push(wanted.series.clone());
                if let Some(began) = began {
                    answer.note_began(&wanted.series, &wanted.counts, began);
                }
            }
            Some(fault) => *answer.faults.entry(fault.to_string()).or_default() += 1,
        }
    }
    answer
}

/// Makes counts of the series whose metrics were all answered for a piece.
fn absorb(
    question: &Question<'_>,
    (wanted, began): (&[Wanted], &mut [Option<Began>]),
    piece: &Piece,
    points: &BTreeMap<&MetricCount, Vec<(Minute, f64)>>,
    answer: &mut Answer,
) {
    for (wanted, began) in wanted.iter().zip(began) {
        if wanted.counts.all().iter().any(|query| !points.contains_key(query)) {
            continue;
        }
        answer.replaced.entry(wanted.series.clone()).or_default().push(piece.span);
        let values = |query: &MetricCount| points.get(query).map_or(&[][..], Vec::as_slice);
        // Pieces come from the oldest to the newest.
        let from = match began {
            None if wanted.had_traffic => Some(Minute(i32::MIN)),
            None => {
                answer.first_known.get(&wanted.series).copied().or_else(|| began::first_value(&wanted.counts, values))
            }
            Some(began) => {
                began::learn(began, &wanted.counts, values);
                began::ready(began, &wanted.counts)
            }
        };
        // Of something that nothing can be counted of, no minute is known: not even that it had no traffic.
        let Some(from) = from else { continue };
        if from >= question.span.start {
            answer.first_known.insert(wanted.series.clone(), from);
        }
        let Question { settled, expected_until, .. } = *question;
        let bounds = settle::Bounds { from, settled, expected_until, watermark: answer.watermark };
        let settled = settle::settle(wanted, &bounds, piece, values);
        if settled.absurd > 0 {
            *answer.absurd.entry(wanted.series.clone()).or_default() += settled.absurd;
        }
        for (day, counts) in settled.days {
            let held = answer.counts.entry((wanted.series.clone(), day)).or_default();
            for (slot, count) in counts.0.iter().enumerate() {
                if count.is_some() {
                    held.0[slot] = *count;
                }
            }
        }
    }
}
