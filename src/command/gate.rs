//! `slowburn gate SERVICE`: whether it may be deployed, as an exit code and a sentence.

use std::path::Path;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::load::{Definitions, concerns_service, load_definitions, open_ledger, open_ledger_for_update};
use super::output::{print, print_warning};
use super::shared_arguments::{CommonArgs, DATA, OUTPUT};
use super::{CommandError, ExitStatus, completions};
use crate::queries;
use crate::report::gate::{self, GateDecision, Override};
use crate::slo::{Catalog, Problem, Service};
use crate::store::StoreError;
use crate::text::escape_non_printing;
use crate::time::Minute;

const AFTER_HELP: &str = "\
Examples:
  slowburn gate checkout
  slowburn gate checkout --format json
  slowburn gate checkout --override INC-482 --by jane@example.com

Exit codes:
  0  the deploy is allowed, by the policy or by an override
  1  the deploy is blocked
  2  usage error
  3  unknown: not enough data, or invalid definitions
  4  failed";

#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct GateArgs {
    /// The service to deploy
    #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(completions::service_candidates))]
    pub service: String,
    #[command(flatten)]
    pub common: CommonArgs,
    /// Allow this deploy even if the policy blocks it, for this reason
    ///
    /// The override is stored in the ledger and shown in reports.
    #[arg(long = "override", value_name = "REASON", requires = "by", value_parser = parse_line, help_heading = DATA)]
    pub reason: Option<String>,
    /// Author of the override
    #[arg(long, value_name = "AUTHOR", env = "SLOWBURN_BY", value_parser = parse_line, help_heading = DATA)]
    pub by: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: GateFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum GateFormat {
    /// One sentence
    #[default]
    Text,
    /// A JSON document
    Json,
}

/// Parses one line of text. A pipeline may take it from a commit or a form, so control characters are escaped.
fn parse_line(text: &str) -> Result<String, String> {
    let escaped = escape_non_printing(text.trim());
    match escaped.chars().count() {
        0 => Err("must not be empty".to_owned()),
        1..=500 => Ok(escaped),
        _ => Err("must not be longer than 500 characters".to_owned()),
    }
}

pub async fn gate(arguments: &GateArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.time.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    let service = find_service(&definitions, &arguments.service)?;
    let store = open_ledger(&arguments.common).await?;
    let single_service = Catalog { services: vec![service.clone()], ..definitions.catalog.clone() };
    let status = queries::evaluate(&single_service, &store, at).await?;
    let gate = gate::decide(&definitions.catalog, &service, &status, error_count(&definitions, &service));
    let mut new_override = None;
    if gate.decision != GateDecision::Allow
        && let (Some(reason), Some(by)) = (&arguments.reason, &arguments.by)
    {
        let added = &*new_override.insert(gate.new_override(by.clone(), reason.clone()));
        let stored = async { open_ledger_for_update(&arguments.common.ledger).await?.add_override(added).await };
        stored.await.map_err(CommandError::with_context::<StoreError>("cannot store the override"))?;
    }
    print(match (arguments.format, &new_override) {
        (GateFormat::Json, _) => format!("{:#}\n", gate.json(new_override.as_ref())),
        (GateFormat::Text, None) => format!("{}\n", gate.reason),
        // The override comes first, because the exit code follows it.
        (GateFormat::Text, Some(Override { service, by, reason, .. })) => {
            format!("deploy of {service} is allowed by an override from {by}: {reason}; without it: {}\n", gate.reason)
        }
    })?;
    if new_override.is_some() {
        print_warning("the override is stored and shown in reports");
        return Ok(ExitStatus::Success);
    }
    Ok(match gate.decision {
        GateDecision::Allow => ExitStatus::Success,
        GateDecision::Block => ExitStatus::Rejected,
        GateDecision::Unknown => ExitStatus::Partial,
    })
}

/// The service of that name; one whose definition cannot be read has no SLOs, only problems.
fn find_service(definitions: &Definitions, name: &str) -> Result<Service, CommandError> {
    if let Some(service) = definitions.catalog.services.iter().find(|service| service.name == name) {
        return Ok(service.clone());
    }
    let Some(problem) = definitions.problems.iter().find(|problem| concerns_service(problem, name)) else {
        let known = definitions.catalog.services.iter().map(|service| service.name.as_str());
        return Err(CommandError::unknown("service", name, known));
    };
    let folder = Path::new(&problem.file).parent().and_then(Path::file_name).unwrap_or_default();
    Ok(Service {
        name: name.to_owned(),
        team: folder.to_string_lossy().into_owned(),
        file: problem.file.clone(),
        ..Service::default()
    })
}

/// The problems that may have left out an SLO of a service, or a step of its policy.
fn error_count(definitions: &Definitions, service: &Service) -> usize {
    let class = format!("class {}", service.class);
    let is_relevant = |problem: &&Problem| problem.subject == class || concerns_service(problem, &service.name);
    definitions.errors().filter(is_relevant).count()
}
