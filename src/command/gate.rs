//! `slowburn gate SERVICE`: whether it may be deployed, as an exit code and a sentence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::open::{Definitions, ledger, ledger_to_change, sound_definitions};
use super::{Ended, Failure, print, say, styled};
use crate::cli::gate::{GateArgs, GateFormat};
use crate::engine;
use crate::location::Location;
use crate::minute::Minute;
use crate::report::gate::{self, Answer, Override};
use crate::slo::{Catalog, Problem, Service, Severity};
use crate::store::StoreError;
use crate::visible::visible;

pub(super) async fn gate(arguments: GateArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let service = &*service(&definitions, &arguments.service)?;
    let store = ledger(&arguments.place).await?;
    let alone = Catalog { services: vec![service.clone()], ..definitions.catalog.clone() };
    let status = engine::judge(&alone, &store, at).await?;
    let gate = gate::decide(&definitions.catalog, service, &status, faults(&definitions, service));
    let mut overridden = None;
    if gate.answer != Answer::Go
        && let (Some(reason), Some(by)) = (arguments.reason, arguments.by)
    {
        overridden = Some(gate.overridden(by, reason));
    }
    if let Some(new) = &overridden {
        keep(&arguments.place.ledger, new).await?;
    }
    match arguments.format {
        GateFormat::Text => print(format!("{}\n", gate.reason).as_bytes())?,
        GateFormat::Json => print(format!("{:#}\n", gate.json(overridden.as_ref())).as_bytes())?,
    }
    if let Some(Override { by, reason, .. }) = &overridden {
        say(&format!(
            "{}: deployed all the same by {by}: {reason}; it is kept, and reports show it",
            styled("warning")
        ));
        return Ok(Ended::Done);
    }
    Ok(match gate.answer {
        Answer::Go => Ended::Done,
        Answer::Blocked => Ended::Faulty,
        Answer::Unknown => Ended::InPart,
    })
}

/// The service of that name; one whose definition cannot be read promises nothing, and its problems say why.
fn service<'a>(definitions: &'a Definitions, name: &str) -> Result<Cow<'a, Service>, Failure> {
    if let Some(service) = definitions.catalog.services.iter().find(|service| service.name == name) {
        return Ok(Cow::Borrowed(service));
    }
    let Some(problem) = definitions.problems.iter().find(|problem| is_of(problem, name)) else {
        let hint = "`slowburn status` lists all";
        return Err(Failure::new(format!("there is no service `{}`\nhint: {hint}", visible(name))));
    };
    let folder = Path::new(&problem.file).parent().and_then(Path::file_name).unwrap_or_default();
    Ok(Cow::Owned(Service {
        name: name.to_owned(),
        team: folder.to_string_lossy().into_owned(),
        file: problem.file.clone(),
        class: String::new(),
        labels: BTreeMap::new(),
        runbook: None,
        dashboard: None,
        slos: Vec::new(),
    }))
}

/// The problems that may have left out a promise of a service, or a step of its policy.
fn faults(definitions: &Definitions, service: &Service) -> usize {
    let class = format!("class {}", service.class);
    let concerns = |problem: &&Problem| problem.subject == class || is_of(problem, &service.name);
    definitions.problems.iter().filter(concerns).filter(|problem| problem.severity == Severity::Error).count()
}

/// Whether a problem is one of a service: of what it says, or of its file, where not even its name can be read.
fn is_of(problem: &Problem, service: &str) -> bool {
    let is_of_file =
        problem.subject.is_empty() && Path::new(&problem.file).file_stem().is_some_and(|stem| stem == service);
    is_of_file || problem.subject.split('/').next() == Some(service)
}

async fn keep(ledger: &Location, new: &Override) -> Result<(), Failure> {
    let kept = async { ledger_to_change(ledger).await?.keep_override(new).await };
    kept.await.map_err(|error: StoreError| Failure::because("the override could not be kept", error))
}
