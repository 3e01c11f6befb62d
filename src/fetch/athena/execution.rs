//! One query from its start to its end: `StartQueryExecution`, `GetQueryExecution` until it is over,
//! `StopQueryExecution` if we cannot wait.
//!
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html>

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    AthenaError, QueryExecutionState, QueryExecutionStatistics, QueryExecutionStatus, ResultConfiguration,
};
use tokio::time::{Instant, sleep};

use super::{Bytes, Fault};
use crate::aws::Refusal;
use crate::minute::Minute;
use crate::slo::Lake;

/// Pauses between two looks: a small query is over in a second, and hundreds of looks at a long one would gain nothing.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How soon a signal to stop is seen.
const STEP: Duration = Duration::from_millis(200);
/// What a query may take, waiting in the queue included: Athena itself ends one that runs for half an hour
/// (<https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>).
const LONGEST: Duration = Duration::from_mins(30);

/// Where queries run, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Athena of a region, asked as somebody.
    pub client: &'a Client,
    /// Tables, workgroup and results.
    pub lake: &'a Lake,
    /// The end of what is asked for: the same query again within the same time is the same question.
    pub moment: Minute,
    /// Raised when nobody waits for an answer any more.
    pub stop: &'a AtomicBool,
    /// Bytes that queries may scan by now: one that scans more is ended as soon as Athena tells.
    pub room: &'a AtomicU64,
}

/// How a query ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// What it scanned, whatever came of it.
    pub(super) scanned_bytes: u64,
    /// Whether an earlier run had asked the same and paid for it.
    pub(super) was_there: bool,
    /// Whether Athena says that it may go well another time.
    is_retryable: bool,
    /// Whether it was ended because it scanned more than there was room for.
    is_too_much: bool,
    /// The id under which its rows are, if it came to anything.
    pub(super) id: Result<String, Fault>,
}

impl Ended {
    const fn nothing(fault: Fault) -> Self {
        Self { scanned_bytes: 0, was_there: false, is_retryable: false, is_too_much: false, id: Err(fault) }
    }

    /// What it tells of the size of what it read: all, or more than there was room for. A query that failed tells
    /// nothing.
    pub(super) fn scan(&self) -> Option<Bytes> {
        (self.id.is_ok() || self.is_too_much).then_some(Bytes(self.scanned_bytes))
    }
}

/// Runs a query. One that an earlier run started and did not live to see is taken up, and not paid for twice; one that
/// had come to nothing by the first look is asked anew, once, since what was in its way may have been mended. What
/// Athena says may go well another time gets one more try, and nothing else does. A `fresh` query is nobody else's.
pub(super) async fn run(access: &Access<'_>, query: &str, mut fresh: bool) -> Ended {
    let (mut scanned_bytes, mut retried) = (0, false);
    loop {
        let id = match start(access, query, fresh).await {
            Ok(id) => id,
            Err(fault) => return Ended::nothing(fault),
        };
        let guard = Guard { client: access.client, id: Some(id) };
        let mut ended = wait(access, guard).await;
        ended.was_there &= !fresh;
        let again = ended.id.is_err() && (ended.was_there || (ended.is_retryable && !retried));
        if !ended.was_there {
            scanned_bytes += ended.scanned_bytes;
            retried = true;
            let used = ended.scanned_bytes;
            let left = |room: u64| Some(room.saturating_sub(used));
            access.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).ok();
        }
        if !again {
            ended.scanned_bytes = scanned_bytes.max(ended.scanned_bytes);
            return ended;
        }
        fresh = true;
    }
}

async fn start(access: &Access<'_>, query: &str, fresh: bool) -> Result<String, Fault> {
    // Without one of ours, the SDK draws one at random.
    let token = (!fresh).then(|| token(access, query));
    let results = access.lake.results.as_ref();
    let results = results.map(|place| ResultConfiguration::builder().output_location(place).build());
    let started = access
        .client
        .start_query_execution()
        .query_string(query)
        .set_client_request_token(token)
        .work_group(&access.lake.workgroup)
        .set_result_configuration(results)
        .send()
        .await
        .map_err(|error| Fault::refused(&Refusal::of(&error)))?;
    let id = started.query_execution_id().map(str::to_owned);
    id.ok_or_else(|| Fault::new("Athena started a query without an ID", "run again"))
}

