//! The options of `gate`.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::{CommonArgs, DATA, OUTPUT, complete};
use crate::text::escape_non_printing;

const AFTER_HELP: &str = "\
Examples:
  slowburn gate checkout
  slowburn gate checkout --format json
  slowburn gate checkout --override INC-482 --by jane@example.com

Exit codes:
  0  the deploy is allowed, by the policy or by an override
  1  the deploy is blocked
  2  usage error
  3  unknown: not enough data, or invalid definitions
  4  failed";

/// Arguments of `gate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct GateArgs {
    /// The service to deploy
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(complete::service_candidates))]
    pub service: String,
    /// Where, and when.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Allow this deploy even if the policy blocks it, for this reason
    ///
    /// The override is stored in the ledger and shown in reports.
    #[arg(long = "override", value_name = "REASON", requires = "by", value_parser = parse_line, help_heading = DATA)]
    pub reason: Option<String>,
    /// Author of the override
    #[arg(long, value_name = "AUTHOR", env = "SLOWBURN_BY", value_parser = parse_line, help_heading = DATA)]
    pub by: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: GateFormat,
}

/// Formats of `gate`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum GateFormat {
    /// One sentence
    #[default]
    Text,
    /// A JSON document
    Json,
}

/// Parses one line of text. A pipeline may take it from a commit or a form, so control characters are escaped.
fn parse_line(text: &str) -> Result<String, String> {
    let escaped = escape_non_printing(text.trim());
    match escaped.chars().count() {
        0 => Err("must not be empty".to_owned()),
        1..=500 => Ok(escaped),
        _ => Err("must not be longer than 500 characters".to_owned()),
    }
}
