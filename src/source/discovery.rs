//! Load balancers, target groups and tags of an account and region, listed without naming any: a name that is not there
//! would refuse the whole request.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancers.html>,
//! `API_DescribeTargetGroups`, and
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>.

use std::collections::{BTreeMap, BTreeSet};

use tracing::debug;

use crate::aws::{Aws, AwsError};
use crate::discovery::{DiscoveryRequest, Inventory};

/// The largest pages that there are.
const DESCRIBE_PAGE_SIZE: i32 = 400;
const TAGS_PAGE_SIZE: i32 = 100;

/// AWS refused to list something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryError {
    /// The permission that it takes.
    pub permission: &'static str,
    /// Why.
    pub cause: AwsError,
}

/// Lists what a look-up needs. What is refused is not seen, and the rest is.
pub async fn fetch_inventory(aws: &Aws, request: &DiscoveryRequest) -> (Inventory, Vec<DiscoveryError>) {
    let (mut inventory, mut errors) = (Inventory::default(), Vec::new());
    let mut add_error = |permission, cause| errors.push(DiscoveryError { permission, cause });
    if request.needs_load_balancers() {
        match list_load_balancers(aws).await {
            Ok(load_balancers) => inventory.load_balancers = Some(load_balancers),
            Err(cause) => add_error("elasticloadbalancing:DescribeLoadBalancers", cause),
        }
    }
    if request.needs_target_groups() {
        match list_target_groups(aws).await {
            Ok(target_groups) => inventory.target_groups = Some(target_groups),
            Err(cause) => add_error("elasticloadbalancing:DescribeTargetGroups", cause),
        }
    }
    if request.needs_tags() {
        match list_tags(aws).await {
            Ok(tags) => inventory.tags = Some(tags),
            Err(cause) => add_error("tag:GetResources", cause),
        }
    }
    (inventory, errors)
}

async fn list_load_balancers(aws: &Aws) -> Result<BTreeSet<String>, AwsError> {
    let mut pages = aws.elbv2().describe_load_balancers().page_size(DESCRIBE_PAGE_SIZE).into_paginator().send();
    let mut arns = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::from_sdk_error(&error))?;
        arns.extend(page.load_balancers.unwrap_or_default().into_iter().filter_map(|one| one.load_balancer_arn));
    }
    debug!(found = arns.len(), "DescribeLoadBalancers");
    Ok(arns)
}

async fn list_target_groups(aws: &Aws) -> Result<BTreeMap<String, BTreeSet<String>>, AwsError> {
    let mut pages = aws.elbv2().describe_target_groups().page_size(DESCRIBE_PAGE_SIZE).into_paginator().send();
    let mut load_balancers_by_group = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::from_sdk_error(&error))?;
        let groups = page.target_groups.unwrap_or_default().into_iter();
        load_balancers_by_group.extend(groups.filter_map(|group| {
            Some((group.target_group_arn?, group.load_balancer_arns.unwrap_or_default().into_iter().collect()))
        }));
    }
    debug!(found = load_balancers_by_group.len(), "DescribeTargetGroups");
    Ok(load_balancers_by_group)
}

/// All resources of load balancing that have tags. A filter would have to fit all that is looked for.
async fn list_tags(aws: &Aws) -> Result<BTreeMap<String, BTreeMap<String, String>>, AwsError> {
    let request = aws
        .tagging()
        .get_resources()
        .resource_type_filters("elasticloadbalancing:loadbalancer")
        .resource_type_filters("elasticloadbalancing:targetgroup");
    let mut pages = request.into_paginator().page_size(TAGS_PAGE_SIZE).send();
    let mut tags_by_arn = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::from_sdk_error(&error))?;
        for resource in page.resource_tag_mapping_list.unwrap_or_default() {
            let Some(arn) = resource.resource_arn else { continue };
            let tags = resource.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value));
            tags_by_arn.insert(arn, tags.collect());
        }
    }
    debug!(found = tags_by_arn.len(), "GetResources");
    Ok(tags_by_arn)
}
