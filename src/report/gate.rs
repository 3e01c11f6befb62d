//! Whether a service may be deployed: the error-budget policy of its class against its budgets, and overrides of it.
//!
//! **Invariant:** unknown is never a yes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::slo_status::{SloStatus, lacks_recent_data};
use super::status::status_details;
use super::table::markdown_list;
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::format::{escape_markdown, format_percent, pluralize};
use crate::rational::to_f64;
use crate::slo::{Catalog, Policy, PolicyStep, Service};
use crate::time::Minute;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateDecision {
    Allow,
    Block,
    /// Too little is known, or definitions are invalid.
    Unknown,
}

#[derive(Clone, Debug)]
pub struct Gate<'a> {
    pub service: &'a Service,
    pub at: Minute,
    pub decision: GateDecision,
    pub reason: String,
    /// Each SLO and window, with the policy step that blocks deploys.
    rows: Vec<(&'a SloRow, Option<&'a PolicyStep>)>,
}

/// A deploy that was approved in spite of the policy, as it is stored and printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub at: Minute,
    pub service: String,
    pub team: String,
    pub by: String,
    pub reason: String,
    #[serde(rename = "gate")]
    pub gate_reason: String,
}

/// Decides from the rows of a service. Its definition or class has `problem_count` problems: what is missing because of
/// them might block the deploy.
pub fn decide<'a>(
    catalog: &'a Catalog,
    service: &'a Service,
    status: &'a FleetStatus,
    problem_count: usize,
) -> Gate<'a> {
    let policy = catalog.policies.get(&service.class);
    let mut rows: Vec<(&SloRow, Option<&PolicyStep>)> = status
        .rows
        .iter()
        .filter(|row| row.service == service.name)
        .map(|row| (row, policy.filter(|_| row.is_half_known()).and_then(|policy| row.budget.blocking_step(policy))))
        .collect();
    // The highest consumption first; an SLO that allows no failure and had one has consumed more than any share.
    let consumed_share = |row: &SloRow| match row.budget.consumed() {
        Some(consumed) => to_f64(consumed),
        None if row.budget.is_exceeded() => f64::INFINITY,
        None => -1.0,
    };
    rows.sort_by(|(one, _), (other, _)| consumed_share(other).total_cmp(&consumed_share(one)));
    let (decision, explanation) = decide_from_rows(policy, &service.class, &rows, problem_count);
    let name = &service.name;
    let reason = match decision {
        GateDecision::Allow => format!("deploy of {name} is allowed: {explanation}"),
        GateDecision::Block => format!("deploy of {name} is blocked: {explanation}"),
        GateDecision::Unknown => format!("cannot decide whether {name} may be deployed: {explanation}"),
    };
    Gate { service, at: status.at, decision, reason, rows }
}

fn decide_from_rows(
    policy: Option<&Policy>,
    class: &str,
    rows: &[(&SloRow, Option<&PolicyStep>)],
    problem_count: usize,
) -> (GateDecision, String) {
    let blocked: Vec<(&SloRow, &PolicyStep)> = rows.iter().filter_map(|(row, step)| Some((*row, (*step)?))).collect();
    if let Some((row, PolicyStep { text, then, .. })) = blocked.first() {
        let (consumption, more) = (describe_consumption(row), and_more_suffix(blocked.len()));
        return (GateDecision::Block, format!("{consumption}; policy at {text}: {then}{more}"));
    }
    if problem_count > 0 {
        let count = pluralize(problem_count, "problem");
        let explanation = format!("{count} in its definition or class; run `slowburn check` for details");
        return (GateDecision::Unknown, explanation);
    }
    match policy {
        None => return (GateDecision::Allow, format!("class {class} has no error-budget policy")),
        Some(policy) if !policy.blocks_deploys() => {
            return (GateDecision::Allow, format!("the error-budget policy of class {class} never blocks deploys"));
        }
        Some(_) => {}
    }
    let undecided: Vec<&SloRow> = rows.iter().map(|(row, _)| *row).filter(|row| is_undecided(row)).collect();
    if let Some(row) = undecided.first() {
        let more = and_more_suffix(undecided.len());
        return (GateDecision::Unknown, format!("{} over {}: {}{more}", row.id(), row.window, status_details(row)));
    }
    (GateDecision::Allow, rows.first().map_or_else(String::new, |(row, _)| highest_consumption(row)))
}

