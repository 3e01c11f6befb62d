//! From judgements to people: heard, advanced, decided; then recorded, sent and confirmed, in this order, so that
//! whatever happens in between is made good by the next run.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::contributors::{Causes, Recent};
use super::{EngineError, Job, rehearse};
use crate::alert::Telling as Decided;
use crate::alert::{
    AlertBook, Audience, Entry, Fate, Faulty, Heard, Incident, Later, Newest, Round, Routes, Subject, Tried, advance,
    decide,
};
use crate::ledger::{Ledger, Wanted};
use crate::minute::{Minute, Span};
use crate::notify::{Postman, SendError};
use crate::outcome::Said;
use crate::report::message::Facts;
use crate::report::model::{REACH_MINUTES, Status};
use crate::slo::{Catalog, Excluded, NO_DESTINATION, Urgency};
use crate::store::{BookKind, LedgerStore, Needs, ShelfError, StoreError, Version, WritePoints};

/// How often the book is read again because another run wrote it.
const RACES: usize = 8;
/// A run sends for so long at most, which is less than a claim lasts. What is left is for the next one.
pub(super) const SENDING: Duration = Duration::from_secs(100);

/// How a run tells people.
pub struct Telling<'a> {
    /// Takes messages to them.
    pub postman: &'a Postman,
    /// Whether it writes files instead: then everybody is told, even who has no destination.
    pub paper: bool,
    /// On paper, where the past begins that is gone through as if runs had come; without it nothing is told of the
    /// past.
    pub since: Option<Minute>,
    /// Definitions that could not be read.
    pub faulty: Faulty,
    /// Where a test may stop the process.
    pub points: &'a WritePoints,
}

impl Telling<'_> {
    /// What is told on paper has a book of its own: nobody has heard of it.
    pub(super) const fn kind(&self) -> BookKind {
        if self.paper { BookKind::Paper } else { BookKind::People }
    }
}

/// The book, and what it was when it was read.
pub(super) type Book = (AlertBook, Option<Version>);

/// Adds what hearing needs of minutes to what the status needs.
pub(super) fn want(catalog: &Catalog, at: Minute, ledger: &Ledger, book: &AlertBook, wanted: &mut Wanted) {
    let excluded = Excluded::within(catalog, Span::before(at, REACH_MINUTES));
    Audience::of(catalog, &excluded, at).want(ledger, book, wanted);
}

