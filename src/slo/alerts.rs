//! What a fleet says of its incidents: how they end, how often they are told of, and who hears of the fleet itself.

use std::collections::BTreeMap;

use super::file::{AlertsText, Page, Switch};
use super::positions::keys;
use super::problem::Problem;
use super::suggest::suggestion;
use super::{AlertRules, Team};
use crate::minute::length_text;

/// A day: what takes longer to be called over is not over.
const RESOLVE_MINUTES_MAX: u32 = 1_440;
/// The least and the most that late data may change.
const OPEN_WITHIN: [u32; 2] = [30, 2_880];

/// Makes rules of what was typed. What is wrong is left as it is by default, and is a problem.
pub(super) fn rules(
    page: &Page<'_>,
    text: &AlertsText,
    teams: &BTreeMap<String, Team>,
    problems: &mut Vec<Problem>,
) -> AlertRules {
    let default = AlertRules::default();
    let mut within = |key: &str, said: Option<u32>, default: u32, [least, most]: [u32; 2]| {
        let minutes = said.unwrap_or(default);
        if (least..=most).contains(&minutes) {
            return minutes;
        }
        let (least, most) = (length_text(least), length_text(most));
        let message = format!("`{}` is not between {least} and {most}", length_text(minutes));
        problems.push(page.of_value(
            &keys(&["alerts", key]),
            message,
            format!("change the value, or remove the field for the default of {}", length_text(default)),
        ));
        default
    };
    let length = |length: &Option<super::file::Typed<super::file::Length>>| length.as_ref().map(|length| length.0.0);
    let pause = |pause: &Option<super::file::Typed<super::file::Pause>>, default: Option<u32>| {
        pause.as_ref().map_or(default, |pause| pause.0.0)
    };
    let shared = match &text.shared_cause {
        Some(Switch::Off) => None,
        None => default.shared_cause,
        Some(Switch::On(shared)) => {
            let (services, minutes) = default.shared_cause.unwrap_or((5, 10));
            let services = shared.services.as_ref().map_or(services, |services| services.0.0.max(2));
            Some((services, length(&shared.within).unwrap_or(minutes)))
        }
    };
    let rules = AlertRules {
        resolve_after: within(
            "resolve_after",
            length(&text.resolve_after),
            default.resolve_after,
            [1, RESOLVE_MINUTES_MAX],
        ),
        open_within: within("open_within", length(&text.open_within), default.open_within, OPEN_WITHIN),
        remind_pages: pause(&text.remind_pages, default.remind_pages),
        remind_tickets: pause(&text.remind_tickets, default.remind_tickets),
        stale_after: pause(&text.stale_after, default.stale_after),
        shared_cause: shared,
        heartbeat: text.heartbeat.as_ref().map(|destination| destination.0.0.clone()),
        team: text.team.as_ref().map(|team| team.0.0.clone()),
    };
    if let Some(team) = rules.team.as_ref().filter(|team| !teams.contains_key(*team)) {
        let hint = suggestion(team, "teams in `fleet.yaml`", teams.keys().map(String::as_str))
            .unwrap_or_else(|| format!("add `{team}:` with `pages` and `tickets` to `teams`"));
        problems.push(page.of_value(&keys(&["alerts", "team"]), format!("unknown team `{team}`"), hint));
    }
    rules
}
