//! The options of `report`.

use clap::{Args, ValueEnum, ValueHint};

use super::{CommonArgs, OUTPUT, StateArgs};
use crate::location::Location;

const EXAMPLES: &str = "\
Examples:
  slowburn report
  slowburn report --format json > report.json
  slowburn report --out site
  slowburn report --out s3://example-slo-site --dry-run-state";

/// Arguments of `report`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Where, and when.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The alert state.
    #[command(flatten)]
    pub state: StateArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: ReportFormat,
    /// Write HTML pages, `report.md` and `report.json` to this folder or `s3://bucket/prefix`
    ///
    /// There is one page with all services, one for each team and one for each service. Nothing is printed to stdout.
    #[arg(long, value_name = "LOCATION", env = "SLOWBURN_REPORT_OUT", conflicts_with = "format",
          value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub out: Option<Location>,
}

/// Formats of `report`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ReportFormat {
    /// Markdown
    #[default]
    Markdown,
    /// A JSON document
    Json,
}
