//! Mail over SMTP: text and HTML, one message to one address, in a thread with the others of its incident.
//!
//! Absent on purpose: many recipients of one message. With one each, a mailbox that is full or gone holds up no other.

use std::time::Duration;

use jiff::Timestamp;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use minijinja::{Environment, context};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use xxhash_rust::xxh3::xxh3_128;

use super::payload::Payload;
use super::sanitize::{is_weekly_report, label, labelled_title, ownership, plain_text, sanitize, title_without_label};
use super::{BUG, Channel, Receipt, Secret, SendError, Settings};
use crate::alert::{Notification, NotificationKind};
use crate::report::weekly::{ImageMode, WeeklyReport};
use crate::slo::Urgency;
use crate::text::{escape_non_printing, truncate};

/// The variable that says where mail goes out, and as whom.
const SMTP_URL_VARIABLE: &str = "SLOWBURN_SMTP_URL";
/// One command and its answer.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// All of them.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
const SUBJECT_CHARS_MAX: usize = 200;
const TEMPLATE: &str = "mail.html";

const URL_HINT: &str = "use `smtps://USER:PASSWORD@HOST:465` for TLS or `smtp://USER:PASSWORD@HOST:587?tls=required` for STARTTLS; \
                     percent-encode special characters in the user and password, such as `%40` for `@`";

/// The server that takes mail, and who it comes from.
#[derive(Clone)]
pub(super) struct SmtpRelay {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// What must not be shown: the password as it is, and as the address has it.
    passwords: [Secret; 2],
}

impl SmtpRelay {
    /// The server of the settings. Nothing is asked of it yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, SendError> {
        let Some(url) = settings.secrets.get(SMTP_URL_VARIABLE) else {
            return Err(SendError::permanent(
                format!("the environment variable `{SMTP_URL_VARIABLE}` is not set"),
                URL_HINT,
            ));
        };
        let Some(from) = &settings.mail_from else {
            return Err(SendError::permanent(
                "no sender address for mail is set",
                "set SLOWBURN_MAIL_FROM to an address that the mail server accepts as sender, such as `slowburn@example.com`",
            ));
        };
        let from = from.parse().map_err(|_| {
            SendError::permanent(
                format!("SLOWBURN_MAIL_FROM is not a valid mail address: `{}`", escape_non_printing(from)),
                "use `slowburn@example.com` or `slowburn <slowburn@example.com>`",
            )
        })?;
        let passwords = validate_url(&url)?;
        // What it says of a URL may show some of it.
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal()).map_err(|_| {
            SendError::permanent(format!("`{SMTP_URL_VARIABLE}` is not a valid mail server URL"), URL_HINT)
        })?;
        Ok(Self { server: server.timeout(Some(COMMAND_TIMEOUT)).build(), from, passwords })
    }
}

/// The password of an address that sends none in the clear, decoded and as it stands there.
fn validate_url(text: &Secret) -> Result<[Secret; 2], SendError> {
    let invalid_url =
        || SendError::permanent(format!("`{SMTP_URL_VARIABLE}` is not a valid mail server URL"), URL_HINT);
    let url = Url::parse(text.reveal()).map_err(|_| invalid_url())?;
    if url.host_str().is_none_or(str::is_empty) || !["smtp", "smtps"].contains(&url.scheme()) {
        return Err(invalid_url());
    }
    let requires_tls =
        url.scheme() == "smtps" || url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
    let has_login = url.password().is_some() || !url.username().is_empty();
    if has_login && !requires_tls {
        return Err(SendError::permanent(
            format!("`{SMTP_URL_VARIABLE}` would send the password unencrypted"),
            URL_HINT,
        ));
    }
    let password = url.password().unwrap_or_default();
    let decoded = percent_decode_str(password).decode_utf8_lossy();
    Ok([Secret::new(&decoded), Secret::new(password)])
}

/// One mailbox.
pub(super) struct Mail {
    relay: SmtpRelay,
    recipient: Address,
}

impl Mail {
    pub(super) fn new(relay: SmtpRelay, recipient: &Secret) -> Result<Self, SendError> {
        let recipient = recipient.reveal().parse().map_err(|_| {
            SendError::permanent(
                "the destination is not a valid mail address",
                "write one address after `mailto:`; several addresses are separate destinations in a list",
            )
        })?;
        Ok(Self { relay, recipient })
    }

    fn build_email(&self, notification: &Notification, moment: Timestamp) -> Result<lettre::Message, SendError> {
        let html = html(notification)
            .map_err(|error| SendError::permanent(format!("cannot create the email: {error}"), BUG))?;
        self.assemble(notification, moment, MultiPart::alternative_plain_html(plain_text(notification), html))
    }

