//! The door to people: takes a message to a destination, and says what became of it.
//!
//! Absent on purpose: who is told what and when, and what is tried again. That is decided, and remembered, elsewhere.

mod document;
mod http;
mod mail;
mod metrics;
mod pagerduty;
mod paper;
mod secret;
mod slack;
mod webhook;
mod words;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use jiff::Timestamp;

use crate::alert::Message;
use crate::minute::Minute;
use crate::report::weekly::Weekly;

pub use document::schema;
pub use metrics::{PutError, put};
pub use secret::{Secret, Secrets};

/// A way to one destination.
#[async_trait::async_trait]
pub trait Channel: Send + Sync {
    /// Delivers a message. `moment` is what the clock says.
    ///
    /// The same message may be given twice, after a crash or an answer that never came: each channel says with it what
    /// the other side can tell them apart by.
    async fn send(&self, message: &Message, moment: Timestamp) -> Result<Receipt, SendError>;

    /// Delivers a weekly report, in the form that suits the channel.
    async fn report(&self, report: &Weekly, moment: Timestamp) -> Result<Receipt, SendError> {
        self.send(&words::clean(&report.message()), moment).await
    }
}

/// A message was taken over by the other side. Whether a person read it, nobody here knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What the other side said, in its own words on one line.
    pub said: String,
}

/// The hint of errors that only a change of the program can fix.
const BUG: &str = "report this as a bug in slowburn";

/// Why a message was not taken over. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Trying again may help: the other side is busy, broken or out of reach.
    #[error("{why}\nhint: {remedy}")]
    Later {
        /// Seconds that the other side asked to be left alone for, at most a day.
        wait_s: Option<u64>,
        /// What happened.
        why: String,
        /// What a person can do if it stays so.
        remedy: String,
    },
    /// This message can never get to this destination as things are.
    #[error("{why}\nhint: {remedy}")]
    Never {
        /// What happened.
        why: String,
        /// What a person has to do.
        remedy: String,
    },
}

impl SendError {
    fn later(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Later { wait_s: None, why: why.into(), remedy: remedy.into() }
    }

    fn never(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Never { why: why.into(), remedy: remedy.into() }
    }

    /// The same with a secret taken out, should somebody have put it in: a server may repeat what it was sent.
    fn without(self, secret: &Secret) -> Self {
        match self {
            Self::Later { wait_s, why, remedy } => Self::Later { wait_s, why: secret.hidden_in(&why), remedy },
            Self::Never { why, remedy } => Self::Never { why: secret.hidden_in(&why), remedy },
        }
    }
}

/// What all destinations have in common, as the environment says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where secrets are looked up.
    pub secrets: Secrets,
    /// Where PagerDuty is: `https://events.pagerduty.com`, or the one of its EU region.
    pub pagerduty: String,
    /// The address that mail comes from.
    pub mail_from: Option<String>,
    /// A directory that everything is written into instead of being sent.
    pub paper: Option<PathBuf>,
}

/// Takes messages to destinations, as definitions write them.
pub struct Postman {
    settings: Settings,
    // Both read the certificates of the machine, which takes a while, and which a dry run does not need.
    http: OnceLock<Result<reqwest::Client, SendError>>,
    relay: OnceLock<Result<mail::Relay, SendError>>,
    now: Minute,
    began: Instant,
}

impl Postman {
    /// One that may start at once. `now` is what the clock said when the program did.
    #[must_use]
    pub fn new(settings: Settings, now: Minute) -> Self {
        Self { settings, http: OnceLock::new(), relay: OnceLock::new(), now, began: Instant::now() }
    }

    /// Delivers a message to a destination such as `pagerduty:${KEY}` or `mailto:team@example.com`.
    ///
    /// # Errors
    /// When it was not taken over; the error says whether trying again can help.
    pub async fn send(&self, destination: &str, message: &Message) -> Result<Receipt, SendError> {
        self.channel(destination)?.send(&words::clean(message), self.moment()).await
    }

    /// Delivers a weekly report to a destination.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn report(&self, destination: &str, report: &Weekly) -> Result<Receipt, SendError> {
        self.channel(destination)?.report(report, self.moment()).await
    }

    /// What the clock says, by how long ago the program began.
    fn moment(&self) -> Timestamp {
        let started = self.now.timestamp();
        started.checked_add(self.began.elapsed()).unwrap_or(started)
    }

    /// The minute that it is by now.
    #[must_use]
    pub fn minute(&self) -> Minute {
        Minute::of_unix_seconds(self.moment().as_second())
    }

    /// Calls an address, so that whoever watches it knows that a run has come to its end.
    ///
    /// # Errors
    /// When it could not be called.
    pub async fn ping(&self, destination: &str) -> Result<Receipt, SendError> {
        let address = destination.strip_prefix("webhook:").unwrap_or(destination);
        let client = self.http.get_or_init(http::client).clone()?;
        http::ping(&client, &self.settings.secrets.filled(address)?, self.now.timestamp()).await
    }

    /// The way to a destination.
    fn channel(&self, destination: &str) -> Result<Box<dyn Channel>, SendError> {
        if let Some(folder) = &self.settings.paper {
            return Ok(Box::new(paper::Paper::new(folder, destination)));
        }
        let (kind, rest) = destination.split_once(':').unwrap_or((destination, ""));
        let filled = || self.settings.secrets.filled(rest);
        let http = || self.http.get_or_init(http::client).clone();
        Ok(match kind {
            "pagerduty" => Box::new(pagerduty::PagerDuty::new(http()?, &self.settings.pagerduty, filled()?)?),
            "slack" => Box::new(slack::Slack::new(http()?, filled()?)?),
            "webhook" => Box::new(webhook::Webhook::new(http()?, filled()?, &self.settings.secrets)?),
            "mailto" => {
                let relay = self.relay.get_or_init(|| mail::Relay::new(&self.settings));
                Box::new(mail::Mail::new(relay.clone()?, &filled()?)?)
            }
            _ => {
                return Err(SendError::never(
                    format!("`{}` is not a valid destination", crate::visible::visible(destination)),
                    "use `pagerduty:${KEY}`, `slack:${HOOK}`, `webhook:${URL}` or `mailto:team@example.com`",
                ));
            }
        })
    }
}
