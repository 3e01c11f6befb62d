//! What most commands open first: the definitions and the ledger.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::{Failure, say, styled};
use crate::alert::Faulty;
use crate::cli::Place;
use crate::fetch::{athena, definitions};
use crate::location::Location;
use crate::minute::Minute;
use crate::report::{counted, problems};
use crate::slo::{self, Catalog, Problem, Service, Severity, Slo};
use crate::store::{self, LedgerStore, ShelfError, StoreError, WritePoints};

/// How often a ledger that a run holds is tried again, and how long is waited between.
const TRIES: usize = 120;
const PAUSE: Duration = Duration::from_millis(500);

/// Definitions as they were read, with the texts that problems point into.
pub(super) struct Definitions {
    pub(super) catalog: Catalog,
    pub(super) problems: Vec<Problem>,
    pub(super) files: Vec<slo::DefinitionFile>,
}

impl Definitions {
    /// Whether a promise is left out because of a problem, or cannot be measured because of one.
    pub(super) fn faulty(&self) -> bool {
        self.errors() > 0
    }

    fn errors(&self) -> usize {
        self.faults().count()
    }

    fn faults(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// Where promises may be missing because of a problem, of definitions below a folder.
    pub(super) fn missing(&self, folder: &Path) -> Faulty {
        let mut faulty = Faulty::default();
        for problem in self.faults() {
            let path = Path::new(&problem.file);
            let below = folder.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
            let names: Vec<&str> =
                path.strip_prefix(below).iter().flat_map(|path| path.iter()).filter_map(|name| name.to_str()).collect();
            match names.as_slice() {
                // No promise is missing because of them.
                [slo::CORRECTIONS, _] => {}
                [team, file] => {
                    let service = file.split('.').next().unwrap_or_default();
                    faulty.services.insert(((*team).to_owned(), service.to_owned()));
                }
                _ => faulty.fleet = true,
            }
        }
        faulty
    }
}

/// Reads the definitions below a folder, and, where they are wanted, the queries that they name below another.
pub(super) fn definitions(folder: &Path, queries: Option<&Path>, at: Minute) -> Result<Definitions, Failure> {
    let (mut files, mut problems) = definitions::load(folder).map_err(|error| Failure::new(error.to_string()))?;
    let (mut catalog, found) = slo::read(&files, at);
    problems.extend(found);
    if let Some(queries) = queries {
        let mut texts = BTreeMap::new();
        problems.extend(catalog.take_queries(|file| {
            let read = texts.entry(file.to_owned()).or_insert_with(|| athena::read_sql(queries, file));
            read.clone().map_err(|fault| (fault.said, fault.remedy))
        }));
    }
    // Paths are shown as they can be opened from here; an annotation on GitHub needs them so too.
    let names = files.iter_mut().map(|file| &mut file.path).chain(problems.iter_mut().map(|problem| &mut problem.file));
    for name in names {
        let path = folder.join(&*name);
        let parts = path.components().filter(|part| *part != Component::CurDir);
        *name = parts.collect::<PathBuf>().to_string_lossy().into_owned();
    }
    Ok(Definitions { catalog, problems, files })
}

/// Reads the definitions with the queries that they name, and says on stderr how many problems they have: `check` is where they
/// are shown whole.
pub(super) fn sound_definitions(place: &Place, at: Minute) -> Result<Definitions, Failure> {
    let folder = &place.slos;
    let found = definitions(folder, Some(&place.queries), at)?;
    if found.catalog.services.is_empty() {
        say(&problems::terminal(&found.problems, &found.files, true));
        return Err(Failure::new(format!(
            "no promise can be judged: `{}` holds no sound service file\nhint: write `TEAM/SERVICE.yaml` with two lines: \
             `service: NAME` and `load_balancer: app/NAME/ID`",
            folder.display()
        )));
    }
    // Only here a missing query is more than a faulty definition: what stands on it has no counts, not even those of the past.
    let (unread, left_out): (Vec<Problem>, Vec<Problem>) =
        found.problems.iter().filter(|problem| problem.severity == Severity::Error).cloned().partition(|problem| {
            found.catalog.slos().any(|(_, slo)| slo.query_at.is_some() && slo.id.as_str() == problem.subject)
        });
    if !left_out.is_empty() {
        say(&format!(
            "{}: promises are left out for {} in the definitions\nhint: `slowburn check {}` names each with its remedy",
            styled("warning"),
            counted(left_out.len(), "problem"),
            folder.display()
        ));
    }
    if !unread.is_empty() {
        say(problems::terminal(&unread, &found.files, true).trim_end());
    }
    Ok(found)
}

/// Opens the ledger of a place for reading.
pub(super) async fn ledger(place: &Place) -> Result<LedgerStore, Failure> {
    let store = LedgerStore::open(store::readable(&place.ledger).await).await?;
    if store.is_new() {
        return Err(Failure::new(format!(
            "there is no ledger at `{}`\nhint: `slowburn run`, without `--offline`, fills it; `--ledger` names another",
            place.ledger
        )));
    }
    Ok(store)
}

/// Opens a ledger to add something small to it. A run that holds it is waited for: it takes seconds.
pub(super) async fn ledger_to_change(place: &Location) -> Result<LedgerStore, StoreError> {
    let mut tried = 0;
    loop {
        match store::writable(place, WritePoints::default()).await {
            Err(ShelfError::Held(_)) if tried < TRIES => tokio::time::sleep(PAUSE).await,
            opened => return LedgerStore::open(opened?).await,
        }
        tried += 1;
    }
}

/// The SLO of that name, and its service.
pub(super) fn slo<'a>(catalog: &'a Catalog, name: &str) -> Result<(&'a Service, &'a Slo), Failure> {
    let mut slos = catalog.services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)));
    slos.find(|(_, slo)| slo.id.as_str() == name).ok_or_else(|| {
        let service = name.split('/').next().unwrap_or_default();
        let near = catalog.services.iter().filter(|other| other.name == service).flat_map(|service| &service.slos);
        let near: Vec<String> = near.map(|slo| format!("`{}`", slo.id)).collect();
        let hint = if near.is_empty() { "`slowburn status` lists all".to_owned() } else { near.join(", ") };
        Failure::new(format!("there is no SLO `{name}`\nhint: {hint}"))
    })
}
