//! The estimated AWS cost of a fleet, as tables for a terminal and as JSON.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::cost::{Dollars, Forecast, Line, Usage};
use crate::minute::length_text;

/// A month, as prices are compared.
const DAYS: u64 = 30;
/// Services that are shown unless all are wanted.
const DEAREST: usize = 10;

/// By source, by class, and the dearest services or all.
#[must_use]
pub fn table(forecast: &Forecast, every_minutes: u32, all: bool) -> String {
    let services =
        if all { &*forecast.services } else { forecast.services.get(..DEAREST).unwrap_or(&forecast.services) };
    let costly: Vec<&Line> = services.iter().filter(|line| line.usage.price() > Dollars(0)).collect();
    let mut text = lines("source", &forecast.sources.iter().collect::<Vec<_>>());
    if !costly.is_empty() {
        text.push('\n');
        text.push_str(&lines("class", &forecast.classes.iter().collect::<Vec<_>>()));
        text.push('\n');
        text.push_str(&lines("service", &costly));
        let more = forecast.services.len() - services.len();
        if more > 0 {
            text.push_str(&format!(" and {}; use `--all` to show all\n", super::counted(more, "more service")));
        }
    }
    // Those of services leave out what is asked for all of them, so only what is shared makes them more.
    let alone = Dollars(forecast.services.iter().map(|line| line.usage.price().0).sum());
    if alone > forecast.price() {
        text.push_str(
            "\neach class and service is estimated on its own: requests that several share, such as those for one load balancer, are sent once \
             but count for each\n",
        );
    }
    let (day, month) = prices(forecast.price());
    text.push_str(&format!(
        "\nAWS cost at list price with a run every {}: {day} per day, {month} per {DAYS} days\n",
        length_text(every_minutes)
    ));
    if forecast.past != Usage::default() {
        let Forecast { past, .. } = forecast;
        text.push_str(&format!(
            "the first run also fetches the history of the longest windows, once: {past}, {}\n",
            past.price()
        ));
    }
    let assumed = |of: fn(&Usage) -> u64| forecast.sources.iter().any(|line| line.assumed && of(&line.usage) > 0);
    if assumed(|usage| usage.s3_reads) {
        text.push_str(
            "* estimate until the ledger contains a full day of logs: two nodes per load balancer, each with traffic all day\n",
        );
    }
    if assumed(|usage| usage.metrics) {
        text.push_str(
            "* estimate until a run has completed discovery: each name or tag stands for one load balancer or target group\n",
        );
    }
    if assumed(|usage| usage.athena_bytes) {
        text.push_str(
            "* upper bound until the first query shows how much data a day of logs contains: each run scans up to `scan_limit`\n",
        );
    }
    text
}

fn prices(day: Dollars) -> (Dollars, Dollars) {
    (day, Dollars(day.0.saturating_mul(DAYS)))
}

fn lines(what: &str, lines: &[&Line]) -> String {
    let mut table = Table::new();
    let header = [what, "", "usage per day", "cost per day", "cost per 30 days"];
    table.load_style(presets::NOTHING).set_header(header).set_content_arrangement(ContentArrangement::Disabled);
    for line in lines {
        let (day, month) = prices(line.usage.price());
        let asked = format!("{}{}", line.usage, if line.assumed { " *" } else { "" });
        table.add_row([line.name.clone(), line.about.clone(), asked, day.to_string(), month.to_string()]);
    }
    for place in [3, 4] {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// For programs: prices in dollars.
#[must_use]
pub fn json(forecast: &Forecast, every_minutes: u32) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
    let dollars = |amount: Dollars| amount.0 as f64 / 1e9;
    let lines = |lines: &[Line]| {
        let value = |line: &Line| {
            let (day, month) = prices(line.usage.price());
            json!({
                "name": line.name,
                "about": line.about,
                "metrics": line.usage.metrics,
                "athena_bytes": line.usage.athena_bytes,
                "s3_reads": line.usage.s3_reads,
                "s3_writes": line.usage.s3_writes,
                "assumed": line.assumed,
                "dollars_day": dollars(day),
                "dollars_30_days": dollars(month),
            })
        };
        lines.iter().map(value).collect::<Value>()
    };
    let (day, month) = prices(forecast.price());
    json!({
        "every_minutes": every_minutes,
        "dollars_day": dollars(day),
        "dollars_30_days": dollars(month),
        "dollars_first_run": dollars(forecast.past.price()),
        "sources": lines(&forecast.sources),
        "classes": lines(&forecast.classes),
        "services": lines(&forecast.services),
    })
}
