//! A dry run: each message as a JSON document and as text, in files whose names sort by time.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::payload::Payload;
use super::sanitize::plain_text;
use super::{Channel, Receipt, SendError};
use crate::alert::Notification;
use crate::slo::describe_destination;
use crate::text::truncate;

/// Names that are tried for a message: another may have been written under its own.
const NAMES_MAX: u32 = 1_000;

/// A directory that stands for a destination.
pub(super) struct DryRun {
    folder: PathBuf,
    destination: String,
}

impl DryRun {
    pub(super) fn new(folder: &Path, destination: &str) -> Self {
        Self { folder: folder.to_owned(), destination: crate::text::escape_non_printing(destination) }
    }

    /// The same message to the same destination has the same name, so that a second one is not written again.
    fn file_name(&self, notification: &Notification) -> String {
        let identity = format!("{}\n{}\n{}", notification.key, notification.number, self.destination);
        let (kind, _) = self.destination.split_once(':').unwrap_or((&self.destination, ""));
        let subject = notification.key.split('@').next().unwrap_or_default();
        let parts =
            format!("{} {subject} {} {} {kind}", notification.at, notification.number, notification.kind.as_str());
        let safe_name: String = parts
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() || ".-".contains(char) { char } else { '-' })
            .collect();
        format!("{}-{:04x}", truncate(&safe_name, 120).replace('…', "-"), xxh3_64(identity.as_bytes()) & 0xffff_ffff)
    }

    /// Writes both files under names that nothing else has; those that have the same content already stay as they are.
    fn write(&self, name: &str, json: &str, text: &str) -> io::Result<PathBuf> {
        for number in 1..=NAMES_MAX {
            let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let [json_path, text_path] = ["json", "txt"].map(|ending| self.folder.join(format!("{name}.{ending}")));
            if is_available_for(&json_path, json) && is_available_for(&text_path, text) {
                create_if_absent(&json_path, json)?;
                create_if_absent(&text_path, text)?;
                return Ok(text_path);
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "too many files with the same name"))
    }
}

#[async_trait::async_trait]
impl Channel for DryRun {
    async fn send(&self, notification: &Notification, _: Timestamp) -> Result<Receipt, SendError> {
        let name = self.file_name(notification);
        let document = serde_json::to_value(Payload::new(notification)).unwrap_or(Value::Null);
        let json = format!("{:#}\n", json!({ "destination": self.destination, "notification": document }));
        let text = format!("To: {}\n\n{}", describe_destination(&self.destination, None), plain_text(notification));
        let result = std::fs::create_dir_all(&self.folder).and_then(|()| self.write(&name, &json, &text));
        match result {
            Ok(path) => Ok(Receipt { response: format!("written to `{}`", path.display()) }),
            Err(error) => Err(SendError::transient(
                format!("cannot write to `{}`: {error}", self.folder.display()),
                "use a writable folder: `--dry-run DIR`",
            )),
        }
    }
}

/// Whether nothing has a name, or a file that holds just this.
fn is_available_for(path: &Path, text: &str) -> bool {
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_file() && fs::read(path).is_ok_and(|content| content == text.as_bytes()),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Writes a file where nothing is.
fn create_if_absent(path: &Path, text: &str) -> io::Result<()> {
    match File::options().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        opened => opened?.write_all(text.as_bytes()),
    }
}