    /// A weekly report, with its pictures as parts of the same mail.
    fn build_weekly_email(&self, report: &WeeklyReport, moment: Timestamp) -> Result<lettre::Message, SendError> {
        let notification = sanitize(&report.message());
        let page = report.to_html(ImageMode::Attached).map_err(|error| SendError::permanent(error.to_string(), BUG))?;
        let png = ContentType::parse("image/png")
            .map_err(|error| SendError::permanent(format!("cannot create the email: {error}"), BUG))?;
        let mut related = MultiPart::related().singlepart(SinglePart::html(page.html));
        for (id, picture) in page.image_files {
            related = related.singlepart(Attachment::new_inline(id).body(picture, png.clone()));
        }
        let parts =
            MultiPart::alternative().singlepart(SinglePart::plain(plain_text(&notification))).multipart(related);
        self.assemble(&notification, moment, parts)
    }

    fn assemble(
        &self,
        notification: &Notification,
        moment: Timestamp,
        parts: MultiPart,
    ) -> Result<lettre::Message, SendError> {
        let id = |number| message_id(&notification.key, number, self.relay.from.email.domain());
        // The subject of a report needs no mark.
        let subject =
            if is_weekly_report(notification) { notification.title.clone() } else { labelled_title(notification) };
        let mut email = lettre::Message::builder()
            .from(self.relay.from.clone())
            .to(Mailbox::new(None, self.recipient.clone()))
            .subject(truncate(&subject, SUBJECT_CHARS_MAX))
            .date(moment.into())
            .message_id(Some(id(notification.number)))
            .header(AutoSubmitted);
        if is_weekly_report(notification) {
            email = email.header(ListId(format!("<{}.weekly.{}>", notification.team, self.relay.from.email.domain())));
        }
        if notification.number > 1 {
            email = email.in_reply_to(id(1)).references(id(1));
        }
        email.multipart(parts).map_err(|error| SendError::permanent(format!("cannot create the email: {error}"), BUG))
    }

    async fn deliver(&self, email: lettre::Message) -> Result<Receipt, SendError> {
        let sent = tokio::time::timeout(TOTAL_TIMEOUT, self.relay.server.send(email)).await;
        match sent {
            Ok(Ok(response)) => {
                let response_lines: Vec<&str> = response.message().collect();
                Ok(Receipt {
                    response: escape_non_printing(&format!("{} {}", response.code(), response_lines.join(" "))),
                })
            }
            Ok(Err(error)) => Err(self.relay.passwords.iter().fold(smtp_error(&error), SendError::redacted)),
            Err(_) => Err(SendError::transient(
                format!("no complete response from the mail server within {} seconds", TOTAL_TIMEOUT.as_secs()),
                "this is often temporary; if it persists, check the mail server",
            )),
        }
    }
}

#[async_trait::async_trait]
impl Channel for Mail {
    async fn send(&self, notification: &Notification, moment: Timestamp) -> Result<Receipt, SendError> {
        self.deliver(self.build_email(notification, moment)?).await
    }

    async fn send_weekly(&self, report: &WeeklyReport, moment: Timestamp) -> Result<Receipt, SendError> {
        self.deliver(self.build_weekly_email(report, moment)?).await
    }
}

/// The same for the same message, so that a second one is known as a duplicate.
fn message_id(key: &str, number: u32, domain: &str) -> String {
    format!("<{:032x}.{number}@{domain}>", xxh3_128(key.as_bytes()))
}

/// What a refusal means: one of the mailbox is for good if the server says so, one of the login, the certificate or the
/// connection may be mended any time, and is no reason to lose a message.
fn smtp_error(error: &SmtpError) -> SendError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let reason = match cause.to_string() {
        // What it goes on with is about programming.
        text if text.contains("close_notify") => "the connection was closed".to_owned(),
        text => escape_non_printing(&text),
    };
    let Some(code) = error.status().map(|code| code.to_string()) else {
        let hint = if reason.contains("certificate") {
            "the mail server's certificate is not trusted; if it was issued by a private CA, set SSL_CERT_FILE to that CA's certificate file"
        } else {
            "this is often temporary; if it persists, check the host, port and encryption in SLOWBURN_SMTP_URL"
        };
        return SendError::transient(format!("cannot send through the mail server: {reason}"), hint);
    };
    let message = format!("the mail server answered {code}: {reason}");
    match code.as_str() {
        "530" | "534" | "535" | "538" => SendError::transient(
            message,
            "check the user and password in SLOWBURN_SMTP_URL; percent-encode special characters, such as `%40` for `@`",
        ),
        _ if error.is_transient() => {
            SendError::transient(message, "this is often temporary; if it persists, contact the mail administrator")
        }
        _ => SendError::permanent(
            message,
            "check the address in fleet.yaml, and that SLOWBURN_MAIL_FROM is allowed to send to it",
        ),
    }
}

