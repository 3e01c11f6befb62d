//! A service from its file and its class.

use std::collections::{BTreeMap, BTreeSet};

use super::fleet::{Fleet, name_problem};
use super::layers::{Layers, ServiceDefinition};
use super::slo::SloBuilder;
use crate::slo::problem::{DefinitionFile, Problem, Severity};
use crate::slo::service::{Service, Slo};
use crate::slo::source::SourceKind;
use crate::slo::source_spans::{PathStep, YamlPath, key_path};
use crate::slo::suggest::{nearest, suggestion};
use crate::slo::yaml::{ClassYaml, IndicatorYaml, ServiceFile, SloFields, YamlFile, decode};

/// Reads a service file. `None` when the service has to be left out, for the reasons in `problems`.
pub(in crate::slo) fn read_service<'a>(
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
        service_problems.push(yaml.value_problem::<&str>(&[], "the service has no name", "add `service: <name>`"));
    }
    let has_name = file.service.is_some();
    let slos = key_path(&["slos"]);
    let is_optional = |path: &YamlPath| {
        (path.starts_with(&slos) && path.len() > 1) || [key_path(&["runbook"]), key_path(&["dashboard"])].contains(path)
    };
    let service = fleet.filter(|_| has_name && decoded.invalid_paths.iter().all(is_optional)).and_then(|fleet| {
        let invalid_slos = decoded.invalid_paths.iter().filter_map(|path| match path.get(1) {
            Some(PathStep::Key(slo)) => Some(slo.as_str()),
            _ => None,
        });
        build_service(yaml, team, &file, &invalid_slos.collect::<Vec<_>>(), fleet, &mut service_problems)
    });
    for problem in &mut service_problems {
        if problem.subject.is_empty() || problem.subject.starts_with('/') {
            problem.subject.insert_str(0, name);
        }
    }
    problems.extend(service_problems);
    service
}

