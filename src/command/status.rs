//! `slowburn status`: how every promise stands, from the ledger alone.

use super::apart::Apart;
use super::open::{ledger, sound_definitions};
use super::output::Output;
use super::{Ended, Failure, print};
use crate::alert::AlertBook;
use crate::cli::status::{StatusArgs, StatusFormat};
use crate::engine;
use crate::minute::Minute;
use crate::report::{data, incidents, model, status as view};
use crate::store::BookKind;

pub(super) async fn status(arguments: StatusArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    Apart::of(&arguments.place.ledger, &definitions.catalog)
        .and_folder("the output", arguments.out.as_ref())
        .check()?;
    let store = ledger(&arguments.place).await?;
    let found = engine::judge(&definitions.catalog, &store, at).await.map_err(Failure::from)?;
    let (book, _) = store.book(BookKind::People).await.map_err(|error| Failure::new(error.to_string()))?;
    if arguments.out.is_some() {
        let mut output = Output::to(arguments.out.as_deref())?;
        output.write(anstream::adapter::strip_str(&text(&found, arguments.format)?).to_string().as_bytes())?;
        output.finish()?;
    } else {
        show(&found, arguments.format)?;
        show_incidents(&book, &found, arguments.format)?;
    }
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}

/// Prints a status in a format.
pub(super) fn show(found: &model::Status, format: StatusFormat) -> Result<(), Failure> {
    print(text(found, format)?.as_bytes())
}

fn text(found: &model::Status, format: StatusFormat) -> Result<String, Failure> {
    Ok(match format {
        // Colours are always written; the stream takes them out where nobody would see them.
        StatusFormat::Table => view::table(found, terminal_width(), true),
        StatusFormat::Json => format!("{:#}\n", data::json(found)),
        StatusFormat::Csv => data::csv(found).map_err(|error| Failure::because("the status is no CSV", error))?,
        StatusFormat::Markdown => view::markdown(found),
        StatusFormat::Openmetrics => {
            data::openmetrics(found).map_err(|error| Failure::because("the status is no OpenMetrics", error))?
        }
    })
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
