//! A dry run: each notification as JSON and as text, in files whose names sort by time.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::sanitize::plain_text;
use super::webhook_payload::Payload;
use crate::alert::{DeliveryError, Notification};
use crate::slo::describe_destination;
use crate::text::{escape_non_printing, truncate};

/// Names that are tried for a notification: its own may be taken by another one.
const NAMES_MAX: u32 = 1_000;

/// Writes a notification for a destination, unless the same one has been written.
pub(super) fn write(folder: &Path, destination: &str, notification: &Notification) -> Result<String, DeliveryError> {
    let destination = escape_non_printing(destination);
    let document = serde_json::to_value(Payload::new(notification)).unwrap_or(Value::Null);
    let json = format!("{:#}\n", json!({ "destination": destination, "notification": document }));
    let text = format!("To: {}\n\n{}", describe_destination(&destination, None), plain_text(notification));
    let name = file_name(&destination, notification);
    match fs::create_dir_all(folder).and_then(|()| write_files(folder, &name, &json, &text)) {
        Ok(path) => Ok(format!("written to `{}`", path.display())),
        Err(error) => Err(DeliveryError::transient(
            format!("cannot write to `{}`: {error}", folder.display()),
            "use a writable folder: `--dry-run DIR`",
        )),
    }
}

/// The same notification to the same destination has the same name.
fn file_name(destination: &str, notification: &Notification) -> String {
    let identity = format!("{}\n{}\n{destination}", notification.key, notification.number);
    let (kind, _) = destination.split_once(':').unwrap_or((destination, ""));
    let subject = notification.key.split('@').next().unwrap_or_default();
    let parts = format!("{} {subject} {} {} {kind}", notification.at, notification.number, notification.kind);
    let safe_name: String = parts
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || ".-".contains(char) { char } else { '-' })
        .collect();
    format!("{}-{:04x}", truncate(&safe_name, 120).replace('…', "-"), xxh3_64(identity.as_bytes()) & 0xffff_ffff)
}

/// Writes both files under a name that no other content has.
fn write_files(folder: &Path, name: &str, json: &str, text: &str) -> io::Result<PathBuf> {
    for number in 1..=NAMES_MAX {
        let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
        let [json_path, text_path] = ["json", "txt"].map(|ending| folder.join(format!("{name}.{ending}")));
        if is_available_for(&json_path, json) && is_available_for(&text_path, text) {
            create_if_absent(&json_path, json)?;
            create_if_absent(&text_path, text)?;
            return Ok(text_path);
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, "too many files with the same name"))
}

/// Whether a path is free, or is a file with this content.
fn is_available_for(path: &Path, text: &str) -> bool {
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_file() && fs::read(path).is_ok_and(|content| content == text.as_bytes()),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

fn create_if_absent(path: &Path, text: &str) -> io::Result<()> {
    match File::options().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        opened => opened?.write_all(text.as_bytes()),
    }
}
