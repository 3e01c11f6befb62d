//! What can be typed of `gate`.

use clap::{Args, ValueEnum};

use super::Place;
use crate::visible::visible;

const EXIT_CODES: &str = "\
Exit codes: 0 it may be deployed, by the policy or by an override that is recorded; 1 it must not; 3 nobody can say, since too
much is unknown or a definition is faulty; 4 the question could not be asked. A pipeline that goes by the code alone stops at
each of 1, 3 and 4.";

/// Arguments of `gate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub struct GateArgs {
    /// The service that is to be deployed
    pub service: String,
    /// Where, and when.
    #[command(flatten)]
    pub place: Place,
    /// Deploy this once whatever the answer is, for this reason. It is kept in the ledger, and reports show it
    #[arg(long = "override", value_name = "REASON", requires = "by", value_parser = words)]
    pub reason: Option<String>,
    /// Who takes the override on themselves
    #[arg(long, value_name = "WHO", env = "SLOWBURN_BY", value_parser = words)]
    pub by: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: GateFormat,
}

/// Formats of `gate`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum GateFormat {
    /// One sentence
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// A line for people: what pipelines put in here may come from a commit or a form.
fn words(text: &str) -> Result<String, String> {
    let shown = visible(text.trim());
    match shown.chars().count() {
        0 => Err("say it in a few words".to_owned()),
        1..=500 => Ok(shown),
        _ => Err("say it in at most 500 characters".to_owned()),
    }
}
