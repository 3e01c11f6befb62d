//! `slowburn run`: fetches what is new, stores it, evaluates every SLO, and shows the status.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::destinations::unset_variables;
use super::load::{load_definitions, note_defaults, open_ledger};
use super::separate_folders::DisjointLocations;
use super::{CommandError, ExitStatus, eprint_line, report, simulate, status, styled};
use crate::aws::Aws;
use crate::cli::run::RunArgs;
use crate::cli::time::Time;
use crate::engine::{self, EngineError, NotifyOptions, RunOptions};
use crate::location::Location;
use crate::notify::{self, Notifier};
use crate::outcome::{Diagnostics, Outcome};
use crate::report::export;
use crate::simulate::{Plan, thirty_days};
use crate::slo::{Catalog, SourceKind};
use crate::store::{self, BlobError, CrashPoints, LedgerStore, StoreError};
use crate::time::Minute;

/// How often a run starts again because another run wrote first.
const RESTARTS_MAX: usize = 3;
/// A run about a moment further back sends no notification.
const NOTIFY_WITHIN_MINUTES: u32 = 60;
/// Where everything of a demonstration lies.
const DEMO_FOLDER: &str = "target/demo";

pub(super) async fn run(mut arguments: RunArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    if arguments.demo {
        apply_demo_settings(&mut arguments);
    }
    #[cfg(debug_assertions)]
    let now = arguments.clock.unwrap_or(now);
    let at = arguments.common.evaluation_time(now);
    if at > now && arguments.channels.dry_run.is_none() {
        warn_future_time(at, now);
    }
    let mut definitions = load_definitions(&arguments.common, at)?;
    if let Some(logs) = &arguments.logs {
        override_log_locations(&mut definitions.catalog, logs);
    }
    note_defaults(&definitions, arguments.common.slos_folder());
    DisjointLocations::new(&arguments.common.ledger, &definitions.catalog)
        .with_output_folder("the report", arguments.report.as_ref())
        .with_output_folder("the dry run", arguments.channels.dry_run.as_ref())
        .check()?;
    if arguments.offline {
        // Nothing is fetched, so there must be a ledger already.
        drop(open_ledger(&arguments.common).await?);
    }
    if arguments.demo {
        write_demo_logs()?;
    }
    let should_notify = should_notify(&arguments, at, now);
    if should_notify {
        warn_unset_variables(&definitions.catalog, &arguments);
    }
    // It draws on a terminal only.
    let bar = ProgressBar::new(0).with_style(ProgressStyle::default_bar());
    let crash_points = crash_points(&arguments);
    let notifier = Notifier::new(arguments.channels.settings(), now);
    let notify_options = NotifyOptions {
        notifier: &notifier,
        is_dry_run: arguments.channels.dry_run.is_some(),
        since: arguments.since.map(|since| since.resolve(now)),
        invalid_definitions: definitions.invalid_definitions(arguments.common.slos_folder()),
        crash_points: &crash_points,
    };
    let options = RunOptions {
        catalog: &definitions.catalog,
        at,
        now,
        days: arguments.days,
        queries: arguments.common.queries_folder(),
        max_cost: arguments.max_cost,
        offline: arguments.offline,
        threads: thread_count(&arguments),
        notify_options: should_notify.then_some(notify_options),
        stop: stop_on_signal(),
        progress: &|done, all| {
            bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        },
    };
    let outcome = Box::pin(run_with_retries(&options, &arguments, &crash_points)).await;
    bar.finish_and_clear();
    let outcome = outcome?;
    print_diagnostics(&outcome.diagnostics, arguments.quiet);
    if !arguments.quiet {
        status::print_status(&outcome.status, arguments.format)?;
        status::print_incidents(&outcome.alert_state, &outcome.status, arguments.format)?;
    }
    save_report(&arguments, &outcome, at).await?;
    let is_published = put_metrics(&arguments, &outcome, now).await;
    let is_partial = definitions.has_errors() || !outcome.diagnostics.warnings.is_empty() || !is_published;
    Ok(if is_partial { ExitStatus::Partial } else { ExitStatus::Success })
}

/// Writes the reports that the run was started with.
async fn save_report(arguments: &RunArgs, outcome: &Outcome, at: Minute) -> Result<(), CommandError> {
    let Some(folder) = &arguments.report else { return Ok(()) };
    let store = open_ledger(&arguments.common).await?;
    let overrides = report::recent_overrides(&store, at).await?;
    report::save_reports(&outcome.status, &outcome.alert_state, &overrides, folder).await
}

/// Warns of destinations that cannot be notified, before an incident shows it.
fn warn_unset_variables(catalog: &Catalog, arguments: &RunArgs) {
    let settings = arguments.channels.settings();
    if settings.dry_run_dir.is_none() {
        for message in unset_variables(catalog, &settings.secrets) {
            eprint_line(&format!("{}: {message}\nhint: set it where slowburn runs", styled("warning")));
        }
    }
}

fn warn_future_time(at: Minute, now: Minute) {
    eprint_line(&format!(
        "{}: {at} is in the future: no notification is sent and no metric is published; sources are queried up to {now}\nhint: omit \
         `--at` and SLOWBURN_AT, or use a time in the past",
        styled("warning")
    ));
}

