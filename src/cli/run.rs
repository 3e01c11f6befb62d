//! The options of `run`.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueHint};

use super::status::StatusFormat;
use super::time::Time;
use super::{ALERTS, AWS, CommonArgs, DATA, OUTPUT, metrics, notify, parse_integer};
use crate::cost::NanoDollars;

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

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct RunArgs {
    /// Where, and when.
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
    #[arg(long, value_name = "N", env = "SLOWBURN_THREADS", value_parser = parse_threads, help_heading = DATA)]
    pub threads: Option<u16>,
    /// Run on 30 days of simulated access logs; everything is written under target/demo
    #[arg(long, conflicts_with_all = ["logs", "at", "days"], help_heading = DATA)]
    pub demo: bool,
    /// How notifications are sent.
    #[command(flatten)]
    pub channels: notify::ChannelArgs,
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
    /// What is published to CloudWatch.
    #[command(flatten)]
    pub metrics: metrics::MetricsArgs,
    /// The current time, for tests.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, env = "SLOWBURN_CLOCK")]
    pub clock: Option<crate::time::Minute>,
    /// Stop the process at the n-th write of the ledger, for tests of crashes.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true, env = "SLOWBURN_STOP_AT_WRITE")]
    pub stop_at_write: Option<u64>,
}

fn parse_days(text: &str) -> Result<u16, String> {
    parse_integer(text, 1, 400)
}

fn parse_threads(text: &str) -> Result<u16, String> {
    parse_integer(text, 1, 256)
}
