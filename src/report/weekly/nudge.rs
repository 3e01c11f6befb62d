//! Escalation: what stays at risk goes from the team's report to the team's channel, and then to the platform team.
//!
//! | weeks in a row | notified |
//! |---|---|
//! | 1 | the `reports` destinations of the team |
//! | 2 | the team's `tickets` destinations too, as a note without urgency |
//! | 3 and more | the report of the fleet too |

use std::collections::BTreeMap;

use super::{Promise, WEEKLY, Weekly};
use crate::alert::{Message, Phase};
use crate::report::counted;
use crate::slo::Urgency;

/// From so many weeks on the team's channel is notified.
const CHANNEL_WEEKS: usize = 2;
/// From so many weeks on the platform team is.
const FLEET_WEEKS: usize = 3;
/// Promises that a nudge names; the rest is counted.
const NAMED_MAX: usize = 10;

/// What a team's channel is told.
pub struct Nudge {
    /// Which team.
    pub team: String,
    /// What it is told.
    pub message: Message,
}

/// What the fleet's report says of promises that do not recover.
pub(super) fn again_and_again(promises: &[Promise]) -> Vec<String> {
    let stuck = promises.iter().filter(|promise| promise.weeks >= FLEET_WEEKS);
    let line = |promise: &Promise| {
        format!(
            "{}: {} for {}; agree with team {} to improve the service or to change its objective",
            promise.named(),
            promise.standing.word(),
            promise.for_weeks(),
            promise.team
        )
    };
    stuck.map(line).collect()
}

impl Weekly {
    /// What channels of teams are told, by the report of the fleet.
    #[must_use]
    pub fn nudges(&self) -> Vec<Nudge> {
        let mut teams: BTreeMap<&str, Vec<&Promise>> = BTreeMap::new();
        for promise in self.promises.iter().filter(|promise| promise.weeks >= CHANNEL_WEEKS) {
            teams.entry(&promise.team).or_default().push(promise);
        }
        teams.into_iter().map(|(team, stuck)| self.nudge(team, &stuck)).collect()
    }

    fn nudge(&self, team: &str, stuck: &[&Promise]) -> Nudge {
        let named = stuck.iter().take(NAMED_MAX).map(|promise| {
            let policy = promise.policy.as_ref().map_or_else(String::new, |then| format!(" Policy: {then}"));
            format!(
                "{} has been {} for {}: {}.{policy}",
                promise.name,
                promise.standing.word(),
                promise.for_weeks(),
                promise.why
            )
        });
        let mut paragraphs: Vec<String> = named.collect();
        if stuck.len() > NAMED_MAX {
            paragraphs.push(format!("And {} more.", stuck.len() - NAMED_MAX));
        }
        paragraphs.push(
            "No immediate action is needed. Plan a fix, or lower the objective if it is stricter than users need."
                .to_owned(),
        );
        let is = if stuck.len() == 1 { "is" } else { "are" };
        let message = Message {
            key: format!("{WEEKLY}{team}/escalation@{}", self.week),
            number: 1,
            phase: Phase::Note,
            urgency: Urgency::Ticket,
            title: format!(
                "SLO week {} · {team}: {} {is} still exhausted or at risk",
                self.week.number,
                counted(stuck.len(), "SLO")
            ),
            paragraphs,
            facts: Vec::new(),
            links: Vec::new(),
            service: "slowburn".to_owned(),
            team: team.to_owned(),
            class: String::new(),
            at: self.week.span.end,
        };
        Nudge { team: team.to_owned(), message }
    }
}
