//! What `fleet.yaml` sets for whole teams and classes: destinations, error-budget policies, and how incidents alert.

use super::tier::Urgency;
use crate::rational::Rational;

/// A team, and where its pages, tickets and reports go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// Destinations of the highest urgency; if there are none, those of pages.
    pub severe: Vec<String>,
    /// Destinations of high urgency; if there are none, those of tickets: better late than never.
    pub pages: Vec<String>,
    /// Destinations of low urgency.
    pub tickets: Vec<String>,
    /// Destinations of the weekly report.
    pub reports: Vec<String>,
}

impl Team {
    /// Where something of this urgency goes.
    #[must_use]
    pub fn destinations_for(&self, urgency: Urgency) -> Vec<String> {
        let lists = match urgency {
            Urgency::Severe => [&self.severe, &self.pages, &self.tickets],
            Urgency::Page => [&self.pages, &self.severe, &self.tickets],
            Urgency::Ticket => [&self.tickets, &self.pages, &self.severe],
        };
        lists.into_iter().find(|list| !list.is_empty()).cloned().unwrap_or_default()
    }

    /// What a destination is for; of several roles the most urgent.
    #[must_use]
    pub fn role(&self, destination: &str) -> Option<&'static str> {
        let roles = [
            ("pages", &self.pages),
            ("severe pages", &self.severe),
            ("tickets", &self.tickets),
            ("reports", &self.reports),
        ];
        roles.into_iter().find(|(_, list)| list.iter().any(|one| one == destination)).map(|(role, _)| role)
    }
}

/// The policy of a class: its steps, the smallest share first; no two have the same share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What follows when.
    pub steps: Vec<PolicyStep>,
}

/// What follows when a share of the budget is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStep {
    /// The share of the budget from which on it holds: above zero, and above 1 for a budget that is more than spent.
    pub share: Rational,
    /// As it was written: `75%`.
    pub text: String,
    /// What follows, in the organisation's words.
    pub then: String,
    /// Whether nothing but what repairs is to be deployed.
    pub blocks_deploys: bool,
}

impl Policy {
    /// Whether any step stops deploys.
    #[must_use]
    pub fn blocks_deploys(&self) -> bool {
        self.steps.iter().any(|step| step.blocks_deploys)
    }
}

/// How incidents are told of. Lengths are in minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRules {
    /// The team that hears of the fleet itself; without it nobody does.
    pub team: Option<String>,
    /// How many calm minutes end an incident.
    pub resolve_after_minutes: u32,
    /// No incident is opened for what is older, however late it is heard of.
    pub open_within_minutes: u32,
    /// After how long an open page is said again.
    pub remind_pages_minutes: Option<u32>,
    /// After how long an open ticket is said again.
    pub remind_tickets_minutes: Option<u32>,
    /// How many services of a load balancer or a source have one cause if they begin to burn within so many minutes.
    pub shared_cause: Option<(u32, u32)>,
    /// After how long without anything new a source counts as silent.
    pub stale_after_minutes: Option<u32>,
    /// Called at the end of each run.
    pub heartbeat: Option<String>,
}

impl Default for AlertRules {
    /// What is documented of each field in `fleet.yaml`.
    fn default() -> Self {
        Self {
            team: None,
            resolve_after_minutes: 15,
            open_within_minutes: 360,
            remind_pages_minutes: Some(240),
            remind_tickets_minutes: Some(3 * 1_440),
            shared_cause: Some((5, 10)),
            stale_after_minutes: Some(180),
            heartbeat: None,
        }
    }
}
