//! A service file, with the class behind it, to a service.

use std::collections::BTreeMap;

use super::file::{ClassText, IndicatorText, Page, ServiceFile, SloFields, SloText, decode};
use super::fleet::{Fleet, name_problem};
use super::layer::Layer;
use super::positions::{Path, Step, keys};
use super::problem::{DefinitionFile, Problem, Severity};
use super::promise::{Asked, Promise};
use super::suggest::{nearest, suggestion};
use super::{Service, Slo, Source, SourceKind};

/// Reads the file of a service. `None` when it has to be left out; the problems say why.
pub(super) fn read_service<'a>(
    page: &'a Page<'a>,
    team: &str,
    fleet: Option<&'a Fleet<'a>>,
    problems: &mut Vec<Problem>,
) -> Option<Service> {
    let mut found = Vec::new();
    let decoded = decode::<ServiceFile>(page, |_| false, &mut found);
    let file = decoded.twin;
    let name = file.service.as_ref().map_or("", |name| name.0.0.as_str());
    if file.service.is_none() && !decoded.cut.contains(&keys(&["service"])) && !decoded.cut.contains(&Path::new()) {
        found.push(page.of_value(&[], "the service has no name", "add `service: <name>`"));
    }
    let known = file.service.is_some();
    let slos = keys(&["slos"]);
    let harmless = |path: &Path| {
        (path.starts_with(&slos) && path.len() > 1) || [keys(&["runbook"]), keys(&["dashboard"])].contains(path)
    };
    let service = fleet.filter(|_| known && decoded.cut.iter().all(harmless)).and_then(|fleet| {
        let faulty: Vec<&str> =
            decoded.cut.iter().filter(|path| path.starts_with(&slos)).filter_map(|path| key(path, 1)).collect();
        assemble(page, team, &file, &faulty, fleet, &mut found)
    });
    for problem in &mut found {
        if problem.subject.is_empty() || problem.subject.starts_with('/') {
            problem.subject.insert_str(0, name);
        }
    }
    problems.extend(found);
    service
}

/// Reads every class as if a service without a file of its own had it, so that a mistake shows before anybody uses it.
/// A fleet that measures nothing but counts has no such services.
pub(super) fn check_class(fleet: &Fleet<'_>, problems: &mut Vec<Problem>) {
    let counts_only = |source: &Source| matches!(source.kind, SourceKind::Counts { .. });
    if !fleet.sources.is_empty() && fleet.sources.values().all(counts_only) {
        return;
    }
    for (class, _) in fleet.classes() {
        // Where services name their source, any of them will do.
        let measures = |kind: &SourceKind| !matches!(kind, SourceKind::Counts { .. });
        let source = match fleet.default_source(measures) {
            None => fleet.sources.iter().find(|(_, source)| measures(&source.kind)).map(|(name, _)| name),
            Some(_) => None,
        };
        let source = source.map_or_else(String::new, |name| format!("source: {name}\n"));
        let text = format!("service: {class}\nclass: {class}\nload_balancer: app/x/0000000000000000\n{source}");
        let file = DefinitionFile { path: String::new(), text };
        let mut found = Vec::new();
        if let Ok(page) = Page::open(&file) {
            drop(read_service(&page, "", Some(fleet), &mut found));
        }
        found.retain(|problem| problem.file == fleet.page.file);
        for problem in &mut found {
            problem.subject = format!("class {class}");
        }
        problems.extend(found);
    }
}

fn key(path: &[Step], at: usize) -> Option<&str> {
    match path.get(at)? {
        Step::Key(key) => Some(key),
        Step::Item(_) => None,
    }
}

