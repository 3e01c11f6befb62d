//! Names of load balancers and target groups, patterns of requests, and destinations of notifications.
//!
//! Names and their limits:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html> and
//! `API_CreateTargetGroup`; wildcards:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>.

use super::forms::{FromText, check_pattern, impl_from_text, matches_pattern, text_types};
use crate::hinted_error::HintedError;
use crate::slo::selector::without_id;

text_types!(LoadBalancer, TargetGroup, Method, HostPattern, PathPattern, Destination);

impl_from_text! {
    LoadBalancer: "a load balancer", "app/mart",
        "^(app/[A-Za-z0-9-]{1,32}(/[0-9a-f]{16})?|classic/[A-Za-z0-9-]{1,32})$", read_load_balancer;
    TargetGroup: "a target group name", "mart-checkout", "^[A-Za-z0-9-]{1,32}(/[0-9a-f]{16})?$", read_target_group;
    Method: "an HTTP method", "POST", "^[A-Za-z_-]{1,40}$", read_method;
    HostPattern: "a host pattern", "*.example.com",
        r"^(?=.{1,128}$)([A-Za-z0-9.*?_-]+|\[[A-Fa-f0-9:.*?]+\])$", read_host_pattern;
    PathPattern: "a path pattern", "/v1/orders/*", "^[/*?][!-~]{0,127}$", read_path_pattern;
    Destination: "a destination", "mailto:mart@example.com",
        r"^((pagerduty|slack):\$\{[A-Za-z_][A-Za-z0-9_]{0,99}\}|webhook:[!-~]{1,1000}|mailto:[!-+\--~]{1,100}@[!-+\--~]{1,200})$",
        read_destination;
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

/// A request method, upper-case.
fn read_method(text: &str) -> Result<Method, HintedError> {
    let hint = "write a method such as `GET`, without wildcards, or a list: `[GET, HEAD]`";
    let method = check_pattern::<Method>(text, format!("invalid HTTP method `{text}`"), hint)?;
    Ok(Method(method.to_ascii_uppercase()))
}

/// A host pattern, lower-case.
fn read_host_pattern(text: &str) -> Result<HostPattern, HintedError> {
    // The pattern of the schema without its lookahead, which `regex_lite` does not have.
    let is_valid = matches_pattern(r"^([A-Za-z0-9.*?_-]+|\[[A-Fa-f0-9:.*?]+\])$", text);
    if is_valid && text.len() <= 128 {
        return Ok(HostPattern(text.to_ascii_lowercase()));
    }
    let has_port = matches_pattern("^[A-Za-z0-9.*?_-]*:[0-9]+$", text);
    if let Some((host, port)) = text.rsplit_once(':').filter(|_| has_port) {
        return HintedError::err(format!("a host pattern cannot have a port: `:{port}`"), format!("write `{host}`"));
    }
    HintedError::err(
        format!("invalid host pattern `{text}`"),
        "write a host without a scheme or path, such as `*.example.com`",
    )
}

fn read_path_pattern(text: &str) -> Result<PathPattern, HintedError> {
    if text.starts_with('^') {
        let message = format!("`{text}` is a regular expression; a path is a wildcard pattern");
        return HintedError::err(message, wildcard_hint(text, ": `/v1/*`"));
    }
    let is_path = is_path_text(text);
    let has_valid_braces = matches_pattern(r"^[^{}]*(\{[A-Za-z0-9_]+\}[^{}]*)*$", text);
    if is_path && !has_valid_braces {
        let hint = "write a name in braces for one part of the path, such as `/v1/orders/{id}`";
        return HintedError::err(format!("invalid braces in path pattern `{text}`"), hint);
    }
    if let Some((path, query)) = text.split_once('?').filter(|(_, query)| query.contains('=')) {
        let hint = format!("write `{path}`: requests count with any query string");
        return HintedError::err(format!("a path pattern cannot have a query string: `?{query}`"), hint);
    }
    if is_path && text.starts_with(['/', '*', '?']) {
        return Ok(PathPattern(text.to_owned()));
    }
    let hint = if is_path && !text.contains("://") {
        format!("did you mean `/{text}`?")
    } else {
        "write a path such as `/v1/*`, at most 128 characters, without a scheme, host or spaces".to_owned()
    };
    HintedError::err(format!("invalid path pattern `{text}`"), hint)
}

/// The warning about a path pattern that is written like a regular expression. `/app.*` is not: it matches `/app.js`.
pub(super) fn regex_warning(text: &str) -> Option<HintedError> {
    let has_both = |open: char, close: char| text.contains(open) && text.contains(close);
    let looks_like_regex = text.ends_with('$')
        || ["\\", "/.*", "/.+", ")?", "]+", "]*"].iter().any(|part| text.contains(part))
        || has_both('[', ']')
        || (has_both('(', ')') && text.contains('|'));
    looks_like_regex.then(|| {
        let message = format!("`{text}` looks like a regular expression, but is read as a wildcard pattern");
        HintedError::new(message, wildcard_hint(text, ""))
    })
}

/// The hint for a regular expression, with the wildcard pattern that a simple one stands for.
fn wildcard_hint(regex: &str, example: &str) -> String {
    match wildcard_from_regex(regex) {
        Some(meant) if meant != regex => format!("did you mean `{meant}`?"),
        _ => format!("use `*` for any characters and `?` for one character{example}"),
    }
}

fn is_path_text(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The wildcard pattern that a simple regular expression stands for.
fn wildcard_from_regex(regex: &str) -> Option<String> {
    let mut text = regex.strip_prefix('^').unwrap_or(regex).to_owned();
    text.truncate(text.strip_suffix('$').unwrap_or(&text).len());
    for regex_class in [".*", ".+", "[^/]+", "[^/]*", "\\d+", "\\w+", "[0-9]+", "[a-z]+"] {
        text = text.replace(regex_class, "*");
    }
    text = text.replace("\\.", ".").replace("\\/", "/").replace("(*)", "*").replace("**", "*");
    if !text.starts_with(['/', '*']) {
        text.insert(0, '/');
    }
    (is_path_text(&text) && !text.contains(['\\', '[', ']', '(', ')', '|', '+', '^', '$', '{', '}'])).then_some(text)
}

/// Where pages, tickets and reports are sent. Secrets are names of environment variables.
fn read_destination(text: &str) -> Result<Destination, HintedError> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let is_graphic = (1..=1000).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_graphic());
    let is_valid = is_graphic
        && match kind {
            "pagerduty" | "slack" => is_variable(rest),
            "webhook" => braced_variable(rest).is_none(),
            "mailto" => is_mail_address(rest),
            _ => false,
        };
    if is_valid { Ok(Destination(text.to_owned())) } else { Err(explain_destination(text, kind, rest)) }
}

