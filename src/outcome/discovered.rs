//! What a run has to say of names and tags that were looked up: what was not there, and what AWS did not list.

use std::collections::{BTreeMap, BTreeSet};

use super::{Said, some_of};
use crate::discovery::{Discovery, LookUp, Lost, Selector};
use crate::fetch::discovery::Unlisted;
use crate::minute::Minute;
use crate::report::counted;
use crate::slo::Tags;

impl Said {
    /// What AWS did not list. What was found before is asked on.
    pub fn unlisted(&mut self, look_up: &LookUp, before: &Discovery, refused: &[Unlisted]) {
        let place = place(look_up);
        let known = look_up.selectors.iter().filter(|selector| before.knows(&look_up.reach, selector)).count();
        let rest = match (known, look_up.selectors.len() - known) {
            (_, 0) => "the results of the last discovery are used".to_owned(),
            (0, _) => "the SLOs that need it have no data".to_owned(),
            (_, unknown) => {
                format!("the results of the last discovery are used, without {}", counted(unknown, "new selector"))
            }
        };
        // What is in the way of all is said once.
        let mut kinds: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
        for Unlisted { permission, refusal } in refused {
            let remedy = match refusal.code.as_str() {
                _ if refusal.lacks_credentials => refusal.remedy().to_owned(),
                "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
                    format!("grant the role `{permission}` on `*`")
                }
                _ => refusal.remedy().to_owned(),
            };
            kinds.entry((&refusal.said, remedy)).or_default().push(format!("`{permission}`"));
        }
        let sources: Vec<String> = look_up.sources.iter().map(|source| format!("`{source}`")).collect();
        for ((said, remedy), permissions) in kinds {
            self.faults.push(format!(
                "{}: cannot discover load balancers in {place} with {}: {said}; {rest}\nhint: {remedy}",
                sources.join(", "),
                permissions.join(", "),
            ));
        }
    }

    /// What the last look did not find.
    pub fn lost(&mut self, lost: &BTreeSet<Lost>) {
        let mut kinds: BTreeMap<(&str, bool, bool), Vec<&Lost>> = BTreeMap::new();
        for one in lost {
            let is_balancer = matches!(one.selector, Selector::Balancer(_));
            let is_tagged = Tags::read(one.selector.text()).is_some();
            kinds.entry((&one.source, is_balancer, is_tagged)).or_default().push(one);
        }
        for ((source, is_balancer, is_tagged), lost) in kinds {
            let named = some_of(lost.iter().map(|one| one_of(&one.selector, one.gone)));
            let (what, called) = match (is_balancer, is_tagged) {
                (true, false) => ("application load balancer", "named"),
                (true, true) => ("application load balancer", "tagged"),
                (false, false) => ("target group of a load balancer", "named"),
                (false, true) => ("target group of a load balancer", "tagged"),
            };
            let operation = if is_balancer { "describe-load-balancers" } else { "describe-target-groups" };
            let hint = if is_tagged {
                "tag the resource itself with exactly this key and value, in the source's region and account; \
                 `aws resourcegroupstaggingapi get-resources` lists tags"
                    .to_owned()
            } else {
                format!("check the name, and the source's region and account: `aws elbv2 {operation}` lists names")
            };
            self.faults
                .push(format!("`{source}`: no {what} {called} {named} found; its SLOs have no data\nhint: {hint}"));
        }
    }
}

fn one_of(selector: &Selector, gone: Option<Minute>) -> String {
    let text = selector.text();
    let gone = gone.map_or_else(String::new, |gone| format!(" (missing since {gone})"));
    format!("`{text}`{gone}")
}

fn place(look_up: &LookUp) -> String {
    let region = look_up.reach.region.as_deref().unwrap_or("the region in `AWS_REGION`");
    match &look_up.reach.role_arn {
        Some(role) => format!("{region} as {role}"),
        None => region.to_owned(),
    }
}
