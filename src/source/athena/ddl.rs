//! The DDL of the tables that count queries read.
//!
//! Each day is a partition that Athena derives from its date ("partition projection",
//! <https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html>), so no partition has to be added.

use minijinja::context;

use super::run_query::{AthenaSession, run_query};
use super::templates::{Templates, day_folder};
use crate::hinted_error::HintedError;
use crate::slo::{AthenaSource, LogTable, LogTableSource};

pub fn create_statements(source: &AthenaSource, table_source: &LogTableSource) -> Result<Vec<String>, HintedError> {
    let templates = Templates::built_in()?;
    let tables = [(Some(&source.log_table), "alb_table.sql"), (source.classic_table.as_ref(), "classic_table.sql")];
    let mut statements: Vec<String> = Vec::new();
    for (table, template) in tables {
        let Some(LogTable { database, name }) = table else { continue };
        let context = context! {
            database,
            table => name,
            location => table_source.logs.trim_end_matches('/'),
            accounts => table_source.accounts.clone(),
            regions => table_source.regions.clone(),
            since => day_folder(table_source.since),
        };
        let create_table = templates.render(template, context)?;
        // Database names need no escaping: see `TableName` of the definitions.
        let create_database = format!("CREATE DATABASE IF NOT EXISTS `{database}`");
        if !statements.contains(&create_database) {
            statements.push(create_database);
        }
        statements.push(create_table);
    }
    Ok(statements)
}

/// Runs a statement. DDL scans nothing and costs nothing.
pub async fn run_statement(session: &AthenaSession<'_>, statement: &str) -> Result<(), HintedError> {
    run_query(session, statement, false).await.id.map(drop)
}
