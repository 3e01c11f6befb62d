//! Whether a service may be deployed: the error-budget policy of its class against its budgets, and what came of it in
//! spite of it.
//!
//! **Invariant:** what is not known never counts as a yes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::export::PolicyStepJson;
use super::model::{FleetStatus, SloRow};
use super::slo_status::SloStatus;
use super::status::status_details;
use crate::evaluation::SloState;
use crate::format::{escape_markdown, format_percent, pluralize};
use crate::rational::to_f64;
use crate::slo::{Catalog, PolicyStep, Service};
use crate::time::Minute;

/// Whether a service may be deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateDecision {
    /// Nothing stops it.
    Allow,
    /// A step of the policy does.
    Block,
    /// Nobody can say.
    Unknown,
}

/// The answer for one service at one moment, with what it comes from.
#[derive(Clone, Debug)]
pub struct Gate<'a> {
    /// Whose deploy it is about.
    pub service: &'a Service,
    /// The moment that was looked at.
    pub at: Minute,
    /// Whether it may be deployed.
    pub decision: GateDecision,
    /// Why, in one sentence.
    pub reason: String,
    /// Each promise and window, with the step that stops deploys.
    rows: Vec<(&'a SloRow, Option<&'a PolicyStep>)>,
}

/// A deploy that somebody took on themselves, whatever the policy says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// When.
    pub at: Minute,
    /// What was deployed.
    pub service: String,
    /// The team that owns it.
    pub team: String,
    /// Who says so.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// What it was done in spite of.
    #[serde(rename = "gate")]
    pub gate_reason: String,
}

/// Decides. `faults` is the number of problems in what is said of the service or its class: what they left out might
/// stop it.
#[must_use]
pub fn decide<'a>(
    catalog: &'a Catalog,
    service: &'a Service,
    status: &'a FleetStatus,
    problem_count: usize,
) -> Gate<'a> {
    let name = &service.name;
    let policy = catalog.policies.get(&service.class);
    let rows: Vec<_> = status.rows.iter().filter(|row| row.service == *name).collect();
    let mut rows: Vec<(&SloRow, Option<&PolicyStep>)> =
        rows.into_iter().map(|row| (row, policy.and_then(|policy| row.budget.blocking_step(policy)))).collect();
    // What has used most of its budget first; a promise that allows nothing and failed has used all and more.
    let consumed_share = |row: &SloRow| match row.budget.consumed() {
        Some(consumed) => to_f64(consumed),
        None if row.is_exceeded() => f64::INFINITY,
        None => -1.0,
    };
    rows.sort_by(|(one, _), (other, _)| consumed_share(other).total_cmp(&consumed_share(one)));
    let blocked: Vec<(&SloRow, &PolicyStep)> = rows.iter().filter_map(|(row, step)| Some((*row, (*step)?))).collect();
    let undecided: Vec<&SloRow> = rows.iter().map(|(row, _)| *row).filter(|row| is_undecided(row)).collect();
    let blocks_deploys = policy.is_some_and(crate::slo::Policy::blocks_deploys);
    let (decision, reason) = if let Some((row, step)) = blocked.first() {
        (
            GateDecision::Block,
            format!("deploy of {name} is blocked: {}{}", block_reason(row, step), and_more_suffix(blocked.len())),
        )
    } else if problem_count > 0 {
        let count = pluralize(problem_count, "problem");
        (
            GateDecision::Unknown,
            format!(
                "cannot decide whether {name} may be deployed: {count} in its definition or class; run `slowburn check` for details"
            ),
        )
    } else if !blocks_deploys {
        let class = &service.class;
        let why = match policy {
            None => format!("class {class} has no error-budget policy"),
            Some(_) => format!("the error-budget policy of class {class} never blocks deploys"),
        };
        (GateDecision::Allow, format!("deploy of {name} is allowed: {why}"))
    } else if let Some(row) = undecided.first() {
        let why = format!("{}/{} over {}: {}", row.service, row.slo, row.window, status_details(row));
        (
            GateDecision::Unknown,
            format!("cannot decide whether {name} may be deployed: {why}{}", and_more_suffix(undecided.len())),
        )
    } else {
        let highest = rows.first().map(|(row, _)| *row);
        (
            GateDecision::Allow,
            format!("deploy of {name} is allowed: {}", highest.map_or_else(String::new, highest_consumption)),
        )
    };
    Gate { service, at: status.at, decision, reason, rows }
}

/// Nothing is known of the window, or too little of its newest part.
fn is_undecided(row: &SloRow) -> bool {
    row.sums.known == 0 || matches!(row.evaluation.state, SloState::NoData { .. })
}

