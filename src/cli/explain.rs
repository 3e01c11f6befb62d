//! What can be typed of `explain`.

use clap::{Args, ValueEnum};

use super::Place;

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The SLO as `SERVICE/SLO`
    pub slo: String,
    /// Where, and which evaluation: one at T sees the minutes that start before T.
    #[command(flatten)]
    pub place: Place,
    /// By what was told on paper, as `run --notify paper:DIR` remembers it
    #[arg(long)]
    pub paper: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: ExplainFormat,
}

/// Formats of `explain`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ExplainFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}
