//! `slowburn notify --test TEAM`: a message to each destination of a team, and what became of it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::load::read_definitions;
use super::{CommandError, ExitStatus, eprint_line, print};
use crate::alert::{DeliveryError, Notification};
use crate::cli::notify::{NotifyArgs, NotifyFormat};
use crate::format::pluralize;
use crate::notify::Notifier;
use crate::slo::{Catalog, Team};
use crate::text::escape_non_printing;
use crate::time::Minute;

pub(super) async fn notify(arguments: &NotifyArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let definitions = read_definitions(&arguments.definitions.slos, None, now)?;
    let team = find_team(&definitions.catalog, &arguments.test)?;
    let destinations = team_destinations(team);
    if destinations.is_empty() {
        return Err(CommandError::new(format!(
            "team `{}` has no destinations\nhint: add `pages`, `tickets` or `reports` to the team in fleet.yaml",
            arguments.test
        )));
    }
    let notifier = Notifier::new(arguments.channels.settings(), now);
    let message = Notification::for_test(&arguments.test, now);
    let sending = destinations.iter().map(|(destination, uses)| async {
        let result = notifier.send(destination, &message).await;
        TestResult { destination, uses: uses.join(", "), result }
    });
    let results = join_all(sending).await;
    match arguments.format {
        NotifyFormat::Text => print(results.iter().map(TestResult::text).collect::<String>().as_bytes())?,
        NotifyFormat::Json => print(format!("{:#}\n", json(&arguments.test, &results)).as_bytes())?,
    }
    let (count, delivered) = (results.len(), results.iter().filter(|tried| tried.result.is_ok()).count());
    if delivered == 0 {
        return Err(CommandError::new(format!(
            "delivery failed for all destinations\nhint: follow the hint for each destination, then run `slowburn notify --test {}` again",
            arguments.test
        )));
    }
    eprint_line(&format!(
        "delivered to {delivered} of {}; check that the test arrived",
        pluralize(count, "destination")
    ));
    Ok(if delivered < count { ExitStatus::Partial } else { ExitStatus::Success })
}

fn find_team<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Team, CommandError> {
    catalog.teams.get(name).ok_or_else(|| {
        if catalog.services.iter().any(|service| service.team == name) {
            return CommandError::usage(format!(
                "team `{}` has no destinations\nhint: add the team to `teams` in fleet.yaml",
                escape_non_printing(name)
            ));
        }
        CommandError::unknown("team", name, catalog.teams.keys().map(String::as_str))
    })
}

/// Each destination once, with what it is for, in the order of the definitions.
fn team_destinations(team: &Team) -> Vec<(&str, Vec<&'static str>)> {
    let all = [("pages", &team.pages), ("tickets", &team.tickets), ("reports", &team.reports)];
    let mut indices: BTreeMap<&str, usize> = BTreeMap::new();
    let mut destinations: Vec<(&str, Vec<&'static str>)> = Vec::new();
    for (purpose, destination) in all.iter().flat_map(|(used, list)| list.iter().map(|one| (*used, one.as_str()))) {
        let index = *indices.entry(destination).or_insert(destinations.len());
        match destinations.get_mut(index) {
            Some((_, uses)) if uses.last() != Some(&purpose) => uses.push(purpose),
            Some(_) => {}
            None => destinations.push((destination, vec![purpose])),
        }
    }
    destinations
}

/// What became of a message to one destination.
struct TestResult<'a> {
    destination: &'a str,
    uses: String,
    result: Result<String, DeliveryError>,
}

impl TestResult<'_> {
    fn text(&self) -> String {
        let (destination, uses) = (escape_non_printing(self.destination), &self.uses);
        match &self.result {
            Ok(response) => format!("{destination} ({uses}): delivered: {response}\n"),
            Err(error) => format!("{destination} ({uses}): {error}\n"),
        }
    }
}

fn json(team: &str, results: &[TestResult<'_>]) -> Value {
    let row_of = |tried: &TestResult<'_>| {
        let mut row = json!({ "destination": tried.destination, "uses": tried.uses.split(", ").collect::<Vec<_>>() });
        match &tried.result {
            Ok(response) => (row["delivered"], row["response"]) = (json!(true), json!(response)),
            Err(error) => {
                row["delivered"] = json!(false);
                row["retryable"] = json!(error.is_transient);
                row["error"] = json!(error.message);
                row["hint"] = json!(error.hint);
            }
        }
        row
    };
    json!({ "team": team, "deliveries": results.iter().map(row_of).collect::<Vec<_>>() })
}
