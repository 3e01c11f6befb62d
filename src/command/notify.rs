//! `slowburn notify --test TEAM`: sends a message to each destination of a team and prints the results. Other commands
//! use it to report destinations whose environment variables are not set, before an incident shows it.

use std::collections::BTreeSet;

use clap::Args;
use clap_complete::ArgValueCandidates;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::load::read_definitions;
use super::output::{print, print_message};
use super::shared_arguments::{ALERTS, ChannelArgs, OUTPUT, SlosArg, TextFormat};
use super::{CommandError, ExitStatus, completions};
use crate::alert::{DeliveryError, Notification};
use crate::format::pluralize;
use crate::notify::{Notifier, Secrets};
use crate::slo::{Catalog, FLEET_FILE, Service, Team, Urgency, name_list};
use crate::text::escape_non_printing;
use crate::time::Minute;

/// The most destinations that are reported one by one.
const MESSAGES_MAX: usize = 10;

const AFTER_HELP: &str = "\
Examples:
  slowburn notify --test shop
  slowburn notify --test shop --dry-run notifications

Environment:
  SLOWBURN_SMTP_URL        mail server: smtps://USER:PASSWORD@HOST:465, or with STARTTLS
                           smtp://USER:PASSWORD@HOST:587?tls=required (write `@` in USER or PASSWORD as `%40`)
  SLOWBURN_WEBHOOK_SECRET  key that signs webhook requests
  SSL_CERT_FILE            certificates of a private CA
  HTTPS_PROXY, NO_PROXY    proxy for outgoing requests
  Destinations in fleet.yaml use other variables, such as `pagerduty:${SHOP_PAGERDUTY_KEY}`.

Exit codes:
  0  delivered to all destinations
  2  usage error
  3  delivered to some destinations
  4  failed for all destinations";

#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct NotifyArgs {
    #[command(flatten)]
    pub definitions: SlosArg,
    /// Team whose destinations receive a test notification
    ///
    /// Each destination of `pages`, `tickets` and `reports` receives one notification, marked as a test. In PagerDuty
    /// it is an alert with severity `info` that is resolved immediately.
    #[arg(long, value_name = "TEAM", required = true, help_heading = ALERTS, add = ArgValueCandidates::new(completions::team_candidates))]
    pub test: String,
    #[command(flatten)]
    pub channels: ChannelArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: TextFormat,
}

pub async fn notify(arguments: &NotifyArgs, now: Minute) -> Result<ExitStatus, CommandError> {
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
        TestResult { destination, uses, result }
    });
    let results = join_all(sending).await;
    print(match arguments.format {
        TextFormat::Text => results.iter().map(TestResult::text).collect(),
        TextFormat::Json => {
            let deliveries: Vec<Value> = results.iter().map(TestResult::json).collect();
            format!("{:#}\n", json!({ "team": arguments.test, "deliveries": deliveries }))
        }
    })?;
    let (count, delivered) = (results.len(), results.iter().filter(|tried| tried.result.is_ok()).count());
    if delivered == 0 {
        return Err(CommandError::new(format!(
            "delivery failed for all destinations\nhint: follow the hint for each destination, then run `slowburn notify --test {}` again",
            arguments.test
        )));
    }
    print_message(format!(
        "delivered to {delivered} of {}; check that the test arrived",
        pluralize(count, "destination")
    ));
    Ok(ExitStatus::partial_if(delivered < count))
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

/// Each destination once, with its uses, in the order of the definitions.
fn team_destinations(team: &Team) -> Vec<(&str, Vec<&'static str>)> {
    let mut destinations: Vec<(&str, Vec<&'static str>)> = Vec::new();
    for (purpose, list) in [("pages", &team.pages), ("tickets", &team.tickets), ("reports", &team.reports)] {
        for destination in list {
            match destinations.iter_mut().find(|(known, _)| known == destination) {
                Some((_, uses)) if uses.last() != Some(&purpose) => uses.push(purpose),
                Some(_) => {}
                None => destinations.push((destination, vec![purpose])),
            }
        }
    }
    destinations
}

/// The delivery of a test notification to one destination.
struct TestResult<'a> {
    destination: &'a str,
    uses: &'a [&'static str],
    result: Result<String, DeliveryError>,
}

