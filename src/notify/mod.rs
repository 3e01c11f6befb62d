//! Delivers notifications to destinations: PagerDuty, Slack, webhooks and mail, or a directory in a dry run.
//!
//! Out of scope: who is notified, when, and what is retried.

mod dry_run;
mod http;
mod mail;
mod pagerduty;
mod put_metric_data;
mod sanitize;
mod secret;
mod slack;
mod webhook;
mod webhook_payload;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use jiff::Timestamp;

use crate::alert::{DeliveryError, Notification};
use crate::report::weekly::WeeklyReport;
use crate::text::escape_non_printing;
use crate::time::Minute;

pub use put_metric_data::put_metric_data;
pub use secret::{Secret, Secrets};
pub use webhook_payload::schema;

/// The hint of errors that only a change of the program can fix.
const BUG: &str = "report this as a bug in slowburn";

/// What all destinations have in common, as the environment says.
#[derive(Clone)]
pub struct Settings {
    pub secrets: Secrets,
    /// `https://events.pagerduty.com`, or the address of the EU region.
    pub pagerduty_url: String,
    pub mail_from: Option<String>,
    /// A directory that everything is written into instead of being sent.
    pub dry_run_dir: Option<PathBuf>,
}

pub struct Notifier {
    settings: Settings,
    // Both read the certificates of the machine, which takes a while, and which a dry run does not need.
    http_client: OnceLock<Result<reqwest::Client, DeliveryError>>,
    smtp_relay: OnceLock<Result<mail::SmtpRelay, DeliveryError>>,
    started_at: Minute,
    started: Instant,
}

impl Notifier {
    pub fn new(settings: Settings, started_at: Minute) -> Self {
        let (http_client, smtp_relay) = (OnceLock::new(), OnceLock::new());
        Self { settings, http_client, smtp_relay, started_at, started: Instant::now() }
    }

    /// Sends a notification to a destination such as `pagerduty:${KEY}` or `mailto:team@example.com`. Returns the
    /// receiver's response on one line.
    ///
    /// The same notification may be sent twice, after a crash or a lost response: each channel includes an identifier
    /// by which the receiver can detect that.
    pub async fn send(&self, destination: &str, notification: &Notification) -> Result<String, DeliveryError> {
        self.send_sanitized(destination, &sanitize::sanitize(notification), None).await
    }

    /// Sends a weekly report in the form that suits the channel.
    pub async fn send_weekly(&self, destination: &str, report: &WeeklyReport) -> Result<String, DeliveryError> {
        let is_slack = self.settings.dry_run_dir.is_none() && destination.starts_with("slack:");
        let notification = if is_slack { report.digest() } else { report.message() };
        self.send_sanitized(destination, &sanitize::sanitize(&notification), Some(report)).await
    }

    async fn send_sanitized(
        &self,
        destination: &str,
        notification: &Notification,
        report: Option<&WeeklyReport>,
    ) -> Result<String, DeliveryError> {
        let Settings { secrets, pagerduty_url, dry_run_dir, .. } = &self.settings;
        if let Some(folder) = dry_run_dir {
            return dry_run::write(folder, destination, notification);
        }
        let (kind, address) = destination.split_once(':').unwrap_or((destination, ""));
        let address = || secrets.expand(address);
        let posts = match kind {
            "pagerduty" => pagerduty::posts(pagerduty_url, &address()?, notification)?,
            "slack" => vec![slack::post(address()?, notification)?],
            "webhook" => vec![webhook::post(address()?, secrets, notification, self.now())?],
            "mailto" => {
                let relay = self.smtp_relay.get_or_init(|| mail::SmtpRelay::new(&self.settings)).clone()?;
                return relay.send(&address()?, notification, report, self.now()).await;
            }
            _ => {
                return Err(DeliveryError::permanent(
                    format!("`{}` is not a valid destination", escape_non_printing(destination)),
                    "use `pagerduty:${KEY}`, `slack:${HOOK}`, `webhook:${URL}` or `mailto:team@example.com`",
                ));
            }
        };
        self.send_posts(posts).await
    }

    async fn send_posts(&self, posts: Vec<http::Post>) -> Result<String, DeliveryError> {
        let client = self.http_client.get_or_init(http::new_client).clone()?;
        let mut response = String::new();
        for post in posts {
            response = http::send(&client, post, self.now()).await?;
        }
        Ok(response)
    }

    /// Calls an address, so that a heartbeat monitor knows that a run has completed.
    pub async fn ping(&self, destination: &str) -> Result<String, DeliveryError> {
        let address = self.settings.secrets.expand(destination.strip_prefix("webhook:").unwrap_or(destination))?;
        let url = http::parse_url(&address, "the heartbeat address", false)?;
        let hint = |_, _: &str| "copy the complete address of the heartbeat check again";
        self.send_posts(vec![http::Post::new(url, "{}".to_owned(), address, hint)]).await
    }

    fn now(&self) -> Timestamp {
        let started_at = self.started_at.timestamp();
        started_at.checked_add(self.started.elapsed()).unwrap_or(started_at)
    }

    pub fn current_minute(&self) -> Minute {
        Minute::from_unix_seconds(self.now().as_second())
    }
}

#[cfg(test)]
mod tests;
