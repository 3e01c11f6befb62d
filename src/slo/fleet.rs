//! What is common to all services: sources, classes, teams, as `fleet.yaml` says or as is built in.

use std::collections::BTreeMap;

use super::alerts::rules;
use super::file::{ClassText, Destination, FleetFile, FromText, Name, OneOrMany, Page, TeamText, Typed, decode};
use super::policy::policy;
use super::positions::{Path, Step, keys};
use super::problem::{DefinitionFile, Problem};
use super::source::{Source, source};
use super::suggest::suggestion;
use super::{AlertRules, Policy, SourceKind, Team};

/// The fleet of a folder without `fleet.yaml`.
const DEFAULT_FLEET: &str = include_str!("default_fleet.yaml");

/// A fleet file with what it means.
pub(super) struct Fleet<'a> {
    pub(super) page: &'a Page<'a>,
    pub(super) twin: FleetFile,
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) teams: BTreeMap<String, Team>,
    pub(super) notify_also: BTreeMap<String, Team>,
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) alerts: AlertRules,
    cut: Vec<Path>,
}

/// The built-in `fleet.yaml`.
pub(super) fn default_file() -> DefinitionFile {
    DefinitionFile { path: "fleet.yaml".to_owned(), text: DEFAULT_FLEET.to_owned() }
}

impl<'a> Fleet<'a> {
    /// Reads the page. What it leaves out altogether, sources or classes, is built in.
    pub(super) fn read(page: &'a Page<'a>, problems: &mut Vec<Problem>) -> Self {
        let decoded = decode::<FleetFile>(page, of_secrets, problems);
        let mut fleet = Self {
            page,
            twin: decoded.twin,
            sources: BTreeMap::new(),
            teams: BTreeMap::new(),
            notify_also: BTreeMap::new(),
            policies: BTreeMap::new(),
            alerts: AlertRules::default(),
            cut: decoded.cut,
        };
        let default_file = default_file();
        if let Ok(default_page) = Page::open(&default_file) {
            let default: FleetFile = decode(&default_page, of_secrets, &mut Vec::new()).twin;
            if fleet.twin.sources.is_none() {
                fleet.twin.sources = default.sources;
            }
            if fleet.twin.classes.is_none() {
                fleet.twin.classes = default.classes;
                fleet.twin.default_class = fleet.twin.default_class.or(default.default_class);
            }
        }
        fleet.check_names(problems);
        fleet.resolve(problems);
        fleet
    }

    fn check_names(&mut self, problems: &mut Vec<Problem>) {
        let mut names = Vec::new();
        names.extend(self.twin.sources.iter().flatten().map(|(name, _)| keys(&["sources", name])));
        names.extend(self.twin.teams.iter().flatten().map(|(name, _)| keys(&["teams", name])));
        for (class, text) in self.twin.classes.iter().flatten() {
            names.push(keys(&["classes", class]));
            names.extend(text.slos.iter().flatten().map(|(name, _)| keys(&["classes", class, "slos", name])));
        }
        for path in names {
            problems.extend(name_problem(self.page, &path));
        }
    }

    fn resolve(&mut self, problems: &mut Vec<Problem>) {
        for (name, text) in self.twin.sources.iter().flatten() {
            if self.is_broken(&["sources", name]) {
                continue;
            }
            match source(self.page, name, text, problems) {
                Some(source) => drop(self.sources.insert(name.clone(), source)),
                None => self.cut.push(keys(&["sources", name])),
            }
        }
        for (name, text) in self.twin.teams.iter().flatten() {
            self.teams.insert(name.clone(), team(text));
        }
        for (name, text) in self.twin.classes.iter().flatten() {
            self.notify_also.extend(text.notify_also.as_ref().map(|also| (name.clone(), team(also))));
            if let Some(steps) = &text.policy {
                self.policies.insert(name.clone(), policy(self.page, name, steps, problems));
            }
        }
        if let Some(text) = &self.twin.alerts {
            self.alerts = rules(self.page, text, &self.teams, problems);
        }
        for (key, noun, name, known) in [
            (
                "default_source",
                "source",
                &self.twin.default_source,
                self.twin.sources.as_ref().map(|map| map.keys().collect()),
            ),
            (
                "default_class",
                "class",
                &self.twin.default_class,
                self.twin.classes.as_ref().map(|map| map.keys().collect::<Vec<_>>()),
            ),
        ] {
            let (Some(name), Some(known)) = (name, known) else { continue };
            if !known.contains(&&name.0.0) {
                let plural = if noun == "class" { "classes" } else { "sources" };
                let hint = suggestion(&name.0.0, plural, known.iter().map(|name| name.as_str()))
                    .unwrap_or_else(|| format!("add `{}:` to `{plural}`", name.0.0));
                problems.push(self.page.of_value(&keys(&[key]), format!("unknown {noun} `{}`", name.0.0), hint));
            }
        }
    }