/// Explains an invalid destination without repeating a secret.
fn explain_destination(text: &str, kind: &str, rest: &str) -> HintedError {
    const FORMS: &str = "write `pagerduty:${KEY}`, `slack:${HOOK}`, `webhook:${URL}` or `mailto:team@example.com`";
    let secret = |what: &str, form: &str| {
        let hint = format!("store it in an environment variable and write `{form}`");
        HintedError::new(format!("{what} is a secret and must not be in a file"), hint)
    };
    let lower = text.to_ascii_lowercase();
    let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match kind {
        "slack" | "pagerduty" | "webhook" if braced_variable(rest).is_some() => HintedError::new(
            format!("invalid destination `{text}`"),
            format!("did you mean `{kind}:{}`?", braced_variable(rest).unwrap_or_default()),
        ),
        "slack" | "pagerduty" if rest.starts_with("${") => HintedError::new(
            format!("invalid variable name in `{text}`"),
            "use letters, digits and `_`, starting with a letter or `_`",
        ),
        "slack" if rest.starts_with(['#', '@']) => HintedError::new(
            format!("`{text}` is a channel, not a webhook"),
            "create an incoming webhook for the channel, store its URL in an environment variable and write `slack:${SLACK_WEBHOOK_URL}`",
        ),
        "slack" if !rest.is_empty() => secret("a Slack webhook URL", "slack:${SLACK_WEBHOOK_URL}"),
        "pagerduty" if !rest.is_empty() => secret("a PagerDuty routing key", "pagerduty:${PAGERDUTY_KEY}"),
        _ if lower.contains("hooks.slack.com") => secret("a Slack webhook URL", "slack:${SLACK_WEBHOOK_URL}"),
        _ if lower.contains("pagerduty.com") || is_key => {
            secret("a PagerDuty routing key", "pagerduty:${PAGERDUTY_KEY}")
        }
        "http" | "https" => secret("a webhook URL", "webhook:${WEBHOOK_URL}"),
        "mailto" if rest.contains(',') => HintedError::new(
            format!("`{text}` contains several addresses"),
            "write a list with one `mailto:` address per item",
        ),
        "mailto" if !rest.is_ascii() => HintedError::new(
            format!("invalid destination `{text}`: only ASCII addresses are supported"),
            "use an address without other characters, or write its domain in Punycode, `xn--...`",
        ),
        _ => {
            let address = text.rsplit_once(':').map_or(text, |(_, address)| address).trim();
            let is_mail = is_mail_address(address)
                && !address.contains('/')
                && address.bytes().all(|byte| byte.is_ascii_graphic());
            let hint = if is_mail { format!("did you mean `mailto:{address}`?") } else { FORMS.to_owned() };
            HintedError::new(format!("invalid destination `{text}`"), hint)
        }
    }
}

/// The variable that `$NAME` stands for, in braces.
fn braced_variable(text: &str) -> Option<String> {
    let variable = format!("${{{}}}", text.strip_prefix('$')?);
    is_variable(&variable).then_some(variable)
}

/// Whether it is `${NAME}` and nothing else.
fn is_variable(text: &str) -> bool {
    matches_pattern(r"^\$\{[A-Za-z_][A-Za-z0-9_]{0,99}\}$", text)
}

/// Whether it is a single mail address. The mail server checks the parts before and after the `@`.
fn is_mail_address(text: &str) -> bool {
    let (name, host) = text.rsplit_once('@').unwrap_or_default();
    (1..=100).contains(&name.len()) && (1..=200).contains(&host.len()) && !text.contains(',')
}
