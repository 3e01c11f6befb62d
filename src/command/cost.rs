//! `slowburn cost`: what a day and a month of runs will ask AWS for, and its list price.

use super::open::sound_definitions;
use super::{Ended, Failure, print};
use crate::cli::cost::{CostArgs, CostFormat};
use crate::cost::Habits;
use crate::engine;
use crate::location::Location;
use crate::minute::Minute;
use crate::report::cost as view;
use crate::store::{self, LedgerStore};

pub(super) async fn cost(arguments: CostArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    // A fleet that has no ledger yet is asked what it will cost all the more.
    let opened = LedgerStore::open(store::readable(&arguments.place.ledger).await).await;
    let store = opened.map_err(|error| Failure::new(error.to_string()))?;
    let ledger_in_s3 = matches!(arguments.place.ledger, Location::S3 { .. });
    let habits = Habits { every_minutes: arguments.every, ledger_in_s3, ..Habits::default() };
    let forecast = engine::cost(&definitions.catalog, &store, at, habits).await?;
    let text = match arguments.format {
        CostFormat::Table => view::table(&forecast, arguments.every, arguments.all),
        CostFormat::Json => format!("{:#}\n", view::json(&forecast, arguments.every)),
    };
    print(text.as_bytes())?;
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}
