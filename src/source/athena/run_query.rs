//! One query from start to end: `StartQueryExecution`, `GetQueryExecution` until it has ended, `StopQueryExecution` if
//! it is not worth waiting for, and `GetQueryResults`.
//!
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html>

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    AthenaError, QueryExecutionState, QueryExecutionStatistics, QueryExecutionStatus, ResultConfiguration,
    ResultSetMetadata,
};
use tokio::time::{Instant, sleep, timeout};

use super::error::{final_state_error, over_limit_error, request_error, stopped_error};
use super::response::{AthenaResponse, ScanUsage};
use crate::cost::Bytes;
use crate::hinted_error::HintedError;
use crate::slo::AthenaSource;
use crate::time::Minute;

/// A small query takes a second, and hundreds of polls of a long one gain nothing.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(300);
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(5);
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Includes the time in the queue. Athena itself ends a query that runs for half an hour
/// (<https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>).
const QUERY_TIMEOUT: Duration = Duration::from_mins(30);

#[derive(Clone, Debug)]
pub struct AthenaSession<'a> {
    pub client: Client,
    pub source: &'a AthenaSource,
    /// The end of what is fetched: the same query with the same end is the same request.
    pub fetch_end: Minute,
    pub stop_requested: &'a AtomicBool,
    /// Bytes that queries may still scan. A query that scans more is canceled as soon as Athena reports it.
    pub bytes_left: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(super) struct FinishedQuery {
    scanned_bytes: u64,
    /// Whether an earlier run started the same query and paid for it.
    pub(super) was_reused: bool,
    /// Whether Athena says that another attempt may succeed.
    is_retryable: bool,
    is_over_limit: bool,
    pub(super) id: Result<String, HintedError>,
}

impl FinishedQuery {
    const fn failed(error: HintedError) -> Self {
        Self { scanned_bytes: 0, was_reused: false, is_retryable: false, is_over_limit: false, id: Err(error) }
    }

    /// The size of what it read, or a lower bound if it was canceled. A failed query says nothing about that.
    fn scan_size(&self) -> Option<Bytes> {
        (self.id.is_ok() || self.is_over_limit).then_some(Bytes(self.scanned_bytes))
    }
}

impl AthenaResponse {
    pub(super) fn record_query(&mut self, finished: &FinishedQuery) {
        self.scan_size = finished.scan_size().or(self.scan_size);
        let was_started = finished.scanned_bytes > 0 || finished.id.is_ok();
        if was_started && !finished.was_reused {
            let scanned = Bytes(finished.scanned_bytes);
            self.usage.add(ScanUsage { queries: 1, scanned, billed: scanned.billed() });
        }
    }
}

/// Runs a query. If an interrupted run started the same query, its result is used and not paid for twice. If that
/// query failed, it is started again once, because its cause may have been fixed. A failure that Athena calls retryable
/// is retried once. A fresh query never uses the result of another one.
pub(super) async fn run_query(session: &AthenaSession<'_>, query: &str, mut is_fresh: bool) -> FinishedQuery {
    let (mut scanned_bytes, mut retried) = (0, false);
    loop {
        let id = match start_query(session, query, is_fresh).await {
            Ok(id) => id,
            Err(error) => return FinishedQuery::failed(error),
        };
        let mut finished = wait_for_query(session, id).await;
        finished.was_reused &= !is_fresh;
        let should_retry = finished.id.is_err() && (finished.was_reused || (finished.is_retryable && !retried));
        if !finished.was_reused {
            scanned_bytes += finished.scanned_bytes;
            retried = true;
            let scanned = finished.scanned_bytes;
            session
                .bytes_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(scanned)))
                .ok();
        }
        if !should_retry {
            finished.scanned_bytes = scanned_bytes.max(finished.scanned_bytes);
            return finished;
        }
        is_fresh = true;
    }
}

async fn start_query(session: &AthenaSession<'_>, query: &str, is_fresh: bool) -> Result<String, HintedError> {
    // Without a token, the SDK sends a random one.
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
        .map_err(request_error)?;
    started.query_execution_id.ok_or_else(|| HintedError::new("Athena started a query without an ID", "run again"))
}

