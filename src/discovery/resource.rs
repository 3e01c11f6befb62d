//! Look-ups of AWS resources: the selectors, what AWS lists, and which of it a selector means.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::serialization::is_default;
use crate::slo::{AwsScope, Tags, lacks_id, matches_load_balancer, matches_target_group};

/// A text of a definition that has to be looked up in AWS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// `app/name` or `{key=value}`.
    LoadBalancer(String),
    /// `name` or `{key=value}`.
    TargetGroup(String),
}

impl Selector {
    pub fn text(&self) -> &str {
        match self {
            Self::LoadBalancer(text) | Self::TargetGroup(text) => text,
        }
    }

    pub(super) fn is_tagged(&self) -> bool {
        is_tagged(self.text())
    }

    /// Whether the IDs of its resources have to be looked up to know their metrics.
    pub(super) fn lacks_id(&self) -> bool {
        match self {
            Self::LoadBalancer(text) => lacks_id(text),
            Self::TargetGroup(text) => is_tagged(text) || !text.contains('/'),
        }
    }
}

pub(super) fn is_tagged(text: &str) -> bool {
    Tags::parse(text).is_some()
}

/// A load balancer, or a target group behind one, which has metrics of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceId {
    /// `app/name/id`.
    pub load_balancer: String,
    /// `name/id`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target_group: Option<String>,
}

/// One look-up in an account and region, for all selectors there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryRequest {
    pub scope: AwsScope,
    pub selectors: BTreeSet<Selector>,
    pub sources: BTreeSet<String>,
}

impl DiscoveryRequest {
    pub fn needs_load_balancers(&self) -> bool {
        self.selectors.iter().any(|selector| matches!(selector, Selector::LoadBalancer(_)))
    }

    pub fn needs_target_groups(&self) -> bool {
        self.selectors.iter().any(|selector| matches!(selector, Selector::TargetGroup(_)))
    }

    pub fn needs_tags(&self) -> bool {
        self.selectors.iter().any(Selector::is_tagged)
    }
}

/// The resources of an account and region by ARN; `None` where AWS was not asked, or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    pub load_balancers: Option<BTreeSet<String>>,
    /// Target groups, with the load balancers that forward to them.
    pub target_groups: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Tags of resources. AWS lists those of some deleted resources, too
    /// (<https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>).
    pub tags: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Inventory {
    /// The resources that a selector means; `None` if they were not listed.
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
                for arn in self.load_balancers.as_ref()? {
                    let Some(load_balancer) = load_balancer_id(arn) else { continue };
                    if is_match(arn, matches_load_balancer(text, load_balancer)) {
                        resources.insert(ResourceId { load_balancer: load_balancer.to_owned(), target_group: None });
                    }
                }
            }
            Selector::TargetGroup(text) => {
                for (arn, load_balancers) in self.target_groups.as_ref()? {
                    let Some((_, group)) = arn.split_once(":targetgroup/") else { continue };
                    if is_match(arn, matches_target_group(text, group)) {
                        let load_balancers = load_balancers.iter().filter_map(|arn| load_balancer_id(arn));
                        resources.extend(load_balancers.map(|load_balancer| ResourceId {
                            load_balancer: load_balancer.to_owned(),
                            target_group: Some(group.to_owned()),
                        }));
                    }
                }
            }
        }
        Some(resources)
    }
}

/// `app/name/id` from the ARN of an Application Load Balancer. Others have no requests.
fn load_balancer_id(arn: &str) -> Option<&str> {
    let (_, load_balancer) = arn.split_once(":loadbalancer/")?;
    load_balancer.starts_with("app/").then_some(load_balancer)
}