/// Checks every class with a service that sets nothing else, so that a mistake shows before a service uses the class. A
/// fleet that has only counts sources has no such services.
pub(in crate::slo) fn check_classes(fleet: &Fleet<'_>, problems: &mut Vec<Problem>) {
    let is_request_source = |kind: &SourceKind| !matches!(kind, SourceKind::Counts { .. });
    if !fleet.catalog.sources.is_empty()
        && !fleet.catalog.sources.values().any(|source| is_request_source(&source.kind))
    {
        return;
    }
    let source = match fleet.default_source(is_request_source) {
        // Where services name their source, any source serves the check.
        None => fleet.catalog.sources.iter().find(|(_, source)| is_request_source(&source.kind)).map(|(name, _)| name),
        Some(_) => None,
    };
    let source = source.map_or_else(String::new, |name| format!("source: {name}\n"));
    for (class, _) in fleet.classes() {
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

fn build_service(
    yaml: &YamlFile<'_>,
    team: &str,
    file: &ServiceFile,
    invalid_slos: &[&str],
    fleet: &Fleet<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Service> {
    let name = file.service.as_ref()?.0.0.as_str();
    let (class_name, class) = find_class(yaml, file, fleet, problems)?;
    if file.slos.as_ref().is_some_and(BTreeMap::is_empty) && invalid_slos.is_empty() {
        let hint = "add an SLO such as `availability: 99.9%`, or remove the line";
        problems.push(yaml.key_problem(&["slos"], "`slos` is empty", hint));
        return None;
    }
    if file.target_group.is_some()
        && let Some(name) = file
            .load_balancer
            .iter()
            .flat_map(|balancers| &balancers.0)
            .find_map(|balancer| balancer.text.strip_prefix("classic/"))
    {
        let message = format!("Classic Load Balancer `{name}` has no target groups");
        problems.push(yaml.key_problem(&["target_group"], message, "remove the line"));
        return None;
    }
    let definition = ServiceDefinition { yaml, file, name, class_name, class, fleet };
    let names: BTreeSet<&str> =
        [&file.slos, &class.slos].into_iter().flatten().flat_map(BTreeMap::keys).map(String::as_str).collect();
    let is_invalid_in_class = |slo: &str| fleet.is_invalid(&["classes", class_name, "slos", slo]);
    let mut slos = Vec::new();
    for slo in names.iter().filter(|slo| !invalid_slos.contains(slo) && !is_invalid_in_class(slo)) {
        slos.extend(build_slo(&definition, slo, problems));
    }
    let is_reported = !invalid_slos.is_empty()
        || problems.iter().any(|problem| problem.severity == Severity::Error)
        || fleet.is_invalid(&["tiers"])
        || names.iter().any(|slo| is_invalid_in_class(slo));
    if slos.is_empty() {
        let has_own_slos = file.slos.as_ref().is_some_and(|slos| !slos.is_empty());
        let needs_load_balancer = !has_own_slos && file.load_balancer.is_none();
        problems.extend((!is_reported).then(|| no_slos_problem(yaml, name, needs_load_balancer)));
        return None;
    }
    Some(Service {
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
    let problem = yaml.value_problem(&["service"], format!("service `{name}` has no SLOs{reason}"), hint);
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
            problems.push(yaml.value_problem(&["service"], "the service has no class", hint));
        }
        return None;
    };
    if fleet.is_class_invalid(name) {
        return None;
    }
    let class = fleet.classes().find(|(class, _)| *class == name);
    // An unknown default class is reported in `fleet.yaml`.
    if class.is_none() && file.class.is_some() {
        let hint = suggestion(name, "classes", fleet.classes().map(|(name, _)| name))
            .unwrap_or_else(|| format!("add `{name}:` to `classes` in `fleet.yaml`"));
        problems.push(yaml.value_problem(&["class"], format!("unknown class `{name}`"), hint));
    }
    class
}

/// Builds one SLO of the service, the class, or both. `None` when it is disabled or invalid.
fn build_slo(service: &ServiceDefinition<'_>, name: &str, problems: &mut Vec<Problem>) -> Option<Slo> {
    let path = ["slos", name];
    let own = service.file.slos.as_ref().and_then(|slos| slos.get(name)).map(|slo| slo.0.as_deref());
    let inherited = service.class.slos.as_ref().and_then(|slos| slos.get(name)).map(|slo| slo.0.as_deref());
    let mut slo_problems: Vec<Problem> = own.and_then(|_| name_problem(service.yaml, &path)).into_iter().collect();
    let built = match (own, inherited) {
        (Some(None), Some(_)) | (None, Some(None)) => None,
        (Some(None), None) => {
            let hint = nearest(name, service.class.slos.iter().flat_map(BTreeMap::keys).map(String::as_str))
                .map_or_else(|| "remove the line".to_owned(), |meant| format!("did you mean `{meant}`?"));
            let message = format!("cannot disable `{name}`: class `{}` has no such SLO", service.class_name);
            slo_problems.push(service.yaml.value_problem(&path, message, hint));
            None
        }
        _ => build_from_layers(service, name, own.flatten(), inherited.flatten(), &mut slo_problems),
    };
    let is_valid = slo_problems.iter().all(|problem| problem.severity != Severity::Error);
    let subject = format!("{}/{name}", service.name);
    problems.extend(slo_problems.into_iter().map(|problem| Problem { subject: subject.clone(), ..problem }));
    built.filter(|_| is_valid)
}

fn build_from_layers(
    service: &ServiceDefinition<'_>,
    name: &str,
    own_fields: Option<&SloFields>,
    class_fields: Option<&SloFields>,
    problems: &mut Vec<Problem>,
) -> Option<Slo> {
    let named_indicator = IndicatorYaml::from_slo_name(name);
    let class_indicator = class_fields.and_then(|fields| fields.indicator.or(named_indicator));
    let indicator = own_fields.and_then(|fields| fields.indicator).or(class_indicator).or(named_indicator);
    // The fields that a class has for another indicator under the same name do not apply.
    let class_fields = class_fields.filter(|_| class_indicator == indicator);
    let is_request_based = indicator.is_none_or(IndicatorYaml::is_request_based);
    if own_fields.is_none() && is_request_based && service.file.load_balancer.is_none() {
        return None;
    }
    let layers = Layers::new(service, name, own_fields, class_fields);
    SloBuilder { service, layers: &layers, name, problems }.build(indicator)
}
