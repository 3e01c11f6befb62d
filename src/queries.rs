//! Answers from the ledger and the alert state alone: the status of all SLOs, histories, explanations, cost estimates.

mod explain;
mod history;

use crate::alert::{AlertState, EvaluationRange, Evaluator};
use crate::cost::{self, CostAssumptions, CostEstimate};
use crate::counts::MinuteTable;
use crate::discovery::{self, Discovery};
use crate::evaluation::SloViews;
use crate::evaluation::status::{FleetStatus, compute_status, load_request};
use crate::ledger::{Ledger, MergeError, NotLoaded, PartialSumsRequest};
use crate::slo::{Catalog, Exclusions, Service, Slo};
use crate::source::athena::split_scan_key;
use crate::store::{LedgerStore, LoadRequest, StoreError};
use crate::time::{Day, Minute, Span};

pub use explain::explain;
pub use history::load_histories;

/// The ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch that does not fit the ledger.
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error("cannot evaluate at {0}: outside the supported time range")]
    TimeOutOfRange(Minute),
    /// A day that was not loaded before it was used.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// Evaluates every SLO. It reads the sums of whole days and the few partitions that windows begin or end in, however
/// long the windows are.
pub async fn evaluate(catalog: &Catalog, store: &LedgerStore, at: Minute) -> Result<FleetStatus, LedgerError> {
    Ok(evaluate_with_ledger(catalog, store, at, None).await?.0)
}

/// The status of every SLO, and the part of the ledger that it was computed from. With an alert state, the minutes that
/// update its incidents are loaded too.
pub async fn evaluate_with_ledger(
    catalog: &Catalog,
    store: &LedgerStore,
    at: Minute,
    alert_state: Option<&AlertState>,
) -> Result<(FleetStatus, Ledger), LedgerError> {
    let mut ledger = load_sums(store).await?;
    let mut required = load_request(catalog, &ledger, at);
    if let Some(alert_state) = alert_state {
        Evaluator::new(catalog, at).request_load(&ledger, alert_state, &mut required);
    }
    store.load_more(&mut ledger, &LoadRequest { partial_sums: required, ..LoadRequest::default() }).await?;
    // The newest known minute rarely lies on an earlier day than was loaded.
    let status = load_until(store, &mut ledger, |ledger| compute_status(catalog, ledger, at)).await?;
    Ok((status, ledger))
}

/// Computes a value from a ledger, and loads the minutes that turn out to be missing.
pub async fn load_until<T>(
    store: &LedgerStore,
    ledger: &mut Ledger,
    compute: impl Fn(&Ledger) -> Result<T, NotLoaded>,
) -> Result<T, LedgerError> {
    loop {
        match compute(ledger) {
            Ok(value) => return Ok(value),
            Err(NotLoaded(minutes)) => {
                store.load_more(ledger, &LoadRequest { minutes, ..LoadRequest::default() }).await?;
            }
        }
    }
}

/// The sums of all whole days, and of their timeslices.
async fn load_sums(store: &LedgerStore) -> Result<Ledger, LedgerError> {
    let mut ledger = store.load(&LoadRequest::default()).await?;
    store.load_timeslices(&mut ledger).await?;
    Ok(ledger)
}

/// A ledger with what a batch of evaluations needs, and no more.
pub async fn load_batch(
    evaluator: &Evaluator<'_>,
    batch: &[EvaluationRange],
    store: &LedgerStore,
) -> Result<Ledger, LedgerError> {
    let mut ledger = load_sums(store).await?;
    let mut partial_sums = PartialSumsRequest::default();
    for range in batch {
        evaluator.request_range_load(&ledger, range, &mut partial_sums);
    }
    store.load_more(&mut ledger, &LoadRequest { partial_sums, ..LoadRequest::default() }).await?;
    Ok(ledger)
}

/// Estimates the AWS cost of a day from what was delivered on the last whole day.
pub async fn estimate_cost(
    catalog: &Catalog,
    store: &LedgerStore,
    at: Minute,
    assumptions: CostAssumptions,
) -> Result<CostEstimate, LedgerError> {
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

/// The days of a span as an SLO's tiers see them: in timeslices where it has any, without what corrections exclude.
pub async fn load_tier_days(
    catalog: &Catalog,
    store: &LedgerStore,
    service: &Service,
    slo: &Slo,
    span: Span,
) -> Result<Vec<(Day, Option<MinuteTable>)>, LedgerError> {
    let excluded = Exclusions::for_span(catalog, span).spans(service, slo);
    let ledger = store.load(&LoadRequest::for_days(span.days(), [])).await?;
    Ok(ledger.view_days(&SloViews::new(slo, excluded).corrected, span)?)
}
