//! `slowburn run`: reads what is new, keeps it, judges every promise, and shows how they stand.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::apart::Apart;
use super::destinations::unset;
use super::open::{ledger, note_defaults, sound_definitions};
use super::{Ended, Failure, report, say, simulate, status, styled};
use crate::aws::Aws;
use crate::cli::run::RunArgs;
use crate::cli::time::Time;
use crate::engine::{self, EngineError, Job, Telling};
use crate::location::Location;
use crate::minute::Minute;
use crate::notify::{self, Postman};
use crate::outcome::{Outcome, Said};
use crate::report::data;
use crate::simulate::{Plan, thirty_days};
use crate::slo::{Catalog, SourceKind};
use crate::store::{self, LedgerStore, ShelfError, StoreError, WritePoints};

/// How often a run begins anew because others were quicker.
const RACES: usize = 3;
/// A run about a moment further back sends no notification.
const TOLD_MINUTES: u32 = 60;
/// Where everything of a demonstration lies.
const DEMO: &str = "target/demo";

pub(super) async fn run(mut arguments: RunArgs, now: Minute) -> Result<Ended, Failure> {
    if arguments.demo {
        use_demo(&mut arguments);
    }
    #[cfg(debug_assertions)]
    let now = arguments.clock.unwrap_or(now);
    let at = arguments.place.at(now);
    if at > now && arguments.channels.dry_run.is_none() {
        warn_of_future(at, now);
    }
    let mut definitions = sound_definitions(&arguments.place, at)?;
    if let Some(logs) = &arguments.logs {
        read_logs_from(&mut definitions.catalog, logs);
    }
    note_defaults(&definitions, arguments.place.slos());
    Apart::of(&arguments.place.ledger, &definitions.catalog)
        .and_folder("the report", arguments.report.as_ref())
        .and_folder("the dry run", arguments.channels.dry_run.as_ref())
        .check()?;
    if arguments.offline {
        // Nothing is fetched, so there must be a ledger already.
        drop(ledger(&arguments.place).await?);
    }
    if arguments.demo {
        write_demo_logs()?;
    }
    let notifies = tells(&arguments, at, now);
    if notifies {
        warn_of_unset(&definitions.catalog, &arguments);
    }
    // It draws on a terminal only.
    let bar = ProgressBar::new(0).with_style(ProgressStyle::default_bar());
    let points = points(&arguments);
    let postman = Postman::new(arguments.channels.settings(), now);
    let telling = Telling {
        postman: &postman,
        paper: arguments.channels.dry_run.is_some(),
        since: arguments.since.map(|since| since.resolve(now)),
        faulty: definitions.missing(arguments.place.slos()),
        points: &points,
    };
    let job = Job {
        catalog: &definitions.catalog,
        at,
        now,
        days: arguments.days,
        queries: arguments.place.queries(),
        max_cost: arguments.max_cost,
        offline: arguments.offline,
        threads: threads(&arguments),
        telling: notifies.then_some(telling),
        stop: stop_on_signal(),
        progress: &|done, all| {
            bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        },
    };
    let outcome = Box::pin(run_alone(&job, &arguments, &points)).await;
    bar.finish_and_clear();
    let outcome = outcome?;
    tell(&outcome.said, arguments.quiet);
    if !arguments.quiet {
        status::show(&outcome.status, arguments.format)?;
        status::show_incidents(&outcome.book, &outcome.status, arguments.format)?;
    }
    save_report(&arguments, &outcome, at).await?;
    let is_put = put_metrics(&arguments, &outcome, now).await;
    let in_part = definitions.faulty() || !outcome.said.faults.is_empty() || !is_put;
    Ok(if in_part { Ended::InPart } else { Ended::Done })
}

/// Writes the reports that the run was started with.
async fn save_report(arguments: &RunArgs, outcome: &Outcome, at: Minute) -> Result<(), Failure> {
    let Some(folder) = &arguments.report else { return Ok(()) };
    let store = ledger(&arguments.place).await?;
    let overrides = report::overrides(&store, at).await?;
    report::save_both(&outcome.status, &outcome.book, &overrides, folder).await
}

/// Warns of destinations that cannot be notified, before an incident shows it.
fn warn_of_unset(catalog: &Catalog, arguments: &RunArgs) {
    let settings = arguments.channels.settings();
    if settings.paper.is_none() {
        for message in unset(catalog, &settings.secrets) {
            say(&format!("{}: {message}\nhint: set it where slowburn runs", styled("warning")));
        }
    }
}

fn warn_of_future(at: Minute, now: Minute) {
    say(&format!(
        "{}: {at} is in the future: no notification is sent and no metric is published; sources are queried up to {now}\nhint: omit \
         `--at` and SLOWBURN_AT, or use a time in the past",
        styled("warning")
    ));
}

