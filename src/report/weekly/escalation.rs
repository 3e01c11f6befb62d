//! Escalation: what stays at risk goes from the team's report to the team's channel, and then to the platform team.
//!
//! | weeks in a row | notified |
//! |---|---|
//! | 1 | the `reports` destinations of the team |
//! | 2 | the team's `tickets` destinations too, as a note without urgency |
//! | 3 and more | the report of the fleet too |

use std::collections::BTreeMap;

use super::{WEEKLY_KEY_PREFIX, WeeklyReport, WeeklySlo};
use crate::alert::{Notification, NotificationKind};
use crate::format::pluralize;
use crate::slo::Urgency;

/// From so many weeks on the team's channel is notified.
const TEAM_ESCALATION_WEEKS: usize = 2;
/// From so many weeks on the platform team is.
const PLATFORM_ESCALATION_WEEKS: usize = 3;
/// Promises that a nudge names; the rest is counted.
const MAX_NAMED_SLOS: usize = 10;

/// What a team's channel is told.
pub struct Escalation {
    /// Which team.
    pub team: String,
    /// What it is told.
    pub message: Notification,
}

/// What the fleet's report says of promises that do not recover.
pub(super) fn recurring_lines(slos: &[WeeklySlo]) -> Vec<String> {
    let persistent = slos.iter().filter(|promise| promise.weeks_in_trouble >= PLATFORM_ESCALATION_WEEKS);
    let line = |promise: &WeeklySlo| {
        format!(
            "{}: {} for {}; agree with team {} to improve the service or to change its objective",
            promise.name_with_details(),
            promise.status.label(),
            promise.format_weeks(),
            promise.team
        )
    };
    persistent.map(line).collect()
}

impl WeeklyReport {
    /// What channels of teams are told, by the report of the fleet.
    #[must_use]
    pub fn escalations(&self) -> Vec<Escalation> {
        let mut teams: BTreeMap<&str, Vec<&WeeklySlo>> = BTreeMap::new();
        for promise in self.slos.iter().filter(|promise| promise.weeks_in_trouble >= TEAM_ESCALATION_WEEKS) {
            teams.entry(&promise.team).or_default().push(promise);
        }
        teams.into_iter().map(|(team, stuck)| self.escalation(team, &stuck)).collect()
    }

    fn escalation(&self, team: &str, persistent: &[&WeeklySlo]) -> Escalation {
        let named = persistent.iter().take(MAX_NAMED_SLOS).map(|promise| {
            let policy = promise.policy.as_ref().map_or_else(String::new, |then| format!(" Policy: {then}"));
            format!(
                "{} has been {} for {}: {}.{policy}",
                promise.name,
                promise.status.label(),
                promise.format_weeks(),
                promise.reason
            )
        });
        let mut paragraphs: Vec<String> = named.collect();
        if persistent.len() > MAX_NAMED_SLOS {
            paragraphs.push(format!("And {} more.", persistent.len() - MAX_NAMED_SLOS));
        }
        paragraphs.push(
            "No immediate action is needed. Plan a fix, or lower the objective if it is stricter than users need."
                .to_owned(),
        );
        let verb = if persistent.len() == 1 { "is" } else { "are" };
        let message = Notification {
            key: format!("{WEEKLY_KEY_PREFIX}{team}/escalation@{}", self.week),
            number: 1,
            kind: NotificationKind::Note,
            urgency: Urgency::Ticket,
            title: format!(
                "SLO week {} · {team}: {} {verb} still exhausted or at risk",
                self.week.number,
                pluralize(persistent.len(), "SLO")
            ),
            paragraphs,
            facts: Vec::new(),
            links: Vec::new(),
            service: "slowburn".to_owned(),
            team: team.to_owned(),
            class: String::new(),
            at: self.week.span.end,
        };
        Escalation { team: team.to_owned(), message }
    }
}
