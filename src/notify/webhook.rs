//! Webhooks: the notification as JSON, signed if `SLOWBURN_WEBHOOK_SECRET` is set.
//!
//! Signature and headers are those of Standard Webhooks (<https://www.standardwebhooks.com>), which has libraries for
//! receivers: HMAC-SHA256 over `webhook-id.webhook-timestamp.body`, so that no body can be changed or
//! replayed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::http::{self, Post};
use super::sanitize::short_key;
use super::webhook_payload::Payload;
use super::{BUG, Secret, Secrets};
use crate::alert::{DeliveryError, Notification};

const SECRET_VARIABLE: &str = "SLOWBURN_WEBHOOK_SECRET";
/// The prefix of a base64 secret in Standard Webhooks.
const SECRET_PREFIX: &str = "whsec_";
const KEY_CHARS_MAX: usize = 200;

pub(super) fn post(
    address: Secret,
    secrets: &Secrets,
    notification: &Notification,
    now: Timestamp,
) -> Result<Post, DeliveryError> {
    let url = http::parse_url(&address, "the webhook", false)?;
    let signing_key = secrets.get(SECRET_VARIABLE).map(|secret| decode_signing_key(&secret)).transpose()?;
    let body = serde_json::to_string(&Payload::new(notification))
        .map_err(|error| DeliveryError::permanent(format!("cannot encode the notification as JSON: {error}"), BUG))?;
    let id = format!("{}#{}", short_key(notification, KEY_CHARS_MAX), notification.number);
    let mut headers =
        vec![("Idempotency-Key", format!("\"{id}\"")), ("webhook-timestamp", now.as_second().to_string())];
    if let Some(key) = &signing_key {
        headers.push(("webhook-signature", signature(key, &id, now, &body)?));
    }
    headers.push(("webhook-id", id));
    Ok(Post { headers, ..Post::new(url, body, address, hint) })
}

/// The bytes of a secret: base64 after `whsec_`, otherwise plain text.
fn decode_signing_key(secret: &Secret) -> Result<Vec<u8>, DeliveryError> {
    let Some(encoded) = secret.reveal().strip_prefix(SECRET_PREFIX) else {
        return Ok(secret.reveal().as_bytes().to_vec());
    };
    // The decoder's error would show a byte of the secret.
    STANDARD.decode(encoded).map_err(|_| {
        DeliveryError::permanent(
            format!("`{SECRET_VARIABLE}` is not valid base64 after `{SECRET_PREFIX}`"),
            format!("copy it again, or use a secret without `{SECRET_PREFIX}`, which is used as plain text"),
        )
    })
}

fn signature(key: &[u8], id: &str, now: Timestamp, body: &str) -> Result<String, DeliveryError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| {
        let message = format!("invalid signing key `{SECRET_VARIABLE}`");
        DeliveryError::permanent(message, "use another secret with 32 characters")
    })?;
    mac.update(format!("{id}.{}.{body}", now.as_second()).as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn hint(status: u16, _response: &str) -> &'static str {
    match status {
        401 | 403 => "the receiver rejected the sender: check the address and SLOWBURN_WEBHOOK_SECRET",
        404 | 410 => "check the address in fleet.yaml or in its environment variable",
        _ => "see the receiver's response; `slowburn schema message` prints the schema of the notification",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, "Signature scheme".
    #[test]
    fn signature_matches_the_specification() {
        let key = decode_signing_key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let moment = Timestamp::from_second(1_614_265_330).unwrap();
        let found = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", moment, r#"{"test": 2432232314}"#).unwrap();
        assert_eq!(found, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
