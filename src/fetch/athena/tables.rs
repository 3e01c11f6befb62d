//! The tables that count queries read, as DDL, and how they are made.
//!
//! Each day is a partition that Athena works out from its date ("partition projection",
//! <https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html>), so that nothing has to be added day by
//! day.

use serde::Serialize;

use super::rules::folder;
use super::templates::Templates;
use super::{Access, Fault, execution};
use crate::slo::{Lake, TableOfLogs, TableSource};

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
pub fn statements(lake: &Lake, of: &TableSource) -> Result<Vec<String>, Fault> {
    let templates = Templates::ours()?;
    let tables = [(Some(&lake.table), "alb_table.sql"), (lake.classic_table.as_ref(), "classic_table.sql")];
    let mut statements: Vec<String> = Vec::new();
    for (table, template) in tables {
        let Some(TableOfLogs { database, name }) = table else { continue };
        let context = Context {
            database,
            table: name,
            location: of.logs.trim_end_matches('/'),
            accounts: &of.accounts,
            regions: &of.regions,
            since: folder(of.since),
        };
        let made = templates.render(template, context)?;
        // Names of databases hold nothing that would have to be escaped: `file::TableName`.
        let database = format!("CREATE DATABASE IF NOT EXISTS `{database}`");
        if !statements.contains(&database) {
            statements.push(database);
        }
        statements.push(made);
    }
    Ok(statements)
}

/// Runs a statement. DDL scans nothing and costs nothing.
///
/// # Errors
/// When it did not succeed.
pub async fn create(access: &Access<'_>, statement: &str) -> Result<(), Fault> {
    execution::run(access, statement, false).await.id.map(drop)
}
