//! The door to people: takes a message to a destination, and says what became of it.
//!
//! Absent on purpose: who is told what and when, and what is tried again. That is decided, and remembered, elsewhere.

mod dry_run;
mod http;
mod mail;
mod pagerduty;
mod payload;
mod put_metric_data;
mod sanitize;
mod secret;
mod slack;
mod webhook;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use jiff::Timestamp;

use crate::alert::Notification;
use crate::report::weekly::WeeklyReport;
use crate::time::Minute;

pub use payload::schema;
pub use put_metric_data::{PutError, put_metric_data};
pub use secret::{Secret, Secrets};

/// A way to one destination.
#[async_trait::async_trait]
pub trait Channel: Send + Sync {
    /// Delivers a message. `moment` is what the clock says.
    ///
    /// The same message may be given twice, after a crash or an answer that never came: each channel says with it what
    /// the other side can tell them apart by.
    async fn send(&self, notification: &Notification, moment: Timestamp) -> Result<Receipt, SendError>;

    /// Delivers a weekly report, in the form that suits the channel.
    async fn send_weekly(&self, report: &WeeklyReport, moment: Timestamp) -> Result<Receipt, SendError> {
        self.send(&sanitize::sanitize(&report.message()), moment).await
    }
}

/// A message was taken over by the other side. Whether a person read it, nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What the other side said, in its own words on one line.
    pub response: String,
}

/// The hint of errors that only a change of the program can fix.
const BUG: &str = "report this as a bug in slowburn";

/// Why a message was not taken over. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Trying again may help: the other side is busy, broken or out of reach.
    #[error("{message}\nhint: {hint}")]
    Transient {
        /// Seconds that the other side asked to be left alone for, at most a day.
        retry_after_s: Option<u64>,
        /// What happened.
        message: String,
        /// What a person can do if it stays so.
        hint: String,
    },
    /// This message can never get to this destination as things are.
    #[error("{message}\nhint: {hint}")]
    Permanent {
        /// What happened.
        message: String,
        /// What a person has to do.
        hint: String,
    },
}

impl SendError {
    fn transient(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Transient { retry_after_s: None, message: message.into(), hint: hint.into() }
    }

    fn permanent(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Permanent { message: message.into(), hint: hint.into() }
    }

    /// The same with a secret taken out, should somebody have put it in: a server may repeat what it was sent.
    fn redacted(self, secret: &Secret) -> Self {
        match self {
            Self::Transient { retry_after_s: wait_s, message: why, hint: remedy } => {
                Self::Transient { retry_after_s: wait_s, message: secret.redact(&why), hint: remedy }
            }
            Self::Permanent { message: why, hint: remedy } => {
                Self::Permanent { message: secret.redact(&why), hint: remedy }
            }
        }
    }
}

/// What all destinations have in common, as the environment says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where secrets are looked up.
    pub secrets: Secrets,
    /// Where PagerDuty is: `https://events.pagerduty.com`, or the one of its EU region.
    pub pagerduty_url: String,
    /// The address that mail comes from.
    pub mail_from: Option<String>,
    /// A directory that everything is written into instead of being sent.
    pub dry_run_dir: Option<PathBuf>,
}

/// Takes messages to destinations, as definitions write them.
pub struct Notifier {
    settings: Settings,
    // Both read the certificates of the machine, which takes a while, and which a dry run does not need.
    http_client: OnceLock<Result<reqwest::Client, SendError>>,
    smtp_relay: OnceLock<Result<mail::SmtpRelay, SendError>>,
    started_at: Minute,
    started: Instant,
}

impl Notifier {
    /// One that may start at once. `now` is what the clock said when the program did.
    #[must_use]
    pub fn new(settings: Settings, started_at: Minute) -> Self {
        Self {
            settings,
            http_client: OnceLock::new(),
            smtp_relay: OnceLock::new(),
            started_at,
            started: Instant::now(),
        }
    }

    /// Delivers a message to a destination such as `pagerduty:${KEY}` or `mailto:team@example.com`.
    ///
    /// # Errors
    /// When it was not taken over; the error says whether trying again can help.
    pub async fn send(&self, destination: &str, notification: &Notification) -> Result<Receipt, SendError> {
        self.channel_for(destination)?.send(&sanitize::sanitize(notification), self.now()).await
    }

    /// Delivers a weekly report to a destination.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_weekly(&self, destination: &str, report: &WeeklyReport) -> Result<Receipt, SendError> {
        self.channel_for(destination)?.send_weekly(report, self.now()).await
    }

    /// What the clock says, by how long ago the program began.
    fn now(&self) -> Timestamp {
        let started_at = self.started_at.timestamp();
        started_at.checked_add(self.started.elapsed()).unwrap_or(started_at)
    }

    /// The minute that it is by now.
    #[must_use]
    pub fn current_minute(&self) -> Minute {
        Minute::from_unix_seconds(self.now().as_second())
    }

    /// Calls an address, so that whoever watches it knows that a run has come to its end.
    ///
    /// # Errors
    /// When it could not be called.
    pub async fn ping(&self, destination: &str) -> Result<Receipt, SendError> {
        let address = destination.strip_prefix("webhook:").unwrap_or(destination);
        let client = self.http_client.get_or_init(http::new_client).clone()?;
        http::ping(&client, &self.settings.secrets.expand(address)?, self.started_at.timestamp()).await
    }

    /// The way to a destination.
    fn channel_for(&self, destination: &str) -> Result<Box<dyn Channel>, SendError> {
        if let Some(folder) = &self.settings.dry_run_dir {
            return Ok(Box::new(dry_run::DryRun::new(folder, destination)));
        }
        let (kind, rest) = destination.split_once(':').unwrap_or((destination, ""));
        let expanded = || self.settings.secrets.expand(rest);
        let http_client = || self.http_client.get_or_init(http::new_client).clone();
        Ok(match kind {
            "pagerduty" => {
                Box::new(pagerduty::PagerDuty::new(http_client()?, &self.settings.pagerduty_url, expanded()?)?)
            }
            "slack" => Box::new(slack::Slack::new(http_client()?, expanded()?)?),
            "webhook" => Box::new(webhook::Webhook::new(http_client()?, expanded()?, &self.settings.secrets)?),
            "mailto" => {
                let smtp_relay = self.smtp_relay.get_or_init(|| mail::SmtpRelay::new(&self.settings));
                Box::new(mail::Mail::new(smtp_relay.clone()?, &expanded()?)?)
            }
            _ => {
                return Err(SendError::permanent(
                    format!("`{}` is not a valid destination", crate::text::escape_non_printing(destination)),
                    "use `pagerduty:${KEY}`, `slack:${HOOK}`, `webhook:${URL}` or `mailto:team@example.com`",
                ));
            }
        })
    }
}
