//! Reads the definition files of a folder into the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::catalog::Catalog;
use super::correction::{Category, Correction};
use super::problem::{CORRECTIONS_FOLDER, DefinitionFile, FLEET_FILE, Problem, Severity};
use super::resolve::{
    CorrectionContext, Fleet, KnownNames, check_classes, default_file, read_correction, read_service,
};
use super::service::Service;
use super::suggest::nearest;
use super::yaml::{FromText, Name, ServiceFile, YamlFile, decode};
use crate::hinted_error::HintedError;
use crate::time::Minute;

/// Reads all definitions: the valid SLOs, and all problems sorted by file and position. Corrections that ended long
/// before `at` are reported. Hints show paths below `folder`.
///
/// A problem of [`Severity::Error`] leaves out as little as possible: one SLO if only that is invalid, else the whole
/// service.
pub fn read_with_folder(folder: &Path, files: &[DefinitionFile], at: Minute) -> (Catalog, Vec<Problem>) {
    let mut files: Vec<&DefinitionFile> = files.iter().collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut problems = Vec::new();
    let default = default_file();
    let fleet_file = files.iter().copied().find(|file| file.path == FLEET_FILE).unwrap_or(&default);
    let yaml = open_yaml(fleet_file, &mut problems);
    let fleet = yaml.as_ref().map(|yaml| Fleet::read(yaml, &mut problems));
    if let Some(fleet) = &fleet {
        check_classes(fleet, &mut problems);
    }
    let (corrections, files): (Vec<&DefinitionFile>, Vec<&DefinitionFile>) = files
        .into_iter()
        .filter(|file| file.path != FLEET_FILE)
        .partition(|file| Path::new(&file.path).starts_with(CORRECTIONS_FOLDER));
    let (services, names) = read_services(folder, &files, fleet.as_ref(), &mut problems);
    let is_complete = problems.iter().all(|problem| problem.severity != Severity::Error);
    let context = CorrectionContext { names, services: &services, is_complete, at };
    let corrections = read_corrections(folder, &corrections, &context, &mut problems);
    let (silences, corrections) =
        corrections.into_iter().partition(|correction| correction.category == Category::Silence);
    problems.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    problems.dedup_by(|one, other| one.sort_key() == other.sort_key());
    let fleet_catalog = fleet.map(|fleet| fleet.catalog).unwrap_or_default();
    (Catalog { services, corrections, silences, ..fleet_catalog }, problems)
}

/// Reads all definitions; hints show paths below the current folder.
pub fn read(files: &[DefinitionFile], at: Minute) -> (Catalog, Vec<Problem>) {
    read_with_folder(Path::new(""), files, at)
}

/// The path of a definition file as it can be opened from the current folder.
pub fn definition_path(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.collect::<PathBuf>().to_string_lossy().into_owned()
}

/// Reads service files: the valid services sorted by name, and all names that corrections may use.
fn read_services(
    folder: &Path,
    files: &[&DefinitionFile],
    fleet: Option<&Fleet<'_>>,
    problems: &mut Vec<Problem>,
) -> (Vec<Service>, KnownNames) {
    let (mut services, mut files_by_service): (Vec<Service>, BTreeMap<String, &str>) = Default::default();
    let mut names = KnownNames::default();
    let mut slos: BTreeSet<String> = BTreeSet::new();
    for file in files {
        let team = match team_from_path(folder, &file.path) {
            Ok(team) => team,
            Err(explained) => {
                problems.push(Problem::for_file(&file.path, explained.message, explained.hint));
                continue;
            }
        };
        names.teams.insert(team.to_owned());
        let yaml = open_yaml(file, problems);
        let service = yaml.as_ref().and_then(|yaml| Some((yaml, read_service(yaml, team, fleet, problems)?)));
        let Some((yaml, service)) = service else {
            let service_file = yaml.as_ref().map(|yaml| decode::<ServiceFile>(yaml, |_| false, &mut Vec::new()).value);
            let stem = file.path.rsplit('/').next().and_then(|name| name.split('.').next());
            names.services.extend(stem.map(str::to_owned));
            names.services.extend(service_file.iter().flat_map(|text| &text.service).map(|name| name.0.0.clone()));
            slos.extend(service_file.iter().flat_map(|text| text.slos.iter().flatten()).map(|(name, _)| name.clone()));
            continue;
        };
        if let Some(first) = files_by_service.get(&service.name) {
            let hint =
                format!("`{}` already defines it; rename or remove one of the two", definition_path(folder, first));
            let message = format!("duplicate service `{}`", service.name);
            problems.push(Problem { subject: service.name, ..yaml.value_problem(&["service"], message, hint) });
            continue;
        }
        problems.extend(fleet.and_then(|fleet| unknown_team_warning(yaml, team, &service, fleet)));
        files_by_service.insert(service.name.clone(), &file.path);
        services.push(service);
    }
    services.sort_by(|one, other| one.name.cmp(&other.name));
    names.teams.extend(fleet.iter().flat_map(|fleet| fleet.catalog.teams.keys().cloned()));
    names.services.extend(services.iter().map(|service| service.name.clone()));
    slos.extend(services.iter().flat_map(|service| &service.slos).map(|slo| slo.name().to_owned()));
    slos.extend(problems.iter().filter_map(|problem| problem.subject.split_once('/')).map(|(_, slo)| slo.to_owned()));
    names.slos = fleet.filter(|fleet| !fleet.is_invalid(&["classes"])).map(|fleet| {
        slos.extend(fleet.classes().flat_map(|(_, class)| class.slos.iter().flatten()).map(|(name, _)| name.clone()));
        slos
    });
    (services, names)
}

