//! Mail over SMTP as text and HTML, in one thread per incident. Each mail has one recipient, so that a mailbox that is
//! full or gone does not block another.

use std::fmt::Display;
use std::time::Duration;

use jiff::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use minijinja::{Environment, context};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use xxhash_rust::xxh3::xxh3_128;

use super::sanitize::{
    emoji_and_color, is_weekly_report, label, labelled_title, ownership, plain_text, title_without_label,
};
use super::webhook_payload::Payload;
use super::{BUG, Secret, Settings, http};
use crate::alert::{DeliveryError, Notification};
use crate::report::weekly::{ImageMode, WeeklyReport};
use crate::text::{escape_non_printing, truncate};

const SMTP_URL_VARIABLE: &str = "SLOWBURN_SMTP_URL";
/// For one command and its response.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// For all commands of a mail.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
const SUBJECT_CHARS_MAX: usize = 200;

const URL_HINT: &str = "use `smtps://USER:PASSWORD@HOST:465` for TLS or `smtp://USER:PASSWORD@HOST:587?tls=required` for STARTTLS; \
                     percent-encode special characters in the user and password, such as `%40` for `@`";

#[derive(Clone)]
pub(super) struct SmtpRelay {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// What must not be shown: the password as it is, and as the address has it.
    passwords: [Secret; 2],
}

impl SmtpRelay {
    pub(super) fn new(settings: &Settings) -> Result<Self, DeliveryError> {
        let url = settings.secrets.get(SMTP_URL_VARIABLE).ok_or_else(|| {
            let message = format!("the environment variable `{SMTP_URL_VARIABLE}` is not set");
            DeliveryError::permanent(message, URL_HINT)
        })?;
        let Some(from) = &settings.mail_from else {
            return Err(DeliveryError::permanent(
                "no sender address for mail is set",
                "set SLOWBURN_MAIL_FROM to an address that the mail server accepts as sender, such as `slowburn@example.com`",
            ));
        };
        let from = from.parse().map_err(|_| {
            DeliveryError::permanent(
                format!("SLOWBURN_MAIL_FROM is not a valid mail address: `{}`", escape_non_printing(from)),
                "use `slowburn@example.com` or `slowburn <slowburn@example.com>`",
            )
        })?;
        let passwords = validate_url(&url)?;
        // The error is dropped: it may show parts of the URL.
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal()).map_err(|_| invalid_url())?;
        Ok(Self { server: server.timeout(Some(COMMAND_TIMEOUT)).build(), from, passwords })
    }

    /// Sends one mail to one address. A weekly report contains its images.
    pub(super) async fn send(
        &self,
        recipient: &Secret,
        notification: &Notification,
        report: Option<&WeeklyReport>,
        now: Timestamp,
    ) -> Result<String, DeliveryError> {
        let email = self.build_email(recipient, notification, report, now)?;
        match tokio::time::timeout(TOTAL_TIMEOUT, self.server.send(email)).await {
            Ok(Ok(response)) => {
                let response_lines: Vec<&str> = response.message().collect();
                Ok(escape_non_printing(&format!("{} {}", response.code(), response_lines.join(" "))))
            }
            Ok(Err(error)) => {
                Err(self.passwords.iter().fold(smtp_error(&error), |error, password| password.redact_error(error)))
            }
            Err(_) => Err(DeliveryError::transient(
                format!("no complete response from the mail server within {} seconds", TOTAL_TIMEOUT.as_secs()),
                "this is often temporary; if it persists, check the mail server",
            )),
        }
    }

    fn build_email(
        &self,
        recipient: &Secret,
        notification: &Notification,
        report: Option<&WeeklyReport>,
        now: Timestamp,
    ) -> Result<lettre::Message, DeliveryError> {
        let recipient: Address = recipient.reveal().parse().map_err(|_| {
            DeliveryError::permanent(
                "the destination is not a valid mail address",
                "write one address after `mailto:`; several addresses are separate destinations in a list",
            )
        })?;
        let domain = self.from.email.domain();
        // The same notification has the same id, so that a duplicate is detected.
        let message_id = |number| format!("<{:032x}.{number}@{domain}>", xxh3_128(notification.key.as_bytes()));
        let is_report = is_weekly_report(notification);
        let subject = if is_report { notification.title.clone() } else { labelled_title(notification) };
        let mut email = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(truncate(&subject, SUBJECT_CHARS_MAX))
            .date(now.into())
            .message_id(Some(message_id(notification.number)))
            // RFC 3834: other programs do not reply to it.
            .raw_header(raw_header("Auto-Submitted", "auto-generated".to_owned()));
        if is_report {
            // RFC 2919: recipients can filter by it. Names of teams are valid in it.
            email = email.raw_header(raw_header("List-Id", format!("<{}.weekly.{domain}>", notification.team)));
        }
        if notification.number > 1 {
            email = email.in_reply_to(message_id(1)).references(message_id(1));
        }
        let body = match report {
            Some(report) => report_body(report, notification)?,
            None => {
                MultiPart::alternative_plain_html(plain_text(notification), html(notification).map_err(build_error)?)
            }
        };
        email.multipart(body).map_err(build_error)
    }
}

fn raw_header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

fn build_error(error: impl Display) -> DeliveryError {
    DeliveryError::permanent(format!("cannot create the email: {error}"), BUG)
}

