//! The pipeline: discover, plan, fetch and commit, evaluate, notify, housekeeping. No other module knows this order.

mod alerts;
mod commit;
mod contributors;
mod delivery;
mod discover;
mod explain;
mod fetch;
mod history;
mod target_groups;

use tracing::{Instrument, info, info_span};

use crate::alert::{AlertState, Evaluator};
use crate::aws::Aws;
use crate::cost::{self, CostAssumptions, CostEstimate, Usage};
use crate::counts::MinuteTable;
use crate::diagnostics::Diagnostics;
use crate::discovery::{self, Discovery};
use crate::evaluation::SloViews;
use crate::evaluation::status::{FleetStatus, compute_status, load_request};
use crate::fetch_plan::{self, FetchPlan};
use crate::ledger::{Ledger, MergeError, NotLoaded};
use crate::slo::{Catalog, Exclusions, Service, Slo};
use crate::source::FetchContext;
use crate::source::athena::split_scan_key;
use crate::store::{LedgerStore, LoadRequest, StoreError};
use crate::time::{Day, Minute, Span};

use alerts::AlertPipeline;

pub use alerts::NotifyOptions;
pub use explain::explain;
pub use history::load_histories;

/// How a run is done.
pub struct RunOptions<'a> {
    pub context: FetchContext<'a>,
    /// How many days back logs are read; without it as far as the longest window.
    pub days: Option<u16>,
    /// Evaluates the ledger as it is.
    pub offline: bool,
    /// Without it, no incident is opened and no notification is sent.
    pub notify_options: Option<NotifyOptions<'a>>,
}

#[derive(Debug)]
pub struct Outcome {
    pub status: FleetStatus,
    /// The incidents; empty without notifications.
    pub alert_state: AlertState,
    pub diagnostics: Diagnostics,
}

/// The ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file of the ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch that does not fit the ledger.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A minute outside the supported range.
    #[error("cannot evaluate at {0}: outside the supported time range")]
    TimeOutOfRange(Minute),
    /// A day that was not loaded before it was used.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// Fetches what is new, stores it, evaluates every SLO and notifies.
///
/// # Errors
/// When the ledger cannot be read or written. A source that fails is a warning in the outcome.
pub async fn run(options: &RunOptions<'_>, store: &mut LedgerStore) -> Result<Outcome, EngineError> {
    let FetchContext { catalog, at, now, .. } = options.context;
    let mut diagnostics = Diagnostics::default();
    let (mut discovery, mut fetch_plan) = (Discovery::default(), FetchPlan::default());
    if !options.offline {
        (discovery, diagnostics.warnings) =
            discover::discover(options, store).instrument(info_span!("discover")).await?;
        fetch_plan = fetch_plan::plan(catalog, &discovery, at, now, options.days);
    }
    let fetched = Box::pin(fetch::fetch_all(&options.context, &discovery, &fetch_plan, store)).await;
    // What was fetched before a failure is kept: it need not be fetched again.
    let published = store.publish().instrument(info_span!("publish")).await;
    let mut recent = Vec::new();
    for summary in fetched? {
        diagnostics.append(summary.diagnostics);
        recent.extend(summary.recent_logs);
    }
    published?;
    let alert_state = match &options.notify_options {
        Some(notify_options) => Some(store.alert_state(notify_options.kind()).await?),
        None => None,
    };
    let known_alert_state = alert_state.as_ref().map(|(state, _)| state);
    let (status, mut ledger) =
        evaluate_with_ledger(catalog, store, at, known_alert_state).instrument(info_span!("evaluate")).await?;
    let alert_state = match options.notify_options.as_ref().zip(alert_state) {
        // Incomplete data must not be evaluated as if it were complete.
        Some(_) if options.context.is_stopped() => {
            diagnostics
                .warnings
                .push("stopped before alerts were evaluated: no notification was sent\nhint: run again".to_owned());
            AlertState::default()
        }
        Some((notify_options, alert_state)) => {
            let pipeline = AlertPipeline { options, notify_options, store };
            let notifying = pipeline.run(&status, &mut ledger, alert_state, &recent, &mut diagnostics);
            Box::pin(notifying).instrument(info_span!("alerts")).await?
        }
        None => AlertState::default(),
    };
    diagnostics.notes.extend(Box::pin(target_groups::unmatched_notes(options, &recent, &status)).await);
    diagnostics.append(run_housekeeping(now.day(), &ledger, store).instrument(info_span!("housekeeping")).await);
    Ok(Outcome { status, alert_state, diagnostics })
}

