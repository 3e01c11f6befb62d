//! The options of `cost`.

use clap::{Args, ValueEnum};

use super::{CommonArgs, DATA, OUTPUT};
use crate::time::parse_duration;

const EXAMPLES: &str = "\
Examples:
  slowburn cost
  slowburn cost --every 15m --all
  slowburn cost --ledger s3://example-slo/ledger --format json";

/// Arguments of `cost`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CostArgs {
    /// Where, and when.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Time between two runs
    #[arg(long, value_name = "DURATION", env = "SLOWBURN_EVERY", default_value = "5m", value_parser = parse_every,
          allow_hyphen_values = true, help_heading = DATA)]
    pub every: u32,
    /// Show every service instead of the ten most expensive
    #[arg(long, help_heading = OUTPUT)]
    pub all: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: CostFormat,
}

/// Formats of `cost`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum CostFormat {
    /// Tables for a terminal
    #[default]
    Table,
    /// A JSON document
    Json,
}

/// Parses the time between two runs.
fn parse_every(text: &str) -> Result<u32, String> {
    let minutes = parse_duration(text).filter(|minutes| (1..=1_440).contains(minutes));
    minutes.ok_or_else(|| "must be a duration from `1m` to `1d`, such as `5m`".to_owned())
}
