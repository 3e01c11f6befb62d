//! The budget report: what needs action, then every team's promises, as Markdown or JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{Row, Status};
use super::standing::{Standing, is_too_early, needs_action, too_early};
use super::{data, gate, status};
use crate::exact::to_f64;
use crate::minute::length_text;
use crate::verdict::State;

/// The report for people.
#[must_use]
pub fn markdown(status: &Status) -> String {
    let mut text = format!("# Error budgets at {}\n\n", status.at);
    let action: Vec<&Row> = status.rows.iter().filter(|row| needs_action(row)).collect();
    text.push_str(&format!("{}\n\n", status::summary(status)));
    text.push_str("## What needs action\n\n");
    let early = too_early(status.rows.iter().filter(|row| is_too_early(row)).count());
    if action.is_empty() && early.is_none() {
        text.push_str("Nothing.\n");
    }
    for row in action {
        let word = Standing::of(row).word();
        text.push_str(&format!("- **{}/{}** ({}), {word}: {}\n", row.service, row.slo, row.team, sentence(row)));
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
        "\nBudget left: of the events that may fail in the window, the share that has not failed yet. Coverage: the share \
         of the window's minutes that were observed; the others are unknown and count neither as good nor as bad. Raw: as it \
         was counted, with the minutes that corrections exclude.\n",
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

fn sentence(row: &Row) -> String {
    let state = match &row.verdict.state {
        State::Calm => String::new(),
        _ => format!("{}; ", status::state(row)),
    };
    let failed = format!("{} of {} {} failed", row.sums.bad, row.sums.total, row.counted);
    let spent = match row.budget.consumed() {
        _ if row.sums.known == 0 => "nothing was observed in the window".to_owned(),
        _ if row.sums.total == 0 => "no traffic in the window".to_owned(),
        None => format!("{failed}, and {} over {} allows none", row.objective, row.window),
        Some(consumed) => {
            let share = status::percent(to_f64(consumed), 1);
            format!("{failed}, {share} of the budget of {} over {} is spent", row.objective, row.window)
        }
    };
    let raw = if row.is_corrected() {
        let (out, names) = (length_text(row.excluded_minutes), row.corrections.join(", "));
        format!(" (without {out} that do not count: {names}; raw: {} of {} failed)", row.raw.bad, row.raw.total)
    } else {
        String::new()
    };
    format!("{state}{spent}{raw}")
}