/// What may fail without harm after notifications were sent: caches, garbage collection, and AWS usage.
async fn run_housekeeping(today: Day, ledger: &Ledger, store: &mut LedgerStore) -> Diagnostics {
    for ((service, operation), count) in Aws::request_counts() {
        info!(service, operation, count, "AWS requests");
    }
    let mut diagnostics = Diagnostics::default();
    diagnostics.notes.extend(usage_note(&Aws::usage()));
    let usage_result = store.add_usage(today, &Aws::usage()).await;
    let timeslices_result = store.save_timeslices(ledger).await;
    let gc_result = store.collect_garbage(today).await;
    let errors = [usage_result, timeslices_result, gc_result].into_iter().filter_map(Result::err);
    // Another run that was faster does the same housekeeping.
    let failed = errors.filter(|error| !error.is_conflict());
    diagnostics.warnings.extend(failed.map(|error| error.to_string()));
    diagnostics
}

/// Describes requests to AWS, and their list price.
pub fn usage_note(usage: &Usage) -> Option<String> {
    (*usage != Usage::default()).then(|| format!("AWS usage: {usage}; list price {}", usage.price()))
}

/// Evaluates every SLO from the ledger alone. It reads the sums of whole days and the few partitions that windows begin
/// or end in, however long the windows are.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn evaluate(catalog: &Catalog, store: &LedgerStore, at: Minute) -> Result<FleetStatus, EngineError> {
    Ok(evaluate_with_ledger(catalog, store, at, None).await?.0)
}

/// The status of every SLO, and the part of the ledger that it was computed from. With an alert state, the minutes that
/// update its incidents are loaded too.
async fn evaluate_with_ledger(
    catalog: &Catalog,
    store: &LedgerStore,
    at: Minute,
    alert_state: Option<&AlertState>,
) -> Result<(FleetStatus, Ledger), EngineError> {
    let mut ledger = store.load(&LoadRequest::default()).await?;
    store.load_timeslices(&mut ledger).await?;
    let mut required = load_request(catalog, &ledger, at);
    if let Some(alert_state) = alert_state {
        Evaluator::new(catalog, at).request_load(&ledger, alert_state, &mut required);
    }
    store.load_more(&mut ledger, &LoadRequest { partial_sums: required, ..LoadRequest::default() }).await?;
    loop {
        match compute_status(catalog, &ledger, at) {
            // The newest known minute rarely lies on an earlier day than was loaded.
            Err(NotLoaded(minutes)) => {
                store.load_more(&mut ledger, &LoadRequest { minutes, ..LoadRequest::default() }).await?;
            }
            Ok(status) => return Ok((status, ledger)),
        }
    }
}

/// Estimates the AWS cost of a day from what was delivered on the last whole day.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn estimate_cost(
    catalog: &Catalog,
    store: &LedgerStore,
    at: Minute,
    assumptions: CostAssumptions,
) -> Result<CostEstimate, EngineError> {
    let ledger = store.load(&LoadRequest::for_days([], [at.day().plus(-1)])).await?;
    let scanned = store.manifest.scanned_bytes_per_day.iter();
    let is_needed = discovery::is_needed(catalog);
    let assumptions = CostAssumptions {
        objects_per_day: ledger.objects_by_load_balancer(),
        scanned_bytes: scanned.filter_map(|(key, bytes)| Some((split_scan_key(key)?, *bytes))).collect(),
        discovery: if is_needed { store.discovery().await?.0 } else { Discovery::default() },
        is_first_run: store.is_empty(),
        ..assumptions
    };
    Ok(cost::estimate(catalog, &assumptions))
}

/// The minutes of a span, without the log objects.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn load_minutes(store: &LedgerStore, span: Span) -> Result<Ledger, EngineError> {
    Ok(store.load(&LoadRequest::for_days(span.days(), [])).await?)
}

/// The days of a span as an SLO's tiers see them: in timeslices where it has any, without what corrections exclude.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn load_tier_days(
    catalog: &Catalog,
    store: &LedgerStore,
    (service, slo): (&Service, &Slo),
    span: Span,
) -> Result<Vec<(Day, Option<MinuteTable>)>, EngineError> {
    let excluded = Exclusions::for_span(catalog, span).spans(service, slo);
    Ok(load_minutes(store, span).await?.view_days(&SloViews::new(slo, excluded).corrected, span)?)
}

#[cfg(test)]
mod tests;
