//! `slowburn report`: the budget report, from the ledger alone.

use std::path::Path;

use super::open::{ledger, sound_definitions};
use super::{Ended, Failure, print};
use crate::alert::AlertBook;
use crate::cli::{ReportArgs, ReportFormat};
use crate::engine;
use crate::minute::Minute;
use crate::report::{document, incidents, model};
use crate::store::BookKind;

pub(super) async fn report(arguments: ReportArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let store = ledger(&arguments.place).await?;
    let status = engine::judge(&definitions.catalog, &store, at).await.map_err(Failure::from)?;
    let (book, _) = store.book(BookKind::People).await.map_err(|error| Failure::new(error.to_string()))?;
    let text = compose(&status, &book, arguments.format);
    match arguments.out {
        Some(path) => save(&path, &text)?,
        None => print(text.as_bytes())?,
    }
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}

/// Writes `report.md` and `report.json` into a folder.
pub(super) fn save_both(status: &model::Status, book: &AlertBook, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::because(&format!("`{}` could not be made", folder.display()), error))?;
    save(&folder.join("report.md"), &compose(status, book, ReportFormat::Markdown))?;
    save(&folder.join("report.json"), &compose(status, book, ReportFormat::Json))
}

fn compose(status: &model::Status, book: &AlertBook, format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => document::markdown(status) + &incidents::markdown(book, status),
        ReportFormat::Json => {
            let mut document = document::json(status);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("incidents".to_owned(), incidents::json(book, status));
            }
            format!("{document:#}\n")
        }
    }
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::because(&format!("`{}` could not be written", path.display()), error))
}