/// Whether too little of the window is known, or too few of the newest minutes.
fn is_undecided(row: &SloRow) -> bool {
    !row.is_half_known() || lacks_recent_data(row)
}

fn and_more_suffix(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

/// `checkout/availability used 177.3% of its error budget over 30d`.
fn describe_consumption(row: &SloRow) -> String {
    format!("{} used {} over {}", row.id(), format_consumed(row), row.window)
}

fn format_consumed(row: &SloRow) -> String {
    row.budget.consumed().map_or_else(
        || "more than its error budget of 0".to_owned(),
        |used| format!("{} of its error budget", format_percent(to_f64(used), 1)),
    )
}

fn highest_consumption(row: &SloRow) -> String {
    let SloRow { sums, window, .. } = row;
    if sums.total == 0 {
        return "no traffic".to_owned();
    }
    if row.budget.consumed().is_none() {
        return format!("{} of {} failed in {} over {window}, none allowed", sums.bad, sums.total, row.id());
    }
    format!("{}, the highest share among the service's SLOs", describe_consumption(row))
}

impl Gate<'_> {
    /// An override of the decision. Non-printing characters of both texts are escaped when they are entered.
    pub fn new_override(&self, by: String, reason: String) -> Override {
        let (service, team) = (self.service.name.clone(), self.service.team.clone());
        Override { at: self.at, service, team, by, reason, gate_reason: self.reason.clone() }
    }

    pub fn json(&self, overridden: Option<&Override>) -> Value {
        let decision = if overridden.is_some() { json!("overridden") } else { json!(self.decision) };
        let slo = |(row, step): &(&SloRow, Option<&PolicyStep>)| {
            json!({
                "slo": row.id(),
                "objective": row.objective,
                "window": row.window,
                "status": SloStatus::from_row(row).key(),
                "budget_consumed": row.budget.consumed().map(to_f64),
                "coverage": row.coverage(),
                "undecided": is_undecided(row),
                "policy": row.policy,
                "blocked_by": step,
            })
        };
        json!({
            "service": self.service.name,
            "team": self.service.team,
            "class": self.service.class,
            "at": self.at,
            "decision": decision,
            "reason": self.reason,
            "override": overridden,
            "slos": self.rows.iter().map(slo).collect::<Vec<_>>(),
        })
    }
}

/// The section of the report about policy steps that are reached; empty if there are none.
pub(super) fn policy_markdown(status: &FleetStatus) -> String {
    let describe_step = |row: &SloRow| {
        let step = row.policy.as_ref()?;
        Some(format!(
            "**{}** ({}) used {} over {}: {}.{}",
            row.id(),
            row.team,
            format_consumed(row),
            row.window,
            escape_markdown(step.then.trim_end_matches('.')),
            if step.blocks_deploys { " Deploys are blocked." } else { "" },
        ))
    };
    markdown_list("Error-budget policy", status.rows.iter().filter_map(describe_step))
}

/// The section of the report about overrides, newest first; empty if there are none.
pub fn overrides_markdown(overrides: &[Override]) -> String {
    let describe_override = |one: &Override| {
        let (by, reason) = (escape_markdown(&one.by), escape_markdown(one.reason.trim_end_matches('.')));
        let gate = escape_markdown(&one.gate_reason);
        format!("{}: **{}** ({}), by {by}: {reason}. Gate: {gate}", one.at, one.service, one.team)
    };
    markdown_list("Policy overrides", overrides.iter().rev().map(describe_override))
}
