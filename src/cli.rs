//! The command line: commands, options and their help. With `notify` and `complete` the only reader of the
//! environment.
//!
//! Every option that a scheduled run needs has a variable `SLOWBURN_...`, so that a container needs no command line.

pub mod check;
pub mod complete;
pub mod cost;
pub mod explain;
pub mod export;
pub mod gate;
pub mod man;
pub mod metrics;
pub mod notify;
pub mod replay;
pub mod report;
pub mod run;
pub mod simulate;
pub mod status;
pub mod tables;
pub mod time;
mod tips;
mod variables;
pub mod weekly;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Error, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::CompleteEnv;
use tracing_subscriber::filter::Targets;

use crate::location::Location;
use crate::time::Minute;
use check::CheckArgs;
use complete::Shell;
use cost::CostArgs;
use explain::ExplainArgs;
use export::ExportArgs;
use gate::GateArgs;
use man::ManArgs;
use notify::NotifyArgs;
use replay::ReplayArgs;
use report::ReportArgs;
use run::RunArgs;
use simulate::SimulateArgs;
use status::StatusArgs;
use tables::TablesArgs;
use time::Time;
use weekly::WeeklyArgs;

/// Headings that options are listed under, in this order.
const DEFINITIONS: &str = "Definitions";
const DATA: &str = "Data";
const ALERTS: &str = "Alerts";
const OUTPUT: &str = "Output";
const AWS: &str = "AWS";
const LOGGING: &str = "Logging";

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
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Fetch new data, evaluate every SLO, send notifications and print the status
    ///
    /// Run it from cron or a scheduler, for example every five minutes. Data that is already in the ledger is
    /// not fetched again.
    Run(RunArgs),
    /// Print the status of every SLO
    ///
    /// Evaluates the data in the ledger. Sends no requests to sources and no notifications.
    Status(StatusArgs),
    /// Print the error-budget report, or write it as HTML pages
    ///
    /// Evaluates the data in the ledger. Sends no requests to sources and no notifications.
    Report(ReportArgs),
    /// Create the weekly report of a team or the fleet: print, save or send it
    ///
    /// The report covers the last complete week, from Monday to Sunday in UTC. With `--out`, reports are saved instead
    /// of printed; with `--team`, the report of that team is printed too.
    Weekly(WeeklyArgs),
    /// Explain why an alert did or did not fire at a given time
    ///
    /// Shows both windows of every tier, the significance test, working hours, silences, and the notifications that
    /// were sent.
    Explain(ExplainArgs),
    /// Check whether the error-budget policy allows a deploy (exit code for CI)
    ///
    /// A pipeline that stops at every exit code other than 0 also stops when the answer is unknown.
    Gate(GateArgs),
    /// Check the definitions and report every problem with its file, line and a hint
    Check(CheckArgs),
    /// Show when each alert tier of an SLO would have fired
    ///
    /// Evaluates every minute of a time range with the current definition. Sends no notifications.
    Replay(ReplayArgs),
    /// Export counts per minute or error budgets per day
    Export(ExportArgs),
    /// Estimate AWS requests and their list price, per day and per 30 days
    ///
    /// Sends no requests to sources. Estimates are based on the ledger; without one, they are based on stated
    /// assumptions.
    Cost(CostArgs),
    /// Send a test notification to every destination of a team
    Notify(NotifyArgs),
    /// Print the DDL of the tables that Athena sources need, or create the tables
    Tables(TablesArgs),
    /// Print the JSON Schema of a definition file or of a JSON document
    Schema(SchemaArgs),
    /// Write the access logs of a simulated fleet
    ///
    /// The fleet has 12 services behind 4 load balancers. Thirty days contain about two million requests and take about
    /// 350 MB.
    Simulate(SimulateArgs),
    /// Print the completion script for a shell
    ///
    /// Completes commands, options, and the names of SLOs, services and teams.
    #[command(after_help = complete::EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print or write the manual pages
    Man(ManArgs),
}

/// The folder of definitions.
#[derive(Args, Clone, Debug)]
pub struct SlosArg {
    /// Folder of definitions: `fleet.yaml` and `TEAM/SERVICE.yaml`
    #[arg(long, value_name = "DIR", env = "SLOWBURN_SLOS", default_value = "slos", value_parser = parse_folder,
          value_hint = ValueHint::DirPath, help_heading = DEFINITIONS)]
    pub slos: PathBuf,
}

/// The definitions, and the SQL files that they refer to.
#[derive(Args, Clone, Debug)]
pub struct DefinitionArgs {
    /// The folder of definitions.
    #[command(flatten)]
    pub folder: SlosArg,
    /// Folder of SQL files for `query` indicators
    #[arg(long, value_name = "DIR", env = "SLOWBURN_QUERIES", default_value = "queries", value_parser = parse_folder,
          value_hint = ValueHint::DirPath, help_heading = DEFINITIONS)]
    pub queries: PathBuf,
}

