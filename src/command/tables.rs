//! `slowburn tables`: the DDL of the tables that Athena sources need, printed or run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use clap::Args;

use super::load::read_definitions;
use super::output::{print, print_message, print_warning};
use super::shared_arguments::{AWS, DEFINITIONS, SlosArg};
use super::{CommandError, ExitStatus};
use crate::aws::Aws;
use crate::hinted_error::HintedError;
use crate::slo::{AthenaSource, AwsScope, SourceKind};
use crate::source::athena::{self, AthenaSession};
use crate::time::Minute;

const EXAMPLES: &str = "\
Examples:
  slowburn tables
  slowburn tables --source lake --create";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TablesArgs {
    #[command(flatten)]
    pub definitions: SlosArg,
    /// Only the tables for this source in fleet.yaml
    #[arg(long, value_name = "NAME", help_heading = DEFINITIONS)]
    pub source: Option<String>,
    /// Create the tables in Athena; existing tables are not changed
    #[arg(long, help_heading = AWS)]
    pub create: bool,
}

pub async fn tables(arguments: &TablesArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let definitions = read_definitions(&arguments.definitions.slos, None, now)?;
    if let Some(name) = arguments.source.as_ref().filter(|name| !definitions.catalog.sources.contains_key(*name)) {
        return Err(CommandError::unknown("source", name, definitions.catalog.sources.keys().map(String::as_str)));
    }
    let is_selected = |name: &str| arguments.source.as_ref().is_none_or(|wanted| wanted == name);
    let (mut status, mut source_count) = (ExitStatus::Success, 0);
    for (name, source) in definitions.catalog.sources.iter().filter(|(name, _)| is_selected(name)) {
        let SourceKind::Athena { aws: scope, athena: athena_source } = &source.kind else { continue };
        source_count += 1;
        let Some(log_source) = &athena_source.table_source else {
            print_warning(format!(
                "source `{name}` does not set the location of its logs\nhint: add `logs: s3://<bucket>/<prefix>`, `accounts` and \
                 `regions` to it in fleet.yaml"
            ));
            status = ExitStatus::Partial;
            continue;
        };
        let statements = athena::create_statements(athena_source, log_source).map_err(CommandError::new)?;
        if !arguments.create {
            print(format!("{};\n", statements.join(";\n\n")))?;
        } else if let Err(error) = create_tables(&statements, scope, athena_source, now).await {
            print_warning(format!("`{name}`: {error}"));
            status = ExitStatus::Partial;
        }
    }
    if source_count == 0 {
        return Err(CommandError::new(
            "no Athena source in fleet.yaml\nhint: add a source with `athena: <database>.<table>`; `slowburn check` reports invalid sources",
        ));
    }
    Ok(status)
}

async fn create_tables(
    statements: &[String],
    scope: &AwsScope,
    source: &AthenaSource,
    now: Minute,
) -> Result<(), HintedError> {
    let client = Aws::shared().await.for_scope(scope).await.athena();
    let session = AthenaSession {
        client,
        source,
        fetch_end: now,
        stop_requested: &AtomicBool::new(false),
        bytes_left: Arc::new(AtomicU64::new(u64::MAX)),
    };
    for statement in statements {
        athena::run_statement(&session, statement).await?;
        print_message(statement.lines().next().unwrap_or_default().trim_end_matches([' ', '(']));
    }
    Ok(())
}