impl TestResult<'_> {
    fn text(&self) -> String {
        let (destination, uses) = (escape_non_printing(self.destination), self.uses.join(", "));
        match &self.result {
            Ok(response) => format!("{destination} ({uses}): delivered: {response}\n"),
            Err(error) => format!("{destination} ({uses}): {error}\n"),
        }
    }

    fn json(&self) -> Value {
        let (destination, uses) = (self.destination, self.uses);
        match &self.result {
            Ok(response) => {
                json!({ "destination": destination, "uses": uses, "delivered": true, "response": response })
            }
            Err(DeliveryError { is_transient, message, hint, .. }) => json!({
                "destination": destination, "uses": uses, "delivered": false, "retryable": is_transient,
                "error": message, "hint": hint,
            }),
        }
    }
}

/// Which incidents have no destination.
pub fn missing_destination_notes(catalog: &Catalog) -> Vec<String> {
    let platform_team = catalog.alerts.team.as_deref();
    let has_destination = |service: &Service| {
        let teams = [Some(service.team.as_str()), platform_team].into_iter().flatten();
        let mut lists = teams.filter_map(|team| catalog.teams.get(team)).chain(catalog.notify_also.get(&service.class));
        lists.any(|list| !list.destinations_for(Urgency::Page).is_empty())
    };
    let services = catalog.services.iter().filter(|service| !has_destination(service));
    let teams: BTreeSet<&str> = services.map(|service| service.team.as_str()).collect();
    let teams = name_list("teams", &teams.into_iter().collect::<Vec<_>>()).map(|teams| {
        format!(
            "note: no destination for incidents of {teams}\nhint: set `pages` and `tickets` of the team in `{FLEET_FILE}`"
        )
    });
    let platform = platform_team.is_none().then(|| {
        format!(
            "note: no destination for stale sources, shared causes and undelivered notifications\nhint: set \
             `alerts.team` in `{FLEET_FILE}`"
        )
    });
    teams.into_iter().chain(platform).collect()
}

/// A message for each destination that the teams and classes of services and the platform team use, and that has a
/// variable that is not set.
pub fn unset_variables(catalog: &Catalog, secrets: &Secrets) -> Vec<String> {
    let services = || catalog.services.iter();
    let teams: BTreeSet<&str> =
        services().map(|service| service.team.as_str()).chain(catalog.alerts.team.as_deref()).collect();
    let classes: BTreeSet<&str> = services().map(|service| service.class.as_str()).collect();
    let team_lists = teams.into_iter().filter_map(|team| Some((team, catalog.teams.get(team)?)));
    let class_lists = catalog.notify_also.iter().filter(|(class, _)| classes.contains(class.as_str()));
    let mut unset: BTreeSet<String> = BTreeSet::new();
    for (team, lists) in team_lists.chain(class_lists.map(|(_, lists)| ("", lists))) {
        for destination in [&lists.severe, &lists.pages, &lists.tickets, &lists.reports].into_iter().flatten() {
            let description = catalog.describe_destination(team, destination);
            unset.extend(
                secrets
                    .missing(destination)
                    .iter()
                    .map(|name| format!("cannot notify {description}: the environment variable `{name}` is not set")),
            );
        }
    }
    let more = unset.len().saturating_sub(MESSAGES_MAX);
    let mut messages: Vec<String> = unset.into_iter().take(MESSAGES_MAX).collect();
    if more > 0 {
        messages.push(format!("cannot notify {more} more destinations: their environment variables are not set"));
    }
    messages
}
