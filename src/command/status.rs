//! `slowburn status`: how every promise stands, from the ledger alone.

use super::open::{ledger, sound_definitions};
use super::{Ended, Failure, print};
use crate::cli::{StatusArgs, StatusFormat};
use crate::engine;
use crate::minute::Minute;
use crate::report::{data, model, status as view};

pub(super) async fn status(arguments: StatusArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let store = ledger(&arguments.place).await?;
    let found = engine::judge(&definitions.catalog, &store, at).await.map_err(Failure::from)?;
    show(&found, arguments.format)?;
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}

/// Prints a status in a format.
pub(super) fn show(found: &model::Status, format: StatusFormat) -> Result<(), Failure> {
    let text = match format {
        // Colours are always written; the stream takes them out where nobody would see them.
        StatusFormat::Table => view::table(found, terminal_width(), true),
        StatusFormat::Json => format!("{:#}\n", data::json(found)),
        StatusFormat::Csv => data::csv(found).map_err(|error| Failure::because("the status is no CSV", error))?,
        StatusFormat::Markdown => view::markdown(found),
    };
    print(text.as_bytes())
}

/// The width of the terminal that stdout is, if it is one.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}
