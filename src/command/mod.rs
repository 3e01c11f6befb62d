//! One file per subcommand: it takes what was typed, walks a stretch of the line, and prints. No logic lives here.
//!
//! stdout is data, stderr is diagnostics.

mod athena_tables;
mod check;
mod cost;
mod destinations;
mod explain;
mod export;
mod gate;
mod load;
mod man;
mod notify;
mod output;
mod replay;
mod report;
mod run;
mod schema;
mod separate_folders;
pub mod simulate;
mod status;
mod unknown_name;
mod weekly;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::complete::{self, Shell};
use crate::cli::{Command, StateArgs};
use crate::engine::EngineError;
use crate::slo::suggestion;
use crate::store::{AlertStateKind, SiteError, StoreError};
use crate::text::escape_non_printing;
use crate::time::Minute;

/// The result of a command, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: all of it.
    Success,
    /// 1: invalid definitions (`check`) or a blocked deploy (`gate`).
    Rejected,
    /// 3: a part failed and was named.
    Partial,
}

/// Why a command failed. It exits with 4, or with 2 for a usage error.
#[derive(Debug)]
pub struct CommandError {
    message: String,
    /// The command line names something that does not exist, or options that exclude each other.
    is_usage: bool,
    /// Another run changed the ledger meanwhile, so that the same may succeed now.
    is_retryable: bool,
}

/// How often a command starts over because runs changed the ledger while it read it.
const READ_ATTEMPTS_MAX: usize = 10;

impl CommandError {
    /// A failure in one sentence and, after it, `hint: ...` where there is a fix.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_usage: false, is_retryable: false }
    }

    /// A usage error: the message, and after it `hint: ...`.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { is_usage: true, ..Self::new(message) }
    }

    /// A usage error for a name that does not exist. `what` is the kind of name, such as `team`.
    pub(crate) fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match what {
            "SLO" => unknown_name::suggest_slo(name, &known),
            // An SLO where a service is expected has the name of its service.
            "service" => suggestion(name.split('/').next().unwrap_or_default(), "services", known),
            _ => suggestion(name, &format!("{what}s"), known),
        };
        let hint = hint.unwrap_or_else(|| format!("the definitions contain no {what}s; run `slowburn check`"));
        Self::usage(format!("unknown {what} `{}`\nhint: {hint}", escape_non_printing(name)))
    }

    /// What could not be done, and why.
    pub fn with_context(context: &str, cause: impl Display) -> Self {
        Self::new(format!("{context}: {cause}"))
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        let is_retryable = matches!(error, EngineError::Store(StoreError::ChangedWhileReading));
        Self { is_retryable, ..Self::new(error.to_string()) }
    }
}

impl From<SiteError> for CommandError {
    fn from(error: SiteError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

/// Runs a command. Relative times, and those that are not set, go by `now`.
///
/// # Errors
/// When the command failed.
pub async fn run(command: Command, now: Minute) -> Result<ExitStatus, CommandError> {
    let mut attempts = 1;
    loop {
        match run_once(command.clone(), now).await {
            // Nothing was printed yet: what is printed as it is read deals with that by itself.
            Err(error) if error.is_retryable && attempts < READ_ATTEMPTS_MAX => attempts += 1,
            result => return result,
        }
    }
}

async fn run_once(command: Command, now: Minute) -> Result<ExitStatus, CommandError> {
    match command {
        Command::Run(arguments) => Box::pin(run::run(arguments, now)).await,
        Command::Status(arguments) => status::status(arguments, now).await,
        Command::Report(arguments) => report::report(arguments, now).await,
        Command::Weekly(arguments) => Box::pin(weekly::weekly(arguments, now)).await,
        Command::Cost(arguments) => cost::cost(arguments, now).await,
        Command::Replay(arguments) => replay::replay(arguments, now).await,
        Command::Gate(arguments) => gate::gate(arguments, now).await,
        Command::Export(arguments) => export::export(arguments, now).await,
        Command::Check(arguments) => check::check(&arguments, now),
        Command::Tables(arguments) => athena_tables::tables(&arguments, now).await,
        Command::Explain(arguments) => explain::explain(arguments, now).await,
        Command::Notify(arguments) => notify::notify(&arguments, now).await,
        Command::Schema(arguments) => schema::schema(&arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Completions { shell } => print_completion_script(shell),
        Command::Man(arguments) => man::man(&arguments),
    }
}

/// Logs spans and events to stderr, if requested: each span when it ends, with its duration.
pub fn init_tracing(log: Option<Targets>) {
    let Some(log) = log else { return };
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_span_events(FmtSpan::CLOSE);
    tracing_subscriber::registry().with(layer.with_filter(log)).init();
}

/// Prints a failure and gives the exit code.
#[must_use]
pub fn exit_code(result: Result<ExitStatus, CommandError>) -> ExitCode {
    match result {
        Ok(ExitStatus::Success) => ExitCode::SUCCESS,
        Ok(ExitStatus::Rejected) => ExitCode::from(1),
        Ok(ExitStatus::Partial) => ExitCode::from(3),
        Err(error) => {
            eprint_line(&format!("{}: {}", styled("error"), error.message));
            ExitCode::from(if error.is_usage { 2 } else { 4 })
        }
    }
}

/// Prints the completion script of a shell.
fn print_completion_script(shell: Shell) -> Result<ExitStatus, CommandError> {
    let script = complete::registration_script(shell)
        .map_err(|error| CommandError::with_context("cannot write the completion script", error))?;
    print(&script).map(|()| ExitStatus::Success)
}

/// The alert state that a command reads.
fn alert_state_kind(state: StateArgs) -> AlertStateKind {
    if state.dry_run_state { AlertStateKind::DryRun } else { AlertStateKind::Live }
}

/// Writes data to stdout. A reader that went away, as `head` does, ends the output without a complaint.
fn print(bytes: &[u8]) -> Result<(), CommandError> {
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
            Err(CommandError::with_context("cannot write to stdout", error))
        }
        _ => Ok(()),
    }
}

/// Writes to stderr. A closed stderr is not an error.
fn eprint_line(text: &str) {
    let mut err = anstream::stderr().lock();
    drop(writeln!(err, "{text}"));
}

/// `error` or `warning` in its colour.
fn styled(word: &str) -> String {
    let color = if word == "error" { anstyle::AnsiColor::Red } else { anstyle::AnsiColor::Yellow };
    let style = color.on_default().bold();
    format!("{style}{word}{style:#}")
}
