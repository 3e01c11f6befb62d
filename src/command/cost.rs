//! `slowburn cost`: what a day and a month of runs will ask AWS for, and its list price.

use clap::{Args, ValueEnum};

use super::load::load_definitions;
use super::output::print;
use super::shared_arguments::{CommonArgs, DATA, OUTPUT};
use super::{CommandError, ExitStatus};
use crate::cost::CostAssumptions;
use crate::location::Location;
use crate::queries;
use crate::report::cost as view;
use crate::store::{self, LedgerStore};
use crate::time::{Minute, parse_duration};

const EXAMPLES: &str = "\
Examples:
  slowburn cost
  slowburn cost --every 15m --all
  slowburn cost --ledger s3://example-slo/ledger --format json";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CostArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Time between two runs
    #[arg(long, value_name = "DURATION", env = "SLOWBURN_EVERY", default_value = "5m", value_parser = parse_every,
          allow_hyphen_values = true, help_heading = DATA)]
    pub every: u32,
    /// Show every service instead of the ten most expensive
    #[arg(long, help_heading = OUTPUT)]
    pub all: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: CostFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum CostFormat {
    /// Tables for a terminal
    #[default]
    Table,
    /// A JSON document
    Json,
}

fn parse_every(text: &str) -> Result<u32, String> {
    let minutes = parse_duration(text).filter(|minutes| (1..=1_440).contains(minutes));
    minutes.ok_or_else(|| "must be a duration from `1m` to `1d`, such as `5m`".to_owned())
}

pub async fn cost(arguments: &CostArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.time.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    // Without a ledger, the estimate is based on assumptions.
    let opened = LedgerStore::open(store::open_readable(&arguments.common.ledger).await).await;
    let store = opened.map_err(CommandError::new)?;
    let ledger_in_s3 = matches!(arguments.common.ledger, Location::S3 { .. });
    let assumptions = CostAssumptions { every_minutes: arguments.every, ledger_in_s3, ..CostAssumptions::default() };
    let estimate = queries::estimate_cost(&definitions.catalog, &store, at, assumptions).await?;
    let text = match arguments.format {
        CostFormat::Table => view::table(&estimate, arguments.every, arguments.all),
        CostFormat::Json => format!("{:#}\n", view::json(&estimate, arguments.every)),
    };
    print(text)?;
    Ok(ExitStatus::partial_if(definitions.has_errors()))
}
