//! `slowburn explain`: why an SLO did or did not page at a minute.

use clap::Args;
use clap_complete::ArgValueCandidates;

use super::load::{find_slo, load_definitions, open_ledger};
use super::output::print;
use super::shared_arguments::{CommonArgs, OUTPUT, StateArgs, TextFormat};
use super::{CommandError, ExitStatus, completions};
use crate::queries;
use crate::time::Minute;

const EXAMPLES: &str = "\
Examples:
  slowburn explain checkout/availability
  slowburn explain checkout/availability --at 2026-10-27T14:20Z
  slowburn explain checkout/availability --at -2h --format json";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// The SLO, as `SERVICE/SLO`
    #[arg(value_name = "SLO", add = ArgValueCandidates::new(completions::slo_candidates))]
    pub slo: String,
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub state: StateArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: TextFormat,
}

pub async fn explain(arguments: &ExplainArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let evaluation_time = arguments.common.time.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, evaluation_time)?;
    let (service, slo) = find_slo(&definitions, &arguments.slo)?;
    // The default is the newest minute that a run would evaluate now.
    let at = match arguments.common.time.at {
        Some(_) => evaluation_time,
        None => definitions.catalog.evaluation_time(slo, now),
    };
    let store = open_ledger(&arguments.common).await?;
    let kind = arguments.state.kind();
    let explanation = queries::explain(&definitions.catalog, &store, kind, service, slo, at).await?;
    print(match arguments.format {
        TextFormat::Text => explanation.text().map_err(CommandError::with_context("cannot render the explanation"))?,
        TextFormat::Json => format!("{:#}\n", explanation.json()),
    })?;
    Ok(ExitStatus::partial_if(definitions.has_errors()))
}