/// Publishes metrics to CloudWatch, if requested; `false` on failure. Only current runs are published.
async fn put_metrics(arguments: &RunArgs, outcome: &Outcome, now: Minute) -> bool {
    let Some(namespace) = &arguments.metrics.namespace else { return true };
    let at = outcome.status.at;
    if arguments.offline || !is_present(at, now) {
        return true;
    }
    let mut data = data::of_fleet(&outcome.status);
    if arguments.metrics.slo_metrics {
        data.extend(data::of_promises(&outcome.status));
    }
    let put = notify::put(namespace, &data, at).await;
    put.map_err(|error| say(&format!("{}: {error}", styled("warning")))).is_ok()
}

/// Writes the logs of the simulated fleet, unless an earlier run has.
fn write_demo_logs() -> Result<(), Failure> {
    let folder = Path::new(DEMO);
    let (logs, done) = (folder.join("logs"), folder.join("logs.done"));
    if !done.exists() {
        say("simulating 30 days of access logs ...");
        let written = simulate::write(&Plan::default(), &logs, 0).map_err(|error| Failure::new(error.to_string()))?;
        std::fs::write(&done, "")
            .map_err(|error| Failure::because(&format!("cannot write `{}`", done.display()), error))?;
        say(&format!("wrote {written} to `{}`", logs.display()));
    }
    Ok(())
}

/// Sets everything so that the run is about the logs of the simulated fleet.
fn use_demo(arguments: &mut RunArgs) {
    let folder = Path::new(DEMO);
    arguments.logs = Some(folder.join("logs"));
    arguments.place.ledger = Location::Directory(folder.join("ledger"));
    arguments.place.time.at = Some(Time::At(thirty_days().end));
    arguments.report.get_or_insert_with(|| folder.join("report"));
    arguments.channels.dry_run.get_or_insert_with(|| folder.join("notifications"));
    arguments.since.get_or_insert_with(|| Time::At(thirty_days().start));
}

/// The directory of the command line takes the place of the ones that definitions name.
fn read_logs_from(catalog: &mut Catalog, logs: &Path) {
    for source in catalog.sources.values_mut() {
        if let SourceKind::AccessLogs { location, .. } = &mut source.kind {
            *location = logs.to_string_lossy().into_owned();
        }
    }
}

/// Runs until no other run has changed the ledger meanwhile: what the other has read need not be read again.
async fn run_alone(job: &Job<'_>, arguments: &RunArgs, points: &WritePoints) -> Result<Outcome, Failure> {
    let mut races = 0;
    loop {
        let ran = match writable(&arguments.place.ledger, points).await {
            Ok(mut store) => engine::run(job, &mut store).await,
            Err(error) => Err(error.into()),
        };
        match ran {
            Err(EngineError::Store(StoreError::Moved | StoreError::Shelf(ShelfError::Lost(_)))) if races < RACES => {
                races += 1;
                say("another run changed the ledger; starting again from its result");
            }
            Ok(outcome) => return Ok(outcome),
            Err(error) => {
                // It was asked for, and is paid for, whether or not it could be kept.
                let mut said = Said::default();
                said.used(&Aws::used());
                tell(&said, false);
                return Err(error.into());
            }
        }
    }
}

/// Where a test stops the process.
#[cfg_attr(not(debug_assertions), expect(unused_variables, reason = "only tests stop it"))]
fn points(arguments: &RunArgs) -> WritePoints {
    #[cfg(debug_assertions)]
    let stop_at = arguments.stop_at_write;
    #[cfg(not(debug_assertions))]
    let stop_at = None;
    WritePoints::stop_at(stop_at)
}

/// Whether people are told. What lies so far back that no incident would be opened for it is none of their business,
/// and neither is what nobody has seen yet, unless somebody wants it on paper.
fn tells(arguments: &RunArgs, at: Minute, now: Minute) -> bool {
    !arguments.silent && (is_present(at, now) || arguments.channels.dry_run.is_some())
}

/// Whether a moment is near enough to the present one, and not still to come.
fn is_present(at: Minute, now: Minute) -> bool {
    at <= now && at.0.abs_diff(now.0) <= TOLD_MINUTES
}

async fn writable(place: &Location, points: &WritePoints) -> Result<LedgerStore, StoreError> {
    LedgerStore::create(store::writable(place, points.clone()).await?, &place.to_string()).await
}

fn threads(arguments: &RunArgs) -> usize {
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
fn tell(said: &Said, quiet: bool) {
    for note in said.notes.iter().filter(|_| !quiet) {
        say(note);
    }
    for fault in &said.faults {
        say(&format!("{}: {fault}", styled("warning")));
    }
}
