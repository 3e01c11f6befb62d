//! `slowburn notify --test TEAM`: a message to each destination of a team, and what became of it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::open::definitions;
use super::{Ended, Failure, print, say};
use crate::alert::Message;
use crate::cli::notify::{NotifyArgs, NotifyFormat};
use crate::minute::Minute;
use crate::notify::{Postman, Receipt, SendError};
use crate::report::counted;
use crate::slo::{Catalog, Team};
use crate::visible::visible;

pub(super) async fn notify(arguments: &NotifyArgs, now: Minute) -> Result<Ended, Failure> {
    let found = definitions(&arguments.definitions.slos, None, now)?;
    let team = team(&found.catalog, &arguments.test)?;
    let destinations = destinations(team);
    if destinations.is_empty() {
        return Err(Failure::new(format!(
            "team `{}` has no destinations\nhint: add `pages`, `tickets` or `reports` to the team in fleet.yaml",
            arguments.test
        )));
    }
    let postman = Postman::new(arguments.channels.settings(), now);
    let message = Message::test(&arguments.test, now);
    let sending = destinations.iter().map(|(destination, uses)| async {
        let sent = postman.send(destination, &message).await;
        Tried { destination, uses: uses.join(", "), sent }
    });
    let tried = join_all(sending).await;
    match arguments.format {
        NotifyFormat::Text => print(tried.iter().map(Tried::text).collect::<String>().as_bytes())?,
        NotifyFormat::Json => print(format!("{:#}\n", json(&arguments.test, &tried)).as_bytes())?,
    }
    let (count, delivered) = (tried.len(), tried.iter().filter(|tried| tried.sent.is_ok()).count());
    if delivered == 0 {
        return Err(Failure::new(format!(
            "delivery failed for all destinations\nhint: follow the hint for each destination, then run `slowburn notify --test {}` again",
            arguments.test
        )));
    }
    say(&format!("delivered to {delivered} of {}; check that the test arrived", counted(count, "destination")));
    Ok(if delivered < count { Ended::InPart } else { Ended::Done })
}

fn team<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Team, Failure> {
    catalog.teams.get(name).ok_or_else(|| {
        if catalog.services.iter().any(|service| service.team == name) {
            return Failure::usage(format!(
                "team `{}` has no destinations\nhint: add the team to `teams` in fleet.yaml",
                visible(name)
            ));
        }
        Failure::unknown("team", name, catalog.teams.keys().map(String::as_str))
    })
}

/// Each destination once, with what it is for, in the order of the definitions.
fn destinations(team: &Team) -> Vec<(&str, Vec<&'static str>)> {
    let all = [("pages", &team.pages), ("tickets", &team.tickets), ("reports", &team.reports)];
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found: Vec<(&str, Vec<&'static str>)> = Vec::new();
    for (used, destination) in all.iter().flat_map(|(used, list)| list.iter().map(|one| (*used, one.as_str()))) {
        let place = *places.entry(destination).or_insert(found.len());
        match found.get_mut(place) {
            Some((_, uses)) if uses.last() != Some(&used) => uses.push(used),
            Some(_) => {}
            None => found.push((destination, vec![used])),
        }
    }
    found
}

/// What became of a message to one destination.
struct Tried<'a> {
    destination: &'a str,
    uses: String,
    sent: Result<Receipt, SendError>,
}

impl Tried<'_> {
    fn text(&self) -> String {
        let (destination, uses) = (visible(self.destination), &self.uses);
        match &self.sent {
            Ok(receipt) => format!("{destination} ({uses}): delivered: {}\n", receipt.said),
            Err(error) => format!("{destination} ({uses}): {error}\n"),
        }
    }
}

fn json(team: &str, tried: &[Tried<'_>]) -> Value {
    let one = |tried: &Tried<'_>| {
        let mut row = json!({ "destination": tried.destination, "uses": tried.uses.split(", ").collect::<Vec<_>>() });
        match &tried.sent {
            Ok(receipt) => (row["delivered"], row["response"]) = (json!(true), json!(receipt.said)),
            Err(error) => {
                let (SendError::Later { why, remedy, .. } | SendError::Never { why, remedy }) = error;
                row["delivered"] = json!(false);
                row["retryable"] = json!(matches!(error, SendError::Later { .. }));
                row["error"] = json!(why);
                row["hint"] = json!(remedy);
            }
        }
        row
    };
    json!({ "team": team, "deliveries": tried.iter().map(one).collect::<Vec<_>>() })
}
