//! Destinations whose environment variables are not set: what goes there would be lost, so it is reported before it
//! happens.

use std::collections::BTreeSet;

use crate::notify::Secrets;
use crate::slo::{Catalog, Team};

/// Destinations that are reported one by one.
const LISTED_MAX: usize = 10;

/// A message for each destination that the services of a catalog use and that cannot be resolved.
pub(super) fn unset(catalog: &Catalog, secrets: &Secrets) -> Vec<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for (team, destination) in used(catalog) {
        for name in secrets.missing(destination) {
            let words = catalog.describe_destination(team, destination);
            found.insert(format!("cannot notify {words}: the environment variable `{name}` is not set"));
        }
    }
    let more = found.len().saturating_sub(LISTED_MAX);
    let mut messages: Vec<String> = found.into_iter().take(LISTED_MAX).collect();
    if more > 0 {
        messages.push(format!("cannot notify {more} more destinations: their environment variables are not set"));
    }
    messages
}

/// The destinations of all teams with services, of the platform team, and of classes, each with its team.
fn used(catalog: &Catalog) -> impl Iterator<Item = (&str, &str)> {
    let teams: BTreeSet<&str> = catalog.services.iter().map(|service| service.team.as_str()).collect();
    let teams = teams.into_iter().chain(catalog.alerts.team.as_deref());
    let of_teams = teams.filter_map(|team| Some((team, catalog.teams.get(team)?)));
    let classes: BTreeSet<&str> = catalog.services.iter().map(|service| service.class.as_str()).collect();
    let of_classes = catalog.notify_also.iter().filter(move |(class, _)| classes.contains(class.as_str()));
    of_teams
        .chain(of_classes.map(|(_, lists)| ("", lists)))
        .flat_map(|(team, lists)| all(lists).map(move |one| (team, one)))
}

fn all(lists: &Team) -> impl Iterator<Item = &str> {
    [&lists.severe, &lists.pages, &lists.tickets, &lists.reports].into_iter().flatten().map(String::as_str)
}
