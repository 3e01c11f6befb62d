//! `slowburn status`: the status of every SLO, from the ledger alone.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::disjoint_locations::check_disjoint;
use super::load::{load_definitions, open_ledger};
use super::output::{Output, print};
use super::shared_arguments::{CommonArgs, DEFINITIONS, OUTPUT, OutFile, StateArgs};
use super::{CommandError, ExitStatus, completions};
use crate::alert::{AlertState, IncidentKey, IncidentSubject};
use crate::evaluation::status::FleetStatus;
use crate::location::Location;
use crate::queries;
use crate::report::{export, incidents, status as view};
use crate::slo::{Catalog, Service};
use crate::text::escape_non_printing;
use crate::time::Minute;

const EXAMPLES: &str = "\
Examples:
  slowburn status
  slowburn status checkout search/latency
  slowburn status --team shop --format json
  slowburn status --format openmetrics --out /var/lib/node_exporter/slowburn.prom";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Only these services and SLOs, as `SERVICE` or `SERVICE/SLO`
    #[arg(value_name = "SERVICE|SLO", add = ArgValueCandidates::new(completions::service_and_slo_candidates))]
    pub names: Vec<String>,
    #[command(flatten)]
    pub common: CommonArgs,
    /// Only the services of this team
    #[arg(long, value_name = "TEAM", help_heading = DEFINITIONS, add = ArgValueCandidates::new(completions::team_candidates))]
    pub team: Option<String>,
    #[command(flatten)]
    pub state: StateArgs,
    /// Output format
    #[arg(long, value_enum, env = "SLOWBURN_FORMAT", default_value_t, help_heading = OUTPUT)]
    pub format: StatusFormat,
    #[command(flatten)]
    pub file: OutFile,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum StatusFormat {
    /// A table for a terminal
    #[default]
    Table,
    /// A JSON document
    Json,
    /// Comma-separated values
    Csv,
    /// A Markdown table
    Markdown,
    /// Metrics for Prometheus, for example for the textfile collector of `node_exporter`
    Openmetrics,
}

pub async fn status(arguments: &StatusArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.time.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    let out = &arguments.file.out;
    check_disjoint(
        &arguments.common.ledger,
        &definitions.catalog,
        [("the output", out.clone().map(Location::Directory))],
    )?;
    arguments.names.iter().try_for_each(|name| definitions.reject_invalid(name))?;
    let selection = Selection::new(&definitions.catalog, arguments.team.as_deref(), &arguments.names)?;
    let store = open_ledger(&arguments.common).await?;
    let status = queries::evaluate(&selection.catalog, &store, at).await?;
    let (alert_state, _) = store.alert_state(arguments.state.kind()).await.map_err(CommandError::new)?;
    let alert_state = selection.select_incidents(alert_state);
    if out.is_some() {
        let mut output = Output::create(out.as_deref())?;
        output.write(anstream::adapter::strip_str(&render(&status, arguments.format)?).to_string().as_bytes())?;
        output.finish()?;
    } else {
        print_status(&status, &alert_state, arguments.format)?;
    }
    Ok(ExitStatus::partial_if(definitions.has_errors()))
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

/// Prints a status and, below a table, the open incidents.
pub fn print_status(status: &FleetStatus, alert_state: &AlertState, format: StatusFormat) -> Result<(), CommandError> {
    print(render(status, format)?)?;
    let incidents = incidents::text(alert_state, status.at);
    match format {
        StatusFormat::Table if !incidents.is_empty() => print(format!("\n{incidents}")),
        _ => Ok(()),
    }
}

fn render(status: &FleetStatus, format: StatusFormat) -> Result<String, CommandError> {
    Ok(match format {
        // Colours are always written; the stream removes them where they cannot be shown.
        StatusFormat::Table => {
            let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
            view::table(status, width, true)
        }
        StatusFormat::Json => format!("{:#}\n", export::json(status)),
        StatusFormat::Csv => {
            export::csv(status).map_err(CommandError::with_context("cannot write the status as CSV"))?
        }
        StatusFormat::Markdown => view::markdown(status),
        StatusFormat::Openmetrics => {
            export::openmetrics(status).map_err(CommandError::with_context("cannot write the status as OpenMetrics"))?
        }
    })
}
