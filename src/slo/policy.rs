//! What an organisation has agreed on for budgets that run low: the error-budget policy of a class.
//!
//! Absent on purpose: what to do. The words are the organisation's own; all that slowburn knows of them is which of the
//! steps stop deploys.

use std::collections::BTreeMap;

use super::problem::Problem;
use super::source_spans::{YamlPath, key_path};
use super::yaml::{BudgetShare, FromText, PolicyStepYaml, YamlFile};
use crate::rational::Rational;

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

/// Makes a policy of what was typed for a class. A step that is wrong is left out, and is a problem.
pub(super) fn build_policy(
    yaml: &YamlFile<'_>,
    class: &str,
    text: &BTreeMap<String, PolicyStepYaml>,
    problems: &mut Vec<Problem>,
) -> Policy {
    let step_path = |key: &str| key_path(&["classes", class, "policy", key]);
    let mut add_problem = |path: &YamlPath, message: String, hint: String| {
        problems.push(Problem { subject: format!("class {class}"), ..yaml.key_problem(path, message, hint) });
    };
    let mut steps: Vec<PolicyStep> = Vec::new();
    if text.is_empty() {
        let hint = "add steps such as `100%: deploy fixes only`, or remove the line".to_owned();
        add_problem(&key_path(&["classes", class, "policy"]), "`policy` is empty".to_owned(), hint);
    }
    for (key, step) in text {
        let share = match BudgetShare::from_text(key) {
            Ok(used) => used,
            Err(explained) => {
                add_problem(&step_path(key), explained.message, explained.hint);
                continue;
            }
        };
        if let Some(first) = steps.iter().find(|step| step.share == share.share) {
            add_problem(
                &step_path(key),
                format!("`{key}` is the same share as `{}`", first.text),
                "remove one of the two".to_owned(),
            );
            continue;
        }
        let Some(then) = step.then() else {
            let hint = "add `then: ...` with the action to take, in words".to_owned();
            add_problem(&step_path(key), format!("step `{key}` has no `then`"), hint);
            continue;
        };
        let then = then.to_owned();
        steps.push(PolicyStep { share: share.share, text: share.text, then, blocks_deploys: step.blocks_deploys() });
    }
    steps.sort_by_key(|step| step.share);
    Policy { steps }
}