/// What makes two requests the same for Athena: 32 to 128 characters.
fn token(access: &Access<'_>, query: &str) -> String {
    let Lake { workgroup, results, .. } = access.lake;
    let said = format!("{query}\n{workgroup}\n{results:?}\n{}", access.moment);
    format!("slowburn-{:032x}", xxhash_rust::xxh3::xxh3_128(said.as_bytes()))
}

/// Looks at a query until it is over.
async fn wait(access: &Access<'_>, mut guard: Guard<'_>) -> Ended {
    let (began, mut pause, mut looks, mut scanned_bytes) = (Instant::now(), FIRST_PAUSE, 0, 0);
    let Some(id) = guard.id.clone() else { return Ended::nothing(Fault::stopped()) };
    loop {
        let looked = access.client.get_query_execution().query_execution_id(&id).send().await;
        let execution = match looked {
            Ok(looked) => looked.query_execution,
            Err(error) => {
                guard.stop().await;
                return Ended::nothing(Fault::refused(&Refusal::of(&error)));
            }
        };
        let statistics = execution.as_ref().and_then(|execution| execution.statistics());
        let scanned = statistics.and_then(QueryExecutionStatistics::data_scanned_in_bytes).unwrap_or(0);
        scanned_bytes = u64::try_from(scanned).unwrap_or(0).max(scanned_bytes);
        let status = execution.as_ref().and_then(|execution| execution.status());
        looks += 1;
        if let Some(ended) = status.and_then(|status| ended(status, &id)) {
            guard.id = None;
            let error = status.and_then(QueryExecutionStatus::athena_error);
            let is_retryable = error.is_some_and(AthenaError::retryable);
            let (was_there, id) = (looks == 1, ended.map(|()| id));
            return Ended { scanned_bytes, was_there, is_retryable, is_too_much: false, id };
        }
        let is_too_much = scanned_bytes > access.room.load(Ordering::Relaxed);
        let stopped = if is_too_much {
            Some(Fault::too_much(Bytes(scanned_bytes), &id))
        } else if began.elapsed() > LONGEST {
            let said = format!("canceled query {id}, which took more than {} minutes", LONGEST.as_secs() / 60);
            Some(Fault::new(said, "run again; if it persists, fetch fewer days with `--days`"))
        } else {
            rest(pause, access.stop).await.then(Fault::stopped)
        };
        if let Some(fault) = stopped {
            guard.stop().await;
            return Ended { scanned_bytes, is_too_much, ..Ended::nothing(fault) };
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Waits for a while, or until we are to stop: then it is true.
async fn rest(pause: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    while !stop.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(left.min(STEP)).await;
    }
    true
}

/// How a query ended, if it has.
fn ended(status: &QueryExecutionStatus, id: &str) -> Option<Result<(), Fault>> {
    match status.state() {
        Some(QueryExecutionState::Succeeded) => Some(Ok(())),
        Some(state @ (QueryExecutionState::Failed | QueryExecutionState::Cancelled)) => {
            let error = status.athena_error();
            let reason = status.state_change_reason().or_else(|| error.and_then(|error| error.error_message()));
            let category = error.and_then(AthenaError::error_category);
            Some(Err(Fault::ended(state.as_str(), reason.unwrap_or_default(), category, id)))
        }
        // A running query may go back to the queue.
        _ => None,
    }
}

/// A query that is cancelled when nobody waits for it any more, since it would go on to scan, and to cost.
struct Guard<'a> {
    client: &'a Client,
    id: Option<String>,
}

impl Guard<'_> {
    async fn stop(&mut self) {
        if let Some(id) = self.id.take() {
            drop(self.client.stop_query_execution().query_execution_id(id).send().await);
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            let stop = self.client.stop_query_execution().query_execution_id(id);
            runtime.spawn(async move { drop(stop.send().await) });
        }
    }
}
