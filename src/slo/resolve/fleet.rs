//! `fleet.yaml`, or the built-in defaults: sources, classes, teams, policies and alert settings of all services.

use std::collections::BTreeMap;

use super::source::build_source;
use crate::hinted_error::HintedError;
use crate::slo::catalog::Catalog;
use crate::slo::fleet::{AlertRules, Policy, PolicyStep, Team};
use crate::slo::problem::{DefinitionFile, Problem};
use crate::slo::source::SourceKind;
use crate::slo::source_spans::{PathStep, YamlPath, key_path};
use crate::slo::suggest::suggestion;
use crate::slo::yaml::{
    AlertsYaml, ClassYaml, Destination, FleetFile, FromText, Minutes, Name, OneOrMany, OrNone, Percent, PolicyStepYaml,
    Scalar, TeamYaml, YamlFile, decode, parse_budget_share,
};
use crate::time::format_duration;

/// The fleet of a folder without `fleet.yaml`.
const DEFAULT_FLEET: &str = include_str!("default_fleet.yaml");

/// The range of `resolve_after`: a condition that holds off for a day is over.
const RESOLVE_MINUTES: [u32; 2] = [1, 1_440];
const OPEN_WITHIN_MINUTES: [u32; 2] = [30, 2_880];

pub(in crate::slo) struct Fleet<'a> {
    pub(in crate::slo) yaml: &'a YamlFile<'a>,
    pub(in crate::slo) file: FleetFile,
    pub(in crate::slo) catalog: Catalog,
    invalid_paths: Vec<YamlPath>,
}

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

/// Builds the rules. An invalid setting is a problem, and keeps its default.
fn build_alert_rules(
    yaml: &YamlFile<'_>,
    fields: &AlertsYaml,
    teams: &BTreeMap<String, Team>,
    problems: &mut Vec<Problem>,
) -> AlertRules {
    let default = AlertRules::default();
    let mut minutes_in_range = |key: &str, setting: Option<Scalar<Minutes>>, default: u32, [least, most]: [u32; 2]| {
        let minutes = setting.map_or(default, |minutes| minutes.0.0);
        if (least..=most).contains(&minutes) {
            return minutes;
        }
        let (least, most) = (format_duration(least), format_duration(most));
        let message = format!("`{}` is not between {least} and {most}", format_duration(minutes));
        let hint = format!("change the value, or remove the field for the default of {}", format_duration(default));
        problems.push(yaml.value_problem(&["alerts", key], message, hint));
        default
    };
    let shared_cause = match &fields.shared_cause {
        Some(OrNone::Disabled) => None,
        None => default.shared_cause,
        Some(OrNone::Set(shared_cause)) => default.shared_cause.map(|(services, minutes)| {
            let services = shared_cause.services.map_or(services, |services| services.0.0.max(2));
            (services, shared_cause.within.map_or(minutes, |within| within.0.0))
        }),
    };
    let rules = AlertRules {
        resolve_after_minutes: minutes_in_range(
            "resolve_after",
            fields.resolve_after,
            default.resolve_after_minutes,
            RESOLVE_MINUTES,
        ),
        open_within_minutes: minutes_in_range(
            "open_within",
            fields.open_within,
            default.open_within_minutes,
            OPEN_WITHIN_MINUTES,
        ),
        remind_pages_minutes: fields.remind_pages.map_or(default.remind_pages_minutes, |interval| interval.0.0),
        remind_tickets_minutes: fields.remind_tickets.map_or(default.remind_tickets_minutes, |interval| interval.0.0),
        stale_after_minutes: fields.stale_after.map_or(default.stale_after_minutes, |age| age.0.0),
        shared_cause,
        heartbeat: fields.heartbeat.as_ref().map(|destination| destination.0.0.clone()),
        team: fields.team.as_ref().map(|team| team.0.0.clone()),
    };
    if let Some(team) = rules.team.as_ref().filter(|team| !teams.contains_key(*team)) {
        let hint = suggestion(team, "teams in `fleet.yaml`", teams.keys().map(String::as_str))
            .unwrap_or_else(|| format!("add `{team}:` with `pages` and `tickets` to `teams`"));
        problems.push(yaml.value_problem(&["alerts", "team"], format!("unknown team `{team}`"), hint));
    }
    rules
}

/// Builds the policy of a class. An invalid step is left out, and is a problem.
fn build_policy(
    yaml: &YamlFile<'_>,
    class: &str,
    definition: &BTreeMap<String, PolicyStepYaml>,
    problems: &mut Vec<Problem>,
) -> Policy {
    let path = ["classes", class, "policy"];
    let mut step_problems = Vec::new();
    if definition.is_empty() {
        let hint = "add steps such as `100%: deploy fixes only`, or remove the line";
        step_problems.push(yaml.key_problem(&path, "`policy` is empty", hint));
    }
    let mut steps: Vec<PolicyStep> = Vec::new();
    for (key, step) in definition {
        match build_step(key, step, &steps) {
            Ok(step) => steps.push(step),
            Err(explained) => {
                let path = ["classes", class, "policy", key];
                step_problems.push(yaml.key_problem(&path, explained.message, explained.hint));
            }
        }
    }
    problems.extend(step_problems.into_iter().map(|problem| Problem { subject: format!("class {class}"), ..problem }));
    steps.sort_by_key(|step| step.share);
    Policy { steps }
}

fn build_step(key: &str, step: &PolicyStepYaml, earlier: &[PolicyStep]) -> Result<PolicyStep, HintedError> {
    let Percent { share, text } = parse_budget_share(key)?;
    if let Some(first) = earlier.iter().find(|step| step.share == share) {
        let message = format!("`{key}` is the same share as `{}`", first.text);
        return HintedError::err(message, "remove one of the two");
    }
    let Some(then) = &step.0.then else {
        let hint = "add `then: ...` with the action to take, in words";
        return HintedError::err(format!("step `{key}` has no `then`"), hint);
    };
    Ok(PolicyStep { share, text, then: then.0.0.clone(), blocks_deploys: step.0.blocks.is_some() })
}
