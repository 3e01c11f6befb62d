//! `slowburn status`: how every promise stands, from the ledger alone.

use super::open::{ledger, sound_definitions};
use super::{Ended, Failure, print};
use crate::alert::AlertBook;
use crate::cli::{StatusArgs, StatusFormat};
use crate::engine;
use crate::minute::Minute;
use crate::report::{data, incidents, model, status as view};
use crate::store::BookKind;

pub(super) async fn status(arguments: StatusArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let store = ledger(&arguments.place).await?;
    let found = engine::judge(&definitions.catalog, &store, at).await.map_err(Failure::from)?;
    show(&found, arguments.format)?;
    let (book, _) = store.book(BookKind::People).await.map_err(|error| Failure::new(error.to_string()))?;
    show_incidents(&book, &found, arguments.format)?;
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

/// Prints what is open below the table.
pub(super) fn show_incidents(book: &AlertBook, found: &model::Status, format: StatusFormat) -> Result<(), Failure> {
    let text = incidents::text(book, found.at);
    match format {
        StatusFormat::Table if !text.is_empty() => print(format!("\n{text}").as_bytes()),
        _ => Ok(()),
    }
}

/// The width of the terminal that stdout is, if it is one.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}