fn report_body(report: &WeeklyReport, notification: &Notification) -> Result<MultiPart, DeliveryError> {
    let page = report
        .to_html(ImageMode::Attached)
        .map_err(|error| DeliveryError::permanent(format!("cannot render the weekly report: {error}"), BUG))?;
    let png = ContentType::parse("image/png").map_err(build_error)?;
    let mut related = MultiPart::related().singlepart(SinglePart::html(page.html));
    for (id, image) in page.image_files {
        related = related.singlepart(Attachment::new_inline(id).body(image, png.clone()));
    }
    Ok(MultiPart::alternative().singlepart(SinglePart::plain(plain_text(notification))).multipart(related))
}

fn invalid_url() -> DeliveryError {
    DeliveryError::permanent(format!("`{SMTP_URL_VARIABLE}` is not a valid mail server URL"), URL_HINT)
}

/// Rejects a URL that would send a password unencrypted. Returns the password decoded, and as it is in the URL.
fn validate_url(text: &Secret) -> Result<[Secret; 2], DeliveryError> {
    let url = Url::parse(text.reveal()).map_err(|_| invalid_url())?;
    if url.host_str().is_none_or(str::is_empty) || !["smtp", "smtps"].contains(&url.scheme()) {
        return Err(invalid_url());
    }
    let requires_tls =
        url.scheme() == "smtps" || url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
    let has_login = url.password().is_some() || !url.username().is_empty();
    if has_login && !requires_tls {
        let message = format!("`{SMTP_URL_VARIABLE}` would send the password unencrypted");
        return Err(DeliveryError::permanent(message, URL_HINT));
    }
    let password = url.password().unwrap_or_default();
    let decoded = percent_decode_str(password).decode_utf8_lossy();
    Ok([Secret::new(&decoded), Secret::new(password)])
}

/// A mailbox may be refused permanently. Failures of the login, the certificate or the connection are transient: they
/// can be fixed before the notification expires.
fn smtp_error(error: &SmtpError) -> DeliveryError {
    let reason = match http::root_cause(error) {
        // The rest of this text is about programming.
        text if text.contains("close_notify") => "the connection was closed".to_owned(),
        text => text,
    };
    let Some(code) = error.status().map(|code| code.to_string()) else {
        let hint = if reason.contains("certificate") {
            "the mail server's certificate is not trusted; if it was issued by a private CA, set SSL_CERT_FILE to that CA's certificate file"
        } else {
            "this is often temporary; if it persists, check the host, port and encryption in SLOWBURN_SMTP_URL"
        };
        return DeliveryError::transient(format!("cannot send through the mail server: {reason}"), hint);
    };
    let message = format!("the mail server answered {code}: {reason}");
    match code.as_str() {
        "530" | "534" | "535" | "538" => DeliveryError::transient(
            message,
            "check the user and password in SLOWBURN_SMTP_URL; percent-encode special characters, such as `%40` for `@`",
        ),
        _ if error.is_transient() => {
            DeliveryError::transient(message, "this is often temporary; if it persists, contact the mail administrator")
        }
        _ => DeliveryError::permanent(
            message,
            "check the address in fleet.yaml, and that SLOWBURN_MAIL_FROM is allowed to send to it",
        ),
    }
}

/// The notification as a self-contained page for light and dark backgrounds.
fn html(notification: &Notification) -> Result<String, minijinja::Error> {
    let context = context! {
        mark => label(notification),
        color => emoji_and_color(notification).1,
        heading => title_without_label(notification),
        message => minijinja::value::Serde(Payload::new(notification)),
        concerned => ownership(notification),
        at => notification.at.to_string(),
    };
    // The extension of the name enables escaping.
    Environment::new().render_named_str("mail.html", include_str!("mail.html"), context)
}

#[cfg(test)]
mod tests {
    use super::super::sanitize::sanitize;
    use super::super::tests::page_notification;
    use super::*;

    fn relay(url: &str) -> Result<SmtpRelay, DeliveryError> {
        let secret = Secret::new(url);
        let settings = Settings {
            secrets: super::super::Secrets::new(move |name| (name == SMTP_URL_VARIABLE).then(|| secret.clone())),
            pagerduty_url: String::new(),
            mail_from: Some("slowburn <slo@example.com>".to_owned()),
            dry_run_dir: None,
        };
        SmtpRelay::new(&settings)
    }

    fn email(notification: &Notification) -> lettre::Message {
        let recipient = Secret::new("a@example.com");
        relay("smtp://h").unwrap().build_email(&recipient, notification, None, Timestamp::UNIX_EPOCH).unwrap()
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
        let email = String::from_utf8(email(&notification).formatted()).unwrap();
        let (headers, _) = email.split_once("\r\n\r\n").unwrap();
        assert!(headers.lines().all(|line| !line.starts_with("Bcc")), "{headers}");
    }

    #[test]
    fn weekly_report_has_list_id() {
        let list_id = |key: &str| {
            let email = email(&Notification { key: key.to_owned(), ..page_notification() });
            email.headers().get_raw("List-Id").map(str::to_owned)
        };
        assert_eq!(list_id("weekly/shop@2026-W47").as_deref(), Some("<shop.weekly.example.com>"));
        assert_eq!(list_id("checkout/availability@2026-10-01T10:05Z"), None);
    }

    #[test]
    fn notifications_of_an_incident_form_a_thread() {
        let headers = |number| {
            let email = email(&Notification { number, ..page_notification() });
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
