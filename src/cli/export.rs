//! What can be typed of `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Place;
use crate::minute::Minute;

/// Arguments of `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Where, and when.
    #[command(flatten)]
    pub place: Place,
    /// What to export
    #[arg(long, value_enum, default_value_t)]
    pub what: ExportWhat,
    /// How to write it; minutes are CSV only
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
    /// Write into this file instead of stdout; it is replaced as a whole
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Only this SLO, as `SERVICE/SLO`
    #[arg(long, value_name = "SLO")]
    pub slo: Option<String>,
    /// First minute; the default is the first of the ledger, of budgets the first day of the last 30
    #[arg(long, value_name = "TIME")]
    pub from: Option<Minute>,
    /// The minute to stop before; the default is the moment looked at
    #[arg(long, value_name = "TIME")]
    pub to: Option<Minute>,
}

/// What is exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportWhat {
    /// The known minutes of the ledger, as they were counted
    #[default]
    Minutes,
    /// The budget of each window as it stood at the end of each day in UTC
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
