//! HTTP POST requests, and which responses are worth a retry.
//!
//! Redirects are not followed: a request that is sent to another server takes its secret along.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, Response, StatusCode, Url};

use super::Secret;
use crate::alert::DeliveryError;
use crate::text::escape_non_printing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte sent to the last byte received.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a response is read: enough for a reason.
const RESPONSE_BYTES_MAX: usize = 4_096;
/// How much of it is shown.
const RESPONSE_CHARS_MAX: usize = 300;
/// The longest pause that a receiver may ask for.
const RETRY_AFTER_S_MAX: u64 = 86_400;

const TRANSIENT_HINT: &str = "this is often temporary; if it persists, check the service's status page";

/// The client of all channels. Proxies come from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; certificates are checked
/// against those of the machine, or those that `SSL_CERT_FILE` or `SSL_CERT_DIR` name.
pub(super) fn new_client() -> Result<Client, DeliveryError> {
    // An error means that the same provider is already installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("slowburn/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|error| {
        DeliveryError::transient(
            format!("cannot create the HTTP client: {}", root_cause(&error.without_url())),
            "install the system's CA certificates (`ca-certificates`), or set SSL_CERT_FILE to a file that contains them",
        )
    })
}

/// Parses an address to send to. It may contain a secret, so errors do not show it.
///
/// `requires_tls`: the request contains a secret, so it is encrypted, except to this machine.
pub(super) fn parse_url(text: &Secret, name: &str, requires_tls: bool) -> Result<Url, DeliveryError> {
    let url = Url::parse(text.reveal()).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let Some(url) = url else {
        return Err(DeliveryError::permanent(
            format!("{name} is not a valid URL"),
            "copy the complete address again; it starts with `https://`",
        ));
    };
    let is_local = ["127.0.0.1", "localhost", "[::1]"].contains(&url.host_str().unwrap_or_default());
    if requires_tls && url.scheme() != "https" && !is_local {
        let message = format!("{name} is not encrypted");
        return Err(DeliveryError::permanent(message, "use `https://` instead of `http://`"));
    }
    Ok(url)
}

pub(super) struct Post {
    pub(super) url: Url,
    pub(super) body: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) secret: Secret,
    /// What a person can do about a refusal with this status and text.
    pub(super) hint: fn(u16, &str) -> &'static str,
}

impl Post {
    pub(super) const fn new(url: Url, body: String, secret: Secret, hint: fn(u16, &str) -> &'static str) -> Self {
        Self { url, body, headers: Vec::new(), secret, hint }
    }
}

pub(super) async fn send(client: &Client, post: Post, now: Timestamp) -> Result<String, DeliveryError> {
    let mut request = client.post(post.url).header("Content-Type", "application/json").body(post.body);
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|error| post.secret.redact_error(connection_error(error)))?;
    let status = response.status();
    let retry_after_s = retry_after_s(&response, now);
    let response_text = post.secret.redact(&response_text(response).await);
    if status.is_success() {
        return Ok(format!("{}{response_text}", status.as_u16()));
    }
    let message = format!("the server answered {status}{response_text}");
    if is_transient(status) {
        return Err(DeliveryError { retry_after_s, ..DeliveryError::transient(message, TRANSIENT_HINT) });
    }
    if status.is_redirection() {
        return Err(DeliveryError::permanent(
            message,
            "use the final address: redirects are not followed, because they could send secrets to another server",
        ));
    }
    Err(DeliveryError::permanent(message, (post.hint)(status.as_u16(), &response_text)))
}

/// Whether a retry may succeed, by RFC 9110 and RFC 6585.
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// Why no response arrived, without the address.
fn connection_error(error: reqwest::Error) -> DeliveryError {
    let is_response_timeout = error.is_timeout() && !error.is_connect();
    let root_cause = root_cause(&error.without_url());
    if is_response_timeout {
        let message = format!(
            "no response within {} seconds; the notification may have been delivered anyway",
            TOTAL_TIMEOUT.as_secs()
        );
        return DeliveryError::transient(message, TRANSIENT_HINT);
    }
    let hint = if root_cause.contains("certificate") {
        "the server's certificate is not trusted; if it was issued by a private CA, set SSL_CERT_FILE to that CA's certificate file"
    } else {
        "this is often temporary; if it persists, check the address, the network and HTTPS_PROXY"
    };
    DeliveryError::transient(format!("cannot connect: {root_cause}"), hint)
}

/// The innermost error: the outer ones only say that something failed, and where.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    escape_non_printing(&cause.to_string())
}

/// `Retry-After` in seconds, whichever of its two forms it has (RFC 9110, section 10.2.3).
fn retry_after_s(response: &Response, now: Timestamp) -> Option<u64> {
    let text = response.headers().get("Retry-After")?.to_str().ok()?.trim();
    let seconds_until = || {
        let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Some(u64::try_from(until.as_second() - now.as_second()).unwrap_or_default())
    };
    text.parse().ok().or_else(seconds_until).map(|seconds| seconds.min(RETRY_AFTER_S_MAX))
}

/// The start of a response on one line, after a colon; empty if there is none.
async fn response_text(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < RESPONSE_BYTES_MAX {
        // A connection that breaks now does not change the status.
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