/// The message as a page that needs nothing but itself, and reads well on light and on dark.
fn html(notification: &Notification) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // The ending of the name is what makes it escape.
    environment.add_template(TEMPLATE, include_str!("mail.html"))?;
    environment.get_template(TEMPLATE)?.render(context! {
        mark => label(notification),
        color => color(notification),
        heading => title_without_label(notification),
        message => minijinja::value::Serde(Payload::new(notification)),
        concerned => ownership(notification),
        at => notification.at.to_string(),
    })
}

/// Colours that are told apart on white and on black.
fn color(notification: &Notification) -> &'static str {
    match (notification.kind, notification.urgency) {
        (NotificationKind::Resolved, _) => "#2e9e44",
        (NotificationKind::Note | NotificationKind::Test, _) => "#3b82f6",
        (_, Urgency::Severe) => "#e0313a",
        (_, Urgency::Page) => "#e8590c",
        (_, Urgency::Ticket) => "#b8860b",
    }
}

/// That no person wrote it, so that no other program answers it (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Which list it belongs to, so that a person can sort it (RFC 2919). Names of teams are harmless in it.
#[derive(Clone)]
struct ListId(String);

impl Header for ListId {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Id")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sanitize::tests::page_notification;
    use super::*;

    fn relay(url: &str) -> Result<SmtpRelay, SendError> {
        let secret = Secret::new(url);
        let settings = Settings {
            secrets: super::super::Secrets::new(move |name| (name == SMTP_URL_VARIABLE).then(|| secret.clone())),
            pagerduty_url: String::new(),
            mail_from: Some("slowburn <slo@example.com>".to_owned()),
            dry_run_dir: None,
        };
        SmtpRelay::new(&settings)
    }

    #[test]
    fn password_is_sent_over_tls_only() {
        for url in [
            "smtps://u:hunter22@h",
            "smtp://u:hunter22@h:587?tls=required",
            "smtp://h:25",
            "smtp://h?tls=opportunistic",
        ] {
            assert!(relay(url).is_ok(), "{url}");
        }
        for url in
            ["smtp://u:hunter22@h", "smtp://u:hunter22@h?tls=opportunistic", "http://h", "smtp://", "smtps", "hunter22"]
        {
            let error = relay(url).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(SMTP_URL_VARIABLE) && !error.contains("hunter22"), "{url}: {error}");
        }
    }

    #[test]
    fn hostile_text_is_escaped() {
        let mut notification = page_notification();
        notification.title = "</title><script>alert(1)</script>\r\nBcc: x@example.com".to_owned();
        notification.facts = vec![("\"><img src=x onerror=alert(1)>".to_owned(), "'".to_owned())];
        let notification = sanitize(&notification);
        let page = html(&notification).unwrap();
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        let mail = Mail::new(relay("smtp://h").unwrap(), &Secret::new("a@example.com")).unwrap();
        let email =
            String::from_utf8(mail.build_email(&notification, Timestamp::UNIX_EPOCH).unwrap().formatted()).unwrap();
        let (headers, _) = email.split_once("\r\n\r\n").unwrap();
        assert!(headers.lines().all(|line| !line.starts_with("Bcc")), "{headers}");
    }

    #[test]
    fn weekly_report_has_list_id() {
        let mail = Mail::new(relay("smtp://h").unwrap(), &Secret::new("a@example.com")).unwrap();
        let list_id = |key: &str| {
            let email = mail
                .build_email(&Notification { key: key.to_owned(), ..page_notification() }, Timestamp::UNIX_EPOCH)
                .unwrap();
            email.headers().get_raw("List-Id").map(str::to_owned)
        };
        assert_eq!(list_id("weekly/shop@2026-W47").as_deref(), Some("<shop.weekly.example.com>"));
        assert_eq!(list_id("checkout/availability@2026-10-01T10:05Z"), None);
    }

    #[test]
    fn notifications_of_an_incident_form_a_thread() {
        let mail = Mail::new(relay("smtp://h").unwrap(), &Secret::new("a@example.com")).unwrap();
        let headers = |number| {
            let notification = Notification { number, ..page_notification() };
            let email = mail.build_email(&notification, Timestamp::UNIX_EPOCH).unwrap();
            let header = |name| email.headers().get_raw(name).map(str::to_owned);
            (header("Message-ID"), header("In-Reply-To"), header("References"), header("Auto-Submitted"))
        };
        let (first, second) = (headers(1), headers(2));
        assert_eq!(first, headers(1));
        assert_eq!(first.1, None);
        assert_eq!((&second.1, &second.2), (&first.0, &first.0));
        assert_ne!(first.0, second.0);
        assert_eq!(first.3.as_deref(), Some("auto-generated"));
    }
}
