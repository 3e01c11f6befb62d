//! Warnings about discovery: what was not found, and what AWS did not list.

use std::collections::{BTreeMap, BTreeSet};

use super::join_first;
use crate::discovery::{Discovery, DiscoveryRequest, Selector, Unresolved};
use crate::format::pluralize;
use crate::slo::Tags;
use crate::source::discovery::DiscoveryError;
use crate::time::Minute;

/// Warnings about what AWS refused to list. Earlier results remain in use.
pub(crate) fn discovery_errors(
    request: &DiscoveryRequest,
    previous: &Discovery,
    errors: &[DiscoveryError],
) -> Vec<String> {
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
    for DiscoveryError { permission, cause: refusal } in errors {
        let hint = match refusal.code.as_str() {
            _ if refusal.is_missing_credentials => refusal.hint().to_owned(),
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
                format!("grant the role `{permission}` on `*`")
            }
            _ => refusal.hint().to_owned(),
        };
        kinds.entry((&refusal.message, hint)).or_default().push(format!("`{permission}`"));
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
pub(crate) fn unresolved_selectors(unresolved: &BTreeSet<Unresolved>) -> Vec<String> {
    let mut kinds: BTreeMap<(&str, bool, bool), Vec<&Unresolved>> = BTreeMap::new();
    for unresolved_selector in unresolved {
        let is_balancer = matches!(unresolved_selector.selector, Selector::LoadBalancer(_));
        let is_tagged = Tags::parse(unresolved_selector.selector.text()).is_some();
        kinds.entry((&unresolved_selector.source, is_balancer, is_tagged)).or_default().push(unresolved_selector);
    }
    let mut warnings = Vec::new();
    for ((source, is_balancer, is_tagged), unresolved) in kinds {
        let names = join_first(unresolved.iter().map(|one| describe_selector(&one.selector, one.missing_since)));
        let (what, selected_by) = match (is_balancer, is_tagged) {
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
