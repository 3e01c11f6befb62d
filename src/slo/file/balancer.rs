//! Values that name something of a load balancer: itself, its target groups, and what listener rules match.
//!
//! Names and their limits: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html>
//! and `API_CreateTargetGroup`; wildcards:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>.

use super::selected::Selectable;
use super::typed::FromText;
use crate::slo::problem::Refusal;
use crate::slo::selector::without_id;

/// A load balancer as its access log names it, with its id or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct LoadBalancer(pub(in crate::slo) String);

impl FromText for LoadBalancer {
    const PATTERN: &'static str = "^(app/[A-Za-z0-9-]{1,32}(/[0-9a-f]{16})?|classic/[A-Za-z0-9-]{1,32})$";
    const NOUN: &'static str = "a load balancer";
    const EXAMPLE: &'static str = "app/mart";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if is_balancer(text) {
            return Ok(Self(text.to_owned()));
        }
        let message = format!("`{text}` is no load balancer");
        let form = "write `app/<name>`, or with its id as at the end of its ARN: `app/mart/50dc6c495c0c9188`; or `classic/<name>`";
        let tail = text.split_once(":loadbalancer/").map(|(_, tail)| tail);
        let hint = match tail {
            Some(tail) if is_balancer(tail) => {
                format!("write its name, `{}`, or the end of the ARN: `{tail}`", without_id(tail))
            }
            _ if is_resource_name(text) => {
                format!("say what kind it is: `app/{text}`; or `classic/{text}` if it is a Classic Load Balancer")
            }
            _ if text.starts_with("net/") || text.contains(":loadbalancer/net/") => {
                "a network load balancer writes no line for each request; name an application load balancer, `app/<name>`".to_owned()
            }
            _ if text.contains(".elb.amazonaws.com") => {
                format!("that is its DNS name; {form}; `aws elbv2 describe-load-balancers` prints it")
            }
            _ => form.to_owned(),
        };
        Err(Refusal::new(message, hint))
    }
}

impl Selectable for LoadBalancer {
    fn into_text(self) -> String {
        self.0
    }
}

fn is_balancer(text: &str) -> bool {
    if let Some(name) = text.strip_prefix("classic/") {
        return is_resource_name(name);
    }
    let mut parts = text.split('/');
    let (kind, name, id, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
    kind == Some("app") && name.is_some_and(is_resource_name) && id.is_none_or(is_id) && rest.is_none()
}

fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_resource_name(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A target group by name, or by name and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct TargetGroup(pub(in crate::slo) String);

impl FromText for TargetGroup {
    const PATTERN: &'static str = "^[A-Za-z0-9-]{1,32}(/[0-9a-f]{16})?$";
    const NOUN: &'static str = "the name of a target group";
    const EXAMPLE: &'static str = "mart-checkout";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let is_group = |text: &str| match text.split_once('/') {
            Some((name, id)) => is_resource_name(name) && is_id(id),
            None => is_resource_name(text),
        };
        if is_group(text) {
            return Ok(Self(text.to_owned()));
        }
        let tail = text.split_once("targetgroup/").map(|(_, tail)| tail);
        let hint = match tail {
            Some(tail) if is_group(tail) => format!("write the end of the ARN: `{tail}`"),
            _ => "write its name: at most 32 letters, digits and `-`".to_owned(),
        };
        Err(Refusal::new(format!("`{text}` is no name of a target group"), hint))
    }
}

impl Selectable for TargetGroup {
    fn into_text(self) -> String {
        self.0
    }
}

/// A request method, upper-case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Method(pub(in crate::slo) String);

impl FromText for Method {
    const PATTERN: &'static str = "^[A-Za-z_-]{1,40}$";
    const NOUN: &'static str = "a request method";
    const EXAMPLE: &'static str = "POST";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let sound = |byte: u8| byte.is_ascii_alphabetic() || b"-_".contains(&byte);
        if (1..=40).contains(&text.len()) && text.bytes().all(sound) {
            return Ok(Self(text.to_ascii_uppercase()));
        }
        Err(Refusal::new(
            format!("`{text}` is no request method"),
            "write `GET`, `POST` ..., without wildcards; several go into a list: `[GET, HEAD]`",
        ))
    }
}

/// A host pattern, lower-case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct HostPattern(pub(in crate::slo) String);

