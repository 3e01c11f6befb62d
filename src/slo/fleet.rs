//! What is common to all services: sources, classes, teams, as `fleet.yaml` says or as is built in.

use std::collections::BTreeMap;

use super::alerts::build_alert_rules;
use super::policy::build_policy;
use super::problem::{DefinitionFile, Problem};
use super::source::{Source, build_source};
use super::source_spans::{PathStep, YamlPath, key_path};
use super::suggest::suggestion;
use super::yaml::{ClassYaml, Destination, FleetFile, FromText, Name, OneOrMany, Scalar, TeamYaml, YamlFile, decode};
use super::{AlertRules, Policy, SourceKind, Team};

/// The fleet of a folder without `fleet.yaml`.
const DEFAULT_FLEET: &str = include_str!("default_fleet.yaml");

/// A fleet file with what it means.
pub(super) struct Fleet<'a> {
    pub(super) yaml: &'a YamlFile<'a>,
    pub(super) file: FleetFile,
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) teams: BTreeMap<String, Team>,
    pub(super) notify_also: BTreeMap<String, Team>,
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) alerts: AlertRules,
    invalid_paths: Vec<YamlPath>,
}

/// The built-in `fleet.yaml`.
pub(super) fn default_file() -> DefinitionFile {
    DefinitionFile { path: "fleet.yaml".to_owned(), text: DEFAULT_FLEET.to_owned() }
}

impl<'a> Fleet<'a> {
    /// Reads the page. What it leaves out altogether, sources or classes, is built in.
    pub(super) fn read(yaml: &'a YamlFile<'a>, problems: &mut Vec<Problem>) -> Self {
        let decoded = decode::<FleetFile>(yaml, allows_variables, problems);
        let mut fleet = Self {
            yaml,
            file: decoded.value,
            sources: BTreeMap::new(),
            teams: BTreeMap::new(),
            notify_also: BTreeMap::new(),
            policies: BTreeMap::new(),
            alerts: AlertRules::default(),
            invalid_paths: decoded.invalid_paths,
        };
        let default_file = default_file();
        if let Ok(default_yaml) = YamlFile::open(&default_file) {
            let default: FleetFile = decode(&default_yaml, allows_variables, &mut Vec::new()).value;
            if fleet.file.sources.is_none() {
                fleet.file.sources = default.sources;
            }
            if fleet.file.classes.is_none() {
                fleet.file.classes = default.classes;
                fleet.file.default_class = fleet.file.default_class.or(default.default_class);
            }
        }
        fleet.check_names(problems);
        fleet.resolve(problems);
        fleet
    }

    fn check_names(&mut self, problems: &mut Vec<Problem>) {
        let mut names = Vec::new();
        names.extend(self.file.sources.iter().flatten().map(|(name, _)| key_path(&["sources", name])));
        names.extend(self.file.teams.iter().flatten().map(|(name, _)| key_path(&["teams", name])));
        for (class, text) in self.file.classes.iter().flatten() {
            names.push(key_path(&["classes", class]));
            names.extend(text.slos.iter().flatten().map(|(name, _)| key_path(&["classes", class, "slos", name])));
        }
        for path in names {
            problems.extend(name_problem(self.yaml, &path));
        }
    }

