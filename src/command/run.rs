//! `slowburn run`: fetches what is new, stores it, evaluates every SLO, and shows the status.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::builder::BoolishValueParser;
use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use super::disjoint_locations::check_disjoint;
use super::environment::environment_secrets;
use super::load::{Definitions, load_definitions, open_ledger};
use super::notify::{missing_destination_notes, unset_variables};
use super::output::{print_message, print_warning};
use super::shared_arguments::{ALERTS, AWS, ChannelArgs, CommonArgs, DATA, OUTPUT, parse_days, parse_integer};
use super::status::StatusFormat;
use super::time::Time;
use super::{CommandError, ExitStatus, report, simulate, status};
use crate::aws::Aws;
use crate::cost::NanoDollars;
use crate::diagnostics::Diagnostics;
use crate::engine::{self, NotifyOptions, Outcome, RunOptions};
use crate::location::Location;
use crate::notify::{self, Notifier};
use crate::queries::LedgerError;
use crate::report::export;
use crate::simulate::{Plan, thirty_days};
use crate::slo::{Catalog, SourceKind};
use crate::source::FetchContext;
use crate::store::{self, BlobError, CrashPoints, LedgerStore, SiteWriter, StalePages, StoreError};
use crate::time::Minute;

const EXAMPLES: &str = "\
Examples:
  # The demo: 30 days of simulated access logs, everything under target/demo
  slowburn run --demo
  # Local access logs; write notifications to files instead of sending them
  slowburn run --logs /data/elb-logs --dry-run notifications
  # From cron, every five minutes
  slowburn run --quiet --ledger s3://example-slo/ledger --report /var/lib/slowburn
  # Evaluate the data in the ledger, without requests to sources
  slowburn run --offline --silent";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct RunArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Folder of access logs that contains `AWSLogs/`; replaces the sources in fleet.yaml
    #[arg(long, value_name = "DIR", env = "SLOWBURN_LOGS", value_hint = ValueHint::DirPath, help_heading = DATA)]
    pub logs: Option<PathBuf>,
    /// Read at most this many days back [default: the longest window]
    #[arg(long, value_name = "DAYS", env = "SLOWBURN_DAYS", value_parser = parse_days, allow_hyphen_values = true,
          help_heading = DATA)]
    pub days: Option<u16>,
    /// Fetch no new data; evaluate what is in the ledger
    #[arg(long, env = "SLOWBURN_OFFLINE", value_parser = BoolishValueParser::new(), help_heading = DATA)]
    pub offline: bool,
    /// Number of threads that read access logs [default: number of cores]
    #[arg(long, value_name = "N", env = "SLOWBURN_THREADS", value_parser = |text: &str| parse_integer(text, 1, 256), help_heading = DATA)]
    pub threads: Option<u16>,
    /// Run on 30 days of simulated access logs; everything is written under target/demo
    #[arg(long, conflicts_with_all = ["logs", "at", "days"], help_heading = DATA)]
    pub demo: bool,
    #[command(flatten)]
    pub channels: ChannelArgs,
    /// With `--dry-run`: start at this time instead of at the newest minute
    ///
    /// Writes the notifications that runs every five minutes since then would have sent. Has no effect if the ledger
    /// already has dry-run state.
    #[arg(long, value_name = "TIME", requires = "dry_run", allow_hyphen_values = true, help_heading = ALERTS)]
    pub since: Option<Time>,
    /// Do not open incidents or send notifications
    #[arg(long, env = "SLOWBURN_SILENT", value_parser = BoolishValueParser::new(), conflicts_with = "dry_run",
          help_heading = ALERTS)]
    pub silent: bool,
    /// Also write `report.md` and `report.json` to this folder
    #[arg(long, value_name = "DIR", env = "SLOWBURN_REPORT", value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub report: Option<PathBuf>,
    /// Format of the status
    #[arg(long, value_enum, env = "SLOWBURN_FORMAT", default_value_t, help_heading = OUTPUT)]
    pub format: StatusFormat,
    /// Print warnings and errors only
    #[arg(long, short, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Cost limit of this run, in US dollars at list price
    ///
    /// Requests that would exceed the limit are skipped and reported. Requests for a ledger in S3 count, but are never
    /// skipped.
    #[arg(long, value_name = "DOLLARS", env = "SLOWBURN_MAX_COST", allow_hyphen_values = true, help_heading = AWS)]
    pub max_cost: Option<NanoDollars>,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// The current time, for tests.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, env = "SLOWBURN_CLOCK")]
    pub clock: Option<Minute>,
    /// Stop the process at the n-th write of the ledger, for tests of crashes.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, env = "SLOWBURN_STOP_AT_WRITE")]
    pub stop_at_write: Option<u64>,
}

