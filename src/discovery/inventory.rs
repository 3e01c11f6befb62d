//! What AWS listed, and which of it a selector means.

use std::collections::{BTreeMap, BTreeSet};

use super::{ResourceId, Selector, matches_load_balancer, matches_target_group};
use crate::slo::Tags;

/// What AWS listed of an account and region, by ARN; `None` for what it was not asked, or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Load balancers.
    pub load_balancers: Option<BTreeSet<String>>,
    /// Target groups, with the balancers that they are behind.
    pub target_groups: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Tags of resources. AWS lists those of some that are gone, too
    /// (<https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>).
    pub tags: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Inventory {
    /// What a selector means; `None` if that was not seen.
    pub(super) fn resources(&self, selector: &Selector) -> Option<BTreeSet<ResourceId>> {
        let tags = match Tags::parse(selector.text()) {
            Some(tags) => Some((tags, self.tags.as_ref()?)),
            None => None,
        };
        let is_match = |arn: &String, matches_name: bool| match &tags {
            Some((wanted, tags)) => tags.get(arn).is_some_and(|tags| wanted.matches(tags)),
            None => matches_name,
        };
        let mut resources = BTreeSet::new();
        match selector {
            Selector::LoadBalancer(text) => {
                for (arn, balancer) in
                    self.load_balancers.as_ref()?.iter().filter_map(|arn| Some((arn, load_balancer_id(arn)?)))
                {
                    if is_match(arn, matches_load_balancer(text, balancer)) {
                        resources.insert(ResourceId { load_balancer: balancer.to_owned(), target_group: None });
                    }
                }
            }
            Selector::TargetGroup(text) => {
                for (arn, balancers) in self.target_groups.as_ref()? {
                    let Some((_, group)) = arn.split_once(":targetgroup/") else { continue };
                    if is_match(arn, matches_target_group(text, group)) {
                        let load_balancers = balancers.iter().filter_map(|arn| load_balancer_id(arn));
                        let resource = |balancer: &str| ResourceId {
                            load_balancer: balancer.to_owned(),
                            target_group: Some(group.to_owned()),
                        };
                        resources.extend(load_balancers.map(resource));
                    }
                }
            }
        }
        Some(resources)
    }
}

/// `app/name/id` out of an ARN. Others have no requests.
fn load_balancer_id(arn: &str) -> Option<&str> {
    let (_, balancer) = arn.split_once(":loadbalancer/")?;
    balancer.starts_with("app/").then_some(balancer)
}
