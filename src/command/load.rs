//! The definitions and the ledger, which most commands open first.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::CommandError;
use super::output::{print_message, print_warning};
use super::shared_arguments::CommonArgs;
use crate::alert::InvalidDefinitions;
use crate::format::pluralize;
use crate::location::Location;
use crate::report::problems;
use crate::slo::{self, Catalog, Problem, Service, Severity, Slo, SourceKind};
use crate::source::{athena, definitions};
use crate::store::{self, BlobError, CrashPoints, LedgerStore, StoreError};
use crate::text::escape_non_printing;
use crate::time::Minute;

/// How often a ledger that a run holds is tried again, and the time between.
const LOCK_ATTEMPTS_MAX: usize = 120;
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(500);

/// Definitions as they were read, with the texts that problems point into.
pub struct Definitions {
    pub catalog: Catalog,
    pub problems: Vec<Problem>,
    pub files: Vec<slo::DefinitionFile>,
    folder: PathBuf,
    /// Whether there is a `fleet.yaml`, valid or not.
    pub has_fleet: bool,
    /// Whether there is any service file, valid or not.
    pub has_services: bool,
}

impl Definitions {
    /// Problems because of which an SLO is left out or cannot be measured.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }

    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Refuses the name of a service or an SLO that is unknown only because its definition is invalid.
    pub fn reject_invalid(&self, name: &str) -> Result<(), CommandError> {
        let service = name.split('/').next().unwrap_or_default();
        let names = || self.catalog.slos().map(|(_, slo)| slo.id.as_str());
        if names().any(|slo| slo == name) {
            return Ok(());
        }
        let (what, name) = if self.errors().any(|problem| problem.subject == name && name != service) {
            ("SLO", name)
        } else if names().all(|slo| slo.split('/').next() != Some(service))
            && self.errors().any(|problem| concerns_service(problem, service))
        {
            ("service", service)
        } else {
            return Ok(());
        };
        let name = escape_non_printing(name);
        Err(CommandError::new(format!("the definition of {what} `{name}` is invalid\nhint: run `slowburn check`")))
    }

    /// The services, or the whole fleet, of which SLOs may be missing because of a problem.
    pub fn invalid_definitions(&self) -> InvalidDefinitions {
        let mut invalid = InvalidDefinitions::default();
        let folder: PathBuf = self.folder.components().filter(|part| *part != Component::CurDir).collect();
        for problem in self.errors() {
            let path = Path::new(&problem.file).strip_prefix(&folder).unwrap_or(Path::new(""));
            let names: Vec<&str> = path.iter().filter_map(|name| name.to_str()).collect();
            match names.as_slice() {
                // No SLO is missing because of them.
                [slo::CORRECTIONS_FOLDER, _] => {}
                [team, file] => {
                    let service = file.split('.').next().unwrap_or_default();
                    invalid.services.insert(((*team).to_owned(), service.to_owned()));
                }
                _ => invalid.is_fleet_invalid = true,
            }
        }
        invalid
    }

    /// Prints the defaults if there is no `fleet.yaml`: otherwise it would go unnoticed that no alerts are sent.
    pub fn note_defaults(&self) {
        if self.has_fleet || !self.has_services {
            return;
        }
        let logs = self.catalog.sources.values().find_map(|source| match &source.kind {
            SourceKind::AccessLogs { location, .. } => Some(location.as_str()),
            _ => None,
        });
        print_message(format!(
            "note: no `fleet.yaml` in `{}`: using defaults (access logs in `{}`, 99.9% availability, 99% of requests under 500 ms); \
             no alerts are sent",
            self.folder.display(),
            logs.unwrap_or("./logs")
        ));
    }
}

/// Reads the definitions below a folder, and, where they are wanted, the queries that they name below another.
pub fn read_definitions(folder: &Path, queries: Option<&Path>, at: Minute) -> Result<Definitions, CommandError> {
    let (mut files, mut problems) = definitions::load(folder).map_err(CommandError::new)?;
    let (mut catalog, found) = slo::read_with_folder(folder, &files, at);
    problems.extend(found);
    if let Some(queries) = queries {
        let mut texts = BTreeMap::new();
        problems.extend(catalog.load_queries(|file| {
            texts.entry(file.to_owned()).or_insert_with(|| athena::read_sql(queries, file)).clone()
        }));
    }
    let paths = || files.iter().map(|file| &file.path).chain(problems.iter().map(|problem| &problem.file));
    let has_fleet = paths().any(|path| path == slo::FLEET_FILE);
    let has_services =
        paths().any(|path| path != slo::FLEET_FILE && !Path::new(path).starts_with(slo::CORRECTIONS_FOLDER));
    // Paths are shown as they can be opened from here; an annotation on GitHub needs them so too.
    let names = files.iter_mut().map(|file| &mut file.path).chain(problems.iter_mut().map(|problem| &mut problem.file));
    for name in names {
        *name = slo::definition_path(folder, name);
    }
    Ok(Definitions { catalog, problems, files, folder: folder.to_owned(), has_fleet, has_services })
}

