//! What can be typed of `export`.

use clap::Args;

use super::Place;
use crate::minute::Minute;

/// Arguments of `export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Where, and when.
    #[command(flatten)]
    pub place: Place,
    /// Only this SLO, as `SERVICE/SLO`
    #[arg(long, value_name = "SLO")]
    pub slo: Option<String>,
    /// First minute; the default is the first of the ledger
    #[arg(long, value_name = "TIME")]
    pub from: Option<Minute>,
    /// The minute to stop before; the default is the moment looked at
    #[arg(long, value_name = "TIME")]
    pub to: Option<Minute>,
}
