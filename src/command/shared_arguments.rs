//! Options that several commands share, and parsers of their values.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::environment::environment_secrets;
use super::time::Time;
use crate::location::Location;
use crate::notify::Settings;
use crate::store::AlertStateKind;
use crate::time::Minute;

/// Headings that options are listed under, in this order.
pub const DEFINITIONS: &str = "Definitions";
pub const DATA: &str = "Data";
pub const ALERTS: &str = "Alerts";
pub const OUTPUT: &str = "Output";
pub const AWS: &str = "AWS";
pub const LOGGING: &str = "Logging";

#[derive(Args, Clone, Debug)]
pub struct SlosArg {
    /// Folder of definitions: `fleet.yaml` and `TEAM/SERVICE.yaml`
    #[arg(long, value_name = "DIR", env = "SLOWBURN_SLOS", default_value = "slos", value_parser = parse_folder,
          value_hint = ValueHint::DirPath, help_heading = DEFINITIONS)]
    pub slos: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub struct DefinitionArgs {
    #[command(flatten)]
    pub folder: SlosArg,
    /// Folder of SQL files for `query` indicators
    #[arg(long, value_name = "DIR", env = "SLOWBURN_QUERIES", default_value = "queries", value_parser = parse_folder,
          value_hint = ValueHint::DirPath, help_heading = DEFINITIONS)]
    pub queries: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub struct AtArg {
    /// Evaluate as of this time instead of now
    ///
    /// Accepts `2026-10-31T23:50Z`, `2026-10-31 23:50` (UTC), `2026-10-31` (midnight UTC), a time with an offset such
    /// as `2026-11-01T01:50+02:00`, or a time relative to now: `now`, `yesterday` (24 hours ago), `-30m`, `-1h`, `-2d`.
    #[arg(long, value_name = "TIME", env = "SLOWBURN_AT", allow_hyphen_values = true, help_heading = DATA)]
    pub at: Option<Time>,
}

#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    #[command(flatten)]
    pub definitions: DefinitionArgs,
    /// Location of the ledger: a folder or `s3://bucket/prefix`
    ///
    /// `slowburn run` creates it if it does not exist.
    #[arg(long, value_name = "LOCATION", env = "SLOWBURN_LEDGER", default_value = "ledger",
          value_hint = ValueHint::DirPath, help_heading = DATA)]
    pub ledger: Location,
    #[command(flatten)]
    pub time: AtArg,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct StateArgs {
    /// Show the incidents of dry runs instead of those of live runs
    #[arg(long, help_heading = ALERTS)]
    pub dry_run_state: bool,
}

#[derive(Args, Clone, Debug)]
pub struct OutFile {
    /// Write to this file instead of stdout; an existing file is replaced atomically
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct ChannelArgs {
    /// Write notifications to files in this folder instead of sending them
    ///
    /// A dry run has its own alert state: it does not change the incidents of live runs.
    #[arg(long, value_name = "DIR", env = "SLOWBURN_DRY_RUN", value_parser = parse_dry_run_folder,
          value_hint = ValueHint::DirPath, help_heading = ALERTS)]
    pub dry_run: Option<PathBuf>,
    /// Sender address of outgoing mail
    #[arg(long, value_name = "ADDRESS", env = "SLOWBURN_MAIL_FROM", help_heading = ALERTS)]
    pub mail_from: Option<String>,
    /// URL of the PagerDuty Events API; for EU accounts `https://events.eu.pagerduty.com`
    #[arg(long, value_name = "URL", env = "SLOWBURN_PAGERDUTY_URL", default_value = "https://events.pagerduty.com",
          help_heading = ALERTS)]
    pub pagerduty_url: String,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum TextFormat {
    /// Plain text
    #[default]
    Text,
    /// A JSON document
    Json,
}

impl AtArg {
    pub fn evaluation_time(&self, now: Minute) -> Minute {
        self.at.map_or(now, |at| at.resolve(now))
    }
}

impl StateArgs {
    pub fn kind(self) -> AlertStateKind {
        if self.dry_run_state { AlertStateKind::DryRun } else { AlertStateKind::Live }
    }
}

impl ChannelArgs {
    pub fn settings(&self) -> Settings {
        Settings {
            secrets: environment_secrets(),
            pagerduty_url: self.pagerduty_url.clone(),
            mail_from: self.mail_from.clone(),
            dry_run_dir: self.dry_run.clone(),
        }
    }
}

/// Parses a whole number within bounds.
pub fn parse_integer(text: &str, min: u16, max: u16) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}

pub fn parse_days(text: &str) -> Result<u16, String> {
    parse_integer(text, 1, 400)
}

/// Parses the path of a local folder.
pub fn parse_folder(text: &str) -> Result<PathBuf, String> {
    match text.split_once("://") {
        None => Ok(text.into()),
        Some(("s3", _)) => Err(format!("must be a local folder\nhint: copy it first with `aws s3 sync {text} DIR`")),
        Some(_) => Err("must be a local folder".to_owned()),
    }
}

/// Parses the folder of a dry run. `paper:DIR` is what the option before this one took.
fn parse_dry_run_folder(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("paper:") {
        Some(folder) => Err(format!("must be a folder\nhint: did you mean `{folder}`?")),
        None => Ok(text.into()),
    }
}
