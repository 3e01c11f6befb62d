//! One file per subcommand: it takes what was typed, walks a stretch of the line, and prints. No logic lives here.
//!
//! stdout is data, stderr is speech.

mod apart;
mod check;
mod cost;
mod explain;
mod export;
mod gate;
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
mod weekly;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::Task;
use crate::engine::EngineError;
use crate::minute::Minute;
use crate::store::StoreError;

/// How a command ended, as its exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// 0: all of it.
    Done,
    /// 1: a definition is faulty or a promise is broken, where that was the question.
    Faulty,
    /// 3: a part failed and was named.
    InPart,
}

/// Why a command could not be done at all. It exits with 4.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// Another run changed the ledger meanwhile, so that the same may succeed now.
    is_moved: bool,
}

/// How often a command starts over because runs changed the ledger while it read it.
const READS: usize = 10;

impl Failure {
    /// A failure in one sentence and, after it, `hint: ...` where there is a remedy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_moved: false }
    }

    /// What could not be done, and why.
    pub fn because(what: &str, why: impl Display) -> Self {
        Self::new(format!("{what}: {why}"))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let is_moved = matches!(error, EngineError::Store(StoreError::Moved));
        Self { message: error.to_string(), is_moved }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

/// Does what was typed. `now` is used where no other moment was asked for.
///
/// # Errors
/// When nothing of it could be done.
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
        Task::Completions { shell } => print(&crate::cli::completions(shell)).map(|()| Ended::Done),
    }
}

/// Shows on stderr what goes on inside, where that was asked for: each stretch when it ends, with the time it took.
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
            ExitCode::from(4)
        }
    }
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
            Err(Failure::because("stdout could not be written", error))
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
