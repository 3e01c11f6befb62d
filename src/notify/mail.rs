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

use super::document::Document;
use super::words::{clean, concerned, heading, headline, is_weekly, mark, plain};
use super::{BUG, Channel, Receipt, Secret, SendError, Settings};
use crate::alert::{Message, Phase};
use crate::report::weekly::{Images, Weekly};
use crate::slo::Urgency;
use crate::visible::{clip, visible};

/// The variable that says where mail goes out, and as whom.
const URL: &str = "SLOWBURN_SMTP_URL";
/// One command and its answer.
const COMMAND: Duration = Duration::from_secs(10);
/// All of them.
const WHOLE: Duration = Duration::from_secs(30);
const SUBJECT_CHARS_MAX: usize = 200;
const PAGE: &str = "mail.html";

const FORMS: &str = "use `smtps://USER:PASSWORD@HOST:465` for TLS or `smtp://USER:PASSWORD@HOST:587?tls=required` for STARTTLS; \
                     percent-encode special characters in the user and password, such as `%40` for `@`";

/// The server that takes mail, and who it comes from.
#[derive(Clone)]
pub(super) struct Relay {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// What must not be shown: the password as it is, and as the address has it.
    passwords: [Secret; 2],
}

impl Relay {
    /// The server of the settings. Nothing is asked of it yet.
    pub(super) fn new(settings: &Settings) -> Result<Self, SendError> {
        let Some(url) = settings.secrets.get(URL) else {
            return Err(SendError::never(format!("the environment variable `{URL}` is not set"), FORMS));
        };
        let Some(from) = &settings.mail_from else {
            return Err(SendError::never(
                "no sender address for mail is set",
                "set SLOWBURN_MAIL_FROM to an address that the mail server accepts as sender, such as `slowburn@example.com`",
            ));
        };
        let from = from.parse().map_err(|_| {
            SendError::never(
                format!("SLOWBURN_MAIL_FROM is not a valid mail address: `{}`", visible(from)),
                "use `slowburn@example.com` or `slowburn <slowburn@example.com>`",
            )
        })?;
        let passwords = sound(&url)?;
        // What it says of a URL may show some of it.
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal())
            .map_err(|_| SendError::never(format!("`{URL}` is not a valid mail server URL"), FORMS))?;
        Ok(Self { server: server.timeout(Some(COMMAND)).build(), from, passwords })
    }
}

/// The password of an address that sends none in the clear, decoded and as it stands there.
fn sound(text: &Secret) -> Result<[Secret; 2], SendError> {
    let no_address = || SendError::never(format!("`{URL}` is not a valid mail server URL"), FORMS);
    let url = Url::parse(text.reveal()).map_err(|_| no_address())?;
    if url.host_str().is_none_or(str::is_empty) || !["smtp", "smtps"].contains(&url.scheme()) {
        return Err(no_address());
    }
    let required = url.scheme() == "smtps" || url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
    let login = url.password().is_some() || !url.username().is_empty();
    if login && !required {
        return Err(SendError::never(format!("`{URL}` would send the password unencrypted"), FORMS));
    }
    let password = url.password().unwrap_or_default();
    let decoded = percent_decode_str(password).decode_utf8_lossy();
    Ok([Secret::new(&decoded), Secret::new(password)])
}

/// One mailbox.
pub(super) struct Mail {
    relay: Relay,
    to: Address,
}

impl Mail {
    pub(super) fn new(relay: Relay, to: &Secret) -> Result<Self, SendError> {
        let to = to.reveal().parse().map_err(|_| {
            SendError::never(
                "the destination is not a valid mail address",
                "write one address after `mailto:`; several addresses are separate destinations in a list",
            )
        })?;
        Ok(Self { relay, to })
    }

    fn letter(&self, message: &Message, moment: Timestamp) -> Result<lettre::Message, SendError> {
        let html = html(message).map_err(|error| SendError::never(format!("cannot create the email: {error}"), BUG))?;
        self.put_together(message, moment, MultiPart::alternative_plain_html(plain(message), html))
    }

