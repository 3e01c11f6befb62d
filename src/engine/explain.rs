//! One minute of one SLO, from the ledger and the book alone.

use super::EngineError;
use super::alerts::load_piece;
use crate::alert::{AlertBook, Audience, Course, Subject, resolve_after};
use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::report::explain::Explanation;
use crate::report::model::REACH_MINUTES;
use crate::slo::{Catalog, Excluded, Service, Slo, Urgency};
use crate::store::{BookKind, LedgerStore};

/// How far back an open incident is gone through to see what ends it.
const BACK_MINUTES: i32 = 3 * MINUTES_PER_DAY;

/// Explains an evaluation.
///
/// # Errors
/// When the ledger or the book cannot be read.
pub async fn explain<'a>(
    catalog: &'a Catalog,
    store: &LedgerStore,
    kind: BookKind,
    (service, slo): (&'a Service, &'a Slo),
    at: Minute,
) -> Result<Explanation<'a>, EngineError> {
    let (book, _) = store.book(kind).await?;
    let subject = Subject::Slo(slo.id.clone());
    let covers = |started: Minute, ended: Option<Minute>| started <= at && ended.is_none_or(|ended| at <= ended);
    let incident = book.of(&subject).rfind(|(key, one)| covers(key.started, one.ended.map(|(ended, _)| ended)));
    let incident = incident.map(|(key, incident)| (key.clone(), incident.clone()));
    let begins = incident.as_ref().map_or(at, |(key, _)| key.started).max(at.plus(-BACK_MINUTES));
    let excluded = Excluded::within(catalog, Span::before(at, REACH_MINUTES));
    let audience = Audience::of(catalog, &excluded, at);
    let (mut beats, mut verdict) = (Vec::new(), None);
    for piece in Audience::pieces(&audience.one(slo, begins, at)) {
        let ledger = load_piece(&audience, &piece, store).await?;
        beats.extend(audience.beats_of(&ledger, &piece)?);
        if piece.iter().any(|one| one.until == at) {
            verdict = Some(audience.verdict(&ledger, (service, slo), at)?);
        }
    }
    let resolve_after = resolve_after(slo, &catalog.alerts);
    let mut course = Course { fell: fell(&book, &subject, begins), ..Course::default() };
    for beat in &beats {
        course.step(beat, resolve_after);
    }
    let key = incident.as_ref().map(|(key, _)| key.to_string());
    let (Some(verdict), Some(beat)) = (verdict, beats.last().copied()) else {
        return Err(EngineError::NoMinute(at));
    };
    Ok(Explanation {
        service,
        slo,
        at,
        verdict,
        beat,
        course,
        resolve_after,
        open_within: catalog.alerts.open_within,
        evaluated: book.watches.get(&slo.id).map(|watch| watch.evaluated),
        silence: catalog.silence(service, slo, at),
        waiting: book.outbox.into_iter().filter(|entry| Some(&entry.message.key) == key.as_ref()).collect(),
        incident,
    })
}

/// When it last ceased to be as urgent as a ticket, a page and severe, up to a minute: what comes back soon takes
/// longer to go.
fn fell(book: &AlertBook, subject: &Subject, until: Minute) -> [Option<Minute>; 3] {
    let (mut fell, mut was) = ([None; 3], None);
    for (_, incident) in book.of(subject) {
        let turns = incident.turns.iter().map(|(at, urgency)| (*at, Some(*urgency)));
        let ended = incident.ended.map(|(at, _)| (at, None));
        for (at, is) in turns.chain(ended).filter(|(at, _)| *at <= until) {
            for level in [Urgency::Ticket, Urgency::Page, Urgency::Severe] {
                if was >= Some(level) && is < Some(level) {
                    fell[level as usize] = Some(at);
                }
            }
            was = is;
        }
    }
    fell
}
