//! Whether a service may be deployed: the error-budget policy of its class against its budgets, and what came of it in
//! spite of it.
//!
//! **Invariant:** what is not known never counts as a yes.

use serde_json::{Value, json};

use super::counted;
use super::data::StepText;
use super::model::{Row, Status};
use super::standing::Standing;
use super::status::{percent, state};
use super::words::marked_down;
use crate::exact::to_f64;
use crate::minute::Minute;
use crate::slo::{Catalog, PolicyStep, Service};
use crate::verdict::State;

/// Whether a service may be deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing stops it.
    Go,
    /// A step of the policy does.
    Blocked,
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
    pub answer: Answer,
    /// Why, in one sentence.
    pub reason: String,
    /// Each promise and window, with the step that stops deploys.
    rows: Vec<(&'a Row, Option<&'a PolicyStep>)>,
}

/// A deploy that somebody took on themselves, whatever the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub against: String,
}

/// Decides. `faults` is the number of problems in what is said of the service or its class: what they left out might
/// stop it.
#[must_use]
pub fn decide<'a>(catalog: &'a Catalog, service: &'a Service, status: &'a Status, faults: usize) -> Gate<'a> {
    let name = &service.name;
    let policy = catalog.policies.get(&service.class);
    let rows: Vec<_> = status.rows.iter().filter(|row| row.service == *name).collect();
    let mut rows: Vec<(&Row, Option<&PolicyStep>)> =
        rows.into_iter().map(|row| (row, policy.and_then(|policy| row.budget.blocking(policy)))).collect();
    // What has used most of its budget first; a promise that allows nothing and failed has used all and more.
    let used = |row: &Row| match row.budget.consumed() {
        Some(consumed) => to_f64(consumed),
        None if row.is_spent() => f64::INFINITY,
        None => -1.0,
    };
    rows.sort_by(|(one, _), (other, _)| used(other).total_cmp(&used(one)));
    let blocked: Vec<(&Row, &PolicyStep)> = rows.iter().filter_map(|(row, step)| Some((*row, (*step)?))).collect();
    let blind: Vec<&Row> = rows.iter().map(|(row, _)| *row).filter(|row| is_unknown(row)).collect();
    let blocks = policy.is_some_and(crate::slo::Policy::blocks);
    let (answer, reason) = if let Some((row, step)) = blocked.first() {
        (Answer::Blocked, format!("deploy of {name} is blocked: {}{}", why(row, step), others(blocked.len())))
    } else if faults > 0 {
        let count = counted(faults, "problem");
        (
            Answer::Unknown,
            format!(
                "cannot decide whether {name} may be deployed: {count} in its definition or class; run `slowburn check` for details"
            ),
        )
    } else if !blocks {
        let class = &service.class;
        let why = match policy {
            None => format!("class {class} has no error-budget policy"),
            Some(_) => format!("the error-budget policy of class {class} never blocks deploys"),
        };
        (Answer::Go, format!("deploy of {name} is allowed: {why}"))
    } else if let Some(row) = blind.first() {
        let why = format!("{}/{} over {}: {}", row.service, row.slo, row.window, state(row));
        (Answer::Unknown, format!("cannot decide whether {name} may be deployed: {why}{}", others(blind.len())))
    } else {
        let most = rows.first().map(|(row, _)| *row);
        (Answer::Go, format!("deploy of {name} is allowed: {}", most.map_or_else(String::new, room)))
    };
    Gate { service, at: status.at, answer, reason, rows }
}

/// Nothing is known of the window, or too little of its newest part.
fn is_unknown(row: &Row) -> bool {
    row.sums.known == 0 || matches!(row.verdict.state, State::Blind { .. })
}

fn others(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

/// `checkout/availability used 177.3% of its error budget over 30d; policy at 100%: fixes only`.
fn why(row: &Row, step: &PolicyStep) -> String {
    format!(
        "{}/{} used {} over {}; policy at {}: {}",
        row.service,
        row.slo,
        used(row),
        row.window,
        step.text,
        step.then
    )
}

fn used(row: &Row) -> String {
    row.budget.consumed().map_or_else(
        || "more than its error budget of 0".to_owned(),
        |used| format!("{} of its error budget", percent(to_f64(used), 1)),
    )
}

/// How much of the budget is used at most.
fn room(row: &Row) -> String {
    if row.sums.total == 0 {
        return "no traffic".to_owned();
    }
    if row.budget.consumed().is_none() {
        let Row { service, slo, window, sums, .. } = row;
        return format!("{} of {} failed in {service}/{slo} over {window}, none allowed", sums.bad, sums.total);
    }
    format!(
        "{}/{} used {} over {}, the highest share among the service's SLOs",
        row.service,
        row.slo,
        used(row),
        row.window
    )
}

impl Gate<'_> {
    /// What somebody takes on themselves by deploying all the same. The texts were made harmless where they were typed.
    #[must_use]
    pub fn overridden(&self, by: String, reason: String) -> Override {
        let (service, team) = (self.service.name.clone(), self.service.team.clone());
        Override { at: self.at, service, team, by, reason, against: self.reason.clone() }
    }

    /// The decision for programs. A deploy in spite of it is `overridden`.
    #[must_use]
    pub fn json(&self, overridden: Option<&Override>) -> Value {
        let decision = match (overridden, self.answer) {
            (Some(_), _) => "overridden",
            (None, Answer::Go) => "allow",
            (None, Answer::Blocked) => "block",
            (None, Answer::Unknown) => "unknown",
        };
        let slo = |(row, step): &(&Row, Option<&PolicyStep>)| {
            json!({
                "slo": format!("{}/{}", row.service, row.slo),
                "objective": row.objective,
                "window": row.window,
                "status": Standing::of(row).key(),
                "budget_consumed": row.budget.consumed().map(to_f64),
                "coverage": row.coverage(),
                "undecided": is_unknown(row),
                "policy": row.policy.as_ref().map(StepText::of),
                "blocked_by": step.map(StepText::of),
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

fn override_json(one: &Override) -> Value {
    json!({
        "at": one.at.to_string(), "service": one.service, "team": one.team, "by": one.by, "reason": one.reason,
        "gate": one.against,
    })
}

/// What follows from the policies by what is used now: a section of the report; nothing where no step is reached.
#[must_use]
pub(super) fn policy_markdown(status: &Status) -> String {
    let mut text = String::new();
    for row in &status.rows {
        let Some(step) = &row.policy else { continue };
        let stops = if step.blocks_deploys { " Deploys are blocked." } else { "" };
        text.push_str(&format!(
            "- **{}/{}** ({}) used {} over {}: {}.{stops}\n",
            row.service,
            row.slo,
            row.team,
            used(row),
            row.window,
            marked_down(step.then.trim_end_matches('.')),
        ));
    }
    if text.is_empty() { text } else { format!("\n## Error-budget policy\n\n{text}") }
}

/// Deploys in spite of the policy for people, newest first; nothing if there were none.
#[must_use]
pub fn overrides_markdown(overrides: &[Override]) -> String {
    let mut text = String::new();
    for one in overrides.iter().rev() {
        text.push_str(&format!(
            "- {}: **{}** ({}), by {}: {}. Gate: {}\n",
            one.at,
            one.service,
            one.team,
            marked_down(&one.by),
            marked_down(one.reason.trim_end_matches('.')),
            marked_down(&one.against),
        ));
    }
    if text.is_empty() { text } else { format!("\n## Policy overrides\n\n{text}") }
}

/// The same for programs, oldest first.
#[must_use]
pub fn overrides_json(overrides: &[Override]) -> Value {
    overrides.iter().map(override_json).collect()
}
