//! One POST over HTTP, and what its status says about trying again.
//!
//! Absent on purpose: redirects. A POST that is sent elsewhere takes its secret along.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, Response, StatusCode, Url};

use super::{Receipt, Secret, SendError};
use crate::text::escape_non_printing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte out to the last byte in.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of an answer: enough for a reason.
const RESPONSE_BYTES_MAX: usize = 4_096;
/// What is shown of it.
const RESPONSE_CHARS_MAX: usize = 300;
/// The longest that anybody may ask to be left alone.
const RETRY_AFTER_S_MAX: u64 = 86_400;

/// What helps against a server that fails now and may work later.
const TRANSIENT_HINT: &str = "this is often temporary; if it persists, check the service's status page";

/// The client of all channels. Proxies come from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; certificates are checked
/// against those of the machine, or those that `SSL_CERT_FILE` or `SSL_CERT_DIR` name.
pub(super) fn new_client() -> Result<Client, SendError> {
    // The first to install it wins, and every one here would install the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("slowburn/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|error| {
        SendError::transient(
            format!("cannot create the HTTP client: {}", root_cause(error)),
            "install the system's CA certificates (`ca-certificates`), or set SSL_CERT_FILE to a file that contains them",
        )
    })
}

/// An address to send to. It may hold a secret, so that no message shows it.
///
/// What holds a secret itself goes over TLS, except to this machine.
pub(super) fn parse_url(text: &Secret, name: &str, requires_tls: bool) -> Result<Url, SendError> {
    let url = Url::parse(text.reveal()).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let Some(url) = url else {
        return Err(SendError::permanent(
            format!("{name} is not a valid URL"),
            "copy the complete address again; it starts with `https://`",
        ));
    };
    let is_local = ["127.0.0.1", "localhost", "[::1]"].contains(&url.host_str().unwrap_or_default());
    if requires_tls && url.scheme() != "https" && !is_local {
        return Err(SendError::permanent(format!("{name} is not encrypted"), "use `https://` instead of `http://`"));
    }
    Ok(url)
}

/// What is sent, and how its answer is read.
pub(super) struct Post<'a> {
    pub(super) url: Url,
    pub(super) body: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) moment: Timestamp,
    /// What must not be shown of an answer.
    pub(super) secret: &'a Secret,
    /// What a person can do about a refusal with this status and text.
    pub(super) hint: fn(u16, &str) -> &'static str,
}

/// Sends JSON.
pub(super) async fn post(client: &Client, post: Post<'_>) -> Result<Receipt, SendError> {
    let mut request = client.post(post.url).header("Content-Type", "application/json").body(post.body);
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    let connection_failed = |error| connection_error(error).redacted(post.secret);
    let response = request.send().await.map_err(connection_failed)?;
    let status = response.status();
    let retry_after_s = retry_after_s(&response, post.moment);
    let response_text = post.secret.redact(&response_text(response).await);
    if status.is_success() {
        return Ok(Receipt { response: format!("{}{response_text}", status.as_u16()) });
    }
    let message = format!("the server answered {status}{response_text}");
    if is_transient(status) {
        return Err(SendError::Transient { retry_after_s, message, hint: TRANSIENT_HINT.to_owned() });
    }
    if status.is_redirection() {
        return Err(SendError::permanent(
            message,
            "use the final address: redirects are not followed, because they could send secrets to another server",
        ));
    }
    Err(SendError::permanent(message, (post.hint)(status.as_u16(), &response_text)))
}

/// Calls an address with nothing to say but that somebody is there.
pub(super) async fn ping(client: &Client, secret: &Secret, moment: Timestamp) -> Result<Receipt, SendError> {
    let url = parse_url(secret, "the heartbeat address", false)?;
    let hint = |_, _: &str| "copy the complete address of the heartbeat check again";
    post(client, Post { url, body: "{}".to_owned(), headers: Vec::new(), moment, secret, hint }).await
}

/// Whether another time may bring another answer: what RFC 9110 and RFC 6585 say of each status.
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// What went wrong on the way, without the address.
fn connection_error(error: reqwest::Error) -> SendError {
    let timed_out = error.is_timeout();
    let connecting = error.is_connect();
    let root_cause = root_cause(error);
    if timed_out && !connecting {
        let message = format!(
            "no response within {} seconds; the notification may have been delivered anyway",
            TOTAL_TIMEOUT.as_secs()
        );
        return SendError::transient(message, TRANSIENT_HINT);
    }
    let hint = if root_cause.contains("certificate") {
        "the server's certificate is not trusted; if it was issued by a private CA, set SSL_CERT_FILE to that CA's certificate file"
    } else {
        "this is often temporary; if it persists, check the address, the network and HTTPS_PROXY"
    };
    SendError::transient(format!("cannot connect: {root_cause}"), hint)
}

/// The first cause: what stands before it says only that something failed, and where.
fn root_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    escape_non_printing(&cause.to_string())
}

/// `Retry-After` in seconds, whichever of its two forms it has (RFC 9110, section 10.2.3).
fn retry_after_s(response: &Response, moment: Timestamp) -> Option<u64> {
    let text = response.headers().get("Retry-After")?.to_str().ok()?.trim();
    let until = || jiff::fmt::rfc2822::parse(text).ok().map(|until| until.timestamp().as_second());
    let seconds_until = || until().map(|until| u64::try_from(until - moment.as_second()).unwrap_or_default());
    let seconds = text.parse().ok().or_else(seconds_until)?;
    Some(seconds.min(RETRY_AFTER_S_MAX))
}

/// The start of an answer on one line, after a colon; nothing if there is none.
async fn response_text(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < RESPONSE_BYTES_MAX {
        // What breaks off now changes nothing about the status.
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    bytes.truncate(RESPONSE_BYTES_MAX);
    let text = String::from_utf8_lossy(&bytes);
    let text = crate::text::truncate(text.trim(), RESPONSE_CHARS_MAX);
    if text.is_empty() { text } else { format!(": {}", escape_non_printing(&text)) }
}
