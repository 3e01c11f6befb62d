//! `slowburn export`: the known minutes of the ledger, as they were counted.

use super::open::{ledger, slo, sound_definitions};
use super::{Ended, Failure, print};
use crate::cli::export::ExportArgs;
use crate::engine;
use crate::minute::{Day, Minute, Span};
use crate::report::minutes;
use crate::slo::Slo;

pub(super) async fn export(arguments: ExportArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let store = ledger(&arguments.place).await?;
    let slos: Vec<&Slo> = match &arguments.slo {
        Some(name) => vec![slo(&definitions.catalog, name)?.1],
        None => definitions.catalog.services.iter().flat_map(|service| &service.slos).collect(),
    };
    let end = arguments.to.unwrap_or(at);
    let start = arguments.from.or_else(|| store.first_day().map(Day::start)).unwrap_or(end);
    print(minutes::HEADER.as_bytes())?;
    // A day at a time: a ledger of a year need not fit into memory, nor onto the screen before the first line shows.
    for day in Span::new(start, end).days() {
        let span = day.span().intersect(Span::new(start, end));
        let ledger = engine::minutes(&store, span).await.map_err(Failure::from)?;
        let text = minutes::csv(&slos, &ledger, span).map_err(|day| Failure::new(day.to_string()))?;
        print(text.as_bytes())?;
    }
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}
