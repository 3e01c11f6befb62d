//! How incidents are opened, resolved and notified, from `fleet.yaml`.

use std::collections::BTreeMap;

use crate::slo::fleet::{AlertRules, Team};
use crate::slo::problem::Problem;
use crate::slo::suggest::suggestion;
use crate::slo::yaml::{AlertsYaml, Minutes, OrNone, Scalar, YamlFile};
use crate::time::format_duration;

/// The range of `resolve_after`: a condition that holds off for a day is over.
const RESOLVE_MINUTES: [u32; 2] = [1, 1_440];
/// The range of `open_within`.
const OPEN_WITHIN_MINUTES: [u32; 2] = [30, 2_880];

/// Builds the rules. An invalid setting is a problem, and keeps its default.
pub(super) fn build_alert_rules(
    yaml: &YamlFile<'_>,
    fields: &AlertsYaml,
    teams: &BTreeMap<String, Team>,
    problems: &mut Vec<Problem>,
) -> AlertRules {
    let default = AlertRules::default();
    let mut minutes_in_range = |key: &str, setting: Option<Scalar<Minutes>>, default: u32, [least, most]: [u32; 2]| {
        let minutes = setting.map_or(default, |minutes| minutes.0.0);
        if (least..=most).contains(&minutes) {
            return minutes;
        }
        let (least, most) = (format_duration(least), format_duration(most));
        let message = format!("`{}` is not between {least} and {most}", format_duration(minutes));
        let hint = format!("change the value, or remove the field for the default of {}", format_duration(default));
        problems.push(yaml.value_problem(&["alerts", key], message, hint));
        default
    };
    let shared_cause = match &fields.shared_cause {
        Some(OrNone::Disabled) => None,
        None => default.shared_cause,
        Some(OrNone::Set(shared_cause)) => default.shared_cause.map(|(services, minutes)| {
            let services = shared_cause.services.map_or(services, |services| services.0.0.max(2));
            (services, shared_cause.within.map_or(minutes, |within| within.0.0))
        }),
    };
    let rules = AlertRules {
        resolve_after_minutes: minutes_in_range(
            "resolve_after",
            fields.resolve_after,
            default.resolve_after_minutes,
            RESOLVE_MINUTES,
        ),
        open_within_minutes: minutes_in_range(
            "open_within",
            fields.open_within,
            default.open_within_minutes,
            OPEN_WITHIN_MINUTES,
        ),
        remind_pages_minutes: fields.remind_pages.map_or(default.remind_pages_minutes, |interval| interval.0.0),
        remind_tickets_minutes: fields.remind_tickets.map_or(default.remind_tickets_minutes, |interval| interval.0.0),
        stale_after_minutes: fields.stale_after.map_or(default.stale_after_minutes, |age| age.0.0),
        shared_cause,
        heartbeat: fields.heartbeat.as_ref().map(|destination| destination.0.0.clone()),
        team: fields.team.as_ref().map(|team| team.0.0.clone()),
    };
    if let Some(team) = rules.team.as_ref().filter(|team| !teams.contains_key(*team)) {
        let hint = suggestion(team, "teams in `fleet.yaml`", teams.keys().map(String::as_str))
            .unwrap_or_else(|| format!("add `{team}:` with `pages` and `tickets` to `teams`"));
        problems.push(yaml.value_problem(&["alerts", "team"], format!("unknown team `{team}`"), hint));
    }
    rules
}
