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
use crate::slo::{self, Catalog, Problem, Service, Severity, Slo, SourceKind};
use crate::store::{self, LedgerStore, ShelfError, StoreError, WritePoints};
use crate::visible::visible;

/// How often a ledger that a run holds is tried again, and how long is waited between.
const TRIES: usize = 120;
const PAUSE: Duration = Duration::from_millis(500);

/// Definitions as they were read, with the texts that problems point into.
pub(super) struct Definitions {
    pub(super) catalog: Catalog,
    pub(super) problems: Vec<Problem>,
    pub(super) files: Vec<slo::DefinitionFile>,
    /// Whether there is a `fleet.yaml`, valid or not.
    has_fleet: bool,
    /// Whether there is any service file, valid or not.
    pub(super) has_services: bool,
}

impl Definitions {
    /// Whether a promise is left out because of a problem, or cannot be measured because of one.
    pub(super) fn faulty(&self) -> bool {
        self.errors() > 0
    }

    pub(super) fn errors(&self) -> usize {
        self.faults().count()
    }

    /// Refuses the name of a service or an SLO that is unknown only because its definition is invalid.
    pub(super) fn refuse_invalid(&self, name: &str) -> Result<(), Failure> {
        let service = name.split('/').next().unwrap_or_default();
        let names = || self.catalog.slos().map(|(_, slo)| slo.id.as_str());
        let invalid = if names().any(|slo| slo == name) {
            None
        } else if self.faults().any(|problem| problem.subject == name && name != service) {
            Some(("SLO", name))
        } else {
            let is_read = names().any(|slo| slo.split('/').next() == Some(service));
            let is_invalid = !is_read && self.faults().any(|problem| is_of(problem, service));
            is_invalid.then_some(("service", service))
        };
        invalid.map_or(Ok(()), |(what, name)| {
            let name = visible(name);
            Err(Failure::new(format!("the definition of {what} `{name}` is invalid\nhint: run `slowburn check`")))
        })
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
    let (mut catalog, found) = slo::read_in(folder, &files, at);
    problems.extend(found);
    if let Some(queries) = queries {
        let mut texts = BTreeMap::new();
        problems.extend(catalog.take_queries(|file| {
            let read = texts.entry(file.to_owned()).or_insert_with(|| athena::read_sql(queries, file));
            read.clone().map_err(|fault| (fault.said, fault.remedy))
        }));
    }
    let paths = || files.iter().map(|file| &file.path).chain(problems.iter().map(|problem| &problem.file));
    let has_fleet = paths().any(|path| path == slo::FLEET);
    let has_services = paths().any(|path| path != slo::FLEET && !Path::new(path).starts_with(slo::CORRECTIONS));
    // Paths are shown as they can be opened from here; an annotation on GitHub needs them so too.
    let names = files.iter_mut().map(|file| &mut file.path).chain(problems.iter_mut().map(|problem| &mut problem.file));
    for name in names {
        *name = slo::path_in(folder, name);
    }
    Ok(Definitions { catalog, problems, files, has_fleet, has_services })
}

/// Prints which defaults apply if there is no `fleet.yaml`: without it nobody would notice that no alerts are sent.
pub(super) fn note_defaults(definitions: &Definitions, folder: &Path) {
    if definitions.has_fleet || !definitions.has_services {
        return;
    }
    let logs = definitions.catalog.sources.values().find_map(|source| match &source.kind {
        SourceKind::AccessLogs { location, .. } => Some(location.as_str()),
        _ => None,
    });
    say(&format!(
        "note: no `fleet.yaml` in `{}`: using defaults (access logs in `{}`, 99.9% availability, 99% of requests under 500 ms); \
         no alerts are sent",
        folder.display(),
        logs.unwrap_or("./logs")
    ));
}

/// Reads the definitions with the queries that they name, and says on stderr how many problems they have: `check` is
/// where they are shown whole.
pub(super) fn sound_definitions(place: &Place, at: Minute) -> Result<Definitions, Failure> {
    let folder = place.slos();
    let found = definitions(folder, Some(place.queries()), at)?;
    if found.catalog.services.is_empty() {
        if !found.problems.is_empty() {
            say(problems::terminal(&found.problems, &found.files, true).trim_end());
        }
        return Err(Failure::new(format!(
            "no SLOs to evaluate: `{}` has no valid service file\nhint: add `TEAM/SERVICE.yaml` with two lines, `service: NAME` \
             and `load_balancer: app/NAME`; or specify another folder with `--slos`",
            folder.display()
        )));
    }
    // Only here a missing query is more than a faulty definition: what stands on it has no counts, not even those of
    // the past.
    let (unread, left_out): (Vec<Problem>, Vec<Problem>) =
        found.problems.iter().filter(|problem| problem.severity == Severity::Error).cloned().partition(|problem| {
            found.catalog.slos().any(|(_, slo)| slo.query_at.is_some() && slo.id.as_str() == problem.subject)
        });
    if !left_out.is_empty() {
        say(&format!(
            "{}: {} in the definitions: the affected SLOs are skipped\nhint: run `slowburn check {}` for details",
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
    if !store.is_started() {
        return Err(Failure::new(format!(
            "no ledger at `{}`\nhint: create it with `slowburn run` (without `--offline`), or use another one with `--ledger`",
            place.ledger
        )));
    }
    if store.is_new() {
        return Err(Failure::new(format!(
            "the ledger `{}` is empty: the last run read no logs or other data\nhint: fix the warnings from `slowburn run`, then run it again",
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

/// Whether a problem is one of a service: of what it says, or of its file, where not even its name can be read.
pub(super) fn is_of(problem: &Problem, service: &str) -> bool {
    let is_of_file =
        problem.subject.is_empty() && Path::new(&problem.file).file_stem().is_some_and(|stem| stem == service);
    is_of_file || problem.subject.split('/').next() == Some(service)
}

/// The SLO of that name, and its service.
pub(super) fn slo<'a>(definitions: &'a Definitions, name: &str) -> Result<(&'a Service, &'a Slo), Failure> {
    definitions.refuse_invalid(name)?;
    let catalog = &definitions.catalog;
    let mut slos = catalog.services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)));
    slos.find(|(_, slo)| slo.id.as_str() == name)
        .ok_or_else(|| Failure::unknown("SLO", name, catalog.slos().map(|(_, slo)| slo.id.as_str())))
}
