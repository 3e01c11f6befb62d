//! The budget report: SLOs that need action, then all SLOs by team, as Markdown or JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{FleetStatus, SloRow};
use super::slo_status::{has_insufficient_coverage, insufficient_coverage_notice, needs_action};
use super::{export, gate, status};
use crate::format::{format_percent, with_thousands_separators};
use crate::rational::to_f64;
use crate::time::format_duration;

/// The report for people.
#[must_use]
pub fn markdown(status: &FleetStatus) -> String {
    let mut text = format!("# Error budgets at {}\n\n", status.at);
    let needs_action_rows: Vec<&SloRow> = status.rows.iter().filter(|row| needs_action(row)).collect();
    text.push_str(&format!("{}\n\n", status::summary(status)));
    text.push_str("## Needs action\n\n");
    let coverage_notice =
        insufficient_coverage_notice(status.rows.iter().filter(|row| has_insufficient_coverage(row)).count());
    if needs_action_rows.is_empty() && coverage_notice.is_none() {
        text.push_str("Nothing.\n");
    }
    for row in needs_action_rows {
        text.push_str(&format!("- **{}/{}** ({}): {}\n", row.service, row.slo, row.team, action_line(row)));
    }
    text.extend(coverage_notice.map(|early| format!("- {early}\n")));
    text.push_str(&gate::policy_markdown(status));
    let mut teams: BTreeMap<&str, Vec<&SloRow>> = BTreeMap::new();
    for row in &status.rows {
        teams.entry(&row.team).or_default().push(row);
    }
    for (team, rows) in teams {
        text.push_str(&format!("\n## {team}\n\n"));
        text.push_str(&status::markdown_rows(rows.into_iter()));
    }
    text.push_str(
        "\nBudget left: the share of the allowed failures in the window that has not been used yet; below 0% the error budget is \
         exceeded. Coverage: the share of the window's minutes that is known; unknown minutes count neither as good nor as bad. \
         Raw: without corrections.\n",
    );
    text
}

/// The report for programs: the status, and which rows need action.
#[must_use]
pub fn json(status: &FleetStatus) -> Value {
    let needs_action: Vec<String> = status
        .rows
        .iter()
        .filter(|row| needs_action(row))
        .map(|row| format!("{}/{} over {}", row.service, row.slo, row.window))
        .collect();
    let mut document = export::json(status);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("needs_action".to_owned(), json!(needs_action));
        fields.insert("summary".to_owned(), json!(status::summary(status)));
    }
    document
}

/// The status, and what the budget went into: `exhausted; 45 of 30,000 events failed, ...`.
fn action_line(row: &SloRow) -> String {
    let status_text = status::status_details(row);
    let bad_events = format!(
        "{} of {} {} bad",
        with_thousands_separators(row.sums.bad),
        with_thousands_separators(row.sums.total),
        row.unit
    );
    let used = match row.budget.consumed() {
        _ if row.sums.known == 0 || row.sums.total == 0 => String::new(),
        None => format!("; {bad_events}, {} over {} allows none", row.objective, row.window),
        Some(consumed) => {
            let share = format_percent(to_f64(consumed), 1);
            format!("; {bad_events}, {share} of the error budget of {} over {} used", row.objective, row.window)
        }
    };
    let raw = if row.is_corrected() {
        let (excluded, correction_ids) = (format_duration(row.excluded_minutes), row.corrections.join(", "));
        format!(
            " (corrections exclude {excluded}: {correction_ids}; raw: {} of {} bad)",
            with_thousands_separators(row.raw.bad),
            with_thousands_separators(row.raw.total)
        )
    } else {
        String::new()
    };
    format!("{status_text}{used}{raw}")
}