impl FromText for HostPattern {
    const PATTERN: &'static str = r"^(?=.{1,128}$)([A-Za-z0-9.*?_-]+|\[[A-Fa-f0-9:.*?]+\])$";
    const NOUN: &'static str = "a host pattern";
    const EXAMPLE: &'static str = "*.example.com";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".*?_-".contains(&byte));
        let address = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.*?".contains(&byte));
        let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let sound = inside.map_or_else(|| name(text), |inside| !inside.is_empty() && address(inside));
        if (1..=128).contains(&text.len()) && sound {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        if let Some((host, port)) = text.rsplit_once(':')
            && name(host)
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(Refusal::new(format!("`:{port}` is a port, and no part of a host"), format!("write `{host}`")));
        }
        Err(Refusal::new(
            format!("`{text}` is no host pattern"),
            "write a host without scheme and path, with `*` and `?` as wildcards: `*.example.com`",
        ))
    }
}

/// A path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct PathPattern(pub(in crate::slo) String);

impl FromText for PathPattern {
    const PATTERN: &'static str = "^[/*?][!-~]{0,127}$";
    const NOUN: &'static str = "a path pattern";
    const EXAMPLE: &'static str = "/v1/orders/*";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let sound = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if sound && !names_parts(text) {
            let hint = "a part of a path is a name in braces: `/v1/orders/{id}`";
            return Err(Refusal::new(format!("the braces of `{text}` name no part"), hint));
        }
        if let Some((path, query)) = text.split_once('?').filter(|(_, query)| query.contains('=')) {
            let hint = format!("write `{path}`: an SLO is of a path with every query");
            return Err(Refusal::new(format!("`?{query}` is a query, and no part of a path"), hint));
        }
        if sound && text.starts_with(['/', '*', '?']) {
            return Ok(Self(text.to_owned()));
        }
        let hint = if sound && !text.contains("://") {
            format!("a path starts with `/`: `/{text}`")
        } else {
            "write a path of at most 128 characters without spaces, scheme and host; `*` is any run, `?` one character, `{id}` one part: `/v1/*`".to_owned()
        };
        Err(Refusal::new(format!("`{text}` is no path pattern"), hint))
    }
}

/// Whether every brace belongs to a name such as `{id}`.
fn names_parts(text: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut parts = text.split('{');
    let before = parts.next().unwrap_or_default();
    !before.contains('}')
        && parts.all(|part| part.split_once('}').is_some_and(|(name, rest)| is_name(name) && !rest.contains('}')))
}

/// Where a page, a ticket or a report goes. What is secret of it is the name of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Destination(pub(in crate::slo) String);

impl FromText for Destination {
    const PATTERN: &'static str = r"^((pagerduty|slack):\$\{[A-Za-z_][A-Za-z0-9_]{0,99}\}|webhook:[!-~]{1,1000}|mailto:[!-+\--~]{1,100}@[!-+\--~]{1,200})$";
    const NOUN: &'static str = "a destination";
    const EXAMPLE: &'static str = "mailto:mart@example.com";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let graphic = (1..=1000).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_graphic());
        let sound = graphic
            && match kind {
                "pagerduty" | "slack" => is_variable(rest),
                "webhook" => true,
                "mailto" => is_address(rest),
                _ => false,
            };
        if sound {
            return Ok(Self(text.to_owned()));
        }
        // What is no variable may be the secret itself, and is not repeated.
        let (message, hint) = match kind {
            "pagerduty" | "slack" if graphic => (
                format!("what follows `{kind}:` is no variable"),
                format!(
                    "a secret does not belong into a file: put it into an environment variable, and write `{kind}:${{NAME}}`"
                ),
            ),
            "mailto" if rest.contains(',') => (
                format!("`{text}` has several addresses"),
                "write a list with `mailto:` before each, so that one that is refused holds up no other".to_owned(),
            ),
            _ => (
                format!("`{text}` is no destination"),
                "write `pagerduty:${KEY}`, `slack:${HOOK}`, `webhook:${URL}` or `mailto:team@example.com`".to_owned(),
            ),
        };
        Err(Refusal::new(message, hint))
    }
}

/// Whether it is `${NAME}` and nothing else.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=100).contains(&name.len())
        && name.bytes().all(sound)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether it is one mail address; what is before and after the `@` is the mail server's business.
fn is_address(text: &str) -> bool {
    let (name, host) = text.rsplit_once('@').unwrap_or_default();
    (1..=100).contains(&name.len()) && (1..=200).contains(&host.len()) && !text.contains(',')
}
