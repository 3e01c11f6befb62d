//! `slowburn cost`: what a day and a month of runs will ask AWS for, and its list price.

use super::load::load_definitions;
use super::{CommandError, ExitStatus, print};
use crate::cli::cost::{CostArgs, CostFormat};
use crate::cost::CostAssumptions;
use crate::engine;
use crate::location::Location;
use crate::report::cost as view;
use crate::store::{self, LedgerStore};
use crate::time::Minute;

pub(super) async fn cost(arguments: CostArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    // A fleet that has no ledger yet is asked what it will cost all the more.
    let opened = LedgerStore::open(store::open_readable(&arguments.common.ledger).await).await;
    let store = opened.map_err(|error| CommandError::new(error.to_string()))?;
    let ledger_in_s3 = matches!(arguments.common.ledger, Location::S3 { .. });
    let assumptions = CostAssumptions { every_minutes: arguments.every, ledger_in_s3, ..CostAssumptions::default() };
    let estimate = engine::estimate_cost(&definitions.catalog, &store, at, assumptions).await?;
    let text = match arguments.format {
        CostFormat::Table => view::table(&estimate, arguments.every, arguments.all),
        CostFormat::Json => format!("{:#}\n", view::json(&estimate, arguments.every)),
    };
    print(text.as_bytes())?;
    Ok(if definitions.has_errors() { ExitStatus::Partial } else { ExitStatus::Success })
}
