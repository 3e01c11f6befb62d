//! `slowburn check`: every problem of the definitions, with file, line and remedy.

use super::open::definitions;
use super::{Ended, Failure, print, say};
use crate::cli::{CheckArgs, CheckFormat};
use crate::minute::Minute;
use crate::report::counted;
use crate::report::problems;
use crate::slo::{Indicator, Slo};

pub(super) fn check(arguments: &CheckArgs, now: Minute) -> Result<Ended, Failure> {
    let folder = arguments.folder.as_ref().unwrap_or(&arguments.slos);
    let found = definitions(folder, Some(&arguments.queries), arguments.at.unwrap_or(now))?;
    let text = match arguments.format {
        CheckFormat::Text => problems::terminal(&found.problems, &found.files, true),
        CheckFormat::Json => problems::json(&found.problems),
        CheckFormat::Github => problems::github(&found.problems),
    };
    print(text.as_bytes())?;
    if matches!(arguments.format, CheckFormat::Text) {
        let is_sound = |slo: &Slo| !matches!(slo.indicator, Indicator::Query { sql: None, .. });
        let slos = found.catalog.slos().filter(|(_, slo)| is_sound(slo)).count();
        say(&format!(
            "{} with {} sound; {}",
            counted(found.catalog.services.len(), "service"),
            counted(slos, "SLO"),
            counted(found.problems.len(), "problem")
        ));
    }
    Ok(if found.faulty() { Ended::Faulty } else { Ended::Done })
}
