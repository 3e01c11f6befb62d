//! What can be typed, and with [`notify`] the only reader of environment variables.
//!
//! Every option has a variable `SLOWBURN_...`, so that a container needs no command line. Help texts are written for
//! somebody who was just woken up.

pub mod cost;
pub mod explain;
pub mod export;
pub mod gate;
pub mod metrics;
pub mod notify;
pub mod report;
pub mod status;
pub mod weekly;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::Targets;

use crate::cost::Dollars;
use crate::location::Location;
use crate::minute::{Day, Minute};
use cost::CostArgs;
use explain::ExplainArgs;
use export::ExportArgs;
use gate::GateArgs;
use notify::NotifyArgs;
use report::ReportArgs;
use status::{StatusArgs, StatusFormat};
use weekly::WeeklyArgs;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  a definition is faulty (check), or a promise is broken (gate)
  2  the command line is wrong
  3  done in part: what failed is named on stderr, the rest is right
  4  could not be done";

/// SLOs, error budgets and burn rates of services behind AWS load balancers.
#[derive(Debug, Parser)]
#[command(name = "slowburn", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// Tell on stderr what is done, how long it takes and how many requests it needs: `info`, `debug`, or by part, such as
    /// `slowburn=debug,aws_smithy_runtime=warn`
    #[arg(long, global = true, value_name = "LEVEL", env = "SLOWBURN_LOG", help_heading = "Looking inside")]
    pub log: Option<Targets>,
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// Read what is new, keep it in the ledger, judge every SLO, and print the status: the line for cron
    Run(RunArgs),
    /// Print how every SLO stands, from the ledger alone
    Status(StatusArgs),
    /// Print the budget report, or write pages of it for a browser, from the ledger alone
    Report(ReportArgs),
    /// The report of the last whole week: of a team or the fleet, printed, kept, or sent to whom it is for
    Weekly(WeeklyArgs),
    /// Predict what a day and a month of runs will ask AWS for, and its list price, without asking
    Cost(CostArgs),
    /// Show during which minutes of the past the tiers of an SLO held
    Replay(ReplayArgs),
    /// Say whether a service may be deployed by the error-budget policy of its class: an exit code for pipelines, and a sentence
    Gate(GateArgs),
    /// Print the minutes of the ledger as they were counted
    Export(ExportArgs),
    /// Check the definitions and name every problem with file, line and remedy
    Check(CheckArgs),
    /// Print the tables that Athena sources need as SQL, or create them
    Tables(TablesArgs),
    /// Say why an SLO did or did not wake anybody at a minute: every window, every gate, and what was told to whom
    Explain(ExplainArgs),
    /// Send a message that says it is a test to everybody whom a team's pages, tickets and reports go to
    Notify(NotifyArgs),
    /// Print the JSON Schema of the definition files, for editors, or of what webhooks get
    Schema(SchemaArgs),
    /// Write deterministic access logs of a small fleet to try things on
    Simulate(SimulateArgs),
    /// Print the completion script of a shell
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Where the definitions and the ledger are, and which moment is looked at.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Folder of definitions: `fleet.yaml` and `TEAM/SERVICE.yaml`
    #[arg(long, value_name = "DIR", env = "SLOWBURN_SLOS", default_value = "slos", value_parser = folder)]
    pub slos: PathBuf,
    /// Where the ledger is: a folder, made if it does not exist, or `s3://bucket/prefix`
    #[arg(long, value_name = "PLACE", env = "SLOWBURN_LEDGER", default_value = "ledger")]
    pub ledger: Location,
    /// The moment to look at instead of now, in UTC: `2026-10-31T23:50Z`
    #[arg(long, value_name = "TIME", env = "SLOWBURN_AT")]
    pub at: Option<Minute>,
    /// Folder of the SQL files that `query` indicators name: what such a file says tells which counts are its own
    #[arg(long, value_name = "DIR", env = "SLOWBURN_QUERIES", default_value = "queries", value_parser = folder)]
    pub queries: PathBuf,
}

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct RunArgs {
    /// Where, and when.
    #[command(flatten)]
    pub place: Place,
    /// Directory that holds `AWSLogs/`, instead of the one fleet.yaml names
    #[arg(long, value_name = "DIR", env = "SLOWBURN_LOGS")]
    pub logs: Option<PathBuf>,
    /// Read at most this many days back; the default is what the longest window needs
    #[arg(long, value_name = "DAYS", env = "SLOWBURN_DAYS", value_parser = clap::value_parser!(u16).range(1..=400))]
    pub days: Option<u16>,
    /// Ask AWS for no more than this costs by list price, in US dollars; what would cost more is left out and named. A ledger in a
    /// bucket counts, and is never left out
    #[arg(long, value_name = "DOLLARS", env = "SLOWBURN_MAX_COST")]
    pub max_cost: Option<Dollars>,
    /// Read nothing new: judge by what the ledger has
    #[arg(long, env = "SLOWBURN_OFFLINE")]
    pub offline: bool,
    /// Also write `report.md` and `report.json` into this directory
    #[arg(long, value_name = "DIR", env = "SLOWBURN_REPORT")]
    pub report: Option<PathBuf>,
    /// How people are told.
    #[command(flatten)]
    pub channels: notify::ChannelArgs,
    /// What CloudWatch is told.
    #[command(flatten)]
    pub metrics: metrics::MetricsArgs,
    /// Open no incident and tell nobody
    #[arg(long, env = "SLOWBURN_SILENT", conflicts_with = "paper")]
    pub silent: bool,
    /// With `--notify paper:DIR`, and where nothing was told on paper before: also write what would have been told since this moment,
    /// had slowburn run every five minutes
    #[arg(long, value_name = "TIME", requires = "paper")]
    pub since: Option<Minute>,
    /// Threads that read logs; the default is one a core
    #[arg(long, value_name = "N", env = "SLOWBURN_THREADS", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Make 30 days of logs of a small fleet and run on them: everything stays below target/demo
    #[arg(long, conflicts_with_all = ["logs", "at", "days"])]
    pub demo: bool,
    /// How to print the status
    #[arg(long, value_enum, env = "SLOWBURN_FORMAT", default_value_t)]
    pub format: StatusFormat,
    /// Print no status, only what went wrong
    #[arg(long, short)]
    pub quiet: bool,
    /// What time it is, for tests of what CloudWatch still has of the past.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, env = "SLOWBURN_CLOCK")]
    pub clock: Option<Minute>,
    /// Stop for good at the n-th write of the ledger: for tests of crashes.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, env = "SLOWBURN_STOP_AT_WRITE")]
    pub stop_at_write: Option<u64>,
}

