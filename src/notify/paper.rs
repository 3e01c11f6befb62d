//! A dry run: each message as a JSON document and as text, in files whose names sort by time.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::document::Document;
use super::words::plain;
use super::{Channel, Receipt, SendError};
use crate::alert::Message;
use crate::visible::clip;

/// A directory that stands for a destination.
pub(super) struct Paper {
    folder: PathBuf,
    destination: String,
}

impl Paper {
    pub(super) fn new(folder: &Path, destination: &str) -> Self {
        Self { folder: folder.to_owned(), destination: crate::visible::visible(destination) }
    }

    /// The same message to the same destination has the same name, so that a second one replaces the first.
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
}

#[async_trait::async_trait]
impl Channel for Paper {
    async fn send(&self, message: &Message, _: Timestamp) -> Result<Receipt, SendError> {
        let name = self.name(message);
        let document = serde_json::to_value(Document::of(message)).unwrap_or(Value::Null);
        let json = format!("{:#}\n", json!({ "to": self.destination, "message": document }));
        let text = format!("To: {}\n\n{}", self.destination, plain(message));
        let written = std::fs::create_dir_all(&self.folder)
            .and_then(|()| std::fs::write(self.folder.join(format!("{name}.json")), json))
            .and_then(|()| std::fs::write(self.folder.join(format!("{name}.txt")), text));
        match written {
            Ok(()) => Ok(Receipt { said: format!("written to {}", self.folder.join(format!("{name}.txt")).display()) }),
            Err(error) => Err(SendError::later(
                format!("`{}` could not be written: {error}", self.folder.display()),
                "name a directory that may be written: `--notify paper:DIR`",
            )),
        }
    }
}
