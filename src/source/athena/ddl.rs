//! The tables that count queries read, as DDL, and how they are made.
//!
//! Each day is a partition that Athena works out from its date ("partition projection",
//! <https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html>), so that nothing has to be added day by
//! day.

use serde::Serialize;

use super::count_query::day_folder;
use super::templates::Templates;
use super::{AthenaSession, QueryError, start_query};
use crate::slo::{AthenaSource, LogTable, LogTableSource};

#[derive(Serialize)]
struct Context<'a> {
    database: &'a str,
    table: &'a str,
    location: &'a str,
    accounts: &'a [String],
    regions: &'a [String],
    since: String,
}

/// The statements that make the tables of a source, in order.
///
/// # Errors
/// When a value cannot stand in DDL.
pub fn create_statements(source: &AthenaSource, table_source: &LogTableSource) -> Result<Vec<String>, QueryError> {
    let templates = Templates::built_in()?;
    let tables = [(Some(&source.log_table), "alb_table.sql"), (source.classic_table.as_ref(), "classic_table.sql")];
    let mut statements: Vec<String> = Vec::new();
    for (table, template) in tables {
        let Some(LogTable { database, name }) = table else { continue };
        let context = Context {
            database,
            table: name,
            location: table_source.logs.trim_end_matches('/'),
            accounts: &table_source.accounts,
            regions: &table_source.regions,
            since: day_folder(table_source.since),
        };
        let create_table = templates.render(template, context)?;
        // Names of databases hold nothing that would have to be escaped: `file::TableName`.
        let database = format!("CREATE DATABASE IF NOT EXISTS `{database}`");
        if !statements.contains(&database) {
            statements.push(database);
        }
        statements.push(create_table);
    }
    Ok(statements)
}

/// Runs a statement. DDL scans nothing and costs nothing.
///
/// # Errors
/// When it did not succeed.
pub async fn run_statement(session: &AthenaSession<'_>, statement: &str) -> Result<(), QueryError> {
    start_query::run_query(session, statement, false).await.id.map(drop)
}