/// Reads the definitions with the queries that they name, and prints the number of problems; `check` prints each.
pub fn load_definitions(common: &CommonArgs, at: Minute) -> Result<Definitions, CommandError> {
    let folder = &common.definitions.folder.slos;
    let definitions = read_definitions(folder, Some(&common.definitions.queries), at)?;
    if definitions.catalog.services.is_empty() {
        if !definitions.problems.is_empty() {
            print_message(problems::terminal(&definitions.problems, &definitions.files, true).trim_end());
        }
        return Err(CommandError::new(format!(
            "no SLOs to evaluate: `{}` has no valid service file\nhint: add `TEAM/SERVICE.yaml` with two lines, `service: NAME` \
             and `load_balancer: app/NAME`; or specify another folder with `--slos`",
            folder.display()
        )));
    }
    // A missing query is more than a faulty definition here: its SLO has no counts, not even those of the past.
    let lacks_query = |problem: &Problem| {
        let mut slos = definitions.catalog.slos();
        slos.any(|(_, slo)| slo.missing_query_problem.is_some() && slo.id.as_str() == problem.subject)
    };
    let (unreadable_queries, skipped): (Vec<Problem>, Vec<Problem>) =
        definitions.errors().cloned().partition(lacks_query);
    if !skipped.is_empty() {
        print_warning(format!(
            "{} in the definitions: the affected SLOs are skipped\nhint: run `slowburn check {}` for details",
            pluralize(skipped.len(), "problem"),
            folder.display()
        ));
    }
    if !unreadable_queries.is_empty() {
        print_message(problems::terminal(&unreadable_queries, &definitions.files, true).trim_end());
    }
    Ok(definitions)
}

pub async fn open_ledger(common: &CommonArgs) -> Result<LedgerStore, CommandError> {
    let store = LedgerStore::open(store::open_readable(&common.ledger).await).await?;
    if !store.has_manifest() {
        return Err(CommandError::new(format!(
            "no ledger at `{}`\nhint: create it with `slowburn run` (without `--offline`), or use another one with `--ledger`",
            common.ledger
        )));
    }
    if store.is_empty() {
        return Err(CommandError::new(format!(
            "the ledger `{}` is empty: the last run read no logs or other data\nhint: fix the warnings from `slowburn run`, then run it again",
            common.ledger
        )));
    }
    Ok(store)
}

/// Opens a ledger to add something small to it. Waits for a run that holds it, which takes seconds.
pub async fn open_ledger_for_update(location: &Location) -> Result<LedgerStore, StoreError> {
    let mut attempts = 0;
    loop {
        match store::open_writable(location, CrashPoints::default()).await {
            Err(BlobError::Locked(_)) if attempts < LOCK_ATTEMPTS_MAX => tokio::time::sleep(LOCK_RETRY_DELAY).await,
            opened => return LedgerStore::open(opened?).await,
        }
        attempts += 1;
    }
}

/// Whether a problem is one of a service: of its content, or of its file if not even its name can be read.
pub fn concerns_service(problem: &Problem, service: &str) -> bool {
    let is_file_of_service =
        problem.subject.is_empty() && Path::new(&problem.file).file_stem().is_some_and(|stem| stem == service);
    is_file_of_service || problem.subject.split('/').next() == Some(service)
}

pub fn find_slo<'a>(definitions: &'a Definitions, name: &str) -> Result<(&'a Service, &'a Slo), CommandError> {
    definitions.reject_invalid(name)?;
    let catalog = &definitions.catalog;
    let mut slos = catalog.services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)));
    slos.find(|(_, slo)| slo.id.as_str() == name)
        .ok_or_else(|| CommandError::unknown("SLO", name, catalog.slos().map(|(_, slo)| slo.id.as_str())))
}
