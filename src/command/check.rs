//! `slowburn check`: every problem of the definitions, with file, line and hint.

use super::open::{Definitions, definitions, note_defaults};
use super::{Ended, Failure, destinations, print, say, styled};
use crate::cli::check::{CheckArgs, CheckFormat};
use crate::cli::notify::secrets;
use crate::minute::Minute;
use crate::report::counted;
use crate::report::problems;
use crate::slo::{Indicator, Problem, Slo};

pub(super) fn check(arguments: &CheckArgs, now: Minute) -> Result<Ended, Failure> {
    let folder = arguments.folder.as_ref().unwrap_or(&arguments.definitions.folder.slos);
    let mut found = definitions(folder, Some(&arguments.definitions.queries), arguments.time.or_now(now))?;
    if !found.has_services {
        let hint = "add `TEAM/SERVICE.yaml`, or specify the folder that contains `fleet.yaml` and the team folders";
        let shown = folder.to_string_lossy();
        found.problems.push(Problem::of_file(&shown, format!("no service files in `{shown}`"), hint));
    }
    let text = match arguments.format {
        CheckFormat::Text => problems::terminal(&found.problems, &found.files, true),
        CheckFormat::Json => problems::json(&found.problems),
        CheckFormat::Github => problems::github(&found.problems),
    };
    print(text.as_bytes())?;
    if matches!(arguments.format, CheckFormat::Text) {
        note_defaults(&found, folder);
        say(&summary(&found));
    }
    let unset = if arguments.env { destinations::unset(&found.catalog, &secrets()) } else { Vec::new() };
    for message in &unset {
        say(&format!("{}: {message}", styled("error")));
    }
    Ok(if found.faulty() || !unset.is_empty() { Ended::Faulty } else { Ended::Done })
}

fn summary(found: &Definitions) -> String {
    let is_valid = |slo: &Slo| !matches!(slo.indicator, Indicator::Query { sql: None, .. });
    let slos = found.catalog.slos().filter(|(_, slo)| is_valid(slo)).count();
    let errors = found.errors();
    let problems = match (errors, found.problems.len().saturating_sub(errors)) {
        (0, 0) => "no problems".to_owned(),
        (0, warnings) => counted(warnings, "warning"),
        (errors, 0) => counted(errors, "problem"),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    let services = counted(found.catalog.services.len(), "service");
    format!("checked {services}, {}: {problems}", counted(slos, "SLO"))
}
