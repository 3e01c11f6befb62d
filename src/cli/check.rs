//! The options of `check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::{AtArg, DEFINITIONS, DefinitionArgs, OUTPUT, parse_folder};

const AFTER_HELP: &str = "\
Examples:
  slowburn check
  slowburn check path/to/slos
  slowburn check --format github

Exit codes:
  0  the definitions are valid
  1  invalid definitions
  2  usage error
  4  failed";

/// Arguments of `check`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArgs {
    /// Folder of definitions, instead of `--slos`
    #[arg(value_name = "DIR", value_parser = parse_folder, value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
    /// The definitions.
    #[command(flatten)]
    pub definitions: DefinitionArgs,
    /// The time by which corrections may have ended.
    #[command(flatten)]
    pub time: AtArg,
    /// Also require the environment variables of all destinations
    #[arg(long, help_heading = DEFINITIONS)]
    pub env: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: CheckFormat,
}

/// Formats of `check`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum CheckFormat {
    /// Plain text
    #[default]
    Text,
    /// A JSON document
    Json,
    /// Annotations for GitHub Actions
    Github,
}
