//! The straight line as one function: questions, answers, memory, numbers, judgements, words. No arithmetic, no
//! formatting.

mod alerts;
mod begun;
mod console;
mod contributors;
mod counts;
mod discover;
mod explain;
mod lake;
mod listing_plan;
mod logs;
mod rehearse;
mod spans;
mod target_groups;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Instrument, info, info_span};

use crate::alert::AlertBook;
use crate::aws::Aws;
use crate::cost::{self, Dollars, Forecast, Habits};
use crate::demand::{self, Demand};
use crate::discovery::{self, Discovery};
use crate::exact::Exact;
use crate::ledger::{AbsorbError, Ledger, NotLoaded, Table};
use crate::minute::{Day, Minute, Span};
use crate::outcome::{Outcome, Said};
use crate::report::model::{self, Status, Views};
use crate::slo::{Catalog, Excluded, Service, Slo};
use crate::store::{LedgerStore, Needs, ShelfError, StoreError};

use contributors::Recent;
use listing_plan::ListingPlan;

pub use alerts::Telling;
pub use console::histories;
pub use explain::explain;

/// What a run is about.
pub struct Job<'a> {
    /// The promises.
    pub catalog: &'a Catalog,
    /// The moment that is looked at.
    pub at: Minute,
    /// What time it is: how finely CloudWatch still has the past depends on it.
    pub now: Minute,
    /// How many days back logs are read; without it as far as the longest window.
    pub days: Option<u16>,
    /// The folder of teams' own queries.
    pub queries: &'a Path,
    /// What all that is asked of AWS may cost by list price; without it, whatever it takes.
    pub max_cost: Option<Dollars>,
    /// Ask nobody: what the ledger has is all there is.
    pub offline: bool,
    /// Threads that read logs.
    pub threads: usize,
    /// How people are told; without it nobody is, and no incident is opened.
    pub telling: Option<Telling<'a>>,
    /// Raised when the run should keep what it has and end.
    pub stop: Arc<AtomicBool>,
    /// Told how many days of logs are dealt with, of how many.
    pub progress: &'a dyn Fn(usize, usize),
}

/// The ledger could not be read or written: nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The files of the ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An answer that does not fit the ledger.
    #[error(transparent)]
    Absorb(#[from] AbsorbError),
    /// A minute that is so far away that nothing can be said of it.
    #[error("cannot evaluate at {0}: outside the supported time range")]
    NoMinute(Minute),
    /// A day that was not asked of the ledger before it was used.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// Reads what is new, keeps it, and judges every promise.
///
/// # Errors
/// When the ledger cannot be read or written. A source that fails is a fault in the outcome.
pub async fn run(job: &Job<'_>, store: &mut LedgerStore) -> Result<Outcome, EngineError> {
    let mut said = Said::default();
    let (mut discovery, mut demand) = (Discovery::default(), Demand::default());
    if !job.offline {
        discovery = discover::discover(job, store, &mut said).instrument(info_span!("discover")).await?;
        demand = demand::draw(job.catalog, &discovery, (job.at, job.now), job.days);
    }
    let fetched = Box::pin(fetch(job, (&discovery, &demand), store, &mut said)).await;
    // What was fetched before a failure is kept: it need not be fetched again.
    let published = store.publish().instrument(info_span!("publish")).await;
    let recent = fetched?;
    published?;
    let book = match &job.telling {
        Some(telling) => Some(store.book(telling.kind()).await?),
        None => None,
    };
    let known = book.as_ref().map(|(book, _)| book);
    let (status, mut ledger) = judged(job.catalog, store, job.at, known).instrument(info_span!("evaluate")).await?;
    let book = match job.telling.as_ref().zip(book) {
        // Half of what was to be read would be judged as if it were all.
        Some(_) if job.stop.load(Ordering::Relaxed) => {
            said.faults
                .push("stopped before alerts were evaluated: no notification was sent\nhint: run again".to_owned());
            AlertBook::default()
        }
        Some((telling, book)) => {
            let told = alerts::tell_people(job, telling, (&status, &mut ledger), (book, &recent), store, &mut said);
            Box::pin(told).instrument(info_span!("alerts")).await?
        }
        None => AlertBook::default(),
    };
    Box::pin(target_groups::report_unmatched(job, &recent, &status, &mut said)).await;
    keep_house(job, &ledger, store, &mut said).instrument(info_span!("housekeeping")).await;
    Ok(Outcome { status, book, said })
}

/// Fetches what the ledger lacks, from all sources. Gives what was seen of the newest hour of access logs.
async fn fetch<'q>(
    job: &Job<'_>,
    (discovery, demand): (&Discovery, &'q Demand),
    store: &mut LedgerStore,
    said: &mut Said,
) -> Result<Vec<Recent<'q>>, EngineError> {
    counts::read_counts(job, &demand.counts, store, said).instrument(info_span!("counts")).await?;
    let recent = Box::pin(fetch_access_logs(job, demand, store, said)).await?;
    for question in &demand.spans {
        let span = info_span!("ranges", source = question.source, kind = question.kind.word());
        // The future of everything that may be asked is large and deep.
        Box::pin(spans::read_spans(job, discovery, question, store, said)).instrument(span).await?;
    }
    Ok(recent)
}

