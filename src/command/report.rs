//! `slowburn report`: the budget report, from the ledger alone.

use std::path::Path;

use super::open::{ledger, sound_definitions};
use super::{Ended, Failure, print};
use crate::alert::AlertBook;
use crate::cli::{ReportArgs, ReportFormat};
use crate::engine;
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::report::gate::{self, Override};
use crate::report::{document, incidents, model};
use crate::store::{BookKind, LedgerStore};

/// How many days back a report shows deploys in spite of the policy.
const OVERRIDE_DAYS: i32 = 30;

pub(super) async fn report(arguments: ReportArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let store = ledger(&arguments.place).await?;
    let status = engine::judge(&definitions.catalog, &store, at).await.map_err(Failure::from)?;
    let (book, _) = store.book(BookKind::People).await.map_err(|error| Failure::new(error.to_string()))?;
    let overrides = overrides(&store, at).await?;
    let text = compose(&status, &book, &overrides, arguments.format);
    match arguments.out {
        Some(path) => save(&path, &text)?,
        None => print(text.as_bytes())?,
    }
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}

/// Writes `report.md` and `report.json` into a folder.
pub(super) fn save_both(
    status: &model::Status,
    book: &AlertBook,
    overrides: &[Override],
    folder: &Path,
) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::because(&format!("`{}` could not be made", folder.display()), error))?;
    save(&folder.join("report.md"), &compose(status, book, overrides, ReportFormat::Markdown))?;
    save(&folder.join("report.json"), &compose(status, book, overrides, ReportFormat::Json))
}

/// Deploys in spite of the policy in the days up to a moment.
pub(super) async fn overrides(store: &LedgerStore, at: Minute) -> Result<Vec<Override>, Failure> {
    let all = store.overrides().await.map_err(|error| Failure::new(error.to_string()))?;
    let since = at.plus(-OVERRIDE_DAYS * MINUTES_PER_DAY);
    Ok(all.into_iter().filter(|one| one.at > since && one.at <= at).collect())
}

fn compose(status: &model::Status, book: &AlertBook, overrides: &[Override], format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => {
            document::markdown(status) + &gate::overrides_markdown(overrides) + &incidents::markdown(book, status)
        }
        ReportFormat::Json => {
            let mut document = document::json(status);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("incidents".to_owned(), incidents::json(book, status));
                fields.insert("overrides".to_owned(), gate::overrides_json(overrides));
            }
            format!("{document:#}\n")
        }
    }
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::because(&format!("`{}` could not be written", path.display()), error))
}
