//! Options for notifications, and the variables that contain their secrets.
//!
//! Absent on purpose: options for secrets. Other users of the machine see a command line, and the shell stores it.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::ArgValueCandidates;

use super::{ALERTS, OUTPUT, SlosArg, complete};
use crate::notify::{Secret, Secrets, Settings};

const AFTER_HELP: &str = "\
Examples:
  slowburn notify --test shop
  slowburn notify --test shop --dry-run notifications

Environment:
  SLOWBURN_SMTP_URL        mail server: smtps://USER:PASSWORD@HOST:465, or with STARTTLS
                           smtp://USER:PASSWORD@HOST:587?tls=required (write `@` in USER or PASSWORD as `%40`)
  SLOWBURN_WEBHOOK_SECRET  key that signs webhook requests
  SSL_CERT_FILE            certificates of a private CA
  HTTPS_PROXY, NO_PROXY    proxy for outgoing requests
  Destinations in fleet.yaml use other variables, such as `pagerduty:${SHOP_PAGERDUTY_KEY}`.

Exit codes:
  0  delivered to all destinations
  2  usage error
  3  delivered to some destinations
  4  failed for all destinations";

/// How notifications are sent.
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

impl ChannelArgs {
    /// The settings of notification channels.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            secrets: environment_secrets(),
            pagerduty_url: self.pagerduty_url.clone(),
            mail_from: self.mail_from.clone(),
            dry_run_dir: self.dry_run.clone(),
        }
    }
}

/// Arguments of `notify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct NotifyArgs {
    /// The definitions.
    #[command(flatten)]
    pub definitions: SlosArg,
    /// Team whose destinations receive a test notification
    ///
    /// Each destination of `pages`, `tickets` and `reports` receives one notification, marked as a test. In PagerDuty
    /// it is an alert with severity `info` that is resolved immediately.
    #[arg(long, value_name = "TEAM", required = true, help_heading = ALERTS, add = ArgValueCandidates::new(complete::team_candidates))]
    pub test: String,
    /// How notifications are sent.
    #[command(flatten)]
    pub channels: ChannelArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: NotifyFormat,
}

/// Formats of `notify`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum NotifyFormat {
    /// Plain text
    #[default]
    Text,
    /// A JSON document
    Json,
}

/// Secrets by the names of their environment variables, read when they are needed.
#[must_use]
pub fn environment_secrets() -> Secrets {
    #[expect(
        clippy::disallowed_methods,
        reason = "names of variables come from definitions, and this is where they are read"
    )]
    Secrets::new(|name| std::env::var(name).ok().map(|text| Secret::new(&text)))
}

/// Parses the folder of a dry run. `paper:DIR` is what the option before this one took.
fn parse_dry_run_folder(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("paper:") {
        Some(folder) => Err(format!("must be a folder\nhint: did you mean `{folder}`?")),
        None => Ok(text.into()),
    }
}