    /// A weekly report, with its pictures as parts of the same mail.
    fn weekly(&self, report: &Weekly, moment: Timestamp) -> Result<lettre::Message, SendError> {
        let message = clean(&report.message());
        let page = report.page(Images::Attached).map_err(|error| SendError::never(error.to_string(), BUG))?;
        let png = ContentType::parse("image/png")
            .map_err(|error| SendError::never(format!("cannot create the email: {error}"), BUG))?;
        let mut related = MultiPart::related().singlepart(SinglePart::html(page.html));
        for (id, picture) in page.pictures {
            related = related.singlepart(Attachment::new_inline(id).body(picture, png.clone()));
        }
        let parts = MultiPart::alternative().singlepart(SinglePart::plain(plain(&message))).multipart(related);
        self.put_together(&message, moment, parts)
    }

    fn put_together(
        &self,
        message: &Message,
        moment: Timestamp,
        parts: MultiPart,
    ) -> Result<lettre::Message, SendError> {
        let id = |number| message_id(&message.key, number, self.relay.from.email.domain());
        // The subject of a report needs no mark.
        let subject = if is_weekly(message) { message.title.clone() } else { headline(message) };
        let mut letter = lettre::Message::builder()
            .from(self.relay.from.clone())
            .to(Mailbox::new(None, self.to.clone()))
            .subject(clip(&subject, SUBJECT_CHARS_MAX))
            .date(moment.into())
            .message_id(Some(id(message.number)))
            .header(AutoSubmitted);
        if is_weekly(message) {
            letter = letter.header(ListId(format!("<{}.weekly.{}>", message.team, self.relay.from.email.domain())));
        }
        if message.number > 1 {
            letter = letter.in_reply_to(id(1)).references(id(1));
        }
        letter.multipart(parts).map_err(|error| SendError::never(format!("cannot create the email: {error}"), BUG))
    }

    async fn post(&self, letter: lettre::Message) -> Result<Receipt, SendError> {
        let sent = tokio::time::timeout(WHOLE, self.relay.server.send(letter)).await;
        match sent {
            Ok(Ok(response)) => {
                let said: Vec<&str> = response.message().collect();
                Ok(Receipt { said: visible(&format!("{} {}", response.code(), said.join(" "))) })
            }
            Ok(Err(error)) => Err(self.relay.passwords.iter().fold(refused(&error), SendError::without)),
            Err(_) => Err(SendError::later(
                format!("no complete response from the mail server within {} seconds", WHOLE.as_secs()),
                "this is often temporary; if it persists, check the mail server",
            )),
        }
    }
}

#[async_trait::async_trait]
impl Channel for Mail {
    async fn send(&self, message: &Message, moment: Timestamp) -> Result<Receipt, SendError> {
        self.post(self.letter(message, moment)?).await
    }

    async fn report(&self, report: &Weekly, moment: Timestamp) -> Result<Receipt, SendError> {
        self.post(self.weekly(report, moment)?).await
    }
}

/// The same for the same message, so that a second one is known as a duplicate.
fn message_id(key: &str, number: u32, domain: &str) -> String {
    format!("<{:032x}.{number}@{domain}>", xxh3_128(key.as_bytes()))
}