fn and_more_suffix(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

/// `checkout/availability used 177.3% of its error budget over 30d; policy at 100%: fixes only`.
fn block_reason(row: &SloRow, step: &PolicyStep) -> String {
    format!(
        "{}/{} used {} over {}; policy at {}: {}",
        row.service,
        row.slo,
        format_consumed(row),
        row.window,
        step.text,
        step.then
    )
}

fn format_consumed(row: &SloRow) -> String {
    row.budget.consumed().map_or_else(
        || "more than its error budget of 0".to_owned(),
        |used| format!("{} of its error budget", format_percent(to_f64(used), 1)),
    )
}

/// How much of the budget is used at most.
fn highest_consumption(row: &SloRow) -> String {
    if row.sums.total == 0 {
        return "no traffic".to_owned();
    }
    if row.budget.consumed().is_none() {
        let SloRow { service, slo, window, sums, .. } = row;
        return format!("{} of {} failed in {service}/{slo} over {window}, none allowed", sums.bad, sums.total);
    }
    format!(
        "{}/{} used {} over {}, the highest share among the service's SLOs",
        row.service,
        row.slo,
        format_consumed(row),
        row.window
    )
}

impl Gate<'_> {
    /// What somebody takes on themselves by deploying all the same. The texts were made harmless where they were typed.
    #[must_use]
    pub fn new_override(&self, by: String, reason: String) -> Override {
        let (service, team) = (self.service.name.clone(), self.service.team.clone());
        Override { at: self.at, service, team, by, reason, gate_reason: self.reason.clone() }
    }

    /// The decision for programs. A deploy in spite of it is `overridden`.
    #[must_use]
    pub fn json(&self, overridden: Option<&Override>) -> Value {
        let decision = match (overridden, self.decision) {
            (Some(_), _) => "overridden",
            (None, GateDecision::Allow) => "allow",
            (None, GateDecision::Block) => "block",
            (None, GateDecision::Unknown) => "unknown",
        };
        let slo = |(row, step): &(&SloRow, Option<&PolicyStep>)| {
            json!({
                "slo": format!("{}/{}", row.service, row.slo),
                "objective": row.objective,
                "window": row.window,
                "status": SloStatus::from_row(row).key(),
                "budget_consumed": row.budget.consumed().map(to_f64),
                "coverage": row.coverage(),
                "undecided": is_undecided(row),
                "policy": row.policy.as_ref().map(PolicyStepJson::new),
                "blocked_by": step.map(PolicyStepJson::new),
            })
        };
        json!({
            "service": self.service.name,
            "team": self.service.team,
            "class": self.service.class,
            "at": self.at.to_string(),
            "decision": decision,
            "reason": self.reason,
            "override": overridden.map(override_json),
            "slos": self.rows.iter().map(slo).collect::<Vec<_>>(),
        })
    }
}

fn override_json(gate_override: &Override) -> Value {
    json!({
        "at": gate_override.at.to_string(), "service": gate_override.service, "team": gate_override.team, "by": gate_override.by, "reason": gate_override.reason,
        "gate": gate_override.gate_reason,
    })
}

/// What follows from the policies by what is used now: a section of the report; nothing where no step is reached.
#[must_use]
pub(super) fn policy_markdown(status: &FleetStatus) -> String {
    let mut text = String::new();
    for row in &status.rows {
        let Some(step) = &row.policy else { continue };
        let blocked_note = if step.blocks_deploys { " Deploys are blocked." } else { "" };
        text.push_str(&format!(
            "- **{}/{}** ({}) used {} over {}: {}.{blocked_note}\n",
            row.service,
            row.slo,
            row.team,
            format_consumed(row),
            row.window,
            escape_markdown(step.then.trim_end_matches('.')),
        ));
    }
    if text.is_empty() { text } else { format!("\n## Error-budget policy\n\n{text}") }
}

/// Deploys in spite of the policy for people, newest first; nothing if there were none.
#[must_use]
pub fn overrides_markdown(overrides: &[Override]) -> String {
    let mut text = String::new();
    for gate_override in overrides.iter().rev() {
        text.push_str(&format!(
            "- {}: **{}** ({}), by {}: {}. Gate: {}\n",
            gate_override.at,
            gate_override.service,
            gate_override.team,
            escape_markdown(&gate_override.by),
            escape_markdown(gate_override.reason.trim_end_matches('.')),
            escape_markdown(&gate_override.gate_reason),
        ));
    }
    if text.is_empty() { text } else { format!("\n## Policy overrides\n\n{text}") }
}

/// The same for programs, oldest first.
#[must_use]
pub fn overrides_json(overrides: &[Override]) -> Value {
    overrides.iter().map(override_json).collect()
}