    fn resolve(&mut self, problems: &mut Vec<Problem>) {
        for (name, text) in self.file.sources.iter().flatten() {
            if self.is_invalid(&["sources", name]) {
                continue;
            }
            match build_source(self.yaml, name, text, problems) {
                Some(source) => drop(self.sources.insert(name.clone(), source)),
                None => self.invalid_paths.push(key_path(&["sources", name])),
            }
        }
        for (name, text) in self.file.teams.iter().flatten() {
            self.teams.insert(name.clone(), build_team(text));
        }
        for (name, text) in self.file.classes.iter().flatten() {
            self.notify_also
                .extend(text.notify_also.as_ref().map(|notify_also| (name.clone(), build_team(notify_also))));
            if let Some(policy) = &text.policy {
                self.policies.insert(name.clone(), build_policy(self.yaml, name, policy, problems));
            }
        }
        if let Some(text) = &self.file.alerts {
            self.alerts = build_alert_rules(self.yaml, text, &self.teams, problems);
        }
        for (key, noun, name, known) in [
            (
                "default_source",
                "source",
                &self.file.default_source,
                self.file.sources.as_ref().map(|map| map.keys().collect()),
            ),
            (
                "default_class",
                "class",
                &self.file.default_class,
                self.file.classes.as_ref().map(|map| map.keys().collect::<Vec<_>>()),
            ),
        ] {
            let (Some(name), Some(known)) = (name, known) else { continue };
            if !known.contains(&&name.0.0) {
                let plural = if noun == "class" { "classes" } else { "sources" };
                let hint = suggestion(&name.0.0, plural, known.iter().map(|name| name.as_str()))
                    .unwrap_or_else(|| format!("add `{}:` to `{plural}`", name.0.0));
                problems.push(self.yaml.value_problem(
                    &key_path(&[key]),
                    format!("unknown {noun} `{}`", name.0.0),
                    hint,
                ));
            }
        }
    }

    /// Whether something was wrong at a place, around it, or inside it.
    pub(super) fn is_invalid(&self, names: &[&str]) -> bool {
        let path = key_path(names);
        self.invalid_paths.iter().any(|cut| path.starts_with(cut) || cut.starts_with(&path))
    }

    /// Whether something was wrong with a class, apart from single SLOs of it and from what follows when budgets run
    /// low.
    pub(super) fn is_class_invalid(&self, class: &str) -> bool {
        let path = key_path(&["classes", class]);
        let slos = key_path(&["classes", class, "slos"]);
        let policy = key_path(&["classes", class, "policy"]);
        let is_optional =
            |cut: &YamlPath| (cut.starts_with(&slos) && cut.len() > slos.len()) || cut.starts_with(&policy);
        self.invalid_paths.iter().any(|cut| path.starts_with(cut) || (cut.starts_with(&path) && !is_optional(cut)))
    }

    /// Whether all of the file but single sources, classes and teams could be read. If not, nothing is promised: what
    /// is built in must not stand in for what somebody meant to say.
    pub(super) fn is_usable(&self) -> bool {
        self.invalid_paths
            .iter()
            .all(|path| path.len() > 1 || [key_path(&["teams"]), key_path(&["alerts"])].contains(path))
    }

    /// Classes by name.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&str, &ClassYaml)> {
        self.file.classes.iter().flatten().map(|(name, class)| (name.as_str(), class))
    }

    /// The class of a service that names none: the one so named, or the only one, or `standard`.
    pub(super) fn default_class(&self) -> Option<&str> {
        let mut names = self.classes().map(|(name, _)| name);
        match (&self.file.default_class, names.next(), names.next()) {
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
            _ => self.file.default_source.as_ref().map(|name| name.0.0.as_str()),
        }
    }
}

/// Environment variables are for the secrets of destinations.
fn allows_variables(path: &[PathStep]) -> bool {
    let has_key_at = |depth: usize, key: &str| matches!(path.get(depth), Some(PathStep::Key(actual)) if actual == key);
    has_key_at(0, "teams") || has_key_at(0, "alerts") || (has_key_at(0, "classes") && has_key_at(2, "notify_also"))
}

/// What is wrong with the key at the end of the path, as a name.
pub(super) fn name_problem(yaml: &YamlFile<'_>, path: &[PathStep]) -> Option<Problem> {
    let Some(PathStep::Key(name)) = path.last() else { return None };
    let explained = Name::from_text(name).err()?;
    Some(yaml.key_problem(path, explained.message, explained.hint))
}

fn build_team(text: &TeamYaml) -> Team {
    let list = |destinations: &Option<OneOrMany<Scalar<Destination>>>| {
        destinations.iter().flat_map(|many| &many.0).map(|one| one.0.0.clone()).collect()
    };
    Team {
        severe: list(&text.severe),
        pages: list(&text.pages),
        tickets: list(&text.tickets),
        reports: list(&text.reports),
    }
}
