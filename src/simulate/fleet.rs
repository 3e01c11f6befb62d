//! The simulated fleet of `fleet.json`: four load balancers, twelve services, and the requests they get.

use std::sync::LazyLock;

use serde::Deserialize;

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "us-east-1";

pub static BALANCERS: LazyLock<Vec<Balancer>> =
    LazyLock::new(|| serde_json::from_str(include_str!("fleet.json")).unwrap_or_default());

/// An Application Load Balancer.
#[derive(Debug, Deserialize)]
pub struct Balancer {
    /// `app/name/id`, as log lines and CloudWatch name it.
    pub name: String,
    /// The address of each of its nodes; every node writes its own files.
    pub nodes: Vec<String>,
    pub services: Vec<Service>,
    pub(super) callers: Callers,
}

/// A service behind a balancer. Its target group has its name, except for `checkout`, which has two.
#[derive(Debug, Deserialize)]
pub struct Service {
    /// Its host is `name.example.com`.
    pub name: String,
    /// The mean over a week.
    pub requests_per_thousand_minutes: u32,
    /// Of its listener rule.
    pub(super) rule_priority: u16,
    /// Values of the log's field `type`, each as likely as the next.
    pub(super) request_types: Vec<String>,
    pub(super) target_ms: LogNormal,
    /// Share of answers above 300 ms, in millionths.
    pub(super) slow_ppm: u32,
    /// Share of answers with a 5xx on a good day, in millionths.
    pub(super) error_ppm: u32,
    pub(super) routes: Vec<Route>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct LogNormal {
    pub(super) median: f64,
    /// Standard deviation of the logarithm.
    pub(super) spread: f64,
}

/// A kind of request; an array in `fleet.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Route {
    /// How often it is requested, against the other routes of the service.
    pub(super) weight: u32,
    pub(super) method: String,
    /// `{n}` stands for a number, `{x}` for sixteen hexadecimal digits, `{w}` for a word.
    pub(super) path: String,
    /// The status of a good answer.
    pub(super) status: u16,
    pub(super) median_bytes_received: u32,
    pub(super) median_bytes_sent: u32,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Callers {
    /// Browsers and robots on the internet, scanners among them.
    Public,
    /// Programs of a few partners.
    Partners,
    /// Other services of the company.
    Internal,
}
