//! What a fleet says of its incidents: how they end, how often they are told of, and who hears of the fleet itself.

use std::collections::BTreeMap;

use super::problem::Problem;
use super::source_spans::key_path;
use super::suggest::suggestion;
use super::yaml::{AlertsYaml, OrNone, YamlFile};
use super::{AlertRules, Team};
use crate::time::format_duration;

/// A day: what takes longer to be called over is not over.
const RESOLVE_MINUTES_MAX: u32 = 1_440;
/// The least and the most that late data may change.
const OPEN_WITHIN_MINUTES: [u32; 2] = [30, 2_880];

/// Makes rules of what was typed. What is wrong is left as it is by default, and is a problem.
pub(super) fn build_alert_rules(
    yaml: &YamlFile<'_>,
    text: &AlertsYaml,
    teams: &BTreeMap<String, Team>,
    problems: &mut Vec<Problem>,
) -> AlertRules {
    let default = AlertRules::default();
    let mut minutes_in_range = |key: &str, configured: Option<u32>, default: u32, [least, most]: [u32; 2]| {
        let minutes = configured.unwrap_or(default);
        if (least..=most).contains(&minutes) {
            return minutes;
        }
        let (least, most) = (format_duration(least), format_duration(most));
        let message = format!("`{}` is not between {least} and {most}", format_duration(minutes));
        problems.push(yaml.value_problem(
            &key_path(&["alerts", key]),
            message,
            format!("change the value, or remove the field for the default of {}", format_duration(default)),
        ));
        default
    };
    let minutes = |length: &Option<super::yaml::Scalar<super::yaml::Minutes>>| length.as_ref().map(|length| length.0.0);
    let interval = |pause: &Option<super::yaml::Scalar<super::yaml::DurationOrNone>>, default: Option<u32>| {
        pause.as_ref().map_or(default, |pause| pause.0.0)
    };
    let shared_cause = match &text.shared_cause {
        Some(OrNone::Disabled) => None,
        None => default.shared_cause,
        Some(OrNone::Set(shared_cause)) => {
            let (default_services, default_minutes) = default.shared_cause.unwrap_or((5, 10));
            let services = shared_cause.services.as_ref().map_or(default_services, |services| services.0.0.max(2));
            Some((services, minutes(&shared_cause.within).unwrap_or(default_minutes)))
        }
    };
    let rules = AlertRules {
        resolve_after_minutes: minutes_in_range(
            "resolve_after",
            minutes(&text.resolve_after),
            default.resolve_after_minutes,
            [1, RESOLVE_MINUTES_MAX],
        ),
        open_within_minutes: minutes_in_range(
            "open_within",
            minutes(&text.open_within),
            default.open_within_minutes,
            OPEN_WITHIN_MINUTES,
        ),
        remind_pages_minutes: interval(&text.remind_pages, default.remind_pages_minutes),
        remind_tickets_minutes: interval(&text.remind_tickets, default.remind_tickets_minutes),
        stale_after_minutes: interval(&text.stale_after, default.stale_after_minutes),
        shared_cause,
        heartbeat: text.heartbeat.as_ref().map(|destination| destination.0.0.clone()),
        team: text.team.as_ref().map(|team| team.0.0.clone()),
    };
    if let Some(team) = rules.team.as_ref().filter(|team| !teams.contains_key(*team)) {
        let hint = suggestion(team, "teams in `fleet.yaml`", teams.keys().map(String::as_str))
            .unwrap_or_else(|| format!("add `{team}:` with `pages` and `tickets` to `teams`"));
        problems.push(yaml.value_problem(&key_path(&["alerts", "team"]), format!("unknown team `{team}`"), hint));
    }
    rules
}
