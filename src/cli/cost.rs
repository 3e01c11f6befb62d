//! What can be typed of `cost`.

use clap::{Args, ValueEnum};

use super::Place;
use crate::minute::length;

/// Arguments of `cost`.
#[derive(Args, Clone, Debug)]
pub struct CostArgs {
    /// Where, and when.
    #[command(flatten)]
    pub place: Place,
    /// How often `slowburn run` runs
    #[arg(long, value_name = "LENGTH", env = "SLOWBURN_EVERY", default_value = "5m", value_parser = every)]
    pub every: u32,
    /// Show every service, not only the dearest
    #[arg(long)]
    pub all: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: CostFormat,
}

/// Formats of `cost`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum CostFormat {
    /// Tables for a terminal
    #[default]
    Table,
    /// One JSON document
    Json,
}

/// A length between two runs.
fn every(text: &str) -> Result<u32, String> {
    let minutes = length(text).filter(|minutes| (1..=1_440).contains(minutes));
    minutes.ok_or_else(|| "write a length from `1m` to `1d`, such as `5m`".to_owned())
}
