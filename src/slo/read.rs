//! Files to promises: which file is what, and what several files say together.

use std::collections::BTreeMap;

use super::corrections::{Amended, read_correction};
use super::file::Page;
use super::fleet::{Fleet, default_file};
use super::positions::keys;
use super::problem::{DefinitionFile, Problem, Severity};
use super::service::{check_class, read_service};
use super::{Catalog, Category, Correction, Service};
use crate::minute::Minute;

/// The folder of corrections, beside those of teams.
pub const CORRECTIONS: &str = "corrections";

/// Reads all definitions: the promises that are sound, and everything that is wrong. A correction may be over at `at`.
///
/// A problem of [`Severity::Error`] leaves out the least that can be left out: one SLO if only that is wrong, else its
/// service. Problems are sorted by file and place.
#[must_use]
pub fn read(files: &[DefinitionFile], at: Minute) -> (Catalog, Vec<Problem>) {
    let mut files: Vec<&DefinitionFile> = files.iter().collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut problems = Vec::new();
    let default = default_file();
    let fleet_file = files.iter().copied().find(|file| file.path == "fleet.yaml").unwrap_or(&default);
    let page = opened(fleet_file, &mut problems);
    let fleet = page.as_ref().map(|page| Fleet::read(page, &mut problems));
    if let Some(fleet) = &fleet {
        check_class(fleet, &mut problems);
    }
    let (mut services, mut files_of): (Vec<Service>, BTreeMap<String, &str>) = Default::default();
    let (corrections, files): (Vec<&DefinitionFile>, Vec<&DefinitionFile>) =
        files.into_iter().filter(|file| file.path != "fleet.yaml").partition(|file| folder(&file.path) == CORRECTIONS);
    for file in files {
        let Some(team) = team_of(&file.path, &mut problems) else { continue };
        let Some(page) = opened(file, &mut problems) else { continue };
        let Some(service) = read_service(&page, team, fleet.as_ref(), &mut problems) else { continue };
        if let Some(first) = files_of.get(&service.name) {
            let hint = format!("`{first}` has it already; rename one, or remove it");
            let message = format!("a second service `{}`", service.name);
            problems.push(Problem { subject: service.name, ..page.of_value(&keys(&["service"]), message, hint) });
            continue;
        }
        if let Some(fleet) =
            fleet.as_ref().filter(|fleet| fleet.twin.teams.is_some() && !fleet.teams.contains_key(team))
        {
            let hint = format!("add `{team}:` with `pages` and `tickets`, or nobody is told");
            let message = format!("the team `{team}` is not in `{}`", fleet.page.file);
            let problem = page.of_value(&keys(&["service"]), message, hint);
            problems.push(Problem { severity: Severity::Warning, subject: service.name.clone(), ..problem });
        }
        files_of.insert(service.name.clone(), &file.path);
        services.push(service);
    }
    services.sort_by(|one, other| one.name.cmp(&other.name));
    let corrections = read_corrections(&corrections, &services, at, &mut problems);
    let (silences, corrections) =
        corrections.into_iter().partition(|correction| correction.category == Category::Silence);
    problems.sort_by(|one, other| one.place().cmp(&other.place()));
    problems.dedup_by(|one, other| one.place() == other.place());
    let mut catalog = Catalog { services, corrections, silences, ..Catalog::default() };
    if let Some(Fleet { sources, teams, also, policies, alerts, .. }) = fleet {
        catalog = Catalog { sources, teams, also, policies, alerts, ..catalog };
    }
    (catalog, problems)
}

fn read_corrections(
    files: &[&DefinitionFile],
    services: &[Service],
    at: Minute,
    problems: &mut Vec<Problem>,
) -> Vec<Correction> {
    let mut pages = Vec::new();
    for file in files {
        if file.path.matches('/').count() > 1 {
            let hint = format!("move it to `{CORRECTIONS}/`");
            problems.push(Problem::of_file(&file.path, "the folder of corrections has no folders inside", hint));
            continue;
        }
        pages.extend(opened(file, problems));
    }
    let mut read: Vec<(Amended<'_>, &str)> = Vec::new();
    for page in &pages {
        let Some(amended) = read_correction(page, problems) else { continue };
        if let Some((_, first)) = read.iter().find(|(other, _)| other.correction.id == amended.correction.id) {
            problems.push(amended.twice(first));
            continue;
        }
        problems.extend(amended.check(services, at));
        read.push((amended, page.file));
    }
    let mut corrections: Vec<Correction> = read.into_iter().map(|(amended, _)| amended.correction).collect();
    corrections.sort_by(|one, other| one.id.cmp(&other.id));
    corrections
}

fn folder(path: &str) -> &str {
    path.split_once('/').map_or("", |(folder, _)| folder)
}

fn opened<'a>(file: &'a DefinitionFile, problems: &mut Vec<Problem>) -> Option<Page<'a>> {
    Page::open(file).map_err(|found| problems.extend(found)).ok()
}

/// The team whose folder a file lies in.
fn team_of<'a>(path: &'a str, problems: &mut Vec<Problem>) -> Option<&'a str> {
    let mut parts = path.split('/');
    let problem = match (parts.next(), parts.next(), parts.next()) {
        (Some(team), Some(_), None) => match super::file::FromText::from_text(team) {
            Ok(super::file::Name(_)) => return Some(team),
            Err(refusal) => Problem::of_file(path, refusal.message, format!("rename the folder; {}", refusal.hint)),
        },
        (Some("fleet.yml"), None, _) => {
            Problem::of_file(path, "the fleet's file has another name", "rename it to `fleet.yaml`")
        }
        (Some(file), None, _) => Problem::of_file(
            path,
            "a service file lies in the folder of a team",
            format!("move it to `<team>/{file}`; only `fleet.yaml` lies here"),
        ),
        (Some(team), ..) => Problem::of_file(
            path,
            "folders of teams have no folders inside",
            format!("move it to `{team}/{}`", path.rsplit('/').next().unwrap_or_default()),
        ),
        (None, ..) => return None,
    };
    problems.push(problem);
    None
}
