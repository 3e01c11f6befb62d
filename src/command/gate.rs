//! `slowburn gate SERVICE`: whether it may be deployed, as an exit code and a sentence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::open::{Definitions, is_of, ledger, ledger_to_change, sound_definitions};
use super::{Ended, Failure, print, say, styled};
use crate::cli::gate::{GateArgs, GateFormat};
use crate::engine;
use crate::location::Location;
use crate::minute::Minute;
use crate::report::gate::{self, Answer, Gate, Override};
use crate::slo::{Catalog, Problem, Service, Severity};
use crate::store::StoreError;

pub(super) async fn gate(arguments: GateArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at(now);
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
        GateFormat::Text => print(format!("{}\n", sentence(&gate, overridden.as_ref())).as_bytes())?,
        GateFormat::Json => print(format!("{:#}\n", gate.json(overridden.as_ref())).as_bytes())?,
    }
    if overridden.is_some() {
        say(&format!("{}: the override is stored and shown in reports", styled("warning")));
        return Ok(Ended::Done);
    }
    Ok(match gate.answer {
        Answer::Go => Ended::Done,
        Answer::Blocked => Ended::Faulty,
        Answer::Unknown => Ended::InPart,
    })
}

/// The decision and its reason. An override comes first, because the exit code follows it.
fn sentence(gate: &Gate<'_>, overridden: Option<&Override>) -> String {
    match overridden {
        None => gate.reason.clone(),
        Some(Override { service, by, reason, .. }) => {
            format!("deploy of {service} is allowed by an override from {by}: {reason}; without it: {}", gate.reason)
        }
    }
}

/// The service of that name; one whose definition cannot be read promises nothing, and its problems say why.
fn service<'a>(definitions: &'a Definitions, name: &str) -> Result<Cow<'a, Service>, Failure> {
    if let Some(service) = definitions.catalog.services.iter().find(|service| service.name == name) {
        return Ok(Cow::Borrowed(service));
    }
    let Some(problem) = definitions.problems.iter().find(|problem| is_of(problem, name)) else {
        let known = definitions.catalog.services.iter().map(|service| service.name.as_str());
        return Err(Failure::unknown("service", name, known));
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

async fn keep(ledger: &Location, new: &Override) -> Result<(), Failure> {
    let kept = async { ledger_to_change(ledger).await?.keep_override(new).await };
    kept.await.map_err(|error: StoreError| Failure::because("cannot store the override", error))
}
