//! What most commands open first: the definitions and the ledger.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::{CommandError, eprint_line, styled};
use crate::alert::InvalidDefinitions;
use crate::cli::CommonArgs;
use crate::format::pluralize;
use crate::location::Location;
use crate::report::problems;
use crate::slo::{self, Catalog, Problem, Service, Severity, Slo, SourceKind};
use crate::source::{athena, definitions};
use crate::store::{self, BlobError, CrashPoints, LedgerStore, StoreError};
use crate::text::escape_non_printing;
use crate::time::Minute;

/// How often a ledger that a run holds is tried again, and how long is waited between.
const LOCK_ATTEMPTS_MAX: usize = 120;
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(500);

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
    /// Whether an SLO is left out because of a problem, or cannot be measured because of one.
    pub(super) fn has_errors(&self) -> bool {
        self.error_count() > 0
    }

    pub(super) fn error_count(&self) -> usize {
        self.iter_errors().count()
    }

    /// Refuses the name of a service or an SLO that is unknown only because its definition is invalid.
    pub(super) fn reject_invalid(&self, name: &str) -> Result<(), CommandError> {
        let service = name.split('/').next().unwrap_or_default();
        let names = || self.catalog.slos().map(|(_, slo)| slo.id.as_str());
        let invalid = if names().any(|slo| slo == name) {
            None
        } else if self.iter_errors().any(|problem| problem.subject == name && name != service) {
            Some(("SLO", name))
        } else {
            let is_read = names().any(|slo| slo.split('/').next() == Some(service));
            let is_invalid = !is_read && self.iter_errors().any(|problem| concerns_service(problem, service));
            is_invalid.then_some(("service", service))
        };
        invalid.map_or(Ok(()), |(what, name)| {
            let name = escape_non_printing(name);
            Err(CommandError::new(format!("the definition of {what} `{name}` is invalid\nhint: run `slowburn check`")))
        })
    }

    fn iter_errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// Where SLOs may be missing because of a problem, of definitions below a folder.
    pub(super) fn invalid_definitions(&self, folder: &Path) -> InvalidDefinitions {
        let mut invalid = InvalidDefinitions::default();
        for problem in self.iter_errors() {
            let path = Path::new(&problem.file);
            let prefix = folder.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
            let names: Vec<&str> = path
                .strip_prefix(prefix)
                .iter()
                .flat_map(|path| path.iter())
                .filter_map(|name| name.to_str())
                .collect();
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
}

/// Reads the definitions below a folder, and, where they are wanted, the queries that they name below another.
pub(super) fn read_definitions(folder: &Path, queries: Option<&Path>, at: Minute) -> Result<Definitions, CommandError> {
    let (mut files, mut problems) = definitions::load(folder).map_err(|error| CommandError::new(error.to_string()))?;
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
    Ok(Definitions { catalog, problems, files, has_fleet, has_services })
}

/// Prints which defaults apply if there is no `fleet.yaml`: otherwise it would go unnoticed that no alerts are sent.
pub(super) fn note_defaults(definitions: &Definitions, folder: &Path) {
    if definitions.has_fleet || !definitions.has_services {
        return;
    }
    let logs = definitions.catalog.sources.values().find_map(|source| match &source.kind {
        SourceKind::AccessLogs { location, .. } => Some(location.as_str()),
        _ => None,
    });
    eprint_line(&format!(
        "note: no `fleet.yaml` in `{}`: using defaults (access logs in `{}`, 99.9% availability, 99% of requests under 500 ms); \
         no alerts are sent",
        folder.display(),
        logs.unwrap_or("./logs")
    ));
}

/// Reads the definitions with the queries that they name, and says on stderr how many problems they have: `check` is
/// where they are shown whole.
pub(super) fn load_definitions(common: &CommonArgs, at: Minute) -> Result<Definitions, CommandError> {
    let folder = common.slos_folder();
    let definitions = read_definitions(folder, Some(common.queries_folder()), at)?;
    if definitions.catalog.services.is_empty() {
        if !definitions.problems.is_empty() {
            eprint_line(problems::terminal(&definitions.problems, &definitions.files, true).trim_end());
        }
        return Err(CommandError::new(format!(
            "no SLOs to evaluate: `{}` has no valid service file\nhint: add `TEAM/SERVICE.yaml` with two lines, `service: NAME` \
             and `load_balancer: app/NAME`; or specify another folder with `--slos`",
            folder.display()
        )));
    }
    // Only here a missing query is more than a faulty definition: what stands on it has no counts, not even those of
    // the past.
    let (unreadable_queries, skipped): (Vec<Problem>, Vec<Problem>) =
        definitions.problems.iter().filter(|problem| problem.severity == Severity::Error).cloned().partition(
            |problem| {
                definitions
                    .catalog
                    .slos()
                    .any(|(_, slo)| slo.missing_query_problem.is_some() && slo.id.as_str() == problem.subject)
            },
        );
    if !skipped.is_empty() {
        eprint_line(&format!(
            "{}: {} in the definitions: the affected SLOs are skipped\nhint: run `slowburn check {}` for details",
            styled("warning"),
            pluralize(skipped.len(), "problem"),
            folder.display()
        ));
    }
    if !unreadable_queries.is_empty() {
        eprint_line(problems::terminal(&unreadable_queries, &definitions.files, true).trim_end());
    }
    Ok(definitions)
}

/// Opens the ledger of a place for reading.
pub(super) async fn open_ledger(common: &CommonArgs) -> Result<LedgerStore, CommandError> {
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

/// Opens a ledger to add something small to it. A run that holds it is waited for: it takes seconds.
pub(super) async fn open_ledger_for_update(location: &Location) -> Result<LedgerStore, StoreError> {
    let mut attempts = 0;
    loop {
        match store::open_writable(location, CrashPoints::default()).await {
            Err(BlobError::Locked(_)) if attempts < LOCK_ATTEMPTS_MAX => tokio::time::sleep(LOCK_RETRY_DELAY).await,
            opened => return LedgerStore::open(opened?).await,
        }
        attempts += 1;
    }
}

/// Whether a problem is one of a service: of what it says, or of its file, where not even its name can be read.
pub(super) fn concerns_service(problem: &Problem, service: &str) -> bool {
    let is_file_of_service =
        problem.subject.is_empty() && Path::new(&problem.file).file_stem().is_some_and(|stem| stem == service);
    is_file_of_service || problem.subject.split('/').next() == Some(service)
}

/// The SLO of that name, and its service.
pub(super) fn find_slo<'a>(definitions: &'a Definitions, name: &str) -> Result<(&'a Service, &'a Slo), CommandError> {
    definitions.reject_invalid(name)?;
    let catalog = &definitions.catalog;
    let mut slos = catalog.services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)));
    slos.find(|(_, slo)| slo.id.as_str() == name)
        .ok_or_else(|| CommandError::unknown("SLO", name, catalog.slos().map(|(_, slo)| slo.id.as_str())))
}
