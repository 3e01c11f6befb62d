//! The vectorised core on plain slices: prefix sums, window sums, conditions, budgets, forecasts.
//!
//! Burn rate and multi-window conditions are those of the Site Reliability Workbook, chapter 5 "Alerting on SLOs"
//! (<https://sre.google/workbook/alerting-on-slos/>): burn = (bad / total) / (1 - objective), and a condition holds
//! while the burn of a long and of a short window are both above the factor.
//!
//! **Invariant:** every window is a difference of the same running sums, so windows nest; comparisons are made with
//! integers, so a burn that equals the factor does not exceed it.

mod budget;
mod columns;
mod condition;
mod evidence;
mod firing;
mod lanes;
mod policy;
mod replay;
mod running;

pub use budget::{Budget, Forecast, spent_after};
pub use condition::{Condition, Threshold, burn_rate};
pub use evidence::{chance, is_at_most};
pub use replay::{Replay, TierSpans, replay};
pub use running::Running;