/// Reads access logs, source by source. Until a source was listed, nothing of it becomes known through the objects of
/// another.
async fn fetch_access_logs<'q>(
    job: &Job<'_>,
    demand: &'q Demand,
    store: &mut LedgerStore,
    said: &mut Said,
) -> Result<Vec<Recent<'q>>, EngineError> {
    let unlisted_before = store.unlisted().clone();
    let mut plans = Vec::new();
    for question in &demand.logs {
        match ListingPlan::new(job, question, store).await {
            Ok(plan) => plans.push(plan),
            Err(error) => said.faults.push(error),
        }
    }
    let tagged = demand.logs.iter().flat_map(|question| question.tagged.iter().cloned()).collect();
    let mut shared = logs::Shared { tagged: &tagged, held_back: BTreeSet::new() };
    let mut recent = Vec::new();
    for plan in plans {
        let (source, location) = (&plan.question.source, &plan.question.location);
        let span = info_span!("access_logs", source, location);
        let mut of_source = Said::default();
        let read = Box::pin(logs::read_logs(job, plan, &mut shared, store, &mut of_source));
        recent.extend(read.instrument(span).await?);
        said.of_logs(of_source, (demand.logs.len() > 1).then_some(source));
    }
    let mut days = shared.held_back;
    for (source, unlisted) in unlisted_before.0 {
        let listed = unlisted.into_keys().filter(|day| !store.unlisted().has(&source, *day));
        // The last minutes of a day lie in the folder of the next one.
        days.extend(listed.flat_map(|day| [day.plus(-1), day]));
    }
    if !days.is_empty() {
        logs::decide_again(&tagged, days, store).await?;
    }
    Ok(recent)
}

/// What may fail without harm to anybody, after everybody was notified: caches, clean-up, and what AWS was asked.
async fn keep_house(job: &Job<'_>, ledger: &Ledger, store: &mut LedgerStore, said: &mut Said) {
    for ((service, operation), count) in Aws::sent() {
        info!(service, operation, count, "AWS requests");
    }
    said.used(&Aws::used());
    let noted = store.note_usage(job.now.day(), &Aws::used()).await;
    let kept = store.keep_slices(ledger).await;
    let swept = store.sweep(job.now.day()).await;
    let failed = [noted, kept, swept].into_iter().filter_map(Result::err);
    // Another run that was quicker keeps house as well.
    let failed = failed.filter(|error| !matches!(error, StoreError::Shelf(ShelfError::Lost(_))));
    said.faults.extend(failed.map(|error| error.to_string()));
}

/// The share of a source's lines that may fail to parse.
fn unparsed_limit(catalog: &Catalog, source: &str) -> Exact {
    catalog.sources.get(source).map_or(Exact::from_integer(0), |source| source.unparsed_limit)
}

/// Judges every promise from the ledger alone. What it reads is the sums of whole days and the few parts of days that
/// windows cut into, however long the windows are.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn judge(catalog: &Catalog, store: &LedgerStore, at: Minute) -> Result<Status, EngineError> {
    Ok(judged(catalog, store, at, None).await?.0)
}

/// How every promise stands, and what was looked at for that.
///
/// With a book, what its incidents have to be judged by comes along.
async fn judged(
    catalog: &Catalog,
    store: &LedgerStore,
    at: Minute,
    book: Option<&AlertBook>,
) -> Result<(Status, Ledger), EngineError> {
    let mut ledger = store.load(&Needs::default()).await?;
    store.load_slices(&mut ledger).await?;
    let mut wanted = model::needs(catalog, &ledger, at);
    if let Some(book) = book {
        alerts::want(catalog, at, &ledger, book, &mut wanted);
    }
    store.load_more(&mut ledger, &Needs { wanted, ..Needs::default() }).await?;
    loop {
        match model::status(catalog, &ledger, at) {
            // That the newest known minute before the moment lies on an earlier day than was looked at is rare.
            Err(NotLoaded(minutes)) => store.load_more(&mut ledger, &Needs { minutes, ..Needs::default() }).await?,
            Ok(status) => return Ok((status, ledger)),
        }
    }
}

/// What a fleet will ask of AWS in a day, by what was delivered on the last whole day.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn cost(catalog: &Catalog, store: &LedgerStore, at: Minute, habits: Habits) -> Result<Forecast, EngineError> {
    let ledger = store.load(&Needs::of_days([], [at.day().plus(-1)])).await?;
    let scanned = store.scanned().iter().filter_map(|(place, bytes)| Some((lake::part_of(place)?, *bytes))).collect();
    let is_needed = discovery::is_needed(catalog);
    let discovery = if is_needed { store.discovered().await?.0 } else { Discovery::default() };
    let objects = ledger.objects_by_balancer();
    let habits = Habits { objects, scanned, discovery, is_new: store.is_new(), ..habits };
    Ok(cost::forecast(catalog, &habits))
}

/// The minutes of a span, without the log objects.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn minutes(store: &LedgerStore, span: Span) -> Result<Ledger, EngineError> {
    Ok(store.load(&Needs::of_days(span.days(), [])).await?)
}

/// The days of a span as an SLO's tiers see them: cut into slices where it has any, without what corrections exclude.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn seen_days(
    catalog: &Catalog,
    store: &LedgerStore,
    (service, slo): (&Service, &Slo),
    span: Span,
) -> Result<Vec<(Day, Option<Table>)>, EngineError> {
    let excluded = Excluded::within(catalog, span).spans(service, slo);
    Ok(minutes(store, span).await?.view_days(&Views::of(slo, excluded).corrected, span)?)
}