/// Arguments of `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The SLO as `SERVICE/SLO`
    pub slo: String,
    /// Where, and when.
    #[command(flatten)]
    pub place: Place,
    /// First evaluation minute; an evaluation at T sees the minutes that start before T
    #[arg(long, value_name = "TIME")]
    pub from: Minute,
    /// The evaluation minute to stop before
    #[arg(long, value_name = "TIME")]
    pub to: Minute,
    /// The conditions of the tiers as they are, without evidence, working hours or hysteresis
    #[arg(long, required = true)]
    pub raw: bool,
    /// Print the sums of these windows at every minute instead of the tiers: `5m,1h,30d`
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',')]
    pub windows: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: ReplayFormat,
}

/// Arguments of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Folder of definitions, as an alternative to `--slos`
    #[arg(value_name = "DIR", value_parser = folder)]
    pub folder: Option<PathBuf>,
    /// Folder of definitions
    #[arg(long, value_name = "DIR", env = "SLOWBURN_SLOS", default_value = "slos", value_parser = folder)]
    pub slos: PathBuf,
    /// Folder of the SQL files that `query` indicators name
    #[arg(long, value_name = "DIR", env = "SLOWBURN_QUERIES", default_value = "queries", value_parser = folder)]
    pub queries: PathBuf,
    /// The moment by which corrections may be over, instead of now
    #[arg(long, value_name = "TIME", env = "SLOWBURN_AT")]
    pub at: Option<Minute>,
    /// How to print the problems
    #[arg(long, value_enum, default_value_t)]
    pub format: CheckFormat,
}

/// Arguments of `tables`.
#[derive(Args, Clone, Debug)]
pub struct TablesArgs {
    /// Folder of definitions
    #[arg(long, value_name = "DIR", env = "SLOWBURN_SLOS", default_value = "slos", value_parser = folder)]
    pub slos: PathBuf,
    /// Only the tables of this source of fleet.yaml
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Create them in Athena: a table that exists is left as it is
    #[arg(long)]
    pub create: bool,
}

/// Arguments of `schema`.
#[derive(Args, Clone, Debug)]
pub struct SchemaArgs {
    /// Which kind
    #[arg(value_enum)]
    pub file: SchemaFile,
}

/// Arguments of `simulate`.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// Directory to write `AWSLogs/` into
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// First day
    #[arg(long, value_name = "DAY", default_value = "2026-10-02")]
    pub from: Day,
    /// How many days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=400))]
    pub days: u16,
    /// Another seed gives other logs; the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Traffic as a multiple of the default
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    pub scale: f64,
}

/// Formats of `replay`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ReplayFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// Comma-separated values
    Csv,
}

/// Formats of `check`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum CheckFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// Annotations of a GitHub workflow
    Github,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SchemaFile {
    /// `fleet.yaml`
    Fleet,
    /// `TEAM/SERVICE.yaml`
    Service,
    /// `corrections/NAME.yaml`
    Correction,
    /// What a webhook gets
    Message,
    /// What `status --format json` prints
    Status,
}

impl Cli {
    /// Reads the command line and the environment. On `--help`, `--version` or an error it prints and ends the process,
    /// with code 2 for an error.
    #[must_use]
    pub fn read() -> Self {
        Self::parse()
    }
}

/// Traffic can be a little or a lot, but not nothing and not without a bound.
fn scale(text: &str) -> Result<f64, String> {
    let sound = text.parse().ok().filter(|scale| (0.001..=1_000.0).contains(scale));
    sound.ok_or_else(|| "write a number from 0.001 to 1000".to_owned())
}

/// A folder that is read where it is.
fn folder(text: &str) -> Result<PathBuf, String> {
    match text.split_once("://") {
        None => Ok(text.into()),
        Some(("s3", _)) => {
            Err(format!("it has to be a folder of this machine: copy it first, as by `aws s3 sync {text} DIR`"))
        }
        Some(_) => Err("it has to be a folder of this machine: copy it first".to_owned()),
    }
}

/// The completion script for a shell.
#[must_use]
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "slowburn", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
