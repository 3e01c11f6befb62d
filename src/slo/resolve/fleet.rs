//! `fleet.yaml`, or the built-in defaults: sources, classes, teams and alert settings of all services.

use std::collections::BTreeMap;

use super::alert_rules::build_alert_rules;
use super::policy::build_policy;
use super::source::build_source;
use crate::slo::catalog::Catalog;
use crate::slo::fleet::Team;
use crate::slo::problem::{DefinitionFile, Problem};
use crate::slo::source::SourceKind;
use crate::slo::source_spans::{PathStep, YamlPath, key_path};
use crate::slo::suggest::suggestion;
use crate::slo::yaml::{
    ClassYaml, Destination, FleetFile, FromText, Name, OneOrMany, Scalar, TeamYaml, YamlFile, decode,
};

/// The fleet of a folder without `fleet.yaml`.
const DEFAULT_FLEET: &str = include_str!("default_fleet.yaml");

/// `fleet.yaml`, decoded and resolved.
pub(in crate::slo) struct Fleet<'a> {
    pub(in crate::slo) yaml: &'a YamlFile<'a>,
    pub(in crate::slo) file: FleetFile,
    /// What the file defines for all services.
    pub(in crate::slo) catalog: Catalog,
    invalid_paths: Vec<YamlPath>,
}

/// The built-in `fleet.yaml`.
pub(in crate::slo) fn default_file() -> DefinitionFile {
    DefinitionFile { path: "fleet.yaml".to_owned(), text: DEFAULT_FLEET.to_owned() }
}

impl<'a> Fleet<'a> {
    /// Reads the file. Built-in sources and classes take the place of those sections if they are missing.
    pub(in crate::slo) fn read(yaml: &'a YamlFile<'a>, problems: &mut Vec<Problem>) -> Self {
        let decoded = decode::<FleetFile>(yaml, allows_variables, problems);
        let mut fleet =
            Self { yaml, file: decoded.value, catalog: Catalog::default(), invalid_paths: decoded.invalid_paths };
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
        fleet.resolve(problems);
        fleet
    }

    fn resolve(&mut self, problems: &mut Vec<Problem>) {
        for (name, fields) in self.file.sources.iter().flatten() {
            problems.extend(name_problem(self.yaml, &["sources", name]));
            if self.is_invalid(&["sources", name]) {
                continue;
            }
            match build_source(self.yaml, name, fields, problems) {
                Some(source) => drop(self.catalog.sources.insert(name.clone(), source)),
                None => self.invalid_paths.push(key_path(&["sources", name])),
            }
        }
        for (name, fields) in self.file.teams.iter().flatten() {
            problems.extend(name_problem(self.yaml, &["teams", name]));
            self.catalog.teams.insert(name.clone(), build_team(fields));
        }
        for (name, fields) in self.file.classes.iter().flatten() {
            problems.extend(name_problem(self.yaml, &["classes", name]));
            let slos = fields.slos.iter().flat_map(BTreeMap::keys);
            problems.extend(slos.filter_map(|slo| name_problem(self.yaml, &["classes", name, "slos", slo])));
            let notify_also = fields.notify_also.iter().map(|lists| (name.clone(), build_team(lists)));
            self.catalog.notify_also.extend(notify_also);
            if let Some(policy) = &fields.policy {
                self.catalog.policies.insert(name.clone(), build_policy(self.yaml, name, policy, problems));
            }
        }
        if let Some(text) = &self.file.alerts {
            self.catalog.alerts = build_alert_rules(self.yaml, text, &self.catalog.teams, problems);
        }
        let (default_source, default_class) = (self.file.default_source.as_ref(), self.file.default_class.as_ref());
        problems.extend(self.unknown_default("source", "sources", default_source, self.file.sources.as_ref()));
        problems.extend(self.unknown_default("class", "classes", default_class, self.file.classes.as_ref()));
    }

    /// A problem of `default_source` or `default_class` if it names none of the known ones.
    fn unknown_default<T>(
        &self,
        noun: &str,
        plural: &str,
        default: Option<&Scalar<Name>>,
        known: Option<&BTreeMap<String, T>>,
    ) -> Option<Problem> {
        let (name, known) = (&default?.0.0, known?);
        if known.contains_key(name) {
            return None;
        }
        let hint = suggestion(name, plural, known.keys().map(String::as_str))
            .unwrap_or_else(|| format!("add `{name}:` to `{plural}`"));
        let key = format!("default_{noun}");
        Some(self.yaml.value_problem(&[key.as_str()], format!("unknown {noun} `{name}`"), hint))
    }

    /// Whether anything is invalid at a path, around it, or inside it.
    pub(in crate::slo) fn is_invalid(&self, names: &[&str]) -> bool {
        let path = key_path(names);
        self.invalid_paths.iter().any(|cut| path.starts_with(cut) || cut.starts_with(&path))
    }

    /// Whether anything of a class is invalid, apart from single SLOs and its error-budget policy.
    pub(super) fn is_class_invalid(&self, class: &str) -> bool {
        let path = key_path(&["classes", class]);
        let slos = key_path(&["classes", class, "slos"]);
        let policy = key_path(&["classes", class, "policy"]);
        let is_optional =
            |cut: &YamlPath| (cut.starts_with(&slos) && cut.len() > slos.len()) || cut.starts_with(&policy);
        self.invalid_paths.iter().any(|cut| path.starts_with(cut) || (cut.starts_with(&path) && !is_optional(cut)))
    }

    /// Whether all of the file but single sources, classes and teams could be read. If not, there are no SLOs: built-in
    /// defaults must not replace settings that could not be read.
    pub(super) fn is_usable(&self) -> bool {
        self.invalid_paths
            .iter()
            .all(|path| path.len() > 1 || [key_path(&["teams"]), key_path(&["alerts"])].contains(path))
    }

    pub(in crate::slo) fn classes(&self) -> impl Iterator<Item = (&str, &ClassYaml)> {
        self.file.classes.iter().flatten().map(|(name, class)| (name.as_str(), class))
    }

    /// The class of a service that sets none: `default_class`, else the only class, else `standard`.
    pub(super) fn default_class(&self) -> Option<&str> {
        let mut names = self.classes().map(|(name, _)| name);
        match (&self.file.default_class, names.next(), names.next()) {
            (Some(name), ..) => Some(&name.0.0),
            (None, Some(only), None) => Some(only),
            _ => self.classes().map(|(name, _)| name).find(|name| *name == "standard"),
        }
    }

    /// The source of an indicator that sets none: the only one that fits it, else `default_source`.
    pub(super) fn default_source(&self, fits: impl Fn(&SourceKind) -> bool) -> Option<&str> {
        let fitting = self.catalog.sources.iter().filter(|(_, source)| fits(&source.kind));
        let mut fitting = fitting.map(|(name, _)| name.as_str());
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

/// The problem of the last key of a path that is not a valid name.
pub(super) fn name_problem(yaml: &YamlFile<'_>, path: &[&str]) -> Option<Problem> {
    let explained = Name::from_text(path.last()?).err()?;
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
