//! The budget report: SLOs that need action, then all SLOs by team, as Markdown or JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::slo_status::{has_insufficient_coverage, insufficient_coverage_notice, needs_action};
use super::table::markdown_section;
use super::{export, gate, status};
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::format::{format_fraction, format_percent};
use crate::rational::to_f64;
use crate::time::format_duration;

const EXPLANATION: &str = "\nBudget left: the share of the allowed failures in the window that has not been used yet; below 0% the \
     error budget is exceeded. Coverage: the share of the window's minutes that is known; unknown minutes count neither as good \
     nor as bad. Raw: without corrections.\n";

/// The Markdown report.
pub fn markdown(status: &FleetStatus) -> String {
    let uncovered = status.rows.iter().filter(|row| has_insufficient_coverage(row)).count();
    let action_items = status.rows.iter().filter(|row| needs_action(row)).map(action_item);
    let mut actions: String =
        action_items.chain(insufficient_coverage_notice(uncovered).map(|notice| format!("- {notice}\n"))).collect();
    if actions.is_empty() {
        "Nothing.\n".clone_into(&mut actions);
    }
    let mut text = format!("# Error budgets at {}\n\n{}\n", status.at, status::summary(status));
    text.push_str(&markdown_section("Needs action", actions));
    text.push_str(&gate::policy_markdown(status));
    let mut teams: BTreeMap<&str, Vec<&SloRow>> = BTreeMap::new();
    for row in &status.rows {
        teams.entry(&row.team).or_default().push(row);
    }
    for (team, rows) in teams {
        text.push_str(&markdown_section(team, status::markdown_rows(rows.into_iter())));
    }
    text + EXPLANATION
}

/// For programs: the status, and which rows need action.
pub fn json(status: &FleetStatus) -> Value {
    let needs_action = status.rows.iter().filter(|row| needs_action(row));
    let needs_action: Vec<String> = needs_action.map(|row| format!("{} over {}", row.id(), row.window)).collect();
    let mut document = export::json(status);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("needs_action".to_owned(), json!(needs_action));
        fields.insert("summary".to_owned(), json!(status::summary(status)));
    }
    document
}

/// `- **shop/checkout** (shop): exhausted; 45 of 30,000 events bad, 150.0% of the error budget of 99.9% over 30d used`.
fn action_item(row: &SloRow) -> String {
    let SloRow { team, sums, unit, objective, window, .. } = row;
    let mut text = format!("- **{}** ({team}): {}", row.id(), status::status_details(row));
    if sums.known > 0 && sums.total > 0 {
        text.push_str(&format!("; {} {unit} bad, ", format_fraction(sums.bad, sums.total)));
        text.push_str(&match row.budget.consumed() {
            None => format!("{objective} over {window} allows none"),
            Some(consumed) => {
                let share = format_percent(to_f64(consumed), 1);
                format!("{share} of the error budget of {objective} over {window} used")
            }
        });
    }
    if row.is_corrected() {
        text.push_str(&format!(
            " (corrections exclude {}: {}; raw: {} bad)",
            format_duration(row.excluded_minutes),
            row.corrections.join(", "),
            format_fraction(row.raw.bad, row.raw.total)
        ));
    }
    text + "\n"
}
