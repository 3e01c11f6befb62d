//! One query from its start to its end: `StartQueryExecution`, `GetQueryExecution` until it is over,
//! `StopQueryExecution` if we cannot wait.
//!
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html>

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    AthenaError, QueryExecutionState, QueryExecutionStatistics, QueryExecutionStatus, ResultConfiguration,
};
use tokio::time::{Instant, sleep};

use super::{Bytes, QueryError};
use crate::aws::AwsError;
use crate::slo::AthenaSource;
use crate::time::Minute;

/// Pauses between two looks: a small query is over in a second, and hundreds of looks at a long one would gain nothing.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(300);
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(5);
/// How soon a signal to stop is seen.
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// What a query may take, waiting in the queue included: Athena itself ends one that runs for half an hour
/// (<https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>).
const QUERY_TIMEOUT: Duration = Duration::from_mins(30);

/// Where queries run, and until when.
#[derive(Clone, Debug)]
pub struct AthenaSession<'a> {
    /// Athena of a region, asked as somebody.
    pub client: Client,
    /// Tables, workgroup and results.
    pub source: &'a AthenaSource,
    /// The end of what is asked for: the same query again within the same time is the same question.
    pub fetch_end: Minute,
    /// Raised when nobody waits for an answer any more.
    pub stop_requested: &'a AtomicBool,
    /// Bytes that queries may scan by now: one that scans more is ended as soon as Athena tells.
    pub bytes_left: Arc<AtomicU64>,
}

/// How a query ended.
#[derive(Debug)]
pub(super) struct FinishedQuery {
    /// What it scanned, whatever came of it.
    pub(super) scanned_bytes: u64,
    /// Whether an earlier run had asked the same and paid for it.
    pub(super) was_reused: bool,
    /// Whether Athena says that it may go well another time.
    is_retryable: bool,
    /// Whether it was ended because it scanned more than there was room for.
    is_over_limit: bool,
    /// The id under which its rows are, if it came to anything.
    pub(super) id: Result<String, QueryError>,
}

impl FinishedQuery {
    const fn failed(error: QueryError) -> Self {
        Self { scanned_bytes: 0, was_reused: false, is_retryable: false, is_over_limit: false, id: Err(error) }
    }

    /// What it tells of the size of what it read: all, or more than there was room for. A query that failed tells
    /// nothing.
    pub(super) fn scan_size(&self) -> Option<Bytes> {
        (self.id.is_ok() || self.is_over_limit).then_some(Bytes(self.scanned_bytes))
    }
}

/// Runs a query. One that an earlier run started and did not live to see is taken up, and not paid for twice; one that
/// had come to nothing by the first look is asked anew, once, since what was in its way may have been mended. What
/// Athena says may go well another time gets one more try, and nothing else does. A `fresh` query is nobody else's.
pub(super) async fn run_query(session: &AthenaSession<'_>, query: &str, mut is_fresh: bool) -> FinishedQuery {
    let (mut scanned_bytes, mut retried) = (0, false);
    loop {
        let id = match start_query(session, query, is_fresh).await {
            Ok(id) => id,
            Err(error) => return FinishedQuery::failed(error),
        };
        let guard = CancelGuard { client: &session.client, id: Some(id) };
        let mut finished = wait_for_query(session, guard).await;
        finished.was_reused &= !is_fresh;
        let should_retry = finished.id.is_err() && (finished.was_reused || (finished.is_retryable && !retried));
        if !finished.was_reused {
            scanned_bytes += finished.scanned_bytes;
            retried = true;
            let scanned = finished.scanned_bytes;
            let subtract_scanned = |bytes_left: u64| Some(bytes_left.saturating_sub(scanned));
            session.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract_scanned).ok();
        }
        if !should_retry {
            finished.scanned_bytes = scanned_bytes.max(finished.scanned_bytes);
            return finished;
        }
        is_fresh = true;
    }
}

async fn start_query(session: &AthenaSession<'_>, query: &str, is_fresh: bool) -> Result<String, QueryError> {
    // Without one of ours, the SDK draws one at random.
    let token = (!is_fresh).then(|| request_token(session, query));
    let results = session.source.results.as_ref();
    let results = results.map(|location| ResultConfiguration::builder().output_location(location).build());
    let started = session
        .client
        .start_query_execution()
        .query_string(query)
        .set_client_request_token(token)
        .work_group(&session.source.workgroup)
        .set_result_configuration(results)
        .send()
        .await
        .map_err(|error| QueryError::from_aws(&AwsError::from_sdk_error(&error)))?;
    let id = started.query_execution_id().map(str::to_owned);
    id.ok_or_else(|| QueryError::new("Athena started a query without an ID", "run again"))
}

