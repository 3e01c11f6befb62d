//! A budget against the error-budget policy of its class: which step it has come to.

use super::ErrorBudget;
use crate::slo::{Policy, PolicyStep};

impl ErrorBudget {
    /// The step of a policy that it has come to: the last one whose share is used, exactly or more. `None` below the
    /// first.
    ///
    /// Where nothing may fail at all, all of the budget and more is used by the first bad event.
    pub fn reached_step<'p>(&self, policy: &'p Policy) -> Option<&'p PolicyStep> {
        policy.steps.iter().rfind(|step| self.has_reached(step))
    }

    /// The step that stops deploys, if one does: a later step does not lift what an earlier one has stopped.
    pub fn blocking_step<'p>(&self, policy: &'p Policy) -> Option<&'p PolicyStep> {
        policy.steps.iter().rfind(|step| step.blocks_deploys && self.has_reached(step))
    }

    fn has_reached(&self, step: &PolicyStep) -> bool {
        self.consumed().map_or_else(|| self.is_exceeded(), |consumed| consumed >= step.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Sums;
    use crate::rational::parse_percent;
    use crate::slo::Objective;

    fn step(share: &str, blocks_deploys: bool) -> PolicyStep {
        PolicyStep { share: parse_percent(share).unwrap(), text: share.to_owned(), then: String::new(), blocks_deploys }
    }

    fn reached<'p>(policy: &'p Policy, objective: &str, total: u64, bad: u64) -> [Option<&'p str>; 2] {
        let objective = Objective { share: parse_percent(objective).unwrap(), text: objective.to_owned() };
        let budget = ErrorBudget::new(Sums { total, bad, known: 1 }, &objective);
        [budget.reached_step(policy), budget.blocking_step(policy)].map(|step| step.map(|step| step.text.as_str()))
    }

    #[test]
    fn policy_step_applies_from_exactly_its_share() {
        let policy = Policy { steps: vec![step("50%", false), step("75%", true), step("100%", false)] };
        let steps_at = |bad| reached(&policy, "99.9%", 100_000, bad);
        assert_eq!(steps_at(49), [None, None]);
        assert_eq!(steps_at(50), [Some("50%"), None]);
        assert_eq!(steps_at(74), [Some("50%"), None]);
        assert_eq!(steps_at(75), [Some("75%"), Some("75%")]);
        assert_eq!(steps_at(100), [Some("100%"), Some("75%")]);
        assert_eq!(reached(&policy, "99.9%", 0, 0), [None, None]);
        assert_eq!(reached(&policy, "100%", 10, 0), [None, None]);
        assert_eq!(reached(&policy, "100%", 10, 1), [Some("100%"), Some("75%")]);
    }
}
