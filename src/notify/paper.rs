//! A dry run: each message as a JSON document and as text, in files whose names sort by time.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::document::Document;
use super::words::plain;
use super::{Channel, Receipt, SendError};
use crate::alert::Message;
use crate::slo::describe_destination;
use crate::visible::clip;

/// Names that are tried for a message: another may have been written under its own.
const NAMES: u32 = 1_000;

/// A directory that stands for a destination.
pub(super) struct Paper {
    folder: PathBuf,
    destination: String,
}

impl Paper {
    pub(super) fn new(folder: &Path, destination: &str) -> Self {
        Self { folder: folder.to_owned(), destination: crate::visible::visible(destination) }
    }

    /// The same message to the same destination has the same name, so that a second one is not written again.
    fn name(&self, message: &Message) -> String {
        let whole = format!("{}\n{}\n{}", message.key, message.number, self.destination);
        let (kind, _) = self.destination.split_once(':').unwrap_or((&self.destination, ""));
        let about = message.key.split('@').next().unwrap_or_default();
        let words = format!("{} {about} {} {} {kind}", message.at, message.number, message.phase.word());
        let words: String = words
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() || ".-".contains(char) { char } else { '-' })
            .collect();
        format!("{}-{:04x}", clip(&words, 120).replace('…', "-"), xxh3_64(whole.as_bytes()) & 0xffff_ffff)
    }

    /// Writes both files under names that nothing else has; those that have the same content already stay as they are.
    fn write(&self, name: &str, json: &str, text: &str) -> io::Result<PathBuf> {
        for number in 1..=NAMES {
            let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let [one, other] = ["json", "txt"].map(|ending| self.folder.join(format!("{name}.{ending}")));
            if is_free_for(&one, json) && is_free_for(&other, text) {
                create(&one, json)?;
                create(&other, text)?;
                return Ok(other);
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "too many files with the same name"))
    }
}

#[async_trait::async_trait]
impl Channel for Paper {
    async fn send(&self, message: &Message, _: Timestamp) -> Result<Receipt, SendError> {
        let name = self.name(message);
        let document = serde_json::to_value(Document::of(message)).unwrap_or(Value::Null);
        let json = format!("{:#}\n", json!({ "destination": self.destination, "notification": document }));
        let text = format!("To: {}\n\n{}", describe_destination(&self.destination, None), plain(message));
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| self.write(&name, &json, &text));
        match written {
            Ok(path) => Ok(Receipt { said: format!("written to `{}`", path.display()) }),
            Err(error) => Err(SendError::later(
                format!("cannot write to `{}`: {error}", self.folder.display()),
                "use a writable folder: `--dry-run DIR`",
            )),
        }
    }
}

/// Whether nothing has a name, or a file that holds just this.
fn is_free_for(path: &Path, text: &str) -> bool {
    match fs::symlink_metadata(path) {
        Ok(about) => about.is_file() && fs::read(path).is_ok_and(|held| held == text.as_bytes()),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Writes a file where nothing is.
fn create(path: &Path, text: &str) -> io::Result<()> {
    match File::options().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        opened => opened?.write_all(text.as_bytes()),
    }
}
