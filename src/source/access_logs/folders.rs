//! The folders above those of days: where `AWSLogs` is, which years and months matter, and whose logs a folder has.

use super::root::LogRoot;
use crate::hinted_error::HintedError;

/// How many folders of a bucket's prefix may be above `AWSLogs`.
const PREFIX_DEPTH: usize = 4;

/// Why a location cannot be a source.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error(
        "no `AWSLogs` folder in `{0}`\nhint: use the folder that contains \
         `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/yyyy/mm/dd/`, or one at most {PREFIX_DEPTH} levels above it"
    )]
    NoLogs(String),
    /// It is a folder `AWSLogs`, or one further down.
    #[error("`{given}` is {what}\nhint: use the folder that contains `AWSLogs/`: {fix}")]
    InsideLogs { given: String, what: &'static str, fix: String },
    #[error("cannot read `{0}`: {1}")]
    Unreadable(String, HintedError),
}

/// All folders `AWSLogs` near the root, sorted.
pub(super) async fn find_awslogs_folders(root: &LogRoot) -> Result<Vec<String>, ListError> {
    let unreadable = |error| ListError::Unreadable(root.to_string(), error);
    let mut level = vec![root.list_folder("", &[]).await.map_err(unreadable)?];
    let (mut found, mut error) = (Vec::new(), None);
    for depth in 0..=PREFIX_DEPTH {
        let mut next = Vec::new();
        for folder in level {
            let folders = folder.entries.into_iter().filter(|entry| entry.is_folder);
            let subfolders: Vec<String> = folders.map(|entry| entry.key).collect();
            if let Some(logs) = subfolders.iter().find(|key| *key == "AWSLogs" || key.ends_with("/AWSLogs")) {
                found.push(logs.clone());
            } else if depth < PREFIX_DEPTH {
                for folder in subfolders {
                    match root.list_folder(&folder, &[]).await {
                        Ok(seen) => next.push(seen),
                        Err(unseen) => error = Some(unseen),
                    }
                }
            }
        }
        level = next;
    }
    found.sort();
    match error {
        _ if !found.is_empty() => Ok(found),
        // `AWSLogs` may be in a folder that could not be listed.
        Some(unseen) => Err(unreadable(unseen)),
        None => Err(inside_awslogs_error(root).unwrap_or_else(|| ListError::NoLogs(root.to_string()))),
    }
}

fn inside_awslogs_error(root: &LogRoot) -> Option<ListError> {
    let given = root.to_string();
    let found = parent_of_awslogs(&given).or_else(|| match root {
        // A relative path does not show where it is.
        LogRoot::Directory(path) => parent_of_awslogs(&std::fs::canonicalize(path).ok()?.to_string_lossy()),
        LogRoot::Bucket(_) => None,
    });
    let (above, is_itself) = found?;
    let what = if is_itself { "the AWSLogs folder itself" } else { "a folder inside AWSLogs" };
    let fix = match root {
        LogRoot::Directory(_) => format!("`--logs {above}`, or `access_logs: {above}` for the source"),
        LogRoot::Bucket(_) => format!("`access_logs: {above}` for the source"),
    };
    Some(ListError::InsideLogs { given, what, fix })
}

/// The part of a path above its folder `AWSLogs`, and whether the path ends there.
fn parent_of_awslogs(path: &str) -> Option<(String, bool)> {
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let index = parts.iter().rposition(|part| *part == "AWSLogs")?;
    let above = parts.get(..index)?.join("/");
    let above = match (above.as_str(), path.starts_with('/')) {
        ("", true) => "/".to_owned(),
        ("", false) => ".".to_owned(),
        _ => above,
    };
    Some((above, index + 1 == parts.len()))
}

/// Leaves out years or months before a day `yyyy/mm/dd`, except the newest: a bucket may be many years old.
pub(super) fn retain_recent(first_day: &str, mut folders: Vec<String>) -> Vec<String> {
    let newest = folders.iter().max().cloned();
    folders.retain(|folder| {
        let below = folder.rsplit_once("/elasticloadbalancing/").map_or("", |(_, below)| below);
        let (_, date) = below.split_once('/').unwrap_or_default();
        first_day.get(..date.len()).is_none_or(|first| first <= date) || newest.as_ref() == Some(folder)
    });
    folders
}

/// The area of a folder, and its day or the start of its days; `None` if it is not a folder of ELB logs.
pub(super) fn parse_area(folder: &str) -> Option<(String, String)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_inside_awslogs_yields_its_parent_folder() {
        let above = |path: &str| parent_of_awslogs(path).map(|(above, is_itself)| format!("{above} {is_itself}"));
        for (path, expected) in [
            ("target/demo/logs/AWSLogs", "target/demo/logs true"),
            ("target/demo/logs/AWSLogs/", "target/demo/logs true"),
            ("/logs/AWSLogs/123456789012/elasticloadbalancing", "/logs false"),
            ("s3://bucket/a/AWSLogs/123456789012", "s3://bucket/a false"),
            ("AWSLogs", ". true"),
            ("/AWSLogs", "/ true"),
        ] {
            assert_eq!(above(path).as_deref(), Some(expected), "{path}");
        }
        assert_eq!(above("logs/MyAWSLogs"), None);
    }
}