#[derive(Args, Clone, Debug)]
pub struct MetricsArgs {
    /// Publish metrics of each run to this CloudWatch namespace
    ///
    /// `Runs` counts complete runs, so an alarm on it detects missing runs. `SloCount` is the number of SLOs by class
    /// and status.
    #[arg(long = "metrics", value_name = "NAMESPACE", env = "SLOWBURN_METRICS", value_parser = parse_namespace,
          help_heading = AWS)]
    pub namespace: Option<String>,
    /// Also publish the remaining error budget of each SLO
    ///
    /// Each SLO is a separate metric, which costs $0.30 per month at list price.
    #[arg(long, env = "SLOWBURN_SLO_METRICS", value_parser = BoolishValueParser::new(), requires = "namespace",
          help_heading = AWS)]
    pub slo_metrics: bool,
}

/// Parses a CloudWatch namespace
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>).
fn parse_namespace(text: &str) -> Result<String, String> {
    let is_valid = (1..=255).contains(&text.len())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || ".-_/#:".contains(char))
        && !text.starts_with([':']);
    if text.starts_with("AWS/") {
        return Err("namespaces that start with `AWS/` are reserved\nhint: use a name such as `SLO`".to_owned());
    }
    if is_valid { Ok(text.to_owned()) } else { Err("must consist of letters, digits and `.-_/#:`".to_owned()) }
}

/// How often a run starts again because another run wrote first.
const RESTARTS_MAX: usize = 3;
/// A run for an earlier time sends no notification.
const NOTIFY_WITHIN_MINUTES: u32 = 60;
const DEMO_FOLDER: &str = "target/demo";

pub async fn run(mut arguments: RunArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    if arguments.demo {
        apply_demo_settings(&mut arguments);
    }
    #[cfg(debug_assertions)]
    let now = arguments.clock.unwrap_or(now);
    let at = arguments.common.time.evaluation_time(now);
    if at > now && arguments.channels.dry_run.is_none() {
        warn_future_time(at, now);
    }
    let mut definitions = load_definitions(&arguments.common, at)?;
    if let Some(logs) = &arguments.logs {
        override_log_locations(&mut definitions.catalog, logs);
    }
    definitions.note_defaults();
    let outputs = [("the report", &arguments.report), ("the dry run", &arguments.channels.dry_run)]
        .map(|(what, folder)| (what, folder.clone().map(Location::Directory)));
    check_disjoint(&arguments.common.ledger, &definitions.catalog, outputs)?;
    if arguments.offline {
        // Nothing is fetched, so there must be a ledger already.
        drop(open_ledger(&arguments.common).await?);
    }
    if arguments.demo {
        write_demo_logs()?;
    }
    let is_dry_run = arguments.channels.dry_run.is_some();
    let should_notify = !arguments.silent && (is_current(at, now) || is_dry_run);
    if should_notify && !is_dry_run {
        warn_unset_variables(&definitions.catalog);
    }
    // It draws on a terminal only.
    let bar = ProgressBar::new(0).with_style(ProgressStyle::default_bar());
    let crash_points = crash_points(&arguments);
    let notifier = Notifier::new(arguments.channels.settings(), now);
    let notify_options = NotifyOptions {
        notifier: &notifier,
        is_dry_run,
        since: arguments.since.map(|since| since.resolve(now)),
        invalid_definitions: definitions.invalid_definitions(),
        crash_points: &crash_points,
    };
    let context = FetchContext {
        catalog: &definitions.catalog,
        at,
        now,
        queries: &arguments.common.definitions.queries,
        max_cost: arguments.max_cost,
        threads: thread_count(&arguments),
        stop: stop_on_signal(),
        progress: &|done, all| draw_progress(&bar, done, all),
    };
    let options = RunOptions {
        context,
        days: arguments.days,
        offline: arguments.offline,
        notify_options: should_notify.then_some(notify_options),
    };
    let outcome = Box::pin(run_with_retries(&options, &arguments, &crash_points)).await;
    bar.finish_and_clear();
    let mut outcome = outcome?;
    outcome.diagnostics.notes.extend(notification_notes(&arguments, &definitions, at, now));
    print_diagnostics(&outcome.diagnostics, arguments.quiet);
    if !arguments.quiet {
        status::print_status(&outcome.status, &outcome.alert_state, arguments.format)?;
    }
    save_report(&arguments, &outcome, at).await?;
    let is_published = put_metrics(&arguments, &outcome, now).await;
    let has_warnings = definitions.has_errors() || !outcome.diagnostics.warnings.is_empty();
    Ok(ExitStatus::partial_if(has_warnings || !is_published))
}

