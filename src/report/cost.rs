//! The estimated AWS cost of a fleet, as tables for a terminal and as JSON.

use serde_json::{Value, json};

use super::table::text_table;
use crate::cost::{CostEstimate, CostLine, NanoDollars, Usage};
use crate::format::pluralize;
use crate::rational::quotient;
use crate::time::format_duration;

const MONTH_DAYS: u64 = 30;
const SERVICES_SHOWN: usize = 10;

const SHARED_NOTE: &str = "\neach class and service is estimated on its own: requests that several share, such as those for one load balancer, \
     are sent once but count for each\n";

type UsageField = fn(&Usage) -> u64;

/// What an assumed usage stands on, by the kind of usage.
const ASSUMPTION_NOTES: [(UsageField, &str); 3] = [
    (
        |usage| usage.s3_reads,
        "estimate until the ledger contains a full day of logs: two nodes per load balancer, each with traffic all day",
    ),
    (
        |usage| usage.metrics,
        "estimate until a run has completed discovery: each name or tag stands for one load balancer or target group",
    ),
    (
        |usage| usage.athena_bytes,
        "upper bound until the first query shows how much data a day of logs contains: each run scans up to `scan_limit`",
    ),
];

pub fn table(estimate: &CostEstimate, every_minutes: u32, show_all: bool) -> String {
    let shown = if show_all { estimate.services.len() } else { SERVICES_SHOWN.min(estimate.services.len()) };
    let paid_services: Vec<&CostLine> =
        estimate.services.iter().take(shown).filter(|line| line.usage.price() > NanoDollars(0)).collect();
    let mut text = cost_table("source", &estimate.sources);
    if !paid_services.is_empty() {
        text.push_str(&format!("\n{}", cost_table("class", &estimate.classes)));
        text.push_str(&format!("\n{}", cost_table("service", paid_services)));
        let more = estimate.services.len() - shown;
        if more > 0 {
            text.push_str(&format!(" and {}; use `--all` to show all\n", pluralize(more, "more service")));
        }
    }
    // Requests for all services are in no service's estimate, so only shared requests make the sum exceed the total.
    let separate_total = NanoDollars(estimate.services.iter().map(|line| line.usage.price().0).sum());
    if separate_total > estimate.price() {
        text.push_str(SHARED_NOTE);
    }
    let day = estimate.price();
    text.push_str(&format!(
        "\nAWS cost at list price with a run every {}: {day} per day, {} per {MONTH_DAYS} days\n",
        format_duration(every_minutes),
        monthly_price(day)
    ));
    if estimate.first_run != Usage::default() {
        text.push_str(&format!(
            "the first run also fetches the history of the longest windows, once: {}, {}\n",
            estimate.first_run,
            estimate.first_run.price()
        ));
    }
    for (usage_field, note) in ASSUMPTION_NOTES {
        if estimate.sources.iter().any(|line| line.is_assumed && usage_field(&line.usage) > 0) {
            text.push_str(&format!("* {note}\n"));
        }
    }
    text
}

fn monthly_price(day: NanoDollars) -> NanoDollars {
    NanoDollars(day.0.saturating_mul(MONTH_DAYS))
}

fn cost_table<'a>(first_header: &str, lines: impl IntoIterator<Item = &'a CostLine>) -> String {
    let rows = lines.into_iter().map(|line| {
        let day = line.usage.price();
        let usage = format!("{}{}", line.usage, if line.is_assumed { " *" } else { "" });
        [line.name.clone(), line.about.clone(), usage, day.to_string(), monthly_price(day).to_string()]
    });
    text_table([first_header, "", "usage per day", "cost per day", "cost per 30 days"], rows, &[3, 4])
}

/// For programs: prices in dollars.
pub fn json(estimate: &CostEstimate, every_minutes: u32) -> Value {
    let dollars = |amount: NanoDollars| quotient(amount.0.into(), 1_000_000_000);
    let lines = |lines: &[CostLine]| {
        let line_json = |line: &CostLine| {
            json!({
                "name": line.name,
                "about": line.about,
                "metrics": line.usage.metrics,
                "athena_bytes": line.usage.athena_bytes,
                "s3_reads": line.usage.s3_reads,
                "s3_writes": line.usage.s3_writes,
                "assumed": line.is_assumed,
                "dollars_day": dollars(line.usage.price()),
                "dollars_30_days": dollars(monthly_price(line.usage.price())),
            })
        };
        lines.iter().map(line_json).collect::<Value>()
    };
    json!({
        "every_minutes": every_minutes,
        "dollars_day": dollars(estimate.price()),
        "dollars_30_days": dollars(monthly_price(estimate.price())),
        "dollars_first_run": dollars(estimate.first_run.price()),
        "sources": lines(&estimate.sources),
        "classes": lines(&estimate.classes),
        "services": lines(&estimate.services),
    })
}
