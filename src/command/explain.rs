//! `slowburn explain`: why an SLO did or did not wake anybody at a minute.

use super::open::{ledger, slo, sound_definitions};
use super::{Ended, Failure, book_kind, print};
use crate::cli::explain::{ExplainArgs, ExplainFormat};
use crate::engine;
use crate::minute::Minute;
use crate::report::model::judged_at;

pub(super) async fn explain(arguments: ExplainArgs, now: Minute) -> Result<Ended, Failure> {
    let moment = arguments.place.at(now);
    let definitions = sound_definitions(&arguments.place, moment)?;
    let (service, slo) = slo(&definitions, &arguments.slo)?;
    // Without a moment it is the newest minute that a run would judge now.
    let at = match arguments.place.time.at {
        Some(_) => moment,
        None => judged_at(&definitions.catalog, slo, now),
    };
    let store = ledger(&arguments.place).await?;
    let kind = book_kind(arguments.state);
    let found = engine::explain(&definitions.catalog, &store, kind, (service, slo), at).await.map_err(Failure::from)?;
    print(
        match arguments.format {
            ExplainFormat::Text => found.text(),
            ExplainFormat::Json => format!("{:#}\n", found.json()),
        }
        .as_bytes(),
    )?;
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}