/// The time of the evaluation.
#[derive(Args, Clone, Debug)]
pub struct AtArg {
    /// Evaluate as of this time instead of now
    ///
    /// Accepts `2026-10-31T23:50Z`, `2026-10-31 23:50` (UTC), `2026-10-31` (midnight UTC), a time with an offset such
    /// as `2026-11-01T01:50+02:00`, or a time relative to now: `now`, `yesterday` (24 hours ago), `-30m`, `-1h`, `-2d`.
    #[arg(long, value_name = "TIME", env = "SLOWBURN_AT", allow_hyphen_values = true, help_heading = DATA)]
    pub at: Option<Time>,
}

/// What commands on a ledger have in common.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// The definitions.
    #[command(flatten)]
    pub definitions: DefinitionArgs,
    /// Location of the ledger: a folder or `s3://bucket/prefix`
    ///
    /// `slowburn run` creates it if it does not exist.
    #[arg(long, value_name = "LOCATION", env = "SLOWBURN_LEDGER", default_value = "ledger",
          value_hint = ValueHint::DirPath, help_heading = DATA)]
    pub ledger: Location,
    /// The time of the evaluation.
    #[command(flatten)]
    pub time: AtArg,
}

/// Which alert state a command shows.
#[derive(Args, Clone, Copy, Debug)]
pub struct StateArgs {
    /// Show the incidents of dry runs instead of those of live runs
    #[arg(long, help_heading = ALERTS)]
    pub dry_run_state: bool,
}

/// A file to write to.
#[derive(Args, Clone, Debug)]
pub struct OutFile {
    /// Write to this file instead of stdout; an existing file is replaced atomically
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
}

/// Arguments of `schema`.
#[derive(Args, Clone, Debug)]
#[command(after_help = SCHEMA_EXAMPLES)]
pub struct SchemaArgs {
    /// The kind of file or document
    #[arg(value_enum)]
    pub file: SchemaFile,
}

const SCHEMA_EXAMPLES: &str = "\
Examples:
  slowburn schema service > service.schema.json
  slowburn schema fleet > fleet.schema.json";

/// What has a schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemaFile {
    /// `fleet.yaml`
    Fleet,
    /// `TEAM/SERVICE.yaml`
    Service,
    /// `corrections/NAME.yaml`
    Correction,
    /// The body of a webhook notification
    Message,
    /// The output of `slowburn status --format json`
    Status,
}

impl AtArg {
    /// The time of the evaluation, given the current time.
    #[must_use]
    pub fn or_now(&self, now: Minute) -> Minute {
        self.at.map_or(now, |at| at.resolve(now))
    }
}

impl CommonArgs {
    /// The folder of definitions.
    #[must_use]
    pub fn slos_folder(&self) -> &Path {
        &self.definitions.folder.slos
    }

    /// The folder of SQL files.
    #[must_use]
    pub fn queries_folder(&self) -> &Path {
        &self.definitions.queries
    }

    /// The time of the evaluation, given the current time.
    #[must_use]
    pub fn evaluation_time(&self, now: Minute) -> Minute {
        self.time.or_now(now)
    }
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
    #[must_use]
    pub fn from_env() -> Self {
        CompleteEnv::with_factory(Self::command).var(complete::COMPLETION_VARIABLE).complete();
        let parsed = Self::from_args(std::env::args_os().collect());
        parsed.and_then(|cli| variables::reject_renamed().map(|()| cli)).unwrap_or_else(|error| error.exit())
    }

    /// Parses a command line, program name first.
    fn from_args(args: Vec<OsString>) -> Result<Self, Error> {
        let mut command = variables::ignore_unset_variables(Self::command());
        let arg_texts: Vec<String> = args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let matches = command.try_get_matches_from_mut(args);
        let parsed = matches.and_then(|mut matches| {
            Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
        });
        parsed.map_err(|error| tips::add_tips(error, &arg_texts))
    }
}

/// Parses a command line, program name first. `None` for a request for help or the version.
///
/// # Errors
/// The message for a command line that is not valid.
pub fn parse<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Option<Cli>, String> {
    match Cli::from_args(args.into_iter().map(OsString::from).collect()) {
        Ok(cli) => Ok(Some(cli)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses a whole number within bounds.
fn parse_integer(text: &str, min: u16, max: u16) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}

/// Parses the path of a local folder.
fn parse_folder(text: &str) -> Result<PathBuf, String> {
    match text.split_once("://") {
        None => Ok(text.into()),
        Some(("s3", _)) => Err(format!("must be a local folder\nhint: copy it first with `aws s3 sync {text} DIR`")),
        Some(_) => Err("must be a local folder".to_owned()),
    }
}

#[cfg(test)]
mod tests {
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
    fn renamed_options_suggest_the_new_names() {
        for (line, meant) in [
            ("slowburn run --notify paper:x", "did you mean `--dry-run DIR`?"),
            ("slowburn notify --test shop --notify=paper:x", "did you mean `--dry-run DIR`?"),
            ("slowburn report --paper", "did you mean `--dry-run-state`?"),
            ("slowburn run --metrics SLO --metrics-of-promises", "did you mean `--slo-metrics`?"),
            ("slowburn export --slo a/b", "did you mean `slowburn export SLO`?"),
        ] {
            let error = parse(line.split(' ')).unwrap_err();
            assert!(error.contains(meant), "{line}: {error}");
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
