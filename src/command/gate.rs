//! `slowburn gate SERVICE`: whether it may be deployed, as an exit code and a sentence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::load::{Definitions, concerns_service, load_definitions, open_ledger, open_ledger_for_update};
use super::{CommandError, ExitStatus, eprint_line, print, styled};
use crate::cli::gate::{GateArgs, GateFormat};
use crate::engine;
use crate::location::Location;
use crate::report::gate::{self, Gate, GateDecision, Override};
use crate::slo::{Catalog, Problem, Service, Severity};
use crate::store::StoreError;
use crate::time::Minute;

pub(super) async fn gate(arguments: GateArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    let service = &*find_service(&definitions, &arguments.service)?;
    let store = open_ledger(&arguments.common).await?;
    let single_service = Catalog { services: vec![service.clone()], ..definitions.catalog.clone() };
    let status = engine::evaluate(&single_service, &store, at).await?;
    let gate = gate::decide(&definitions.catalog, service, &status, error_count(&definitions, service));
    let mut new_override = None;
    if gate.decision != GateDecision::Allow
        && let (Some(reason), Some(by)) = (arguments.reason, arguments.by)
    {
        new_override = Some(gate.new_override(by, reason));
    }
    if let Some(new_override) = &new_override {
        store_override(&arguments.common.ledger, new_override).await?;
    }
    match arguments.format {
        GateFormat::Text => print(format!("{}\n", describe_decision(&gate, new_override.as_ref())).as_bytes())?,
        GateFormat::Json => print(format!("{:#}\n", gate.json(new_override.as_ref())).as_bytes())?,
    }
    if new_override.is_some() {
        eprint_line(&format!("{}: the override is stored and shown in reports", styled("warning")));
        return Ok(ExitStatus::Success);
    }
    Ok(match gate.decision {
        GateDecision::Allow => ExitStatus::Success,
        GateDecision::Block => ExitStatus::Rejected,
        GateDecision::Unknown => ExitStatus::Partial,
    })
}

/// The decision and its reason. An override comes first, because the exit code follows it.
fn describe_decision(gate: &Gate<'_>, new_override: Option<&Override>) -> String {
    match new_override {
        None => gate.reason.clone(),
        Some(Override { service, by, reason, .. }) => {
            format!("deploy of {service} is allowed by an override from {by}: {reason}; without it: {}", gate.reason)
        }
    }
}

/// The service of that name; one whose definition cannot be read has no SLOs, only problems.
fn find_service<'a>(definitions: &'a Definitions, name: &str) -> Result<Cow<'a, Service>, CommandError> {
    if let Some(service) = definitions.catalog.services.iter().find(|service| service.name == name) {
        return Ok(Cow::Borrowed(service));
    }
    let Some(problem) = definitions.problems.iter().find(|problem| concerns_service(problem, name)) else {
        let known = definitions.catalog.services.iter().map(|service| service.name.as_str());
        return Err(CommandError::unknown("service", name, known));
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

/// The problems that may have left out an SLO of a service, or a step of its policy.
fn error_count(definitions: &Definitions, service: &Service) -> usize {
    let class = format!("class {}", service.class);
    let is_relevant = |problem: &&Problem| problem.subject == class || concerns_service(problem, &service.name);
    definitions.problems.iter().filter(is_relevant).filter(|problem| problem.severity == Severity::Error).count()
}

async fn store_override(ledger: &Location, new_override: &Override) -> Result<(), CommandError> {
    let stored = async { open_ledger_for_update(ledger).await?.add_override(new_override).await };
    stored.await.map_err(|error: StoreError| CommandError::with_context("cannot store the override", error))
}
