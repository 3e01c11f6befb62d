//! slowburn: SLOs, error budgets and burn rates of services behind AWS load balancers.

pub mod accesslog;
pub mod burn;
pub mod cli;
pub mod command;
pub mod counts;
pub mod demand;
pub mod engine;
pub mod exact;
pub mod fetch;
pub mod ledger;
pub mod minute;
pub mod report;
pub mod series;
pub mod simulate;
pub mod slo;
pub mod store;
pub mod verdict;