fn assemble<'a>(
    page: &'a Page<'a>,
    team: &str,
    file: &ServiceFile,
    faulty: &[&str],
    fleet: &'a Fleet<'a>,
    problems: &mut Vec<Problem>,
) -> Option<Service> {
    let name = file.service.as_ref()?.0.0.as_str();
    let (class_name, class) = class_of(page, file, fleet, problems)?;
    let empty = BTreeMap::new();
    let own = file.slos.as_ref().unwrap_or(&empty);
    if file.slos.as_ref().is_some_and(BTreeMap::is_empty) && faulty.is_empty() {
        problems.push(page.of_key(
            &keys(&["slos"]),
            "`slos` is empty",
            "add an SLO such as `availability: 99.9%`, or remove the line",
        ));
        return None;
    }
    if file.target_group.is_some()
        && let Some(name) = file.load_balancer.as_ref().and_then(|balancer| balancer.text.strip_prefix("classic/"))
    {
        let message = format!("Classic Load Balancer `{name}` has no target groups");
        problems.push(page.of_key(&keys(&["target_group"]), message, "remove the line"));
        return None;
    }
    let inherited = class.slos.as_ref().unwrap_or(&empty);
    let asked = Asked {
        fleet,
        source: file.source.as_ref().map(|source| (page, source.0.0.as_str())),
        load_balancer: file.load_balancer.as_ref().map(|balancer| balancer.text.as_str()),
        target_groups: target_groups(file),
    };
    let mut names: Vec<&String> = own.keys().chain(inherited.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut slos = Vec::new();
    for &slo in &names {
        if faulty.contains(&slo.as_str()) || fleet.is_broken(&["classes", class_name, "slos", slo]) {
            continue;
        }
        let texts = Texts { page, file, fleet, class_name, class, own: own.get(slo), inherited: inherited.get(slo) };
        slos.extend(texts.promise(&asked, name, slo, problems));
    }
    let is_said = !faulty.is_empty()
        || problems.iter().any(|problem| problem.severity == Severity::Error)
        || fleet.is_broken(&["tiers"])
        || names.iter().any(|slo| fleet.is_broken(&["classes", class_name, "slos", slo]));
    if slos.is_empty() && !is_said {
        problems.push(without_slos(page, name, own.is_empty() && file.load_balancer.is_none()));
        return None;
    }
    (!slos.is_empty()).then(|| Service {
        name: name.to_owned(),
        team: team.to_owned(),
        file: page.file.to_owned(),
        class: class_name.to_owned(),
        labels: file.labels.iter().flatten().map(|(label, value)| (label.clone(), value.0.0.clone())).collect(),
        runbook: file.runbook.as_ref().map(|text| text.0.0.clone()),
        dashboard: file.dashboard.as_ref().map(|text| text.0.0.clone()),
        slos,
    })
}

/// A service that nothing is evaluated for, because its SLOs need a load balancer, or because none is left.
fn without_slos(page: &Page<'_>, name: &str, needs_balancer: bool) -> Problem {
    let (why, hint, severity) = if needs_balancer {
        let hint = "add `load_balancer: app/<name>`, or add SLOs of another kind to `slos`";
        (", because `load_balancer` is not set", hint, Severity::Error)
    } else {
        ("", "add an SLO such as `availability: 99.9%` to `slos`, or delete the file", Severity::Warning)
    };
    let problem = page.of_value(&keys(&["service"]), format!("service `{name}` has no SLOs{why}"), hint);
    Problem { severity, ..problem }
}

fn class_of<'a>(
    page: &Page<'_>,
    file: &ServiceFile,
    fleet: &'a Fleet<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(&'a str, &'a ClassText)> {
    if !fleet.is_whole() {
        return None;
    }
    let Some(name) = file.class.as_ref().map(|class| class.0.0.as_str()).or(fleet.default_class()) else {
        if !fleet.is_broken(&["default_class"]) {
            let hint = "add `class: ...` here, or `default_class: ...` to `fleet.yaml`";
            problems.push(page.of_value(&keys(&["service"]), "the service has no class", hint));
        }
        return None;
    };
    if fleet.class_is_broken(name) {
        return None;
    }
    let found = fleet.classes().find(|(class, _)| *class == name);
    // An unknown default is a problem of fleet.yaml, and said there.
    if found.is_none() && file.class.is_some() {
        let hint = suggestion(name, "classes", fleet.classes().map(|(name, _)| name))
            .unwrap_or_else(|| format!("add `{name}:` to `classes` in `fleet.yaml`"));
        problems.push(page.of_value(&keys(&["class"]), format!("unknown class `{name}`"), hint));
    }
    found
}

