//! Words and pictures from data: the status table, the budget report, charts, replays, and how problems are shown.
//!
//! **Invariant:** the same input gives the same bytes.

pub mod budget_report;
pub mod budgets;
mod chart;
pub mod contributors;
pub mod cost;
pub mod explain;
pub mod export;
pub mod gate;
pub mod history;
pub mod incidents;
pub mod minutes;
pub mod model;
mod notes;
mod platform;
pub mod problems;
pub mod replay;
pub(crate) mod site;
pub mod slo_notification;
pub mod slo_status;
pub mod status;
pub mod weekly;
