//! A service file, with the class behind it, to a service.

use std::collections::BTreeMap;

use super::fleet::{Fleet, name_problem};
use super::layer::Layer;
use super::problem::{DefinitionFile, Problem, Severity};
use super::promise::{ServiceDefaults, SloBuilder};
use super::source_spans::{PathStep, YamlPath, key_path};
use super::suggest::{nearest, suggestion};
use super::yaml::{ClassYaml, IndicatorYaml, ServiceFile, SloFields, SloYaml, YamlFile, decode};
use super::{Service, Slo, Source, SourceKind};

/// Reads the file of a service. `None` when it has to be left out; the problems say why.
pub(super) fn read_service<'a>(
    yaml: &'a YamlFile<'a>,
    team: &str,
    fleet: Option<&'a Fleet<'a>>,
    problems: &mut Vec<Problem>,
) -> Option<Service> {
    let mut service_problems = Vec::new();
    let decoded = decode::<ServiceFile>(yaml, |_| false, &mut service_problems);
    let file = decoded.value;
    let name = file.service.as_ref().map_or("", |name| name.0.0.as_str());
    if file.service.is_none()
        && !decoded.invalid_paths.contains(&key_path(&["service"]))
        && !decoded.invalid_paths.contains(&YamlPath::new())
    {
        service_problems.push(yaml.value_problem(&[], "the service has no name", "add `service: <name>`"));
    }
    let has_name = file.service.is_some();
    let slos = key_path(&["slos"]);
    let is_optional = |path: &YamlPath| {
        (path.starts_with(&slos) && path.len() > 1) || [key_path(&["runbook"]), key_path(&["dashboard"])].contains(path)
    };
    let service = fleet.filter(|_| has_name && decoded.invalid_paths.iter().all(is_optional)).and_then(|fleet| {
        let invalid_slos: Vec<&str> = decoded
            .invalid_paths
            .iter()
            .filter(|path| path.starts_with(&slos))
            .filter_map(|path| key_at(path, 1))
            .collect();
        build_service(yaml, team, &file, &invalid_slos, fleet, &mut service_problems)
    });
    for problem in &mut service_problems {
        if problem.subject.is_empty() || problem.subject.starts_with('/') {
            problem.subject.insert_str(0, name);
        }
    }
    problems.extend(service_problems);
    service
}

/// Reads every class as if a service without a file of its own had it, so that a mistake shows before anybody uses it.
/// A fleet that measures nothing but counts has no such services.
pub(super) fn check_classes(fleet: &Fleet<'_>, problems: &mut Vec<Problem>) {
    let counts_only = |source: &Source| matches!(source.kind, SourceKind::Counts { .. });
    if !fleet.sources.is_empty() && fleet.sources.values().all(counts_only) {
        return;
    }
    for (class, _) in fleet.classes() {
        // Where services name their source, any of them will do.
        let is_not_counts = |kind: &SourceKind| !matches!(kind, SourceKind::Counts { .. });
        let source = match fleet.default_source(is_not_counts) {
            None => fleet.sources.iter().find(|(_, source)| is_not_counts(&source.kind)).map(|(name, _)| name),
            Some(_) => None,
        };
        let source = source.map_or_else(String::new, |name| format!("source: {name}\n"));
        let text = format!("service: {class}\nclass: {class}\nload_balancer: app/x/0000000000000000\n{source}");
        let file = DefinitionFile { path: String::new(), text };
        let mut class_problems = Vec::new();
        if let Ok(yaml) = YamlFile::open(&file) {
            drop(read_service(&yaml, "", Some(fleet), &mut class_problems));
        }
        class_problems.retain(|problem| problem.file == fleet.yaml.path);
        for problem in &mut class_problems {
            problem.subject = format!("class {class}");
        }
        problems.extend(class_problems);
    }
}

fn key_at(path: &[PathStep], depth: usize) -> Option<&str> {
    match path.get(depth)? {
        PathStep::Key(key) => Some(key),
        PathStep::Item(_) => None,
    }
}

