//! Words and pictures from data: the status table, the budget report, charts, replays, and how problems are shown.
//!
//! **Invariant:** the same input gives the same bytes.

pub mod budgets;
pub mod chart;
pub mod contributors;
pub mod cost;
pub mod data;
pub mod document;
pub mod explain;
pub mod gate;
pub mod history;
pub mod incidents;
pub mod message;
pub mod minutes;
pub mod model;
mod notes;
mod platform;
pub mod problems;
pub mod replay;
pub mod site;
pub mod standing;
pub mod status;
pub mod weekly;
mod words;

/// A number with its noun: `1 object`, `2 objects`.
#[must_use]
pub fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
