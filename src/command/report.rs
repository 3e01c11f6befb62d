//! `slowburn report`: the budget report, from the ledger alone.

use std::path::Path;

use super::open::{ledger, sound_definitions};
use super::{Ended, Failure, print};
use crate::cli::{ReportArgs, ReportFormat};
use crate::engine;
use crate::minute::Minute;
use crate::report::{document, model};

pub(super) async fn report(arguments: ReportArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let store = ledger(&arguments.place).await?;
    let status = engine::judge(&definitions.catalog, &store, at).await.map_err(Failure::from)?;
    let text = compose(&status, arguments.format);
    match arguments.out {
        Some(path) => save(&path, &text)?,
        None => print(text.as_bytes())?,
    }
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}

/// Writes `report.md` and `report.json` into a folder.
pub(super) fn save_both(status: &model::Status, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::because(&format!("`{}` could not be made", folder.display()), error))?;
    save(&folder.join("report.md"), &compose(status, ReportFormat::Markdown))?;
    save(&folder.join("report.json"), &compose(status, ReportFormat::Json))
}

fn compose(status: &model::Status, format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => document::markdown(status),
        ReportFormat::Json => format!("{:#}\n", document::json(status)),
    }
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::because(&format!("`{}` could not be written", path.display()), error))
}
