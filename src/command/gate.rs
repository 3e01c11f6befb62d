//! `slowburn gate SERVICE`: whether it may be deployed, as an exit code and a sentence.

use super::open::{Definitions, ledger, ledger_to_change, sound_definitions};
use super::{Ended, Failure, print, say, styled};
use crate::cli::gate::{GateArgs, GateFormat};
use crate::engine;
use crate::location::Location;
use crate::minute::Minute;
use crate::report::gate::{self, Answer, Override};
use crate::slo::{Catalog, Service, Severity};
use crate::store::StoreError;
use crate::visible::visible;

pub(super) async fn gate(arguments: GateArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at.unwrap_or(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let service = service(&definitions, &arguments.service)?;
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

fn service<'a>(definitions: &'a Definitions, name: &str) -> Result<&'a Service, Failure> {
    definitions.catalog.services.iter().find(|service| service.name == name).ok_or_else(|| {
        let of_service = |subject: &str| subject.split('/').next() == Some(name);
        let hint = if definitions.problems.iter().any(|problem| of_service(&problem.subject)) {
            "its definition is faulty: `slowburn check` says how"
        } else {
            "`slowburn status` lists all"
        };
        Failure::new(format!("there is no service `{}`\nhint: {hint}", visible(name)))
    })
}

/// The problems that may have left out a promise of a service, or a step of its policy.
fn faults(definitions: &Definitions, service: &Service) -> usize {
    let class = format!("class {}", service.class);
    let concerns = |subject: &str| subject == class || subject.split('/').next() == Some(&service.name);
    let problems = definitions.problems.iter().filter(|problem| problem.severity == Severity::Error);
    problems.filter(|problem| concerns(&problem.subject)).count()
}

async fn keep(ledger: &Location, new: &Override) -> Result<(), Failure> {
    let kept = async { ledger_to_change(ledger).await?.keep_override(new).await };
    kept.await.map_err(|error: StoreError| Failure::because("the override could not be kept", error))
}
