//! The command line. Each subcommand has one file with its arguments and its code; `arguments` has those that several
//! commands share.
//!
//! stdout is data, stderr is diagnostics. Every option that a scheduled run needs has a variable `SLOWBURN_...`, so
//! that a container needs no command line.

mod shared_arguments;
mod check;
mod completions;
mod cost;
mod disjoint_locations;
mod environment;
mod error;
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
pub mod simulate;
mod status;
mod tables;
mod time;
mod tips;
mod weekly;

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{CommandFactory, Error, FromArgMatches, Parser, Subcommand};
use clap_complete::CompleteEnv;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

pub use self::error::{CommandError, ExitStatus, exit_code};
use self::shared_arguments::LOGGING;
use crate::time::Minute;

/// How often a command starts over because runs changed the ledger while it read it.
const READ_ATTEMPTS_MAX: usize = 10;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
Examples:
  slowburn run --demo
  slowburn check
  slowburn run --dry-run notifications
  slowburn status --team shop
  slowburn explain checkout/availability --at -2h

Exit codes:
  0  success
  1  invalid definitions (check) or deploy blocked (gate)
  2  usage error
  3  partial success (see stderr)
  4  failed";

/// SLOs, error budgets and burn-rate alerts for services behind AWS load balancers
#[derive(Debug, Parser)]
#[command(name = "slowburn", version, styles = STYLES, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    /// Log to stderr: `info`, `debug`, or levels by module
    ///
    /// Levels by module are written as `slowburn=debug,aws_smithy_runtime=warn`. The log contains the steps of a
    /// command, their duration and the AWS requests.
    #[arg(long, global = true, value_name = "LEVEL", env = "SLOWBURN_LOG", help_heading = LOGGING, value_parser = parse_levels)]
    pub log: Option<Targets>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Fetch new data, evaluate every SLO, send notifications and print the status
    ///
    /// Run it from cron or a scheduler, for example every five minutes. Data that is already in the ledger is
    /// not fetched again.
    Run(run::RunArgs),
    /// Print the status of every SLO
    ///
    /// Evaluates the data in the ledger. Sends no requests to sources and no notifications.
    Status(status::StatusArgs),
    /// Print the error-budget report, or write it as HTML pages
    ///
    /// Evaluates the data in the ledger. Sends no requests to sources and no notifications.
    Report(report::ReportArgs),
    /// Create the weekly report of a team or the fleet: print, save or send it
    ///
    /// The report covers the last complete week, from Monday to Sunday in UTC. With `--out`, reports are saved instead
    /// of printed; with `--team`, the report of that team is printed too.
    Weekly(weekly::WeeklyArgs),
    /// Explain why an alert did or did not fire at a given time
    ///
    /// Shows both windows of every tier, the significance test, working hours, silences, and the notifications that
    /// were sent.
    Explain(explain::ExplainArgs),
    /// Check whether the error-budget policy allows a deploy (exit code for CI)
    ///
    /// A pipeline that stops at every exit code other than 0 also stops when the answer is unknown.
    Gate(gate::GateArgs),
    /// Check the definitions and report every problem with its file, line and a hint
    Check(check::CheckArgs),
    /// Show when each alert tier of an SLO would have fired
    ///
    /// Evaluates every minute of a time range with the current definition. Sends no notifications.
    Replay(replay::ReplayArgs),
    /// Export counts per minute or error budgets per day
    Export(export::ExportArgs),
    /// Estimate AWS requests and their list price, per day and per 30 days
    ///
    /// Sends no requests to sources. Estimates are based on the ledger; without one, they are based on stated
    /// assumptions.
    Cost(cost::CostArgs),
    /// Send a test notification to every destination of a team
    Notify(notify::NotifyArgs),
    /// Print the DDL of the tables that Athena sources need, or create the tables
    Tables(tables::TablesArgs),
    /// Print the JSON Schema of a definition file or of a JSON document
    Schema(schema::SchemaArgs),
    /// Write the access logs of a simulated fleet
    ///
    /// The fleet has 12 services behind 4 load balancers. Thirty days contain about two million requests and take about
    /// 350 MB.
    Simulate(simulate::SimulateArgs),
    /// Print the completion script for a shell
    ///
    /// Completes commands, options, and the names of SLOs, services and teams.
    #[command(after_help = completions::EXAMPLES)]
    Completions {
        /// The shell
        shell: completions::Shell,
    },
    /// Print or write the manual pages
    Man(man::ManArgs),
}

/// Levels of the log. A word that is not a level would be taken for a module, and log everything of that name: nothing.
fn parse_levels(text: &str) -> Result<Targets, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |part: &str| part.contains('=') || LEVELS.contains(&part.trim().to_ascii_lowercase().as_str());
    let levels = text.parse().ok().filter(|_| text.split(',').all(is_level));
    levels.ok_or_else(|| "use `info`, `debug` or `MODULE=LEVEL`; for a folder of access logs, use `--logs`".to_owned())
}