fn build_service<'a>(
    yaml: &'a YamlFile<'a>,
    team: &str,
    file: &ServiceFile,
    invalid_slos: &[&str],
    fleet: &'a Fleet<'a>,
    problems: &mut Vec<Problem>,
) -> Option<Service> {
    let name = file.service.as_ref()?.0.0.as_str();
    let (class_name, class) = find_class(yaml, file, fleet, problems)?;
    let empty = BTreeMap::new();
    let own_slos = file.slos.as_ref().unwrap_or(&empty);
    if file.slos.as_ref().is_some_and(BTreeMap::is_empty) && invalid_slos.is_empty() {
        problems.push(yaml.key_problem(
            &key_path(&["slos"]),
            "`slos` is empty",
            "add an SLO such as `availability: 99.9%`, or remove the line",
        ));
        return None;
    }
    if file.target_group.is_some()
        && let Some(name) = file.load_balancer.as_ref().and_then(|balancer| balancer.text.strip_prefix("classic/"))
    {
        let message = format!("Classic Load Balancer `{name}` has no target groups");
        problems.push(yaml.key_problem(&key_path(&["target_group"]), message, "remove the line"));
        return None;
    }
    let class_slos = class.slos.as_ref().unwrap_or(&empty);
    let defaults = ServiceDefaults {
        fleet,
        source: file.source.as_ref().map(|source| (yaml, source.0.0.as_str())),
        load_balancer: file.load_balancer.as_ref().map(|balancer| balancer.text.as_str()),
        target_groups: target_groups(file),
    };
    let mut names: Vec<&String> = own_slos.keys().chain(class_slos.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut slos = Vec::new();
    for &slo in &names {
        if invalid_slos.contains(&slo.as_str()) || fleet.is_invalid(&["classes", class_name, "slos", slo]) {
            continue;
        }
        let definition = SloDefinition {
            yaml,
            file,
            fleet,
            class_name,
            class,
            service_slo: own_slos.get(slo),
            class_slo: class_slos.get(slo),
        };
        slos.extend(definition.build_slo(&defaults, name, slo, problems));
    }
    let is_reported = !invalid_slos.is_empty()
        || problems.iter().any(|problem| problem.severity == Severity::Error)
        || fleet.is_invalid(&["tiers"])
        || names.iter().any(|slo| fleet.is_invalid(&["classes", class_name, "slos", slo]));
    if slos.is_empty() && !is_reported {
        problems.push(no_slos_problem(yaml, name, own_slos.is_empty() && file.load_balancer.is_none()));
        return None;
    }
    (!slos.is_empty()).then(|| Service {
        name: name.to_owned(),
        team: team.to_owned(),
        file: yaml.path.to_owned(),
        class: class_name.to_owned(),
        labels: file.labels.iter().flatten().map(|(label, value)| (label.clone(), value.0.0.clone())).collect(),
        runbook: file.runbook.as_ref().map(|text| text.0.0.clone()),
        dashboard: file.dashboard.as_ref().map(|text| text.0.0.clone()),
        slos,
    })
}

/// A service that nothing is evaluated for, because its SLOs need a load balancer, or because none is left.
fn no_slos_problem(yaml: &YamlFile<'_>, name: &str, needs_load_balancer: bool) -> Problem {
    let (reason, hint, severity) = if needs_load_balancer {
        let hint = "add `load_balancer: app/<name>`, or add SLOs of another kind to `slos`";
        (", because `load_balancer` is not set", hint, Severity::Error)
    } else {
        ("", "add an SLO such as `availability: 99.9%` to `slos`, or delete the file", Severity::Warning)
    };
    let problem = yaml.value_problem(&key_path(&["service"]), format!("service `{name}` has no SLOs{reason}"), hint);
    Problem { severity, ..problem }
}

fn find_class<'a>(
    yaml: &YamlFile<'_>,
    file: &ServiceFile,
    fleet: &'a Fleet<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(&'a str, &'a ClassYaml)> {
    if !fleet.is_usable() {
        return None;
    }
    let Some(name) = file.class.as_ref().map(|class| class.0.0.as_str()).or(fleet.default_class()) else {
        if !fleet.is_invalid(&["default_class"]) {
            let hint = "add `class: ...` here, or `default_class: ...` to `fleet.yaml`";
            problems.push(yaml.value_problem(&key_path(&["service"]), "the service has no class", hint));
        }
        return None;
    };
    if fleet.is_class_invalid(name) {
        return None;
    }
    let class = fleet.classes().find(|(class, _)| *class == name);
    // An unknown default is a problem of fleet.yaml, and said there.
    if class.is_none() && file.class.is_some() {
        let hint = suggestion(name, "classes", fleet.classes().map(|(name, _)| name))
            .unwrap_or_else(|| format!("add `{name}:` to `classes` in `fleet.yaml`"));
        problems.push(yaml.value_problem(&key_path(&["class"]), format!("unknown class `{name}`"), hint));
    }
    class
}

