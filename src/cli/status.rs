//! What can be typed of `status`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Place;

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Where, and when.
    #[command(flatten)]
    pub place: Place,
    /// How to print it
    #[arg(long, value_enum, env = "SLOWBURN_FORMAT", default_value_t)]
    pub format: StatusFormat,
    /// Write into this file instead of stdout; it is replaced as a whole
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Formats of `status`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum StatusFormat {
    /// A table for a terminal
    #[default]
    Table,
    /// One JSON document
    Json,
    /// Comma-separated values
    Csv,
    /// A Markdown table
    Markdown,
    /// Metrics for Prometheus, such as for the textfile collector of its node exporter
    Openmetrics,
}
