//! `slowburn check`: every problem of the definitions, with file, line and hint.

use super::load::{Definitions, note_defaults, read_definitions};
use super::{CommandError, ExitStatus, destinations, eprint_line, print, styled};
use crate::cli::check::{CheckArgs, CheckFormat};
use crate::cli::notify::environment_secrets;
use crate::format::pluralize;
use crate::report::problems;
use crate::slo::{Indicator, Problem, Slo};
use crate::time::Minute;

pub(super) fn check(arguments: &CheckArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let folder = arguments.folder.as_ref().unwrap_or(&arguments.definitions.folder.slos);
    let mut definitions = read_definitions(folder, Some(&arguments.definitions.queries), arguments.time.or_now(now))?;
    if !definitions.has_services {
        let hint = "add `TEAM/SERVICE.yaml`, or specify the folder that contains `fleet.yaml` and the team folders";
        let shown = folder.to_string_lossy();
        definitions.problems.push(Problem::for_file(&shown, format!("no service files in `{shown}`"), hint));
    }
    let text = match arguments.format {
        CheckFormat::Text => problems::terminal(&definitions.problems, &definitions.files, true),
        CheckFormat::Json => problems::json(&definitions.problems),
        CheckFormat::Github => problems::github(&definitions.problems),
    };
    print(text.as_bytes())?;
    if matches!(arguments.format, CheckFormat::Text) {
        note_defaults(&definitions, folder);
        eprint_line(&summary(&definitions));
    }
    let unset = if arguments.env {
        destinations::unset_variables(&definitions.catalog, &environment_secrets())
    } else {
        Vec::new()
    };
    for message in &unset {
        eprint_line(&format!("{}: {message}", styled("error")));
    }
    Ok(if definitions.has_errors() || !unset.is_empty() { ExitStatus::Rejected } else { ExitStatus::Success })
}

fn summary(definitions: &Definitions) -> String {
    let is_valid = |slo: &Slo| !matches!(slo.indicator, Indicator::Query { sql: None, .. });
    let slos = definitions.catalog.slos().filter(|(_, slo)| is_valid(slo)).count();
    let errors = definitions.error_count();
    let problems = match (errors, definitions.problems.len().saturating_sub(errors)) {
        (0, 0) => "no problems".to_owned(),
        (0, warnings) => pluralize(warnings, "warning"),
        (errors, 0) => pluralize(errors, "problem"),
        (errors, warnings) => format!("{}, {}", pluralize(errors, "error"), pluralize(warnings, "warning")),
    };
    let services = pluralize(definitions.catalog.services.len(), "service");
    format!("checked {services}, {}: {problems}", pluralize(slos, "SLO"))
}
