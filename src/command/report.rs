//! `slowburn report`: the budget report as a document or as pages, from the ledger alone.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::apart::Apart;
use super::open::{ledger, sound_definitions};
use super::{Ended, Failure, book_kind, print, say};
use crate::alert::AlertBook;
use crate::cli::report::{ReportArgs, ReportFormat};
use crate::engine;
use crate::location::Location;
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::report::gate::{self, Override};
use crate::report::site::{Facts, RenderError, Site, Subject};
use crate::report::{counted, document, incidents, model};
use crate::store::{LedgerStore, Others, Page, Pages, PagesError};

/// Pages that are held in memory at a time.
const TOGETHER: usize = 64;

/// How many days back a report shows deploys in spite of the policy.
const OVERRIDE_DAYS: i32 = 30;

pub(super) async fn report(arguments: ReportArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let store = ledger(&arguments.place).await?;
    let status = engine::judge(&definitions.catalog, &store, at).await.map_err(Failure::from)?;
    let (book, _) = store.book(book_kind(arguments.state)).await.map_err(|error| Failure::new(error.to_string()))?;
    let overrides = overrides(&store, at).await?;
    if let Some(place) = &arguments.out {
        Apart::of(&arguments.place.ledger, &definitions.catalog).and("the pages", Some(place.clone())).check()?;
        let histories = engine::histories(&definitions.catalog, &store, at).await?;
        let facts = Facts {
            catalog: &definitions.catalog,
            status: &status,
            histories: &histories,
            book: &book,
            overrides: &overrides,
            problems: &definitions.problems,
        };
        let documents = [("report.md", ReportFormat::Markdown), ("report.json", ReportFormat::Json)];
        let documents = documents
            .map(|(name, format)| Page { name: name.to_owned(), text: compose(&status, &book, &overrides, format) });
        write_site(place, facts, documents).await?;
    } else {
        print(compose(&status, &book, &overrides, arguments.format).as_bytes())?;
    }
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}

/// Writes all pages, some at a time.
async fn write_site(place: &Location, facts: Facts<'_>, documents: [Page; 2]) -> Result<(), Failure> {
    let failed = |error: PagesError| Failure::new(error.to_string());
    let faulty = |error: RenderError| Failure::because("cannot create a page", error);
    let site = Site::new(facts).map_err(faulty)?;
    let subjects = site.subjects();
    let names: BTreeSet<String> =
        subjects.iter().map(Subject::name).chain(documents.iter().map(|page| page.name.clone())).collect();
    let pages = Pages::begin(place, names, Others::Remove).await.map_err(failed)?;
    for some in subjects.chunks(TOGETHER) {
        let page = |subject: &Subject<'_>| Ok(Page { name: subject.name(), text: site.page(*subject)? });
        let written: Result<Vec<Page>, RenderError> = some.par_iter().map(page).collect();
        pages.put(written.map_err(faulty)?).await.map_err(failed)?;
    }
    pages.put(documents.into()).await.map_err(failed)?;
    pages.finish().await.map_err(failed)?;
    say(&format!("wrote {} to `{place}`: open `index.html`", counted(subjects.len(), "page")));
    Ok(())
}

/// Writes `report.md` and `report.json` into a folder.
pub(super) async fn save_both(
    status: &model::Status,
    book: &AlertBook,
    overrides: &[Override],
    folder: &Path,
) -> Result<(), Failure> {
    let failed = |error: PagesError| Failure::new(error.to_string());
    let documents = [("report.md", ReportFormat::Markdown), ("report.json", ReportFormat::Json)];
    let documents: Vec<Page> = documents
        .map(|(name, format)| Page { name: name.to_owned(), text: compose(status, book, overrides, format) })
        .into();
    let names = documents.iter().map(|page| page.name.clone()).collect();
    let pages = Pages::begin(&Location::Directory(folder.to_owned()), names, Others::Keep).await.map_err(failed)?;
    pages.put(documents).await.map_err(failed)?;
    pages.finish().await.map_err(failed)
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