fn unknown_team_warning(yaml: &YamlFile<'_>, team: &str, service: &Service, fleet: &Fleet<'_>) -> Option<Problem> {
    if fleet.file.teams.is_none() || fleet.catalog.teams.contains_key(team) {
        return None;
    }
    let consequence = match &fleet.catalog.alerts.team {
        Some(platform) => format!("the platform team `{platform}` is notified instead"),
        None => "no alerts are sent".to_owned(),
    };
    let add = format!("add `{team}:` with `pages` and `tickets` to `teams`; without it, {consequence}");
    let hint = match nearest(team, fleet.catalog.teams.keys().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`? rename the folder, or {add}"),
        None => add,
    };
    let message = format!("unknown team `{team}`: not in `teams` of `{}`", fleet.yaml.path);
    let problem = yaml.value_problem(&["service"], message, hint);
    Some(Problem { severity: Severity::Warning, subject: service.name.clone(), ..problem })
}

fn read_corrections(
    folder: &Path,
    files: &[&DefinitionFile],
    context: &CorrectionContext<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Correction> {
    let mut corrections_by_file: Vec<(Correction, &str)> = Vec::new();
    for file in files {
        if file.path.matches('/').count() > 1 {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            let hint = format!("move it to `{}`", definition_path(folder, &format!("{CORRECTIONS_FOLDER}/{name}")));
            problems.push(Problem::for_file(&file.path, "corrections must not be in subfolders", hint));
            continue;
        }
        let Some(yaml) = open_yaml(file, problems) else { continue };
        let find_duplicate = |id: &str| {
            corrections_by_file.iter().find(|(other, _)| other.id == id).map(|(_, path)| definition_path(folder, path))
        };
        let correction = read_correction(&yaml, context, find_duplicate, problems);
        corrections_by_file.extend(correction.map(|correction| (correction, file.path.as_str())));
    }
    let mut corrections: Vec<Correction> = corrections_by_file.into_iter().map(|(correction, _)| correction).collect();
    corrections.sort_by(|one, other| one.id.cmp(&other.id));
    corrections
}

fn open_yaml<'a>(file: &'a DefinitionFile, problems: &mut Vec<Problem>) -> Option<YamlFile<'a>> {
    YamlFile::open(file).map_err(|errors| problems.extend(errors)).ok()
}

fn team_from_path<'a>(folder: &Path, path: &'a str) -> Result<&'a str, HintedError> {
    let move_to = |path: &str| format!("move it to `{}`", definition_path(folder, path));
    let (message, hint) = match path.split('/').collect::<Vec<_>>().as_slice() {
        [_, file @ (FLEET_FILE | "fleet.yml")] => (
            format!("`{file}` is not at the top level of the folder"),
            format!("{}, or rename it if `fleet` is a service", move_to(FLEET_FILE)),
        ),
        [team, _] => match Name::from_text(team) {
            Ok(_) => return Ok(team),
            Err(explained) => (explained.message, format!("rename the folder; {}", explained.hint)),
        },
        [team, .., file] => {
            ("service files must not be in subfolders of a team folder".to_owned(), move_to(&format!("{team}/{file}")))
        }
        ["fleet.yml"] => ("`fleet.yml` is not read".to_owned(), "rename it to `fleet.yaml`".to_owned()),
        _ => (
            "the service file is not in a team folder".to_owned(),
            format!("{}; only `fleet.yaml` belongs here", move_to(&format!("<team>/{path}"))),
        ),
    };
    HintedError::err(message, hint)
}
