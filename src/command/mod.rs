//! One file per subcommand: it takes what was typed, walks a stretch of the line, and prints. No logic lives here.
//!
//! stdout is data, stderr is speech.

mod apart;
mod check;
mod cost;
mod destinations;
mod explain;
mod export;
mod gate;
mod man;
mod notify;
mod open;
mod output;
mod replay;
mod report;
mod run;
mod schema;
pub mod simulate;
mod status;
mod tables;
mod unknown;
mod weekly;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::complete::{self, Shell};
use crate::cli::{StateArgs, Task};
use crate::engine::EngineError;
use crate::minute::Minute;
use crate::slo::suggestion;
use crate::store::{BookKind, StoreError};
use crate::visible::visible;

/// How a command ended, as its exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// 0: all of it.
    Done,
    /// 1: invalid definitions (`check`) or a blocked deploy (`gate`).
    Faulty,
    /// 3: a part failed and was named.
    InPart,
}

/// Why a command failed. It exits with 4, or with 2 for a usage error.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// The command line names something that does not exist, or options that exclude each other.
    is_usage: bool,
    /// Another run changed the ledger meanwhile, so that the same may succeed now.
    is_moved: bool,
}

/// How often a command starts over because runs changed the ledger while it read it.
const READS: usize = 10;

impl Failure {
    /// A failure in one sentence and, after it, `hint: ...` where there is a remedy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_usage: false, is_moved: false }
    }

    /// A usage error: the message, and after it `hint: ...`.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { is_usage: true, ..Self::new(message) }
    }

    /// A usage error for a name that does not exist. `what` is the kind of name, such as `team`.
    pub(crate) fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match what {
            "SLO" => unknown::slo(name, &known),
            // An SLO where a service is expected has the name of its service.
            "service" => suggestion(name.split('/').next().unwrap_or_default(), "services", known),
            _ => suggestion(name, &format!("{what}s"), known),
        };
        let hint = hint.unwrap_or_else(|| format!("the definitions contain no {what}s; run `slowburn check`"));
        Self::usage(format!("unknown {what} `{}`\nhint: {hint}", visible(name)))
    }

    /// What could not be done, and why.
    pub fn because(what: &str, why: impl Display) -> Self {
        Self::new(format!("{what}: {why}"))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let is_moved = matches!(error, EngineError::Store(StoreError::Moved));
        Self { is_moved, ..Self::new(error.to_string()) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

/// Runs a command. Relative times, and those that are not set, go by `now`.
///
/// # Errors
/// When the command failed.
pub async fn perform(task: Task, now: Minute) -> Result<Ended, Failure> {
    let mut reads = 1;
    loop {
        match perform_once(task.clone(), now).await {
            // Nothing was printed yet: what is printed as it is read deals with that by itself.
            Err(failure) if failure.is_moved && reads < READS => reads += 1,
            ended => return ended,
        }
    }
}

async fn perform_once(task: Task, now: Minute) -> Result<Ended, Failure> {
    match task {
        Task::Run(arguments) => Box::pin(run::run(arguments, now)).await,
        Task::Status(arguments) => status::status(arguments, now).await,
        Task::Report(arguments) => report::report(arguments, now).await,
        Task::Weekly(arguments) => Box::pin(weekly::weekly(arguments, now)).await,
        Task::Cost(arguments) => cost::cost(arguments, now).await,
        Task::Replay(arguments) => replay::replay(arguments, now).await,
        Task::Gate(arguments) => gate::gate(arguments, now).await,
        Task::Export(arguments) => export::export(arguments, now).await,
        Task::Check(arguments) => check::check(&arguments, now),
        Task::Tables(arguments) => tables::tables(&arguments, now).await,
        Task::Explain(arguments) => explain::explain(arguments, now).await,
        Task::Notify(arguments) => notify::notify(&arguments, now).await,
        Task::Schema(arguments) => schema::schema(&arguments),
        Task::Simulate(arguments) => simulate::simulate(&arguments),
        Task::Completions { shell } => complete(shell),
        Task::Man(arguments) => man::man(&arguments),
    }
}

/// Logs spans and events to stderr, if requested: each span when it ends, with its duration.
pub fn listen(log: Option<Targets>) {
    let Some(log) = log else { return };
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_span_events(FmtSpan::CLOSE);
    tracing_subscriber::registry().with(layer.with_filter(log)).init();
}

/// Prints a failure and gives the exit code.
#[must_use]
pub fn conclude(ended: Result<Ended, Failure>) -> ExitCode {
    match ended {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Faulty) => ExitCode::from(1),
        Ok(Ended::InPart) => ExitCode::from(3),
        Err(failure) => {
            say(&format!("{}: {}", styled("error"), failure.message));
            ExitCode::from(if failure.is_usage { 2 } else { 4 })
        }
    }
}

/// Prints the completion script of a shell.
fn complete(shell: Shell) -> Result<Ended, Failure> {
    let script =
        complete::script(shell).map_err(|error| Failure::because("cannot write the completion script", error))?;
    print(&script).map(|()| Ended::Done)
}

/// The alert state that a command reads.
fn book_kind(state: StateArgs) -> BookKind {
    if state.dry_run_state { BookKind::Paper } else { BookKind::People }
}

/// Writes data to stdout. A reader that went away, as `head` does, ends the output without a complaint.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    let stdout = std::io::stdout();
    let written = if anstream::AutoStream::choice(&stdout) == anstream::ColorChoice::Never {
        // The stream would take colours out too, but write every piece between two of them by itself.
        let plain = anstream::adapter::strip_bytes(bytes).into_vec();
        let mut out = stdout.lock();
        out.write_all(&plain).and_then(|()| out.flush())
    } else {
        let mut out = anstream::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())
    };
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::because("cannot write to stdout", error))
        }
        _ => Ok(()),
    }
}

/// Writes speech to stderr. If nobody can hear it, nobody needs to know.
fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    drop(writeln!(err, "{text}"));
}

/// `error` or `warning` in its colour.
fn styled(word: &str) -> String {
    let color = if word == "error" { anstyle::AnsiColor::Red } else { anstyle::AnsiColor::Yellow };
    let style = color.on_default().bold();
    format!("{style}{word}{style:#}")
}
