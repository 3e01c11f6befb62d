//! The options of `explain`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::{CommonArgs, OUTPUT, StateArgs, complete};

const EXAMPLES: &str = "\
Examples:
  slowburn explain checkout/availability
  slowburn explain checkout/availability --at 2026-10-27T14:20Z
  slowburn explain checkout/availability --at -2h --format json";

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// The SLO, as `SERVICE/SLO`
    #[arg(value_name = "SLO", add = ArgValueCandidates::new(complete::slo_candidates))]
    pub slo: String,
    /// Where, and when.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The alert state.
    #[command(flatten)]
    pub state: StateArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: ExplainFormat,
}

/// Formats of `explain`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ExplainFormat {
    /// Plain text
    #[default]
    Text,
    /// A JSON document
    Json,
}