fn target_groups(file: &ServiceFile) -> Vec<String> {
    let mut groups: Vec<String> =
        file.target_group.iter().flat_map(|many| &many.0).map(|group| group.text.clone()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Everything that is said about one SLO.
struct Texts<'a, 'b> {
    page: &'b Page<'b>,
    file: &'b ServiceFile,
    fleet: &'a Fleet<'a>,
    class_name: &'b str,
    class: &'b ClassText,
    own: Option<&'b SloText>,
    inherited: Option<&'b SloText>,
}

impl Texts<'_, '_> {
    fn promise(&self, asked: &Asked<'_>, service: &str, slo: &str, problems: &mut Vec<Problem>) -> Option<Slo> {
        let path = keys(&["slos", slo]);
        let id = format!("{service}/{slo}");
        let mut found: Vec<Problem> =
            name_problem(self.page, &path).filter(|_| self.own.is_some()).into_iter().collect();
        let made = match (self.own, self.inherited) {
            (Some(SloText::Off), Some(_)) | (None, Some(SloText::Off)) => None,
            (Some(SloText::Off), None) => {
                let hint = nearest(slo, self.class.slos.iter().flat_map(BTreeMap::keys).map(String::as_str))
                    .map_or_else(|| "remove the line".to_owned(), |meant| format!("did you mean `{meant}`?"));
                let message = format!("cannot disable `{slo}`: class `{}` has no such SLO", self.class_name);
                found.push(self.page.of_value(&path, message, hint));
                None
            }
            _ => {
                let (own, inherited) = (self.own.map(fields), self.inherited.map(fields));
                self.build(asked, service, slo, own.as_ref(), inherited.as_ref(), &mut found)
            }
        };
        let sound = found.is_empty();
        problems.extend(found.into_iter().map(|problem| Problem { subject: id.clone(), ..problem }));
        made.filter(|_| sound)
    }

    fn build(
        &self,
        asked: &Asked<'_>,
        service: &str,
        slo: &str,
        own: Option<&SloFields>,
        inherited: Option<&SloFields>,
        found: &mut Vec<Problem>,
    ) -> Option<Slo> {
        let kind = |fields: &SloFields| fields.indicator.or(IndicatorText::named(slo));
        let of_class = inherited.and_then(kind);
        let indicator = own.and_then(|fields| fields.indicator).or(of_class).or(IndicatorText::named(slo));
        // What a class says of another indicator under the same name is about something else.
        let inherited = inherited.filter(|_| of_class == indicator);
        if own.is_none() && indicator.is_none_or(IndicatorText::is_of_requests) && asked.load_balancer.is_none() {
            return None;
        }
        let mut layers = Vec::new();
        layers.extend(own.map(|fields| Layer::of_slo(self.page, keys(&["slos", slo]), fields)));
        layers.push(Layer::of_service(self.page, self.file));
        let class = keys(&["classes", self.class_name]);
        let class_slo = keys(&["classes", self.class_name, "slos", slo]);
        layers.extend(inherited.map(|fields| Layer::of_slo(self.fleet.page, class_slo, fields)));
        layers.push(Layer::of_class(self.fleet.page, class, self.class));
        layers.push(Layer::of_fleet(self.fleet.page, &self.fleet.twin));
        Promise { asked, layers: &layers, service, slo, found }.build(indicator)
    }
}

/// The fields a text stands for: an objective alone is a map with nothing but it.
fn fields(text: &SloText) -> SloFields {
    match text {
        SloText::Objective(objective) => SloFields { objective: Some(objective.clone()), ..SloFields::default() },
        SloText::Off => SloFields::default(),
        SloText::Fields(fields) => (**fields).clone(),
    }
}
