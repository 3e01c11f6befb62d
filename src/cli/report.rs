//! What can be typed of `report`.

use clap::{Args, ValueEnum};

use super::Place;
use crate::location::Location;

/// Arguments of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Where, and when.
    #[command(flatten)]
    pub place: Place,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Print nothing, and write a site instead: a page of all services, one of each team and of each service, and `report.md` and
    /// `report.json` beside them; into a folder, or to `s3://bucket/prefix`
    #[arg(long, value_name = "PLACE", env = "SLOWBURN_SITE", conflicts_with = "format")]
    pub out: Option<Location>,
    /// By what was told on paper, as `run --notify paper:DIR` remembers it
    #[arg(long)]
    pub paper: bool,
}

/// Formats of `report`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ReportFormat {
    /// For people
    #[default]
    Markdown,
    /// For programs
    Json,
}