/// What makes two requests the same for Athena: 32 to 128 characters.
fn request_token(session: &AthenaSession<'_>, query: &str) -> String {
    let AthenaSource { workgroup, results, .. } = session.source;
    let request_text = format!("{query}\n{workgroup}\n{results:?}\n{}", session.fetch_end);
    format!("slowburn-{:032x}", xxhash_rust::xxh3::xxh3_128(request_text.as_bytes()))
}

/// Looks at a query until it is over.
async fn wait_for_query(session: &AthenaSession<'_>, mut guard: CancelGuard<'_>) -> FinishedQuery {
    let (started_at, mut poll_interval, mut polls, mut scanned_bytes) = (Instant::now(), POLL_INTERVAL_MIN, 0, 0);
    let Some(id) = guard.id.clone() else { return FinishedQuery::failed(QueryError::stopped()) };
    loop {
        let polled = session.client.get_query_execution().query_execution_id(&id).send().await;
        let execution = match polled {
            Ok(output) => output.query_execution,
            Err(error) => {
                guard.cancel().await;
                return FinishedQuery::failed(QueryError::from_aws(&AwsError::from_sdk_error(&error)));
            }
        };
        let statistics = execution.as_ref().and_then(|execution| execution.statistics());
        let scanned = statistics.and_then(QueryExecutionStatistics::data_scanned_in_bytes).unwrap_or(0);
        scanned_bytes = u64::try_from(scanned).unwrap_or(0).max(scanned_bytes);
        let status = execution.as_ref().and_then(|execution| execution.status());
        polls += 1;
        if let Some(outcome) = status.and_then(|status| final_state(status, &id)) {
            guard.id = None;
            let error = status.and_then(QueryExecutionStatus::athena_error);
            let is_retryable = error.is_some_and(AthenaError::retryable);
            let (was_reused, id) = (polls == 1, outcome.map(|()| id));
            return FinishedQuery { scanned_bytes, was_reused, is_retryable, is_over_limit: false, id };
        }
        let is_over_limit = scanned_bytes > session.bytes_left.load(Ordering::Relaxed);
        let cancel_error = if is_over_limit {
            Some(QueryError::over_limit(Bytes(scanned_bytes), &id))
        } else if started_at.elapsed() > QUERY_TIMEOUT {
            let message = format!("canceled query {id}, which took more than {} minutes", QUERY_TIMEOUT.as_secs() / 60);
            Some(QueryError::new(message, "run again; if it persists, fetch fewer days with `--days`"))
        } else {
            sleep_or_stop(poll_interval, session.stop_requested).await.then(QueryError::stopped)
        };
        if let Some(error) = cancel_error {
            guard.cancel().await;
            return FinishedQuery { scanned_bytes, is_over_limit, ..FinishedQuery::failed(error) };
        }
        poll_interval = (poll_interval * 3 / 2).min(POLL_INTERVAL_MAX);
    }
}

/// Waits for a while, or until we are to stop: then it is true.
async fn sleep_or_stop(duration: Duration, stop_requested: &AtomicBool) -> bool {
    let deadline = Instant::now() + duration;
    while !stop_requested.load(Ordering::Relaxed) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(left.min(STOP_POLL_INTERVAL)).await;
    }
    true
}

/// How a query ended, if it has.
fn final_state(status: &QueryExecutionStatus, id: &str) -> Option<Result<(), QueryError>> {
    match status.state() {
        Some(QueryExecutionState::Succeeded) => Some(Ok(())),
        Some(state @ (QueryExecutionState::Failed | QueryExecutionState::Cancelled)) => {
            let error = status.athena_error();
            let reason = status.state_change_reason().or_else(|| error.and_then(|error| error.error_message()));
            let category = error.and_then(AthenaError::error_category);
            Some(Err(QueryError::from_final_state(state.as_str(), reason.unwrap_or_default(), category, id)))
        }
        // A running query may go back to the queue.
        _ => None,
    }
}

/// A query that is cancelled when nobody waits for it any more, since it would go on to scan, and to cost.
struct CancelGuard<'a> {
    client: &'a Client,
    id: Option<String>,
}

impl CancelGuard<'_> {
    async fn cancel(&mut self) {
        if let Some(id) = self.id.take() {
            drop(self.client.stop_query_execution().query_execution_id(id).send().await);
        }
    }
}

impl Drop for CancelGuard<'_> {
    fn drop(&mut self) {
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            let cancel_request = self.client.stop_query_execution().query_execution_id(id);
            runtime.spawn(async move { drop(cancel_request.send().await) });
        }
    }
}
