//! The estimated AWS cost of a fleet, as tables for a terminal and as JSON.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::cost::{CostEstimate, CostLine, NanoDollars, Usage};
use crate::format::pluralize;
use crate::time::format_duration;

/// A month, as prices are compared.
const MONTH_DAYS: u64 = 30;
/// Services that are shown unless all are wanted.
const SERVICES_SHOWN: usize = 10;

/// By source, by class, and the dearest services or all.
#[must_use]
pub fn table(estimate: &CostEstimate, every_minutes: u32, show_all: bool) -> String {
    let services = if show_all {
        &*estimate.services
    } else {
        estimate.services.get(..SERVICES_SHOWN).unwrap_or(&estimate.services)
    };
    let paid_services: Vec<&CostLine> = services.iter().filter(|line| line.usage.price() > NanoDollars(0)).collect();
    let mut text = cost_table("source", &estimate.sources.iter().collect::<Vec<_>>());
    if !paid_services.is_empty() {
        text.push('\n');
        text.push_str(&cost_table("class", &estimate.classes.iter().collect::<Vec<_>>()));
        text.push('\n');
        text.push_str(&cost_table("service", &paid_services));
        let more = estimate.services.len() - services.len();
        if more > 0 {
            text.push_str(&format!(" and {}; use `--all` to show all\n", pluralize(more, "more service")));
        }
    }
    // Those of services leave out what is asked for all of them, so only what is shared makes them more.
    let separate_total = NanoDollars(estimate.services.iter().map(|line| line.usage.price().0).sum());
    if separate_total > estimate.price() {
        text.push_str(
            "\neach class and service is estimated on its own: requests that several share, such as those for one load balancer, are sent once \
             but count for each\n",
        );
    }
    let (day, month) = daily_and_monthly_price(estimate.price());
    text.push_str(&format!(
        "\nAWS cost at list price with a run every {}: {day} per day, {month} per {MONTH_DAYS} days\n",
        format_duration(every_minutes)
    ));
    if estimate.first_run != Usage::default() {
        let CostEstimate { first_run: past, .. } = estimate;
        text.push_str(&format!(
            "the first run also fetches the history of the longest windows, once: {past}, {}\n",
            past.price()
        ));
    }
    let is_estimated = |usage_field: fn(&Usage) -> u64| {
        estimate.sources.iter().any(|line| line.is_assumed && usage_field(&line.usage) > 0)
    };
    if is_estimated(|usage| usage.s3_reads) {
        text.push_str(
            "* estimate until the ledger contains a full day of logs: two nodes per load balancer, each with traffic all day\n",
        );
    }
    if is_estimated(|usage| usage.metrics) {
        text.push_str(
            "* estimate until a run has completed discovery: each name or tag stands for one load balancer or target group\n",
        );
    }
    if is_estimated(|usage| usage.athena_bytes) {
        text.push_str(
            "* upper bound until the first query shows how much data a day of logs contains: each run scans up to `scan_limit`\n",
        );
    }
    text
}

fn daily_and_monthly_price(day: NanoDollars) -> (NanoDollars, NanoDollars) {
    (day, NanoDollars(day.0.saturating_mul(MONTH_DAYS)))
}

fn cost_table(first_header: &str, lines: &[&CostLine]) -> String {
    let mut table = Table::new();
    let header = [first_header, "", "usage per day", "cost per day", "cost per 30 days"];
    table.load_style(presets::NOTHING).set_header(header).set_content_arrangement(ContentArrangement::Disabled);
    for line in lines {
        let (day, month) = daily_and_monthly_price(line.usage.price());
        let usage = format!("{}{}", line.usage, if line.is_assumed { " *" } else { "" });
        table.add_row([line.name.clone(), line.about.clone(), usage, day.to_string(), month.to_string()]);
    }
    for column_index in [3, 4] {
        if let Some(column) = table.column_mut(column_index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// For programs: prices in dollars.
#[must_use]
pub fn json(estimate: &CostEstimate, every_minutes: u32) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
    let dollars = |amount: NanoDollars| amount.0 as f64 / 1e9;
    let lines = |lines: &[CostLine]| {
        let line_json = |line: &CostLine| {
            let (day, month) = daily_and_monthly_price(line.usage.price());
            json!({
                "name": line.name,
                "about": line.about,
                "metrics": line.usage.metrics,
                "athena_bytes": line.usage.athena_bytes,
                "s3_reads": line.usage.s3_reads,
                "s3_writes": line.usage.s3_writes,
                "assumed": line.is_assumed,
                "dollars_day": dollars(day),
                "dollars_30_days": dollars(month),
            })
        };
        lines.iter().map(line_json).collect::<Value>()
    };
    let (day, month) = daily_and_monthly_price(estimate.price());
    json!({
        "every_minutes": every_minutes,
        "dollars_day": dollars(day),
        "dollars_30_days": dollars(month),
        "dollars_first_run": dollars(estimate.first_run.price()),
        "sources": lines(&estimate.sources),
        "classes": lines(&estimate.classes),
        "services": lines(&estimate.services),
    })
}
