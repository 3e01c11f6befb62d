//! Load balancers, target groups and tags of an account and region. All are listed, because a request for a name that
//! does not exist fails as a whole.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancers.html>,
//! `API_DescribeTargetGroups`, and
//! <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_resourcegroupstagging::types::ResourceTagMapping;
use tracing::debug;

use crate::aws::{Aws, AwsError};
use crate::discovery::{DiscoveryRequest, Inventory};

/// The largest pages.
const DESCRIBE_PAGE_SIZE: i32 = 400;
const TAGS_PAGE_SIZE: i32 = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryError {
    /// The permission that it needs.
    pub permission: &'static str,
    pub cause: AwsError,
}

/// Lists what a look-up needs. A list that fails is `None`.
pub async fn fetch_inventory(aws: &Aws, request: &DiscoveryRequest) -> (Inventory, Vec<DiscoveryError>) {
    let (mut inventory, mut errors) = (Inventory::default(), Vec::new());
    if request.needs_load_balancers() {
        let listed = list_load_balancers(aws).await;
        inventory.load_balancers = keep_error(listed, "elasticloadbalancing:DescribeLoadBalancers", &mut errors);
    }
    if request.needs_target_groups() {
        let listed = list_target_groups(aws).await;
        inventory.target_groups = keep_error(listed, "elasticloadbalancing:DescribeTargetGroups", &mut errors);
    }
    if request.needs_tags() {
        inventory.tags = keep_error(list_tags(aws).await, "tag:GetResources", &mut errors);
    }
    (inventory, errors)
}

fn keep_error<T>(listed: Result<T, AwsError>, permission: &'static str, errors: &mut Vec<DiscoveryError>) -> Option<T> {
    listed.map_err(|cause| errors.push(DiscoveryError { permission, cause })).ok()
}

async fn list_load_balancers(aws: &Aws) -> Result<BTreeSet<String>, AwsError> {
    let pages = aws.elbv2().describe_load_balancers().page_size(DESCRIBE_PAGE_SIZE).into_paginator();
    let load_balancers = pages.items().send().try_collect().await?;
    debug!(found = load_balancers.len(), "DescribeLoadBalancers");
    Ok(load_balancers.into_iter().filter_map(|load_balancer| load_balancer.load_balancer_arn).collect())
}

async fn list_target_groups(aws: &Aws) -> Result<BTreeMap<String, BTreeSet<String>>, AwsError> {
    let pages = aws.elbv2().describe_target_groups().page_size(DESCRIBE_PAGE_SIZE).into_paginator();
    let groups = pages.items().send().try_collect().await?;
    debug!(found = groups.len(), "DescribeTargetGroups");
    let load_balancers = |arns: Option<Vec<String>>| arns.unwrap_or_default().into_iter().collect();
    let groups = groups.into_iter();
    Ok(groups.filter_map(|group| Some((group.target_group_arn?, load_balancers(group.load_balancer_arns)))).collect())
}

async fn list_tags(aws: &Aws) -> Result<BTreeMap<String, BTreeMap<String, String>>, AwsError> {
    let request = aws
        .tagging()
        .get_resources()
        .resource_type_filters("elasticloadbalancing:loadbalancer")
        .resource_type_filters("elasticloadbalancing:targetgroup");
    let pages = request.into_paginator().page_size(TAGS_PAGE_SIZE);
    let resources = pages.items().send().try_collect().await?;
    debug!(found = resources.len(), "GetResources");
    let tags = |resource: ResourceTagMapping| {
        let tags = resource.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value));
        Some((resource.resource_arn?, tags.collect()))
    };
    Ok(resources.into_iter().filter_map(tags).collect())
}
