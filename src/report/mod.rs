//! Tables, documents, pages, mails and messages from the status of SLOs and the state of incidents.
//!
//! **Invariant:** the same input gives the same bytes.

pub mod budget_report;
mod chart;
pub mod contributors;
pub mod cost;
pub mod data_export;
pub mod explain;
pub mod export;
pub mod gate;
pub mod history;
pub mod incidents;
pub mod notification;
pub mod problems;
pub mod replay;
pub mod site;
mod slo_notification;
pub mod slo_status;
pub mod status;
mod table;
pub mod weekly;