/// What a refusal means: one of the mailbox is for good if the server says so, one of the login, the certificate or the
/// connection may be mended any time, and is no reason to lose a message.
fn refused(error: &SmtpError) -> SendError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let said = match cause.to_string() {
        // What it goes on with is about programming.
        text if text.contains("close_notify") => "the connection was closed".to_owned(),
        text => visible(&text),
    };
    let Some(code) = error.status().map(|code| code.to_string()) else {
        let remedy = if said.contains("certificate") {
            "the mail server's certificate is not trusted; if it was issued by a private CA, set SSL_CERT_FILE to that CA's certificate file"
        } else {
            "this is often temporary; if it persists, check the host, port and encryption in SLOWBURN_SMTP_URL"
        };
        return SendError::later(format!("cannot send through the mail server: {said}"), remedy);
    };
    let why = format!("the mail server answered {code}: {said}");
    match code.as_str() {
        "530" | "534" | "535" | "538" => SendError::later(
            why,
            "check the user and password in SLOWBURN_SMTP_URL; percent-encode special characters, such as `%40` for `@`",
        ),
        _ if error.is_transient() => {
            SendError::later(why, "this is often temporary; if it persists, contact the mail administrator")
        }
        _ => SendError::never(
            why,
            "check the address in fleet.yaml, and that SLOWBURN_MAIL_FROM is allowed to send to it",
        ),
    }
}

/// The message as a page that needs nothing but itself, and reads well on light and on dark.
fn html(message: &Message) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // The ending of the name is what makes it escape.
    environment.add_template(PAGE, include_str!("mail.html"))?;
    environment.get_template(PAGE)?.render(context! {
        mark => mark(message),
        color => color(message),
        heading => heading(message),
        message => minijinja::value::Serde(Document::of(message)),
        concerned => concerned(message),
        at => message.at.to_string(),
    })
}

/// Colours that are told apart on white and on black.
fn color(message: &Message) -> &'static str {
    match (message.phase, message.urgency) {
        (Phase::Resolved, _) => "#2e9e44",
        (Phase::Note | Phase::Test, _) => "#3b82f6",
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
    use super::super::words::tests::page;
    use super::*;

    fn relay(url: &str) -> Result<Relay, SendError> {
        let secret = Secret::new(url);
        let settings = Settings {
            secrets: super::super::Secrets::new(move |name| (name == URL).then(|| secret.clone())),
            pagerduty: String::new(),
            mail_from: Some("slowburn <slo@example.com>".to_owned()),
            paper: None,
        };
        Relay::new(&settings)
    }

    #[test]
    fn a_password_is_sent_over_tls_only() {
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
            assert!(error.contains(URL) && !error.contains("hunter22"), "{url}: {error}");
        }
    }

    #[test]
    fn a_hostile_text_stays_text() {
        let mut message = page();
        message.title = "</title><script>alert(1)</script>\r\nBcc: x@example.com".to_owned();
        message.facts = vec![("\"><img src=x onerror=alert(1)>".to_owned(), "'".to_owned())];
        let message = clean(&message);
        let page = html(&message).unwrap();
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        let mail = Mail::new(relay("smtp://h").unwrap(), &Secret::new("a@example.com")).unwrap();
        let letter = String::from_utf8(mail.letter(&message, Timestamp::UNIX_EPOCH).unwrap().formatted()).unwrap();
        let (headers, _) = letter.split_once("\r\n\r\n").unwrap();
        assert!(headers.lines().all(|line| !line.starts_with("Bcc")), "{headers}");
    }

    #[test]
    fn a_weekly_report_belongs_to_a_list() {
        let mail = Mail::new(relay("smtp://h").unwrap(), &Secret::new("a@example.com")).unwrap();
        let list = |key: &str| {
            let letter = mail.letter(&Message { key: key.to_owned(), ..page() }, Timestamp::UNIX_EPOCH).unwrap();
            letter.headers().get_raw("List-Id").map(str::to_owned)
        };
        assert_eq!(list("weekly/shop@2026-W47").as_deref(), Some("<shop.weekly.example.com>"));
        assert_eq!(list("checkout/availability@2026-10-01T10:05Z"), None);
    }

    #[test]
    fn messages_of_an_incident_are_a_thread() {
        let mail = Mail::new(relay("smtp://h").unwrap(), &Secret::new("a@example.com")).unwrap();
        let headers = |number| {
            let message = Message { number, ..page() };
            let letter = mail.letter(&message, Timestamp::UNIX_EPOCH).unwrap();
            let header = |name| letter.headers().get_raw(name).map(str::to_owned);
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