/// Takes the newest minutes into the book, and tells whoever has to be told.
pub(super) async fn tell_people(
    job: &Job<'_>,
    telling: &Telling<'_>,
    (status, ledger): (&Status, &mut Ledger),
    (book, recent): (Book, &[Recent<'_>]),
    store: &LedgerStore,
    said: &mut Said,
) -> Result<AlertBook, EngineError> {
    let kind = telling.kind();
    if telling.since.is_some() && book.1.is_some() {
        let hint = "remove `alerts-dry-run.json` from the ledger to replay the past again";
        said.notes
            .push(format!("`--since` has no effect: the dry run continues from its earlier alert state\nhint: {hint}"));
    }
    if let (Some(since), None) = (telling.since, &book.1) {
        let book = rehearse::rehearse(job, telling, since, store, said).await?;
        store.keep_book(kind, &book, None).await?;
        return Ok(book);
    }
    let Some((mut book, mut version)) = record(job, telling, (status, ledger), (book, recent), store, said).await?
    else {
        return Ok(store.book(kind).await?.0);
    };
    // What waits behind a message to the same place is sent when that has arrived.
    let end = tokio::time::Instant::now() + SENDING;
    loop {
        // Fetching may have taken longer than a claim lasts.
        let claimed = book.claim(telling.postman.minute(), store.is_alone());
        if claimed.is_empty() || tokio::time::Instant::now() >= end {
            break;
        }
        if !store.is_alone() {
            match store.keep_book(kind, &book, Some(&version)).await {
                Err(StoreError::Shelf(ShelfError::Lost(_))) => break,
                kept => version = kept?,
            }
        }
        let tries = send(telling, claimed, end).await;
        said.tries(&tries, job.catalog, telling.paper);
        (book, version) = confirm(job, telling, &tries, (book, version), store).await?;
    }
    said.untried(&book);
    ping(job, telling, said).await;
    Ok(book)
}

/// Decides, and records what was decided. `None` where other runs were quicker again and again: they tell, then.
async fn record(
    job: &Job<'_>,
    telling: &Telling<'_>,
    (status, ledger): (&Status, &mut Ledger),
    ((mut book, mut version), recent): (Book, &[Recent<'_>]),
    store: &LedgerStore,
    said: &mut Said,
) -> Result<Option<(AlertBook, Version)>, EngineError> {
    let rules = &job.catalog.alerts;
    let mut causes = Causes::new(recent);
    for _ in 0..RACES {
        let (heard, newest) = hear(job, ledger, &book, store).await?;
        let round = Round { at: job.at, rules, heard, faulty: &telling.faulty, newest };
        let rewritten = advance(&mut book, &round);
        let of = |incident: &Incident, urgency| destinations(job.catalog, telling.paper, incident, urgency);
        let routes = Routes { of: &of, silenced: &|key| is_silenced(job.catalog, &key.subject, job.at) };
        let tellings = decide(&mut book, job.at, rules, &routes);
        causes.look_into(job, (&tellings, &book), status, said).await;
        causes.note(job, &mut book);
        let facts = Facts { catalog: job.catalog, book: &book, status, contributors: &causes.known };
        let mut entries = entries(&facts, &tellings, job.now);
        for change in &rewritten {
            let message = facts.rewritten(change);
            let to = change_routes(job.catalog, &change.owner.team);
            entries.extend(to.into_iter().map(|to| Entry::new(message.clone(), to, job.now)));
        }
        book.outbox.extend(entries);
        match store.keep_book(telling.kind(), &book, version.as_ref()).await {
            Ok(version) => {
                return Ok(Some((book, version)));
            }
            Err(StoreError::Shelf(ShelfError::Lost(_))) => (book, version) = store.book(telling.kind()).await?,
            Err(error) => return Err(error.into()),
        }
    }
    said.notes.push("another run is updating the alert state; notifications are left to it".to_owned());
    Ok(None)
}

/// What is new of every SLO.
async fn hear(
    job: &Job<'_>,
    ledger: &mut Ledger,
    book: &AlertBook,
    store: &LedgerStore,
) -> Result<(Vec<Heard>, BTreeMap<String, Newest>), EngineError> {
    let excluded = Excluded::within(job.catalog, Span::before(job.at, REACH_MINUTES));
    let audience = Audience::of(job.catalog, &excluded, job.at);
    let (mut heard, later) = hear_newest(&audience, ledger, book, None, store).await?;
    for piece in Audience::pieces(&later) {
        audience.hear_piece(&load_piece(&audience, &piece, store).await?, &piece, &mut heard)?;
    }
    let newest = audience.newest(&heard);
    Ok((heard, newest))
}

/// Hears what can be heard at once, and says what is left for later.
pub(super) async fn hear_newest(
    audience: &Audience<'_>,
    ledger: &mut Ledger,
    book: &AlertBook,
    since: Option<Minute>,
    store: &LedgerStore,
) -> Result<(Vec<Heard>, Vec<Later>), EngineError> {
    loop {
        match audience.hear(ledger, book, since) {
            Ok(found) => return Ok(found),
            Err(missing) => store.load_more(ledger, &Needs { minutes: missing.0, ..Needs::default() }).await?,
        }
    }
}

/// A ledger that knows what a piece asks for, and no more.
pub(super) async fn load_piece(
    audience: &Audience<'_>,
    piece: &[Later],
    store: &LedgerStore,
) -> Result<Ledger, EngineError> {
    let mut ledger = store.load(&Needs::default()).await?;
    store.load_slices(&mut ledger).await?;
    let mut wanted = Wanted::default();
    audience.want_piece(&ledger, piece, &mut wanted);
    store.load_more(&mut ledger, &Needs { wanted, ..Needs::default() }).await?;
    Ok(ledger)
}

/// What was decided, in words, once for each destination.
pub(super) fn entries(facts: &Facts<'_>, tellings: &[Decided], at: Minute) -> Vec<Entry> {
    let of = |one: &Decided| {
        let message = facts.message(one);
        one.to.iter().map(move |to| Entry::new(message.clone(), to.clone(), at)).collect::<Vec<_>>()
    };
    tellings.iter().flat_map(of).collect()
}

/// Where messages about an incident go: those of its team, or of the team that keeps the fleet if there are none.
pub(super) fn destinations(catalog: &Catalog, paper: bool, incident: &Incident, urgency: Urgency) -> Vec<String> {
    let of_team = |team: &str| catalog.teams.get(team).map(|team| team.told_of(urgency)).unwrap_or_default();
    let mut to = of_team(&incident.team);
    if to.is_empty() {
        to = catalog.alerts.team.as_deref().map(of_team).unwrap_or_default();
    }
    to.extend(catalog.notify_also.get(&incident.class).map(|also| also.told_of(urgency)).unwrap_or_default());
    if to.is_empty() && paper {
        let list = if urgency == Urgency::Ticket { "tickets" } else { "pages" };
        to.push(format!("{NO_DESTINATION}:{}-{list}", incident.team));
    }
    to.sort_unstable();
    to.dedup();
    to
}

/// Whether somebody asked not to be told of a promise at a moment.
pub(super) fn is_silenced(catalog: &Catalog, subject: &Subject, at: Minute) -> bool {
    let Subject::Slo(id) = subject else { return false };
    !catalog.silences.is_empty()
        && catalog.slos().any(|(service, slo)| slo.id == *id && catalog.silence(service, slo, at).is_some())
}

/// Who keeps a record of changes: PagerDuty shows them beside what burns.
fn change_routes(catalog: &Catalog, team: &str) -> Vec<String> {
    let pages = catalog.teams.get(team).map(|team| team.told_of(Urgency::Page)).unwrap_or_default();
    pages.into_iter().filter(|to| to.starts_with("pagerduty:")).collect()
}

/// Sends what was claimed for as long as there is time: to each destination one after another, what may wake somebody
/// first, and to all of them at once, so that one that does not answer holds up no other.
pub(super) async fn send(telling: &Telling<'_>, claimed: Vec<Entry>, end: tokio::time::Instant) -> Vec<(Entry, Tried)> {
    let mut lanes: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in claimed {
        lanes.entry(entry.to.clone()).or_default().push(entry);
    }
    let lanes = lanes.into_values().map(|mut lane| {
        lane.sort_by_key(|entry| Reverse(entry.matters()));
        let sending = stream::unfold((lane.into_iter(), None), async |(mut lane, asked): (_, Option<Tried>)| {
            let entry: Entry = Iterator::next(&mut lane)?;
            // Who asks to be left alone for a while means all that is for them.
            let how = if let Some(asked) = &asked { asked.clone() } else { send_one(telling, &entry).await };
            let asked = Some(how.clone()).filter(|how| matches!(how, Tried::Later { wait: Some(_), .. }));
            Some(((entry, how), (lane, asked)))
        });
        Box::pin(sending)
    });
    let (mut tries, mut sending) = (Vec::new(), stream::select_all(lanes));
    while let Ok(Some(tried)) = tokio::time::timeout_at(end, sending.next()).await {
        tries.push(tried);
    }
    tries
}

async fn send_one(telling: &Telling<'_>, entry: &Entry) -> Tried {
    telling.points.pass();
    let how = match telling.postman.send(&entry.to, &entry.message).await {
        Ok(_) => Tried::Delivered,
        Err(SendError::Later { wait_s, why, remedy }) => {
            let wait = wait_s.map(|seconds| u32::try_from(seconds.div_ceil(60)).unwrap_or(u32::MAX));
            Tried::Later { why: format!("{why}\nhint: {remedy}"), wait }
        }
        Err(SendError::Never { why, remedy }) => Tried::Never { why: format!("{why}\nhint: {remedy}") },
    };
    telling.points.pass();
    how
}

/// Notes in the book what arrived, whoever wrote it meanwhile. What never can is told to those who keep the fleet.
async fn confirm(
    job: &Job<'_>,
    telling: &Telling<'_>,
    tries: &[(Entry, Tried)],
    (mut book, mut version): (AlertBook, Version),
    store: &LedgerStore,
) -> Result<(AlertBook, Version), EngineError> {
    let (kind, now) = (telling.kind(), telling.postman.minute());
    for _ in 0..RACES {
        for fate in book.confirm(tries, now) {
            tell_of(job.catalog, &fate, &mut book, now);
        }
        match store.keep_book(kind, &book, Some(&version)).await {
            Ok(version) => return Ok((book, version)),
            Err(StoreError::Shelf(ShelfError::Lost(_))) => {
                let (newer, read) = store.book(kind).await?;
                book = newer;
                version = read.unwrap_or(version);
            }
            Err(error) => return Err(error.into()),
        }
    }
    // What was sent and could not be confirmed is sent again: every message says which it is.
    Ok((book, version))
}

/// Those who keep the fleet hear of a message that does not arrive, and of one that does after all.
fn tell_of(catalog: &Catalog, fate: &Fate, book: &mut AlertBook, now: Minute) {
    let (Fate::Stuck(entry) | Fate::Arrived(entry)) = fate;
    // Of what was to say so nobody is told again: it would go on for ever.
    if Facts::is_undelivered(&entry.message) {
        return;
    }
    let (urgency, message) = match (fate, entry.reported) {
        (Fate::Stuck(_), _) => (entry.matters(), Facts::undelivered(catalog, entry, now)),
        (Fate::Arrived(_), Some(urgency)) if urgency >= Urgency::Page => {
            let message = Facts::arrived(catalog, entry, urgency, now);
            book.spare_the_sleeping(&message.key);
            (urgency, message)
        }
        // A note has no end.
        (Fate::Arrived(_), _) => return,
    };
    // What would have woken somebody wakes those who can see to it.
    let team = catalog.alerts.team.as_ref().and_then(|team| catalog.teams.get(team));
    let to = team.map(|team| team.told_of(urgency)).unwrap_or_default();
    let others = to.into_iter().filter(|to| *to != entry.to);
    book.outbox.extend(others.map(|to| Entry::new(message.clone(), to, now)));
}

/// Tells whoever watches from elsewhere that this run has come to its end.
async fn ping(job: &Job<'_>, telling: &Telling<'_>, said: &mut Said) {
    let Some(to) = job.catalog.alerts.heartbeat.as_ref().filter(|_| !telling.paper) else { return };
    if let Err(error) = telling.postman.ping(to).await {
        said.faults.push(format!("cannot send the heartbeat: {error}"));
    }
}