impl Cli {
    /// Reads the command line and the environment. On `--help`, `--version`, a request of a shell for completions, or
    /// an error it prints and exits: with code 2 for an error.
    pub fn from_env() -> Self {
        CompleteEnv::with_factory(Self::command).var(completions::VARIABLE).complete();
        let parsed = Self::from_args(std::env::args_os().collect());
        let checked = parsed.and_then(|cli| environment::reject_renamed_variable(Self::command()).map(|()| cli));
        checked.unwrap_or_else(|error| error.exit())
    }

    /// Parses a command line, program name first.
    fn from_args(args: Vec<OsString>) -> Result<Self, Error> {
        let mut command = environment::ignore_unset_variables(Self::command());
        let arg_texts: Vec<String> = args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let matches = command.try_get_matches_from_mut(args);
        let parsed = matches.and_then(|mut matches| {
            Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
        });
        parsed.map_err(|error| tips::add_tips(error, Self::command(), &arg_texts))
    }
}

/// Parses a command line, program name first. `None` for a request for help or the version.
pub fn parse<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Option<Cli>, String> {
    match Cli::from_args(args.into_iter().map(OsString::from).collect()) {
        Ok(cli) => Ok(Some(cli)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs a command. Relative times, and those that are not set, are relative to `now`.
pub async fn run(command: &Command, now: Minute) -> Result<ExitStatus, CommandError> {
    let mut attempts = 1;
    loop {
        match run_once(command, now).await {
            // Nothing was printed yet: what is printed as it is read deals with that by itself.
            Err(error) if error.is_retryable && attempts < READ_ATTEMPTS_MAX => attempts += 1,
            result => return result,
        }
    }
}

async fn run_once(command: &Command, now: Minute) -> Result<ExitStatus, CommandError> {
    match command {
        Command::Run(arguments) => Box::pin(run::run(arguments.clone(), now)).await,
        Command::Status(arguments) => status::status(arguments, now).await,
        Command::Report(arguments) => report::report(arguments, now).await,
        Command::Weekly(arguments) => Box::pin(weekly::weekly(arguments, now)).await,
        Command::Cost(arguments) => cost::cost(arguments, now).await,
        Command::Replay(arguments) => replay::replay(arguments, now).await,
        Command::Gate(arguments) => gate::gate(arguments, now).await,
        Command::Export(arguments) => export::export(arguments, now).await,
        Command::Check(arguments) => check::check(arguments, now),
        Command::Tables(arguments) => tables::tables(arguments, now).await,
        Command::Explain(arguments) => explain::explain(arguments, now).await,
        Command::Notify(arguments) => notify::notify(arguments, now).await,
        Command::Schema(arguments) => schema::schema(arguments),
        Command::Simulate(arguments) => simulate::simulate(arguments),
        Command::Completions { shell } => completions::print_script(*shell),
        Command::Man(arguments) => man::man(arguments),
    }
}

/// Logs spans and events to stderr, if requested: each span when it ends, with its duration.
pub fn init_tracing(log: Option<Targets>) {
    let Some(log) = log else { return };
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_span_events(FmtSpan::CLOSE);
    tracing_subscriber::registry().with(layer.with_filter(log)).init();
}

#[cfg(test)]
mod tests {
    use super::shared_arguments::{ALERTS, AWS, DATA, DEFINITIONS, OUTPUT};
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_a_heading_and_every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n"), "{name}");
            let mut headings: Vec<&str> = Vec::new();
            for option in command.get_arguments().filter(|option| option.get_long().is_some()) {
                if option.is_hide_set() {
                    continue;
                }
                headings.extend(option.get_help_heading().filter(|heading| !headings.contains(heading)));
                assert!(option.get_help_heading().is_some(), "{name}: {option}");
                let summary = option.get_help().map(ToString::to_string).unwrap_or_default();
                assert!((10..=90).contains(&summary.chars().count()), "{name}: {option}: {summary}");
            }
            let order = [DEFINITIONS, DATA, ALERTS, OUTPUT, AWS, LOGGING];
            assert!(headings.is_sorted_by_key(|heading| order.iter().position(|one| one == heading)), "{headings:?}");
        }
    }

    #[test]
    fn similar_commands_are_suggested_nearest_first() {
        let error = parse(["slowburn", "staus"]).unwrap_err();
        let (first, rest) = (error.find("'status'"), error.find("'tables'"));
        assert!(first.is_some() && rest.is_none_or(|rest| first < Some(rest)), "{error}");
    }

    #[test]
    fn out_of_range_numbers_are_explained() {
        for (option, value, cause) in [
            ("--max-cost", "-5", "must not be negative"),
            ("--days", "0", "must be a whole number from 1 to 400"),
            ("--days", "-1", "must be a whole number from 1 to 400"),
        ] {
            let error = parse(["slowburn", "run", option, value]).unwrap_err();
            assert!(error.contains(cause), "{error}");
        }
    }
}
