//! `slowburn explain`: why an SLO did or did not wake anybody at a minute.

use super::open::{ledger, slo, sound_definitions};
use super::{Ended, Failure, print};
use crate::cli::explain::{ExplainArgs, ExplainFormat};
use crate::engine;
use crate::minute::Minute;
use crate::report::model::judged_at;
use crate::store::BookKind;

pub(super) async fn explain(arguments: ExplainArgs, now: Minute) -> Result<Ended, Failure> {
    let moment = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, moment)?;
    let (service, slo) = slo(&definitions.catalog, &arguments.slo)?;
    // Without a moment it is the newest minute that a run would judge now.
    let at = arguments.place.at.unwrap_or_else(|| judged_at(&definitions.catalog, slo, now));
    let store = ledger(&arguments.place).await?;
    let kind = if arguments.paper { BookKind::Paper } else { BookKind::People };
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
