//! The options of `export`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::time::Time;
use super::{CommonArgs, DATA, OUTPUT, OutFile, complete};

const EXAMPLES: &str = "\
Examples:
  slowburn export checkout/availability --from yesterday
  slowburn export --what budgets --out budgets.csv
  slowburn export --what budgets --format parquet --from -90d --out budgets.parquet";

/// Arguments of `export`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// Only this SLO, as `SERVICE/SLO`
    #[arg(value_name = "SLO", add = ArgValueCandidates::new(complete::slo_candidates))]
    pub slo: Option<String>,
    /// Where, and when.
    #[command(flatten)]
    pub common: CommonArgs,
    /// First minute [default: the start of the ledger; for budgets, 30 days ago]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = DATA)]
    pub from: Option<Time>,
    /// Stop before this time [default: the time of `--at`]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = DATA)]
    pub to: Option<Time>,
    /// Data to export
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub what: ExportWhat,
    /// Output format; minutes are available as CSV only
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: ExportFormat,
    /// Where to write.
    #[command(flatten)]
    pub file: OutFile,
}

/// What is exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportWhat {
    /// The counts of every known minute
    #[default]
    Minutes,
    /// The error budget of each window at the end of each UTC day
    Budgets,
}

/// Formats of `export`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated values
    #[default]
    Csv,
    /// A Parquet file
    Parquet,
}
