//! `slowburn report`: the budget report as a document or as pages, from the ledger alone.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::load::{load_definitions, open_ledger};
use super::separate_folders::DisjointLocations;
use super::{CommandError, ExitStatus, alert_state_kind, eprint_line, print};
use crate::alert::AlertState;
use crate::cli::report::{ReportArgs, ReportFormat};
use crate::engine;
use crate::evaluation::status::FleetStatus;
use crate::format::pluralize;
use crate::location::Location;
use crate::report::gate::{self, Override};
use crate::report::site::{RenderError, Site, SiteContext, SitePage};
use crate::report::{budget_report, incidents};
use crate::store::{LedgerStore, SiteFile, SiteWriter, StalePages};
use crate::time::{MINUTES_PER_DAY, Minute};

/// Pages that are held in memory at a time.
const PAGES_PER_BATCH: usize = 64;

/// How many days back a report shows deploys in spite of the policy.
const OVERRIDE_DAYS: i32 = 30;

pub(super) async fn report(arguments: ReportArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    let store = open_ledger(&arguments.common).await?;
    let status = engine::evaluate(&definitions.catalog, &store, at).await?;
    let (alert_state, _) = store.alert_state(alert_state_kind(arguments.state)).await?;
    let overrides = recent_overrides(&store, at).await?;
    if let Some(location) = &arguments.out {
        DisjointLocations::new(&arguments.common.ledger, &definitions.catalog)
            .with_output("the pages", Some(location.clone()))
            .check()?;
        let histories = engine::load_histories(&definitions.catalog, &store, at).await?;
        let context = SiteContext {
            catalog: &definitions.catalog,
            status: &status,
            histories: &histories,
            alert_state: &alert_state,
            overrides: &overrides,
            problems: &definitions.problems,
        };
        write_site(location, context, documents(&status, &alert_state, &overrides)).await?;
    } else {
        print(render(&status, &alert_state, &overrides, arguments.format).as_bytes())?;
    }
    Ok(if definitions.has_errors() { ExitStatus::Partial } else { ExitStatus::Success })
}

/// Writes all pages, some at a time.
async fn write_site(
    location: &Location,
    context: SiteContext<'_>,
    documents: Vec<SiteFile>,
) -> Result<(), CommandError> {
    let to_render_error = |error: RenderError| CommandError::with_context("cannot create a page", error);
    let site = Site::new(context).map_err(to_render_error)?;
    let subjects = site.pages();
    let names: BTreeSet<String> =
        subjects.iter().map(SitePage::path).chain(documents.iter().map(|page| page.name.clone())).collect();
    let pages = SiteWriter::begin(location, names, StalePages::Remove).await?;
    for batch in subjects.chunks(PAGES_PER_BATCH) {
        let render_page =
            |subject: &SitePage<'_>| Ok(SiteFile { name: subject.path(), text: site.render_page(*subject)? });
        let written: Result<Vec<SiteFile>, RenderError> = batch.par_iter().map(render_page).collect();
        pages.put(written.map_err(to_render_error)?).await?;
    }
    pages.put(documents).await?;
    pages.finish().await?;
    eprint_line(&format!("wrote {} to `{location}`: open `index.html`", pluralize(subjects.len(), "page")));
    Ok(())
}

/// Writes `report.md` and `report.json` into a folder.
pub(super) async fn save_reports(
    status: &FleetStatus,
    alert_state: &AlertState,
    overrides: &[Override],
    folder: &Path,
) -> Result<(), CommandError> {
    let location = Location::Directory(folder.to_owned());
    Ok(SiteWriter::write_all(&location, documents(status, alert_state, overrides), StalePages::Keep).await?)
}

fn documents(status: &FleetStatus, alert_state: &AlertState, overrides: &[Override]) -> Vec<SiteFile> {
    [("report.md", ReportFormat::Markdown), ("report.json", ReportFormat::Json)]
        .map(|(name, format)| SiteFile { name: name.to_owned(), text: render(status, alert_state, overrides, format) })
        .into()
}

/// Deploys in spite of the policy in the days before a time.
pub(super) async fn recent_overrides(store: &LedgerStore, at: Minute) -> Result<Vec<Override>, CommandError> {
    let all = store.overrides().await?;
    let since = at.plus(-OVERRIDE_DAYS * MINUTES_PER_DAY);
    Ok(all.into_iter().filter(|one| one.at > since && one.at <= at).collect())
}

fn render(status: &FleetStatus, alert_state: &AlertState, overrides: &[Override], format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => {
            budget_report::markdown(status)
                + &gate::overrides_markdown(overrides)
                + &incidents::markdown(alert_state, status)
        }
        ReportFormat::Json => {
            let mut document = budget_report::json(status);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("incidents".to_owned(), incidents::json(alert_state, status));
                fields.insert("overrides".to_owned(), serde_json::json!(overrides));
            }
            format!("{document:#}\n")
        }
    }
}
