//! What can be typed about channels, and the variables that hold their secrets.
//!
//! Absent on purpose: options for secrets. What is typed is seen by everybody on the machine, and kept by the shell.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::notify::{Secret, Secrets, Settings};

const SECRETS: &str = "\
Secrets come from the environment alone:
  those that destinations in fleet.yaml name, as `pagerduty:${SHOP_PAGERDUTY_KEY}` or `slack:${SHOP_SLACK_HOOK}`
  SLOWBURN_SMTP_URL        where mail goes out: smtps://USER:PASSWORD@HOST:465, or for STARTTLS
                           smtp://USER:PASSWORD@HOST:587?tls=required (`%40` for `@` in name and password)
  SLOWBURN_WEBHOOK_SECRET  signs what webhooks get, so that the receiver knows it is from here
  SSL_CERT_FILE            certificates of your own CA; HTTPS_PROXY and NO_PROXY are heeded

Exit codes: 0 all took it; 3 some did; 4 nobody did, or the team is not known.";

/// How messages reach people.
#[derive(Args, Clone, Debug)]
pub struct ChannelArgs {
    /// Instead of sending, write what would be sent to whom into files: `paper:DIR`
    #[arg(long = "notify", value_name = "paper:DIR", env = "SLOWBURN_NOTIFY", value_parser = paper)]
    pub paper: Option<PathBuf>,
    /// The address that mail comes from
    #[arg(long, value_name = "ADDRESS", env = "SLOWBURN_MAIL_FROM")]
    pub mail_from: Option<String>,
    /// Where PagerDuty is; accounts in the EU have `https://events.eu.pagerduty.com`
    #[arg(long, value_name = "URL", env = "SLOWBURN_PAGERDUTY_URL", default_value = "https://events.pagerduty.com")]
    pub pagerduty_url: String,
}

impl ChannelArgs {
    /// What channels need to know.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            secrets: secrets(),
            pagerduty: self.pagerduty_url.clone(),
            mail_from: self.mail_from.clone(),
            paper: self.paper.clone(),
        }
    }
}

/// Arguments of `notify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = SECRETS)]
pub struct NotifyArgs {
    /// The team to send to: it gets one message for each destination, which says that it is a test. In PagerDuty it is an alert of
    /// severity `info` that resolves at once
    #[arg(long, value_name = "TEAM", required = true)]
    pub test: String,
    /// Folder of definitions
    #[arg(long, value_name = "DIR", env = "SLOWBURN_SLOS", default_value = "slos")]
    pub slos: PathBuf,
    /// How messages get there.
    #[command(flatten)]
    pub channels: ChannelArgs,
    /// How to print what came of it
    #[arg(long, value_enum, default_value_t)]
    pub format: NotifyFormat,
}

/// Formats of `notify`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum NotifyFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Secrets by the names of their environment variables, read when they are needed.
fn secrets() -> Secrets {
    #[expect(
        clippy::disallowed_methods,
        reason = "names of variables come from definitions, and this is where they are read"
    )]
    Secrets::new(|name| std::env::var(name).ok().map(|text| Secret::new(&text)))
}

fn paper(text: &str) -> Result<PathBuf, String> {
    let folder = text.strip_prefix("paper:").filter(|folder| !folder.is_empty());
    folder.map(PathBuf::from).ok_or_else(|| "write `paper:` and a directory, such as `paper:outbox`".to_owned())
}
