//! `slowburn tables`: the DDL of the tables that Athena sources need, printed or run.

use std::sync::atomic::{AtomicBool, AtomicU64};

use super::open::definitions;
use super::{Ended, Failure, print, say, styled};
use crate::aws::Aws;
use crate::cli::tables::TablesArgs;
use crate::fetch::athena::{self, Access, Fault};
use crate::minute::Minute;
use crate::slo::{Lake, Reach, SourceKind};

pub(super) async fn tables(arguments: &TablesArgs, now: Minute) -> Result<Ended, Failure> {
    let found = definitions(&arguments.definitions.slos, None, now)?;
    if let Some(name) = arguments.source.as_ref().filter(|name| !found.catalog.sources.contains_key(*name)) {
        return Err(Failure::unknown("source", name, found.catalog.sources.keys().map(String::as_str)));
    }
    let named = |name: &str| arguments.source.as_ref().is_none_or(|wanted| wanted == name);
    let (mut ended, mut lakes) = (Ended::Done, 0);
    for (name, source) in found.catalog.sources.iter().filter(|(name, _)| named(name)) {
        let SourceKind::Athena { reach, lake } = &source.kind else { continue };
        lakes += 1;
        let Some(made_of) = &lake.made_of else {
            say(&format!(
                "{}: source `{name}` does not set the location of its logs\nhint: add `logs: s3://<bucket>/<prefix>`, `accounts` \
                 and `regions` to it in fleet.yaml",
                styled("warning")
            ));
            ended = Ended::InPart;
            continue;
        };
        let statements = athena::statements(lake, made_of).map_err(|fault| Failure::new(fault.to_string()))?;
        if arguments.create {
            let fault = create(&statements, (reach, lake), now).await.err();
            if let Some(fault) = fault {
                say(&format!("{}: `{name}`: {fault}", styled("warning")));
                ended = Ended::InPart;
            }
        } else {
            print(format!("{};\n", statements.join(";\n\n")).as_bytes())?;
        }
    }
    if lakes == 0 {
        return Err(Failure::new(
            "no Athena source in fleet.yaml\nhint: add a source with `athena: <database>.<table>`; `slowburn check` reports invalid sources",
        ));
    }
    Ok(ended)
}

async fn create(statements: &[String], (reach, lake): (&Reach, &Lake), now: Minute) -> Result<(), Fault> {
    let client = Aws::reach().await.of(reach).await.athena();
    let access =
        Access { client: &client, lake, moment: now, stop: &AtomicBool::new(false), room: &AtomicU64::new(u64::MAX) };
    for statement in statements {
        athena::create(&access, statement).await?;
        say(statement.lines().next().unwrap_or_default().trim_end_matches([' ', '(']));
    }
    Ok(())
}
