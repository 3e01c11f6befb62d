//! `slowburn explain`: why an SLO did or did not page at a minute.

use super::load::{find_slo, load_definitions, open_ledger};
use super::{CommandError, ExitStatus, alert_state_kind, print};
use crate::cli::explain::{ExplainArgs, ExplainFormat};
use crate::engine;
use crate::time::Minute;

pub(super) async fn explain(arguments: ExplainArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let evaluation_time = arguments.common.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, evaluation_time)?;
    let (service, slo) = find_slo(&definitions, &arguments.slo)?;
    // The default is the newest minute that a run would evaluate now.
    let at = match arguments.common.time.at {
        Some(_) => evaluation_time,
        None => definitions.catalog.evaluation_time(slo, now),
    };
    let store = open_ledger(&arguments.common).await?;
    let kind = alert_state_kind(arguments.state);
    let explanation =
        engine::explain(&definitions.catalog, &store, kind, (service, slo), at).await.map_err(CommandError::from)?;
    print(
        match arguments.format {
            ExplainFormat::Text => explanation.text(),
            ExplainFormat::Json => format!("{:#}\n", explanation.json()),
        }
        .as_bytes(),
    )?;
    Ok(if definitions.has_errors() { ExitStatus::Partial } else { ExitStatus::Success })
}