/// Athena treats requests with the same token as one: 32 to 128 characters.
fn request_token(session: &AthenaSession<'_>, query: &str) -> String {
    let AthenaSource { workgroup, results, .. } = session.source;
    let request_text = format!("{query}\n{workgroup}\n{results:?}\n{}", session.fetch_end);
    format!("slowburn-{:032x}", xxhash_rust::xxh3::xxh3_128(request_text.as_bytes()))
}

async fn wait_for_query(session: &AthenaSession<'_>, id: String) -> FinishedQuery {
    let mut guard = CancelGuard { client: &session.client, id: Some(id.clone()) };
    let (started_at, mut poll_interval, mut polls, mut scanned_bytes) = (Instant::now(), POLL_INTERVAL_MIN, 0, 0);
    loop {
        let polled = session.client.get_query_execution().query_execution_id(&id).send().await;
        let execution = match polled {
            Ok(output) => output.query_execution,
            Err(error) => {
                guard.cancel().await;
                return FinishedQuery::failed(request_error(error));
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
            Some(over_limit_error(Bytes(scanned_bytes), &id))
        } else if started_at.elapsed() > QUERY_TIMEOUT {
            let message = format!("canceled query {id}, which took more than {} minutes", QUERY_TIMEOUT.as_secs() / 60);
            Some(HintedError::new(message, "run again; if it persists, fetch fewer days with `--days`"))
        } else {
            sleep_or_stop(poll_interval, session.stop_requested).await.then(stopped_error)
        };
        if let Some(error) = cancel_error {
            guard.cancel().await;
            return FinishedQuery { scanned_bytes, is_over_limit, ..FinishedQuery::failed(error) };
        }
        poll_interval = (poll_interval * 3 / 2).min(POLL_INTERVAL_MAX);
    }
}

/// Whether a stop was requested before the time was over.
async fn sleep_or_stop(duration: Duration, stop_requested: &AtomicBool) -> bool {
    let stop = async {
        while !stop_requested.load(Ordering::Relaxed) {
            sleep(STOP_POLL_INTERVAL).await;
        }
    };
    timeout(duration, stop).await.is_ok()
}

fn final_state(status: &QueryExecutionStatus, id: &str) -> Option<Result<(), HintedError>> {
    match status.state() {
        Some(QueryExecutionState::Succeeded) => Some(Ok(())),
        Some(state @ (QueryExecutionState::Failed | QueryExecutionState::Cancelled)) => {
            let error = status.athena_error();
            let reason = status.state_change_reason().or_else(|| error.and_then(|error| error.error_message()));
            let category = error.and_then(AthenaError::error_category);
            Some(Err(final_state_error(state.as_str(), reason.unwrap_or_default(), category, id)))
        }
        // A running query may go back to the queue.
        _ => None,
    }
}

/// Cancels a query that the run has stopped waiting for, so that it does not continue to scan and cost money.
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

/// Passes the column names and the values of each row of a result to `on_row`, `None` for NULL. Returns the column
/// names, or the error of a failed query.
///
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html>: the first row holds the column
/// names.
pub(super) async fn read_rows(
    session: &AthenaSession<'_>,
    query: &FinishedQuery,
    mut on_row: impl FnMut(&[String], &[Option<&str>]) -> Result<(), HintedError>,
) -> Result<Vec<String>, HintedError> {
    let id = query.id.as_ref().map_err(HintedError::clone)?;
    let pages = session.client.get_query_results().query_execution_id(id).into_paginator();
    // The SDK would take a repeated token for the end, and missing rows for no traffic.
    let mut pages = pages.stop_on_duplicate_token(false).send();
    let (mut columns, mut header_rows) = (Vec::new(), 1);
    while let Some(page) = pages.next().await {
        let page = page.map_err(request_error)?;
        let Some(result_set) = page.result_set() else { continue };
        let metadata = result_set.result_set_metadata().map(ResultSetMetadata::column_info).unwrap_or_default();
        columns = metadata.iter().map(|column| column.name().to_owned()).collect::<Vec<_>>();
        for row in result_set.rows().iter().skip(header_rows) {
            let values: Vec<Option<&str>> = row.data().iter().map(|value| value.var_char_value()).collect();
            on_row(&columns, &values)?;
        }
        header_rows = 0;
    }
    Ok(columns)
}
