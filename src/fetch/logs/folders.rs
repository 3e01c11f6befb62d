//! The folders above those of days: where `AWSLogs` lies, which years and months matter, and whose logs a folder holds.

use std::borrow::Cow;

use super::place::{Place, Unseen};

/// How many folders of a bucket's prefix may stand above `AWSLogs`.
const PREFIX_DEPTH: usize = 4;
/// The place cannot serve as a source.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Nothing there looks like AWS's layout.
    #[error(
        "`{0}` holds no folder `AWSLogs`\nhint: name the folder that holds `AWSLogs/`, or one at most {PREFIX_DEPTH} above"
    )]
    NoLogs(String),
    /// The place itself cannot be read.
    #[error("`{0}` cannot be read: {1}\nhint: {2}")]
    Unreadable(String, String, Cow<'static, str>),
}

/// All folders `AWSLogs` near the root, sorted.
pub(super) async fn find_logs(place: &Place) -> Result<Vec<String>, ListError> {
    let unreadable = |unseen: Unseen| ListError::Unreadable(place.to_string(), unseen.said, unseen.remedy);
    let mut level = vec![place.look_into("", &[]).await.map_err(unreadable)?];
    let (mut found, mut refused) = (Vec::new(), None);
    for depth in 0..=PREFIX_DEPTH {
        let mut next = Vec::new();
        for folder in level {
            let folders = folder.entries.into_iter().filter(|entry| entry.is_folder);
            let folders: Vec<String> = folders.map(|entry| entry.key).collect();
            if let Some(logs) = folders.iter().find(|key| *key == "AWSLogs" || key.ends_with("/AWSLogs")) {
                found.push(logs.clone());
            } else if depth < PREFIX_DEPTH {
                for folder in folders {
                    match place.look_into(&folder, &[]).await {
                        Ok(seen) => next.push(seen),
                        Err(unseen) => refused = Some(unseen),
                    }
                }
            }
        }
        level = next;
    }
    found.sort();
    match refused {
        _ if !found.is_empty() => Ok(found),
        // Where it could not be looked for, nobody knows that it is not there.
        Some(unseen) => Err(unreadable(unseen)),
        None => Err(ListError::NoLogs(place.to_string())),
    }
}

/// Leaves out folders of years or months before a day `yyyy/mm/dd`, but for the newest of them: a bucket may be many years old.
pub(super) fn not_before(first: &str, mut folders: Vec<String>) -> Vec<String> {
    let newest = folders.iter().max().cloned();
    folders.retain(|folder| {
        let below = folder.rsplit_once("/elasticloadbalancing/").map_or("", |(_, below)| below);
        let (_, date) = below.split_once('/').unwrap_or_default();
        first.get(..date.len()).is_none_or(|first| first <= date) || newest.as_ref() == Some(folder)
    });
    folders
}

/// The area of a folder, and the day or the start of days that it is of; `None` for what is no folder of ELB's logs.
pub(super) fn area_of(folder: &str) -> Option<(String, String)> {
    let mut parts = folder.split('/').skip_while(|part| *part != "AWSLogs").skip(1);
    let area = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) if folder.ends_with("AWSLogs") => String::new(),
        (Some(account), None | Some("elasticloadbalancing"), None) => format!("{account}_elasticloadbalancing_"),
        (Some(account), Some("elasticloadbalancing"), Some(region)) => {
            format!("{account}_elasticloadbalancing_{region}")
        }
        _ => return None,
    };
    let days: Vec<&str> = parts.collect();
    (days.len() <= 3).then(|| (area, days.join("/")))
}
