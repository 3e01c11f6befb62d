//! `slowburn tables`: the DDL of the tables that Athena sources need, printed or run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::load::read_definitions;
use super::{CommandError, ExitStatus, eprint_line, print, styled};
use crate::aws::Aws;
use crate::cli::tables::TablesArgs;
use crate::hinted_error::HintedError;
use crate::slo::{AthenaSource, AwsScope, SourceKind};
use crate::source::athena::{self, AthenaSession};
use crate::time::Minute;

pub(super) async fn tables(arguments: &TablesArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let definitions = read_definitions(&arguments.definitions.slos, None, now)?;
    if let Some(name) = arguments.source.as_ref().filter(|name| !definitions.catalog.sources.contains_key(*name)) {
        return Err(CommandError::unknown("source", name, definitions.catalog.sources.keys().map(String::as_str)));
    }
    let is_selected = |name: &str| arguments.source.as_ref().is_none_or(|wanted| wanted == name);
    let (mut status, mut source_count) = (ExitStatus::Success, 0);
    for (name, source) in definitions.catalog.sources.iter().filter(|(name, _)| is_selected(name)) {
        let SourceKind::Athena { aws: reach, athena: athena_source } = &source.kind else { continue };
        source_count += 1;
        let Some(log_source) = &athena_source.table_source else {
            eprint_line(&format!(
                "{}: source `{name}` does not set the location of its logs\nhint: add `logs: s3://<bucket>/<prefix>`, `accounts` \
                 and `regions` to it in fleet.yaml",
                styled("warning")
            ));
            status = ExitStatus::Partial;
            continue;
        };
        let statements = athena::create_statements(athena_source, log_source)
            .map_err(|fault| CommandError::new(fault.to_string()))?;
        if arguments.create {
            let fault = create_tables(&statements, (reach, athena_source), now).await.err();
            if let Some(fault) = fault {
                eprint_line(&format!("{}: `{name}`: {fault}", styled("warning")));
                status = ExitStatus::Partial;
            }
        } else {
            print(format!("{};\n", statements.join(";\n\n")).as_bytes())?;
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
    (reach, athena_source): (&AwsScope, &AthenaSource),
    now: Minute,
) -> Result<(), HintedError> {
    let client = Aws::shared().await.for_scope(reach).await.athena();
    let access = AthenaSession {
        client,
        source: athena_source,
        fetch_end: now,
        stop_requested: &AtomicBool::new(false),
        bytes_left: Arc::new(AtomicU64::new(u64::MAX)),
    };
    for statement in statements {
        athena::run_statement(&access, statement).await?;
        eprint_line(statement.lines().next().unwrap_or_default().trim_end_matches([' ', '(']));
    }
    Ok(())
}
