//! `slowburn status`: the status of every SLO, from the ledger alone.

use std::collections::BTreeSet;

use super::load::{load_definitions, open_ledger};
use super::output::Output;
use super::separate_folders::DisjointLocations;
use super::{CommandError, ExitStatus, alert_state_kind, print};
use crate::alert::{AlertState, IncidentKey, IncidentSubject};
use crate::cli::status::{StatusArgs, StatusFormat};
use crate::engine;
use crate::evaluation::status::FleetStatus;
use crate::report::{export, incidents, status as view};
use crate::slo::{Catalog, Service};
use crate::text::escape_non_printing;
use crate::time::Minute;

pub(super) async fn status(arguments: StatusArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    let out = arguments.file.out.as_ref();
    DisjointLocations::new(&arguments.common.ledger, &definitions.catalog)
        .with_output_folder("the output", out)
        .check()?;
    arguments.names.iter().try_for_each(|name| definitions.reject_invalid(name))?;
    let selection = Selection::new(&definitions.catalog, arguments.team.as_deref(), &arguments.names)?;
    let store = open_ledger(&arguments.common).await?;
    let status = engine::evaluate(&selection.catalog, &store, at).await.map_err(CommandError::from)?;
    let alert_state = store.alert_state(alert_state_kind(arguments.state)).await;
    let alert_state = selection.select_incidents(alert_state.map_err(|error| CommandError::new(error.to_string()))?.0);
    if let Some(out) = out {
        let mut output = Output::create(Some(out))?;
        output.write(anstream::adapter::strip_str(&render(&status, arguments.format)?).to_string().as_bytes())?;
        output.finish()?;
    } else {
        print_status(&status, arguments.format)?;
        print_incidents(&alert_state, &status, arguments.format)?;
    }
    Ok(if definitions.has_errors() { ExitStatus::Partial } else { ExitStatus::Success })
}

/// The part of a fleet that a status is about.
struct Selection {
    catalog: Catalog,
    team: Option<String>,
    is_all: bool,
}

impl Selection {
    /// The SLOs of a team, if one is named, among those that have one of the names, if there are any.
    fn new(full_catalog: &Catalog, team: Option<&str>, names: &[String]) -> Result<Self, CommandError> {
        let services = || full_catalog.services.iter();
        if let Some(team) = team.filter(|team| services().all(|service| service.team != *team)) {
            let teams: BTreeSet<&str> = services().map(|service| service.team.as_str()).collect();
            return Err(CommandError::unknown("team", team, teams));
        }
        for name in names {
            let is_known =
                |service: &Service| service.name == *name || service.slos.iter().any(|slo| slo.id.as_str() == name);
            if !services().any(is_known) {
                return Err(if name.contains('/') {
                    CommandError::unknown("SLO", name, full_catalog.slos().map(|(_, slo)| slo.id.as_str()))
                } else {
                    CommandError::unknown("service", name, services().map(|service| service.name.as_str()))
                });
            }
        }
        let mut catalog = full_catalog.clone();
        catalog.services.retain(|service| team.is_none_or(|team| service.team == team));
        for service in &mut catalog.services {
            let is_whole = names.is_empty() || names.contains(&service.name);
            service.slos.retain(|slo| is_whole || names.iter().any(|name| slo.id.as_str() == name));
        }
        catalog.services.retain(|service| names.is_empty() || !service.slos.is_empty());
        if let Some(team) = team.filter(|_| catalog.services.is_empty()) {
            return Err(CommandError::usage(format!(
                "team `{}` does not own `{}`\nhint: omit `--team`",
                escape_non_printing(team),
                names.iter().map(|name| escape_non_printing(name)).collect::<Vec<_>>().join("`, `")
            )));
        }
        Ok(Self { catalog, team: team.map(str::to_owned), is_all: team.is_none() && names.is_empty() })
    }

    /// The incidents of the selected SLOs, and of a selected team those that are about no single SLO.
    fn select_incidents(&self, mut alert_state: AlertState) -> AlertState {
        if self.is_all {
            return alert_state;
        }
        let slos: BTreeSet<&str> = self.catalog.slos().map(|(_, slo)| slo.id.as_str()).collect();
        let is_selected =
            |key: &IncidentKey| matches!(&key.subject, IncidentSubject::Slo(id) if slos.contains(id.as_str()));
        alert_state.incidents.retain(|key, incident| match &key.subject {
            IncidentSubject::Slo(_) => is_selected(key),
            _ => self.team.as_ref() == Some(&incident.owner.team) || incident.members.iter().any(is_selected),
        });
        let keys: BTreeSet<String> = alert_state.incidents.keys().map(ToString::to_string).collect();
        alert_state.outbox.retain(|entry| keys.contains(&entry.notification.key));
        alert_state
    }
}

/// Prints a status in a format.
pub(super) fn print_status(status: &FleetStatus, format: StatusFormat) -> Result<(), CommandError> {
    print(render(status, format)?.as_bytes())
}

fn render(status: &FleetStatus, format: StatusFormat) -> Result<String, CommandError> {
    Ok(match format {
        // Colours are always written; the stream removes them where they cannot be shown.
        StatusFormat::Table => view::table(status, terminal_width(), true),
        StatusFormat::Json => format!("{:#}\n", export::json(status)),
        StatusFormat::Csv => {
            export::csv(status).map_err(|error| CommandError::with_context("cannot write the status as CSV", error))?
        }
        StatusFormat::Markdown => view::markdown(status),
        StatusFormat::Openmetrics => export::openmetrics(status)
            .map_err(|error| CommandError::with_context("cannot write the status as OpenMetrics", error))?,
    })
}

/// Prints what is open below the table.
pub(super) fn print_incidents(
    alert_state: &AlertState,
    status: &FleetStatus,
    format: StatusFormat,
) -> Result<(), CommandError> {
    let text = incidents::text(alert_state, status.at);
    match format {
        StatusFormat::Table if !text.is_empty() => print(format!("\n{text}").as_bytes()),
        _ => Ok(()),
    }
}

/// The width of the terminal that stdout is, if it is one.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}