fn target_groups(file: &ServiceFile) -> Vec<String> {
    let mut groups: Vec<String> =
        file.target_group.iter().flat_map(|many| &many.0).map(|group| group.text.clone()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Everything that is said about one SLO.
struct SloDefinition<'a, 'b> {
    yaml: &'b YamlFile<'b>,
    file: &'b ServiceFile,
    fleet: &'a Fleet<'a>,
    class_name: &'b str,
    class: &'b ClassYaml,
    service_slo: Option<&'b SloYaml>,
    class_slo: Option<&'b SloYaml>,
}

impl SloDefinition<'_, '_> {
    fn build_slo(
        &self,
        defaults: &ServiceDefaults<'_>,
        service: &str,
        slo: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Slo> {
        let path = key_path(&["slos", slo]);
        let id = format!("{service}/{slo}");
        let mut slo_problems: Vec<Problem> =
            name_problem(self.yaml, &path).filter(|_| self.service_slo.is_some()).into_iter().collect();
        let built = match (self.service_slo, self.class_slo) {
            (Some(SloYaml::Disabled), Some(_)) | (None, Some(SloYaml::Disabled)) => None,
            (Some(SloYaml::Disabled), None) => {
                let hint = nearest(slo, self.class.slos.iter().flat_map(BTreeMap::keys).map(String::as_str))
                    .map_or_else(|| "remove the line".to_owned(), |meant| format!("did you mean `{meant}`?"));
                let message = format!("cannot disable `{slo}`: class `{}` has no such SLO", self.class_name);
                slo_problems.push(self.yaml.value_problem(&path, message, hint));
                None
            }
            _ => {
                let (service_fields, class_fields) = (self.service_slo.map(to_fields), self.class_slo.map(to_fields));
                self.build_from_layers(
                    defaults,
                    service,
                    slo,
                    service_fields.as_ref(),
                    class_fields.as_ref(),
                    &mut slo_problems,
                )
            }
        };
        let is_valid = slo_problems.is_empty();
        problems.extend(slo_problems.into_iter().map(|problem| Problem { subject: id.clone(), ..problem }));
        built.filter(|_| is_valid)
    }

    fn build_from_layers(
        &self,
        defaults: &ServiceDefaults<'_>,
        service: &str,
        slo: &str,
        service_fields: Option<&SloFields>,
        class_fields: Option<&SloFields>,
        problems: &mut Vec<Problem>,
    ) -> Option<Slo> {
        let indicator_of = |fields: &SloFields| fields.indicator.or(IndicatorYaml::from_slo_name(slo));
        let class_indicator = class_fields.and_then(indicator_of);
        let indicator = service_fields
            .and_then(|fields| fields.indicator)
            .or(class_indicator)
            .or(IndicatorYaml::from_slo_name(slo));
        // What a class says of another indicator under the same name is about something else.
        let class_fields = class_fields.filter(|_| class_indicator == indicator);
        if service_fields.is_none()
            && indicator.is_none_or(IndicatorYaml::is_request_based)
            && defaults.load_balancer.is_none()
        {
            return None;
        }
        let mut layers = Vec::new();
        layers.extend(service_fields.map(|fields| Layer::from_slo(self.yaml, key_path(&["slos", slo]), fields)));
        layers.push(Layer::from_service(self.yaml, self.file));
        let class_path = key_path(&["classes", self.class_name]);
        let class_slo_path = key_path(&["classes", self.class_name, "slos", slo]);
        layers.extend(class_fields.map(|fields| Layer::from_slo(self.fleet.yaml, class_slo_path, fields)));
        layers.push(Layer::from_class(self.fleet.yaml, class_path, self.class));
        layers.push(Layer::from_fleet(self.fleet.yaml, &self.fleet.file));
        SloBuilder { defaults, layers: &layers, service, slo, problems }.build(indicator)
    }
}

/// The fields a text stands for: an objective alone is a map with nothing but it.
fn to_fields(text: &SloYaml) -> SloFields {
    match text {
        SloYaml::Objective(objective) => SloFields { objective: Some(objective.clone()), ..SloFields::default() },
        SloYaml::Disabled => SloFields::default(),
        SloYaml::Fields(fields) => (**fields).clone(),
    }
}
