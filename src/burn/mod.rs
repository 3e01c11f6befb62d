//! The vectorised core on plain slices: prefix sums, window sums, conditions, budgets, forecasts.
//!
//! Burn rate and multi-window conditions are those of the Site Reliability Workbook, chapter 5 "Alerting on SLOs"
//! (<https://sre.google/workbook/alerting-on-slos/>): burn = (bad / total) / (1 - objective), and a condition holds
//! while the burn of a long and of a short window are both above the factor.
//!
//! **Invariant:** every window is a difference of the same running sums, so windows nest; comparisons are made with
//! integers, so a burn that equals the factor does not exceed it.

mod condition;
mod day_columns;
mod error_budget;
mod firing;
mod projection;
mod significance;
mod simd;
mod window_sums;

pub use condition::{Condition, Threshold, burn_rate};
pub use error_budget::{ErrorBudget, ExhaustionForecast, minutes_until_exhausted};
pub use firing::{TierFiring, replay};
pub use projection::{compared_days, projected_events};
pub use significance::{is_significant, p_value, poisson_cdf};
pub use window_sums::PrefixSums;
