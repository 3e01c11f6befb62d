//! The budget report: SLOs that need action, then all SLOs by team, as Markdown or JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{Row, Status};
use super::standing::{is_too_early, needs_action, too_early};
use super::{data, gate, status};
use crate::cost::grouped;
use crate::exact::to_f64;
use crate::minute::length_text;

/// The report for people.
#[must_use]
pub fn markdown(status: &Status) -> String {
    let mut text = format!("# Error budgets at {}\n\n", status.at);
    let action: Vec<&Row> = status.rows.iter().filter(|row| needs_action(row)).collect();
    text.push_str(&format!("{}\n\n", status::summary(status)));
    text.push_str("## Needs action\n\n");
    let early = too_early(status.rows.iter().filter(|row| is_too_early(row)).count());
    if action.is_empty() && early.is_none() {
        text.push_str("Nothing.\n");
    }
    for row in action {
        text.push_str(&format!("- **{}/{}** ({}): {}\n", row.service, row.slo, row.team, sentence(row)));
    }
    text.extend(early.map(|early| format!("- {early}\n")));
    text.push_str(&gate::policy_markdown(status));
    let mut teams: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
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
pub fn json(status: &Status) -> Value {
    let action: Vec<String> = status
        .rows
        .iter()
        .filter(|row| needs_action(row))
        .map(|row| format!("{}/{} over {}", row.service, row.slo, row.window))
        .collect();
    let mut document = data::json(status);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("needs_action".to_owned(), json!(action));
        fields.insert("summary".to_owned(), json!(status::summary(status)));
    }
    document
}

/// The status, and what the budget went into: `exhausted; 45 of 30,000 events failed, ...`.
fn sentence(row: &Row) -> String {
    let state = status::state(row);
    let failed = format!("{} of {} {} bad", grouped(row.sums.bad), grouped(row.sums.total), row.counted);
    let used = match row.budget.consumed() {
        _ if row.sums.known == 0 || row.sums.total == 0 => String::new(),
        None => format!("; {failed}, {} over {} allows none", row.objective, row.window),
        Some(consumed) => {
            let share = status::percent(to_f64(consumed), 1);
            format!("; {failed}, {share} of the error budget of {} over {} used", row.objective, row.window)
        }
    };
    let raw = if row.is_corrected() {
        let (out, names) = (length_text(row.excluded_minutes), row.corrections.join(", "));
        format!(
            " (corrections exclude {out}: {names}; raw: {} of {} bad)",
            grouped(row.raw.bad),
            grouped(row.raw.total)
        )
    } else {
        String::new()
    };
    format!("{state}{used}{raw}")
}