fn draw_progress(bar: &ProgressBar, done: usize, all: usize) {
    bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
    bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
}

fn warn_future_time(at: Minute, now: Minute) {
    print_warning(format!(
        "{at} is in the future: no notification is sent and no metric is published; sources are queried up to {now}\nhint: omit \
         `--at` and SLOWBURN_AT, or use a time in the past"
    ));
}

/// Why notifications are not sent, if so.
fn notification_notes(arguments: &RunArgs, definitions: &Definitions, at: Minute, now: Minute) -> Vec<String> {
    if arguments.silent || arguments.channels.dry_run.is_some() || at > now {
        Vec::new()
    } else if !is_current(at, now) {
        vec![format!(
            "note: no notification is sent, because {at} is more than an hour in the past\nhint: `--dry-run DIR` writes \
             what would be sent"
        )]
    } else if definitions.has_fleet {
        missing_destination_notes(&definitions.catalog)
    } else {
        Vec::new()
    }
}

fn warn_unset_variables(catalog: &Catalog) {
    for message in unset_variables(catalog, &environment_secrets()) {
        print_warning(format!("{message}\nhint: set it where slowburn runs"));
    }
}

async fn save_report(arguments: &RunArgs, outcome: &Outcome, at: Minute) -> Result<(), CommandError> {
    let Some(folder) = &arguments.report else { return Ok(()) };
    let store = open_ledger(&arguments.common).await?;
    let overrides = report::recent_overrides(&store, at).await?;
    let documents = report::documents(&outcome.status, &outcome.alert_state, &overrides);
    Ok(SiteWriter::write_all(&Location::Directory(folder.clone()), documents, StalePages::Keep).await?)
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
    notify::put_metric_data(namespace, &data, at).await.map_err(print_warning).is_ok()
}

/// Writes the logs of the simulated fleet, unless an earlier run has.
fn write_demo_logs() -> Result<(), CommandError> {
    let folder = Path::new(DEMO_FOLDER);
    let (logs, done) = (folder.join("logs"), folder.join("logs.done"));
    if !done.exists() {
        print_message("simulating 30 days of access logs ...");
        let written = simulate::write_logs(&Plan::default(), &logs, 0).map_err(CommandError::new)?;
        std::fs::write(&done, "").map_err(CommandError::with_context(&format!("cannot write `{}`", done.display())))?;
        print_message(format!("wrote {written} to `{}`", logs.display()));
    }
    Ok(())
}

fn apply_demo_settings(arguments: &mut RunArgs) {
    let folder = Path::new(DEMO_FOLDER);
    arguments.logs = Some(folder.join("logs"));
    arguments.common.ledger = Location::Directory(folder.join("ledger"));
    arguments.common.time.at = Some(Time::At(thirty_days().end));
    arguments.report.get_or_insert_with(|| folder.join("report"));
    arguments.channels.dry_run.get_or_insert_with(|| folder.join("notifications"));
    arguments.since.get_or_insert_with(|| Time::At(thirty_days().start));
}

fn override_log_locations(catalog: &mut Catalog, logs: &Path) {
    for source in catalog.sources.values_mut() {
        if let SourceKind::AccessLogs { location, .. } = &mut source.kind {
            *location = logs.to_string_lossy().into_owned();
        }
    }
}

/// Starts again when another run has changed the ledger meanwhile: what that run has read need not be read again.
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
            Err(LedgerError::Store(StoreError::ChangedWhileReading | StoreError::Blob(BlobError::Conflict(_))))
                if restarts < RESTARTS_MAX =>
            {
                restarts += 1;
                print_message("another run changed the ledger; starting again from its result");
            }
            Ok(outcome) => return Ok(outcome),
            Err(error) => {
                // The requests were made and are paid for, even though nothing was stored.
                let notes = engine::usage_note(&Aws::usage()).into_iter().collect();
                print_diagnostics(&Diagnostics { notes, warnings: Vec::new() }, false);
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

/// Whether incidents can open at a time: it is recent, and not in the future.
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

/// A flag that the first Ctrl-C or SIGTERM sets; the run then keeps what it has fetched and exits with 3.
fn stop_on_signal() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    tokio::spawn(async move {
        let interrupted = tokio::signal::ctrl_c();
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            },
            Err(_) => drop(interrupted.await),
        }
        raised.store(true, Ordering::Relaxed);
    });
    stop
}

/// Prints notes and warnings on stderr. A quiet run prints only warnings, so that cron sends mail only when something
/// is wrong.
fn print_diagnostics(diagnostics: &Diagnostics, quiet: bool) {
    for note in diagnostics.notes.iter().filter(|_| !quiet) {
        print_message(note);
    }
    for warning in &diagnostics.warnings {
        print_warning(warning);
    }
}
