//! What `fleet.yaml` sets for whole teams and classes: destinations, error-budget policies, and how incidents alert.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::tier::Urgency;
use crate::rational::Rational;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// Severe pages; if empty, they go to `pages`.
    pub severe: Vec<String>,
    /// Pages; if empty, they go to `severe` or `tickets`: better late than never.
    pub pages: Vec<String>,
    pub tickets: Vec<String>,
    pub reports: Vec<String>,
}

impl Team {
    pub fn destinations_for(&self, urgency: Urgency) -> Vec<String> {
        let lists = match urgency {
            Urgency::Severe => [&self.severe, &self.pages, &self.tickets],
            Urgency::Page => [&self.pages, &self.severe, &self.tickets],
            Urgency::Ticket => [&self.tickets, &self.pages, &self.severe],
        };
        lists.into_iter().find(|list| !list.is_empty()).cloned().unwrap_or_default()
    }

    /// The role of a destination: pages first, then severe pages, tickets and reports.
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

/// The error-budget policy of a class: its actions are texts of the organisation; slowburn only knows which steps block
/// deploys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Smallest share first; no two have the same share.
    pub steps: Vec<PolicyStep>,
}

// The documentation of the fields is part of the schema of the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PolicyStep {
    /// Above zero; above 1 for a budget that is more than spent.
    #[serde(skip)]
    pub share: Rational,
    /// The share of the budget from which on the step applies, as written: `75%`.
    #[serde(rename = "used")]
    pub text: String,
    /// What applies then, in the words of the policy.
    pub then: String,
    /// What the step blocks: `deploys`, or nothing.
    #[serde(rename = "blocks", serialize_with = "serialize_blocks")]
    #[schemars(with = "Vec<String>")]
    pub blocks_deploys: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn serialize_blocks<S: Serializer>(blocks_deploys: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(blocks_deploys.then_some("deploys"))
}

impl Policy {
    pub fn blocks_deploys(&self) -> bool {
        self.steps.iter().any(|step| step.blocks_deploys)
    }
}

/// How incidents are opened, resolved and notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRules {
    /// The platform team, notified of problems of the fleet itself.
    pub team: Option<String>,
    /// The time without a firing tier after which an incident resolves.
    pub resolve_after_minutes: u32,
    /// The age above which late data opens no incident.
    pub open_within_minutes: u32,
    pub remind_pages_minutes: Option<u32>,
    pub remind_tickets_minutes: Option<u32>,
    /// The number of services of a load balancer or source that have one cause if their incidents start within a number
    /// of minutes.
    pub shared_cause: Option<(u32, u32)>,
    /// The time without new data after which a source is stale.
    pub stale_after_minutes: Option<u32>,
    /// A webhook that is called after every complete run.
    pub heartbeat: Option<String>,
}

impl Default for AlertRules {
    /// As documented for each field of `fleet.yaml`.
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
