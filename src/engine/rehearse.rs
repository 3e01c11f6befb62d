//! The past as if a run had come every five minutes: what would have been told to whom, on paper.
//!
//! It goes through the same doors as a run does, [`advance`] and [`decide`], with a moment that walks.

use std::collections::BTreeMap;

use super::alerts::{self, Telling};
use super::{EngineError, Job, judge};
use crate::alert::{AlertBook, Audience, Faulty, Heard, Incident, Round, Routes, advance, decide};
use crate::minute::{Minute, Span};
use crate::outcome::Said;
use crate::report::message::Facts;
use crate::report::model::{REACH_MINUTES, judged_at};
use crate::slo::Excluded;
use crate::store::{LedgerStore, Needs};

/// How often a run would have come.
const EVERY_MINUTES: i32 = 5;

/// Takes everything since a moment into a new book, and writes what would have been told on the way.
pub(super) async fn rehearse(
    job: &Job<'_>,
    telling: &Telling<'_>,
    since: Minute,
    store: &LedgerStore,
    said: &mut Said,
) -> Result<AlertBook, EngineError> {
    let excluded = Excluded::within(job.catalog, Span::before(job.at, REACH_MINUTES));
    let audience = Audience::of(job.catalog, &excluded, job.at);
    let mut book = AlertBook::default();
    let mut ledger = store.load(&Needs::default()).await?;
    store.load_slices(&mut ledger).await?;
    let (mut left, later) = alerts::hear_newest(&audience, &mut ledger, &book, Some(since), store).await?;
    for heard in &mut left {
        heard.beats.clear();
    }
    let mut step = since;
    for piece in Audience::pieces(&later) {
        audience.hear_piece(&alerts::load_piece(&audience, &piece, store).await?, &piece, &mut left)?;
        let end = piece.iter().map(|one| one.until).max().unwrap_or(step);
        while step <= end {
            walk(job, telling, step, (&mut left, &mut book), store, said).await?;
            step = step.plus(EVERY_MINUTES);
        }
    }
    // What is so new that its source may still change it is heard by the runs to come.
    walk(job, telling, job.at, (&mut left, &mut book), store, said).await?;
    Ok(book)
}

/// One run of the past.
async fn walk(
    job: &Job<'_>,
    telling: &Telling<'_>,
    at: Minute,
    (left, book): (&mut [Heard], &mut AlertBook),
    store: &LedgerStore,
    said: &mut Said,
) -> Result<(), EngineError> {
    let rules = &job.catalog.alerts;
    let mut heard = Vec::new();
    for ((_, slo), all) in job.catalog.slos().zip(left.iter_mut()) {
        let judged = judged_at(job.catalog, slo, at);
        let to_come = all.beats.split_off(all.beats.partition_point(|beat| beat.at <= judged));
        let evaluated = all.beats.last().map_or(judged, |beat| beat.at);
        let beats = std::mem::take(&mut all.beats);
        heard.push(Heard { beats, evaluated, changed: false, ..all.clone() });
        all.beats = to_come;
    }
    // What was promised then and is not any more, nobody knows.
    let faulty = Faulty { fleet: true, ..Faulty::default() };
    advance(book, &Round { at, rules, heard, faulty: &faulty, newest: BTreeMap::new() });
    let of = |incident: &Incident, urgency| alerts::destinations(job.catalog, telling.paper, incident, urgency);
    let routes = Routes { of: &of, silenced: &|key| alerts::is_silenced(job.catalog, &key.subject, at) };
    let tellings = decide(book, at, rules, &routes);
    if tellings.is_empty() {
        return Ok(());
    }
    let status = judge(job.catalog, store, at).await?;
    // A rehearsal goes through weeks: it reads no log again.
    let facts = Facts { catalog: job.catalog, book, status: &status, contributors: &BTreeMap::new() };
    let entries = alerts::entries(&facts, &tellings, at);
    let end = tokio::time::Instant::now() + alerts::SENDING;
    let tries = alerts::send(telling, entries.clone(), end).await;
    said.tries(&tries, job.catalog, telling.paper);
    book.outbox.extend(entries);
    book.confirm(&tries, at);
    Ok(())
}
