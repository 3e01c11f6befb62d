//! Counts from Athena: a `QueryTarget` counts many series in one scan of a table of access logs, or runs a team's own
//! query. [`create_statements`] has the DDL of the tables.
//!
//! **Invariant:** a minute is known only if the query for it succeeded and its result was read completely. What a
//! failed query scanned is still reported, because it is billed.

mod count_query;
mod count_source;
mod coverage;
mod custom_query;
mod ddl;
mod error;
mod query_target;
mod response;
mod run_query;
mod scan_limit;
mod scanned_bytes;
mod summary;
mod table_query;
mod templates;

pub use count_source::AthenaTables;
pub use custom_query::read_sql;
pub use ddl::{create_statements, run_statement};
pub use run_query::AthenaSession;
pub use scanned_bytes::{ScannedBytes, split_scan_key};
