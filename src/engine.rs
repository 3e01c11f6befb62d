//! The straight line as one function: questions, answers, memory, numbers, judgements, words. No arithmetic, no formatting.

mod alerts;
mod begun;
mod console;
mod contributors;
mod counts;
mod discover;
mod explain;
mod lake;
mod logs;
mod rehearse;
mod spans;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
use crate::store::{LedgerStore, Needs, StoreError};

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
    #[error("nothing can be said of {0}")]
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
    counts::read_counts(job, &demand.counts, store, &mut said).instrument(info_span!("counts")).await?;
    let mut recent = Vec::new();
    for question in &demand.logs {
        let span = info_span!("access_logs", source = question.source, location = question.location);
        let mut of_source = Said::default();
        recent.extend(Box::pin(logs::read_logs(job, question, store, &mut of_source)).instrument(span).await?);
        said.of_logs(of_source, (demand.logs.len() > 1).then_some(&question.source));
    }
    for question in &demand.spans {
        let span = info_span!("spans", source = question.source, kind = question.kind.word());
        // The future of everything that may be asked is large and deep.
        Box::pin(spans::read_spans(job, &discovery, question, store, &mut said)).instrument(span).await?;
    }
    let book = match &job.telling {
        Some(telling) => Some(store.book(telling.kind()).await?),
        None => None,
    };
    let known = book.as_ref().map(|(book, _)| book);
    let (status, mut ledger) = judged(job.catalog, store, job.at, known).instrument(info_span!("judge")).await?;
    store.keep_slices(&ledger).await?;
    store.sweep().await?;
    let book = match job.telling.as_ref().zip(book) {
        Some((telling, book)) => {
            let told = alerts::tell_people(job, telling, (&status, &mut ledger), (book, &recent), store, &mut said);
            Box::pin(told).instrument(info_span!("alerts")).await?
        }
        None => AlertBook::default(),
    };
    for ((service, operation), count) in Aws::sent() {
        info!(service, operation, count, "asked AWS");
    }
    said.used(&Aws::used());
    if let Err(refused) = store.note_usage(job.now.day(), &Aws::used()).await {
        // Everything else is done, and says more than a sum.
        said.faults.push(refused.to_string());
    }
    Ok(Outcome { status, book, said })
}

/// The share of a source's lines that may fail to parse.
fn unparsed_limit(catalog: &Catalog, source: &str) -> Exact {
    catalog.sources.get(source).map_or(Exact::from_integer(0), |source| source.unparsed_limit)
}

/// Judges every promise from the ledger alone. What it reads is the sums of whole days and the few parts of days that windows
/// cut into, however long the windows are.
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
