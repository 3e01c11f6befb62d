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
use crate::diagnostics::join_first;
use crate::discovery::{Discovery, DiscoveryRequest, Inventory, Selector, Unresolved};
use crate::format::pluralize;
use crate::slo::Tags;
use crate::time::Minute;

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

/// Warnings about what AWS refused to list. Earlier results remain in use.
pub fn discovery_errors(request: &DiscoveryRequest, previous: &Discovery, errors: &[DiscoveryError]) -> Vec<String> {
    let scope = describe_scope(request);
    let known = request.selectors.iter().filter(|selector| previous.has_resolved(&request.scope, selector)).count();
    let consequence = match (known, request.selectors.len() - known) {
        (_, 0) => "the results of the last discovery are used".to_owned(),
        (0, _) => "the SLOs that need it have no data".to_owned(),
        (_, unknown) => {
            format!("the results of the last discovery are used, without {}", pluralize(unknown, "new selector"))
        }
    };
    // An error that affects all is reported once.
    let mut kinds: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for DiscoveryError { permission, cause } in errors {
        let hint = match cause.code.as_str() {
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" if !cause.is_missing_credentials => {
                format!("grant the role `{permission}` on `*`")
            }
            _ => cause.hint().to_owned(),
        };
        kinds.entry((&cause.message, hint)).or_default().push(format!("`{permission}`"));
    }
    let sources: Vec<String> = request.sources.iter().map(|source| format!("`{source}`")).collect();
    let warning = |((message, hint), permissions): ((&str, String), Vec<String>)| {
        format!(
            "{}: cannot discover load balancers in {scope} with {}: {message}; {consequence}\nhint: {hint}",
            sources.join(", "),
            permissions.join(", "),
        )
    };
    kinds.into_iter().map(warning).collect()
}

/// Warnings about names and tags that discovery did not find.
pub fn unresolved_selectors(unresolved: &BTreeSet<Unresolved>) -> Vec<String> {
    let mut kinds: BTreeMap<(&str, bool, bool), Vec<&Unresolved>> = BTreeMap::new();
    for one in unresolved {
        let is_balancer = matches!(one.selector, Selector::LoadBalancer(_));
        let is_tagged = Tags::parse(one.selector.text()).is_some();
        kinds.entry((&one.source, is_balancer, is_tagged)).or_default().push(one);
    }
    let mut warnings = Vec::new();
    for ((source, is_balancer, is_tagged), unresolved) in kinds {
        let names = join_first(unresolved.iter().map(|one| describe_selector(&one.selector, one.missing_since)));
        let selected_by = if is_tagged { "tagged" } else { "named" };
        let (what, operation) = if is_balancer {
            ("application load balancer", "describe-load-balancers")
        } else {
            ("target group of a load balancer", "describe-target-groups")
        };
        let hint = if is_tagged {
            "tag the resource itself with exactly this key and value, in the source's region and account; \
             `aws resourcegroupstaggingapi get-resources` lists tags"
                .to_owned()
        } else {
            format!("check the name, and the source's region and account: `aws elbv2 {operation}` lists names")
        };
        warnings
            .push(format!("`{source}`: no {what} {selected_by} {names} found; its SLOs have no data\nhint: {hint}"));
    }
    warnings
}

fn describe_selector(selector: &Selector, missing_since: Option<Minute>) -> String {
    let text = selector.text();
    let gone = missing_since.map_or_else(String::new, |gone| format!(" (missing since {gone})"));
    format!("`{text}`{gone}")
}

fn describe_scope(request: &DiscoveryRequest) -> String {
    let region = request.scope.region.as_deref().unwrap_or("the region in `AWS_REGION`");
    match &request.scope.role_arn {
        Some(role) => format!("{region} as {role}"),
        None => region.to_owned(),
    }
}
