//! `slowburn check`: every problem of the definitions, with file, line and hint.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::environment::environment_secrets;
use super::load::{Definitions, read_definitions};
use super::notify::{missing_destination_notes, unset_variables};
use super::output::{print, print_error, print_message};
use super::shared_arguments::{AtArg, DEFINITIONS, DefinitionArgs, OUTPUT, parse_folder};
use super::{CommandError, ExitStatus};
use crate::format::pluralize;
use crate::report::problems;
use crate::slo::{Indicator, Problem, Severity, Slo};
use crate::time::Minute;

const AFTER_HELP: &str = "\
Examples:
  slowburn check
  slowburn check path/to/slos
  slowburn check --format github

Exit codes:
  0  the definitions are valid
  1  invalid definitions
  2  usage error
  4  failed";

#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArgs {
    /// Folder of definitions, instead of `--slos`
    #[arg(value_name = "DIR", value_parser = parse_folder, value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
    #[command(flatten)]
    pub definitions: DefinitionArgs,
    #[command(flatten)]
    pub time: AtArg,
    /// Also require the environment variables of all destinations
    #[arg(long, help_heading = DEFINITIONS)]
    pub env: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: CheckFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum CheckFormat {
    /// Plain text
    #[default]
    Text,
    /// A JSON document
    Json,
    /// Annotations for GitHub Actions
    Github,
}

pub fn check(arguments: &CheckArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let folder = arguments.folder.as_ref().unwrap_or(&arguments.definitions.folder.slos);
    let mut definitions =
        read_definitions(folder, Some(&arguments.definitions.queries), arguments.time.evaluation_time(now))?;
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
    print(text)?;
    if matches!(arguments.format, CheckFormat::Text) {
        definitions.note_defaults();
        if definitions.has_fleet {
            missing_destination_notes(&definitions.catalog).iter().for_each(print_message);
        }
        print_message(summary(&definitions));
    }
    let mut is_valid = !definitions.has_errors();
    if arguments.env {
        for message in unset_variables(&definitions.catalog, &environment_secrets()) {
            print_error(message);
            is_valid = false;
        }
    }
    Ok(if is_valid { ExitStatus::Success } else { ExitStatus::Rejected })
}

fn summary(definitions: &Definitions) -> String {
    let is_valid = |slo: &Slo| !matches!(slo.indicator, Indicator::Query { sql: None, .. });
    let slos = definitions.catalog.slos().filter(|(_, slo)| is_valid(slo)).count();
    let count = |severity| definitions.problems.iter().filter(|problem| problem.severity == severity).count();
    let problems = match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => "no problems".to_owned(),
        (0, warnings) => pluralize(warnings, "warning"),
        (errors, 0) => pluralize(errors, "problem"),
        (errors, warnings) => format!("{}, {}", pluralize(errors, "error"), pluralize(warnings, "warning")),
    };
    let services = pluralize(definitions.catalog.services.len(), "service");
    format!("checked {services}, {}: {problems}", pluralize(slos, "SLO"))
}
