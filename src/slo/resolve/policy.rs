//! The error-budget policy of a class, from `fleet.yaml`.

use std::collections::BTreeMap;

use crate::hinted_error::HintedError;
use crate::slo::fleet::{Policy, PolicyStep};
use crate::slo::problem::Problem;
use crate::slo::yaml::{Percent, PolicyStepYaml, YamlFile, parse_budget_share};

/// Builds the policy of a class. An invalid step is left out, and is a problem.
pub(super) fn build_policy(
    yaml: &YamlFile<'_>,
    class: &str,
    definition: &BTreeMap<String, PolicyStepYaml>,
    problems: &mut Vec<Problem>,
) -> Policy {
    let path = ["classes", class, "policy"];
    let mut step_problems = Vec::new();
    if definition.is_empty() {
        let hint = "add steps such as `100%: deploy fixes only`, or remove the line";
        step_problems.push(yaml.key_problem(&path, "`policy` is empty", hint));
    }
    let mut steps: Vec<PolicyStep> = Vec::new();
    for (key, step) in definition {
        match build_step(key, step, &steps) {
            Ok(step) => steps.push(step),
            Err(explained) => {
                let path = ["classes", class, "policy", key];
                step_problems.push(yaml.key_problem(&path, explained.message, explained.hint));
            }
        }
    }
    problems.extend(step_problems.into_iter().map(|problem| Problem { subject: format!("class {class}"), ..problem }));
    steps.sort_by_key(|step| step.share);
    Policy { steps }
}

fn build_step(key: &str, step: &PolicyStepYaml, earlier: &[PolicyStep]) -> Result<PolicyStep, HintedError> {
    let Percent { share, text } = parse_budget_share(key)?;
    if let Some(first) = earlier.iter().find(|step| step.share == share) {
        let message = format!("`{key}` is the same share as `{}`", first.text);
        return HintedError::err(message, "remove one of the two");
    }
    let Some(then) = &step.0.then else {
        let hint = "add `then: ...` with the action to take, in words";
        return HintedError::err(format!("step `{key}` has no `then`"), hint);
    };
    Ok(PolicyStep { share, text, then: then.0.0.clone(), blocks_deploys: step.0.blocks.is_some() })
}
