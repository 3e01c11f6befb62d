//! The pipeline: discover, plan, fetch and commit, evaluate, notify, housekeeping. No other module knows this order.

mod alerts;
mod commit;
mod contributors;
mod delivery;
mod discover;
mod fetch;
mod target_groups;

use tracing::{Instrument, info, info_span};

use crate::alert::AlertState;
use crate::aws::Aws;
use crate::cost::Usage;
use crate::diagnostics::Diagnostics;
use crate::discovery::Discovery;
use crate::evaluation::status::FleetStatus;
use crate::fetch_plan::{self, FetchPlan};
use crate::ledger::Ledger;
use crate::queries::{LedgerError, evaluate_with_ledger};
use crate::source::FetchContext;
use crate::store::LedgerStore;
use crate::time::Day;

use alerts::AlertPipeline;

pub use alerts::NotifyOptions;

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

/// Fetches what is new, stores it, evaluates every SLO and notifies. A source that fails is a warning in the outcome.
pub async fn run(options: &RunOptions<'_>, store: &mut LedgerStore) -> Result<Outcome, LedgerError> {
    let FetchContext { catalog, at, now, .. } = options.context;
    let mut diagnostics = Diagnostics::default();
    let (mut discovery, mut fetch_plan) = (Discovery::default(), FetchPlan::default());
    if !options.offline {
        (discovery, diagnostics.warnings) =
            discover::discover(&options.context, store).instrument(info_span!("discover")).await?;
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
            let mut pipeline = AlertPipeline {
                options,
                notify_options,
                store,
                status: &status,
                recent_logs: &recent,
                diagnostics: Diagnostics::default(),
            };
            let notifying = pipeline.run(&mut ledger, alert_state);
            let alert_state = Box::pin(notifying).instrument(info_span!("alerts")).await?;
            diagnostics.append(pipeline.diagnostics);
            alert_state
        }
        None => AlertState::default(),
    };
    diagnostics.notes.extend(Box::pin(target_groups::unmatched_notes(&options.context, &recent, &status)).await);
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

#[cfg(test)]
mod tests;
