//! Load balancers, target groups and tags of an account and region, listed without naming any: a name that is not there
//! would refuse the whole request.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancers.html>,
//! `API_DescribeTargetGroups`, and
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>.

use std::collections::{BTreeMap, BTreeSet};

use tracing::debug;

use crate::aws::{Aws, Refusal};
use crate::discovery::{LookUp, Seen};

/// The largest pages that there are.
const DESCRIBED: i32 = 400;
const TAGGED: i32 = 100;

/// AWS refused to list something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    /// The permission that it takes.
    pub permission: &'static str,
    /// Why.
    pub refusal: Refusal,
}

/// Lists what a look-up needs. What is refused is not seen, and the rest is.
pub async fn look(aws: &Aws, look_up: &LookUp) -> (Seen, Vec<Unlisted>) {
    let (mut seen, mut refused) = (Seen::default(), Vec::new());
    let mut refuse = |permission, refusal| refused.push(Unlisted { permission, refusal });
    if look_up.wants_balancers() {
        match balancers(aws).await {
            Ok(listed) => seen.balancers = Some(listed),
            Err(refusal) => refuse("elasticloadbalancing:DescribeLoadBalancers", refusal),
        }
    }
    if look_up.wants_groups() {
        match groups(aws).await {
            Ok(listed) => seen.groups = Some(listed),
            Err(refusal) => refuse("elasticloadbalancing:DescribeTargetGroups", refusal),
        }
    }
    if look_up.wants_tags() {
        match tags(aws).await {
            Ok(listed) => seen.tags = Some(listed),
            Err(refusal) => refuse("tag:GetResources", refusal),
        }
    }
    (seen, refused)
}

async fn balancers(aws: &Aws) -> Result<BTreeSet<String>, Refusal> {
    let mut pages = aws.balancers().describe_load_balancers().page_size(DESCRIBED).into_paginator().send();
    let mut found = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Refusal::of(&error))?;
        found.extend(page.load_balancers.unwrap_or_default().into_iter().filter_map(|one| one.load_balancer_arn));
    }
    debug!(found = found.len(), "DescribeLoadBalancers");
    Ok(found)
}

async fn groups(aws: &Aws) -> Result<BTreeMap<String, BTreeSet<String>>, Refusal> {
    let mut pages = aws.balancers().describe_target_groups().page_size(DESCRIBED).into_paginator().send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Refusal::of(&error))?;
        let groups = page.target_groups.unwrap_or_default().into_iter();
        found.extend(groups.filter_map(|group| {
            Some((group.target_group_arn?, group.load_balancer_arns.unwrap_or_default().into_iter().collect()))
        }));
    }
    debug!(found = found.len(), "DescribeTargetGroups");
    Ok(found)
}

/// All resources of load balancing that have tags. A filter would have to fit all that is looked for.
async fn tags(aws: &Aws) -> Result<BTreeMap<String, BTreeMap<String, String>>, Refusal> {
    let request = aws
        .tags()
        .get_resources()
        .resource_type_filters("elasticloadbalancing:loadbalancer")
        .resource_type_filters("elasticloadbalancing:targetgroup");
    let mut pages = request.into_paginator().page_size(TAGGED).send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Refusal::of(&error))?;
        for resource in page.resource_tag_mapping_list.unwrap_or_default() {
            let Some(arn) = resource.resource_arn else { continue };
            let tags = resource.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value));
            found.insert(arn, tags.collect());
        }
    }
    debug!(found = found.len(), "GetResources");
    Ok(found)
}
