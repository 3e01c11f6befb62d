//! The options of `status`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::{CommonArgs, DEFINITIONS, OUTPUT, OutFile, StateArgs, complete};

const EXAMPLES: &str = "\
Examples:
  slowburn status
  slowburn status checkout search/latency
  slowburn status --team shop --format json
  slowburn status --format openmetrics --out /var/lib/node_exporter/slowburn.prom";

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Only these services and SLOs, as `SERVICE` or `SERVICE/SLO`
    #[arg(value_name = "SERVICE|SLO", add = ArgValueCandidates::new(complete::service_and_slo_candidates))]
    pub names: Vec<String>,
    /// Where, and when.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Only the services of this team
    #[arg(long, value_name = "TEAM", help_heading = DEFINITIONS, add = ArgValueCandidates::new(complete::team_candidates))]
    pub team: Option<String>,
    /// The alert state.
    #[command(flatten)]
    pub state: StateArgs,
    /// Output format
    #[arg(long, value_enum, env = "SLOWBURN_FORMAT", default_value_t, help_heading = OUTPUT)]
    pub format: StatusFormat,
    /// Where to write.
    #[command(flatten)]
    pub file: OutFile,
}

/// Formats of `status`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum StatusFormat {
    /// A table for a terminal
    #[default]
    Table,
    /// A JSON document
    Json,
    /// Comma-separated values
    Csv,
    /// A Markdown table
    Markdown,
    /// Metrics for Prometheus, for example for the textfile collector of `node_exporter`
    Openmetrics,
}
