//! The options of `replay`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::time::Time;
use super::{CommonArgs, DATA, OUTPUT, complete};

const EXAMPLES: &str = "\
Examples:
  slowburn replay checkout/availability --from 2026-10-27 --to 2026-10-28
  slowburn replay checkout/availability --from -7d --to now --format json
  slowburn replay checkout/availability --from -1d --to now --windows 5m,1h --format csv";

/// Arguments of `replay`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The SLO, as `SERVICE/SLO`
    #[arg(value_name = "SLO", add = ArgValueCandidates::new(complete::slo_candidates))]
    pub slo: String,
    /// Where, and when.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Time of the first evaluation
    ///
    /// An evaluation uses the minutes that start before its time.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = DATA)]
    pub from: Time,
    /// Stop before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = DATA)]
    pub to: Time,
    /// Ignore significance, working hours and hysteresis (the default)
    #[arg(long, help_heading = OUTPUT)]
    pub raw: bool,
    /// Print the sums of these windows for every minute instead of the tiers, such as `5m,1h,30d`
    #[arg(long, value_name = "DURATIONS", value_delimiter = ',', help_heading = OUTPUT)]
    pub windows: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: ReplayFormat,
}

/// Formats of `replay`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ReplayFormat {
    /// Plain text
    #[default]
    Text,
    /// A JSON document
    Json,
    /// Comma-separated values
    Csv,
}
