//! The options of `simulate`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{DATA, OUTPUT, parse_integer};
use crate::time::Day;

const EXAMPLES: &str = "\
Examples:
  slowburn simulate --out logs
  slowburn simulate --out logs --from 2026-10-24 --days 7 --scale 0.5";

/// Arguments of `simulate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SimulateArgs {
    /// First day, in UTC
    #[arg(long, value_name = "DATE", default_value = "2026-10-02", help_heading = DATA)]
    pub from: Day,
    /// Number of days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = parse_days, allow_hyphen_values = true,
          help_heading = DATA)]
    pub days: u16,
    /// Seed for the random numbers; the same seed produces identical files
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = DATA)]
    pub seed: u64,
    /// Traffic as a multiple of the default
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_scale, allow_hyphen_values = true,
          help_heading = DATA)]
    pub scale: f64,
    /// Folder to write `AWSLogs/` to
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub out: PathBuf,
}

fn parse_days(text: &str) -> Result<u16, String> {
    parse_integer(text, 1, 400)
}

fn parse_scale(text: &str) -> Result<f64, String> {
    let scale = text.parse().ok().filter(|scale| (0.001..=1_000.0).contains(scale));
    scale.ok_or_else(|| "must be a number from 0.001 to 1000".to_owned())
}
