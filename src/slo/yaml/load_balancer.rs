//! Names of load balancers and target groups.
//!
//! Names and their limits:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html> and
//! `API_CreateTargetGroup`.

use super::forms::{FromText, impl_from_text, text_types};
use crate::hinted_error::HintedError;
use crate::slo::selector::without_id;

text_types!(LoadBalancer, TargetGroup);

impl_from_text! {
    LoadBalancer: "a load balancer", "app/mart",
        "^(app/[A-Za-z0-9*-]{1,32}(/[0-9a-f]{16})?|classic/[A-Za-z0-9*-]{1,32})$", read_load_balancer;
    TargetGroup: "a target group name", "mart-checkout", "^[A-Za-z0-9*-]{1,32}(/[0-9a-f]{16})?$", read_target_group;
}

/// A load balancer as its access log names it, with its id or without.
fn read_load_balancer(text: &str) -> Result<LoadBalancer, HintedError> {
    let is_valid = LoadBalancer::matches;
    if is_valid(text) {
        return Ok(LoadBalancer(text.to_owned()));
    }
    let form = "write `app/<name>`, `app/<name>/<id>` as at the end of its ARN, or `classic/<name>`";
    if text.contains(".elb.amazonaws.com") {
        let message = format!("`{text}` is a DNS name, not the name of a load balancer");
        return HintedError::err(message, format!("{form}; list them with `aws elbv2 describe-load-balancers`"));
    }
    let hint = match (arn_suffix(text, "loadbalancer/"), arn_suffix(text, "targetgroup/")) {
        (Some(tail), _) if is_valid(tail) => arn_hint(without_id(tail), tail),
        (Some(tail), _) if is_resource_name(tail) => format!("write `classic/{tail}`"),
        (_, Some(tail)) => {
            let group = without_id(tail);
            format!("this is a target group: write `target_group: {group}`, and its load balancer here, `app/<name>`")
        }
        _ if is_resource_name(text) => format!("write `app/{text}`, or `classic/{text}` for a Classic Load Balancer"),
        _ if text.starts_with("net/") || text.contains(":loadbalancer/net/") => {
            "use an Application Load Balancer, `app/<name>`: Network Load Balancers do not log requests".to_owned()
        }
        _ => form.to_owned(),
    };
    HintedError::err(format!("invalid load balancer `{text}`"), hint)
}

/// The part of an ARN after the kind of the resource.
fn arn_suffix<'a>(text: &'a str, kind: &str) -> Option<&'a str> {
    text.split_once(kind).map(|(_, tail)| tail)
}

fn arn_hint(name: &str, tail: &str) -> String {
    if name == tail {
        return format!("write its name, `{name}`");
    }
    format!("write its name, `{name}`, or the end of the ARN, `{tail}`")
}

fn is_resource_name(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn read_target_group(text: &str) -> Result<TargetGroup, HintedError> {
    if TargetGroup::matches(text) {
        return Ok(TargetGroup(text.to_owned()));
    }
    let hint = match arn_suffix(text, "targetgroup/") {
        Some(tail) if TargetGroup::matches(tail) => arn_hint(tail.split('/').next().unwrap_or(tail), tail),
        _ => "write its name, at most 32 letters, digits and `-`".to_owned(),
    };
    HintedError::err(format!("invalid target group `{text}`"), hint)
}