/// Publishes metrics to CloudWatch, if requested; `false` on failure. Only current runs are published.
async fn put_metrics(arguments: &RunArgs, outcome: &Outcome, now: Minute) -> bool {
    let Some(namespace) = &arguments.metrics.namespace else { return true };
    let at = outcome.status.at;
    if arguments.offline || !is_current(at, now) {
        return true;
    }
    let mut data = export::fleet_metrics(&outcome.status);
    if arguments.metrics.slo_metrics {
        data.extend(export::slo_metrics(&outcome.status));
    }
    let put = notify::put_metric_data(namespace, &data, at).await;
    put.map_err(|error| eprint_line(&format!("{}: {error}", styled("warning")))).is_ok()
}

/// Writes the logs of the simulated fleet, unless an earlier run has.
fn write_demo_logs() -> Result<(), CommandError> {
    let folder = Path::new(DEMO_FOLDER);
    let (logs, done) = (folder.join("logs"), folder.join("logs.done"));
    if !done.exists() {
        eprint_line("simulating 30 days of access logs ...");
        let written =
            simulate::write_logs(&Plan::default(), &logs, 0).map_err(|error| CommandError::new(error.to_string()))?;
        std::fs::write(&done, "")
            .map_err(|error| CommandError::with_context(&format!("cannot write `{}`", done.display()), error))?;
        eprint_line(&format!("wrote {written} to `{}`", logs.display()));
    }
    Ok(())
}

/// Sets everything so that the run is about the logs of the simulated fleet.
fn apply_demo_settings(arguments: &mut RunArgs) {
    let folder = Path::new(DEMO_FOLDER);
    arguments.logs = Some(folder.join("logs"));
    arguments.common.ledger = Location::Directory(folder.join("ledger"));
    arguments.common.time.at = Some(Time::At(thirty_days().end));
    arguments.report.get_or_insert_with(|| folder.join("report"));
    arguments.channels.dry_run.get_or_insert_with(|| folder.join("notifications"));
    arguments.since.get_or_insert_with(|| Time::At(thirty_days().start));
}

/// The directory of the command line takes the place of the ones that definitions name.
fn override_log_locations(catalog: &mut Catalog, logs: &Path) {
    for source in catalog.sources.values_mut() {
        if let SourceKind::AccessLogs { location, .. } = &mut source.kind {
            *location = logs.to_string_lossy().into_owned();
        }
    }
}

/// Runs until no other run has changed the ledger meanwhile: what the other has read need not be read again.
async fn run_with_retries(
    options: &RunOptions<'_>,
    arguments: &RunArgs,
    crash_points: &CrashPoints,
) -> Result<Outcome, CommandError> {
    let mut restarts = 0;
    loop {
        let result = match open_or_create_ledger(&arguments.common.ledger, crash_points).await {
            Ok(mut store) => engine::run(options, &mut store).await,
            Err(error) => Err(error.into()),
        };
        match result {
            Err(EngineError::Store(StoreError::ChangedWhileReading | StoreError::Blob(BlobError::Conflict(_))))
                if restarts < RESTARTS_MAX =>
            {
                restarts += 1;
                eprint_line("another run changed the ledger; starting again from its result");
            }
            Ok(outcome) => return Ok(outcome),
            Err(error) => {
                // It was asked for, and is paid for, whether or not it could be kept.
                let mut diagnostics = Diagnostics::default();
                diagnostics.add_usage(&Aws::usage());
                print_diagnostics(&diagnostics, false);
                return Err(error.into());
            }
        }
    }
}

/// Where a test stops the process.
#[cfg_attr(not(debug_assertions), expect(unused_variables, reason = "only tests stop it"))]
fn crash_points(arguments: &RunArgs) -> CrashPoints {
    #[cfg(debug_assertions)]
    let stop_at = arguments.stop_at_write;
    #[cfg(not(debug_assertions))]
    let stop_at = None;
    CrashPoints::halting_at(stop_at)
}

/// Whether notifications are sent: for current minutes, where incidents can open, and in a dry run.
fn should_notify(arguments: &RunArgs, at: Minute, now: Minute) -> bool {
    !arguments.silent && (is_current(at, now) || arguments.channels.dry_run.is_some())
}

/// Whether a moment is near enough to the present one, and not still to come.
fn is_current(at: Minute, now: Minute) -> bool {
    at <= now && at.0.abs_diff(now.0) <= NOTIFY_WITHIN_MINUTES
}

async fn open_or_create_ledger(location: &Location, crash_points: &CrashPoints) -> Result<LedgerStore, StoreError> {
    LedgerStore::create(store::open_writable(location, crash_points.clone()).await?, &location.to_string()).await
}

fn thread_count(arguments: &RunArgs) -> usize {
    arguments
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get), usize::from)
}

/// A flag that the first Ctrl-C or SIGTERM raises; the run then keeps what it has and ends in part.
fn stop_on_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    tokio::spawn(async move {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        let terminated = async {
            match &mut term {
                Some(term) => term.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated => {}
        }
        raised.store(true, Ordering::Relaxed);
    });
    stop
}

/// Prints notes and warnings on stderr. A quiet run prints only warnings, so that cron sends mail only when something
/// is wrong.
fn print_diagnostics(diagnostics: &Diagnostics, quiet: bool) {
    for note in diagnostics.notes.iter().filter(|_| !quiet) {
        eprint_line(note);
    }
    for warning in &diagnostics.warnings {
        eprint_line(&format!("{}: {warning}", styled("warning")));
    }
}
