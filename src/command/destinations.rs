//! Destinations whose environment variables are not set: what goes there would be lost, so it is reported before it
//! happens.

use std::collections::BTreeSet;

use crate::notify::Secrets;
use crate::slo::{Catalog, Team};

/// Destinations that are reported one by one.
const MESSAGES_MAX: usize = 10;

/// A message for each destination that the services of a catalog use and that cannot be resolved.
pub(super) fn unset_variables(catalog: &Catalog, secrets: &Secrets) -> Vec<String> {
    let mut unset: BTreeSet<String> = BTreeSet::new();
    for (team, destination) in used_destinations(catalog) {
        for name in secrets.missing(destination) {
            let description = catalog.describe_destination(team, destination);
            unset.insert(format!("cannot notify {description}: the environment variable `{name}` is not set"));
        }
    }
    let more = unset.len().saturating_sub(MESSAGES_MAX);
    let mut messages: Vec<String> = unset.into_iter().take(MESSAGES_MAX).collect();
    if more > 0 {
        messages.push(format!("cannot notify {more} more destinations: their environment variables are not set"));
    }
    messages
}

/// The destinations of all teams with services, of the platform team, and of classes, each with its team.
fn used_destinations(catalog: &Catalog) -> impl Iterator<Item = (&str, &str)> {
    let teams: BTreeSet<&str> = catalog.services.iter().map(|service| service.team.as_str()).collect();
    let teams = teams.into_iter().chain(catalog.alerts.team.as_deref());
    let team_destinations = teams.filter_map(|team| Some((team, catalog.teams.get(team)?)));
    let classes: BTreeSet<&str> = catalog.services.iter().map(|service| service.class.as_str()).collect();
    let class_destinations = catalog.notify_also.iter().filter(move |(class, _)| classes.contains(class.as_str()));
    team_destinations
        .chain(class_destinations.map(|(_, lists)| ("", lists)))
        .flat_map(|(team, lists)| all_destinations(lists).map(move |one| (team, one)))
}

fn all_destinations(lists: &Team) -> impl Iterator<Item = &str> {
    [&lists.severe, &lists.pages, &lists.tickets, &lists.reports].into_iter().flatten().map(String::as_str)
}
