//! What an organisation has agreed on for budgets that run low: the error-budget policy of a class.
//!
//! Absent on purpose: what to do. The words are the organisation's own; all that slowburn knows of them is which of the
//! steps stop deploys.

use std::collections::BTreeMap;

use super::file::{FromText, Page, StepText, Used};
use super::positions::{Path, keys};
use super::problem::Problem;
use crate::exact::Exact;

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
    pub share: Exact,
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
    pub fn blocks(&self) -> bool {
        self.steps.iter().any(|step| step.blocks_deploys)
    }
}

/// Makes a policy of what was typed for a class. A step that is wrong is left out, and is a problem.
pub(super) fn policy(
    page: &Page<'_>,
    class: &str,
    text: &BTreeMap<String, StepText>,
    problems: &mut Vec<Problem>,
) -> Policy {
    let path = |key: &str| keys(&["classes", class, "policy", key]);
    let mut found = |path: &Path, message: String, hint: String| {
        problems.push(Problem { subject: format!("class {class}"), ..page.of_key(path, message, hint) });
    };
    let mut steps: Vec<PolicyStep> = Vec::new();
    if text.is_empty() {
        let hint = "add steps such as `100%: deploy fixes only`, or remove the line".to_owned();
        found(&keys(&["classes", class, "policy"]), "`policy` is empty".to_owned(), hint);
    }
    for (key, step) in text {
        let used = match Used::from_text(key) {
            Ok(used) => used,
            Err(refusal) => {
                found(&path(key), refusal.message, refusal.hint);
                continue;
            }
        };
        if let Some(first) = steps.iter().find(|step| step.share == used.share) {
            found(
                &path(key),
                format!("`{key}` is the same share as `{}`", first.text),
                "remove one of the two".to_owned(),
            );
            continue;
        }
        let Some(then) = step.then() else {
            let hint = "add `then: ...` with the action to take, in words".to_owned();
            found(&path(key), format!("step `{key}` has no `then`"), hint);
            continue;
        };
        let then = then.to_owned();
        steps.push(PolicyStep { share: used.share, text: used.text, then, blocks_deploys: step.blocks_deploys() });
    }
    steps.sort_by_key(|step| step.share);
    Policy { steps }
}
