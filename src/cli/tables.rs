//! The options of `tables`.

use clap::Args;

use super::{AWS, DEFINITIONS, SlosArg};

const EXAMPLES: &str = "\
Examples:
  slowburn tables
  slowburn tables --source lake --create";

/// Arguments of `tables`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TablesArgs {
    /// The definitions.
    #[command(flatten)]
    pub definitions: SlosArg,
    /// Only the tables for this source in fleet.yaml
    #[arg(long, value_name = "NAME", help_heading = DEFINITIONS)]
    pub source: Option<String>,
    /// Create the tables in Athena; existing tables are not changed
    #[arg(long, help_heading = AWS)]
    pub create: bool,
}