    /// Whether something was wrong at a place, around it, or inside it.
    pub(super) fn is_broken(&self, names: &[&str]) -> bool {
        let path = keys(names);
        self.cut.iter().any(|cut| path.starts_with(cut) || cut.starts_with(&path))
    }

    /// Whether something was wrong with a class, apart from single SLOs of it and from what follows when budgets run
    /// low.
    pub(super) fn class_is_broken(&self, class: &str) -> bool {
        let path = keys(&["classes", class]);
        let slos = keys(&["classes", class, "slos"]);
        let policy = keys(&["classes", class, "policy"]);
        let harmless = |cut: &Path| (cut.starts_with(&slos) && cut.len() > slos.len()) || cut.starts_with(&policy);
        self.cut.iter().any(|cut| path.starts_with(cut) || (cut.starts_with(&path) && !harmless(cut)))
    }

    /// Whether all of the file but single sources, classes and teams could be read. If not, nothing is promised: what
    /// is built in must not stand in for what somebody meant to say.
    pub(super) fn is_whole(&self) -> bool {
        self.cut.iter().all(|path| path.len() > 1 || [keys(&["teams"]), keys(&["alerts"])].contains(path))
    }

    /// Classes by name.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&str, &ClassText)> {
        self.twin.classes.iter().flatten().map(|(name, class)| (name.as_str(), class))
    }

    /// The class of a service that names none: the one so named, or the only one, or `standard`.
    pub(super) fn default_class(&self) -> Option<&str> {
        let mut names = self.classes().map(|(name, _)| name);
        match (&self.twin.default_class, names.next(), names.next()) {
            (Some(name), ..) => Some(&name.0.0),
            (None, Some(only), None) => Some(only),
            _ => self.classes().map(|(name, _)| name).find(|name| *name == "standard"),
        }
    }

    /// The source of an indicator that names none: the only one that fits it, or the default of the fleet.
    pub(super) fn default_source(&self, fits: impl Fn(&SourceKind) -> bool) -> Option<&str> {
        let mut fitting = self.sources.iter().filter(|(_, source)| fits(&source.kind)).map(|(name, _)| name.as_str());
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only),
            _ => self.twin.default_source.as_ref().map(|name| name.0.0.as_str()),
        }
    }
}

/// Environment variables are for the secrets of destinations.
fn of_secrets(path: &[Step]) -> bool {
    let is = |place: usize, key: &str| matches!(path.get(place), Some(Step::Key(held)) if held == key);
    is(0, "teams") || is(0, "alerts") || (is(0, "classes") && is(2, "notify_also"))
}

/// What is wrong with the key at the end of the path, as a name.
pub(super) fn name_problem(page: &Page<'_>, path: &[Step]) -> Option<Problem> {
    let Some(Step::Key(name)) = path.last() else { return None };
    let refusal = Name::from_text(name).err()?;
    Some(page.of_key(path, refusal.message, refusal.hint))
}

fn team(text: &TeamText) -> Team {
    let list = |texts: &Option<OneOrMany<Typed<Destination>>>| {
        texts.iter().flat_map(|many| &many.0).map(|one| one.0.0.clone()).collect()
    };
    Team {
        severe: list(&text.severe),
        pages: list(&text.pages),
        tickets: list(&text.tickets),
        reports: list(&text.reports),
    }
}
