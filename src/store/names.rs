//! Names of the ledger's data files. Each ends in the hash of its bytes, so that a file proves by itself that slowburn
//! wrote it.
//!
//! Absent on purpose: the small JSON files beside the manifest. They have names of their own, and are never removed.

use super::content_version;
use crate::time::Day;

/// Hexadecimal digits of the hash in a name.
const HASH_LENGTH: usize = 32;
/// What the names of all data files start with: the year of a day's folder, or what they hold.
pub(super) const PREFIXES: [&str; 5] = ["2", "counts-", "fetched-", "sums-", "timeslices-"];

/// The hash in the name of a data file; `None` for every other name.
pub(super) fn hash_in_name(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    let (kind, hash) = stem.rsplit_once('-')?;
    let is_hash = hash.len() == HASH_LENGTH && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_ours = match (kind, ending) {
        ("fetched" | "counts", "json") => true,
        (kind, "parquet") => match kind.split_once('/') {
            Some((day, part)) => is_day_name(day) && is_partition_name(part),
            None => kind.strip_prefix("sums-").or_else(|| kind.strip_prefix("timeslices-")).is_some_and(is_month_name),
        },
        _ => false,
    };
    (is_hash && is_ours).then_some(hash)
}

/// Whether a file of this name has the bytes that slowburn wrote under it.
pub(super) fn matches_hash_in_name(name: &str, bytes: &[u8]) -> bool {
    hash_in_name(name).is_some_and(|hash| content_version(bytes).0 == hash)
}

/// Whether a folder has the name of a day.
pub(super) fn is_day_name(text: &str) -> bool {
    text.parse::<Day>().is_ok_and(|day| day.to_string() == text)
}

fn is_month_name(text: &str) -> bool {
    is_day_name(&format!("{text}-01"))
}

/// `minutes-08` or `objects-08`.
fn is_partition_name(text: &str) -> bool {
    let hour = text.strip_prefix("minutes-").or_else(|| text.strip_prefix("objects-"));
    hour.is_some_and(|hour| hour.len() == 2 && hour.parse::<u8>().is_ok_and(|hour| hour < 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hash_named_files_are_data_files() {
        let hash = content_version(b"bytes").0;
        for name in [
            format!("2026-10-01/minutes-08-{hash}.parquet"),
            format!("2026-10-01/objects-20-{hash}.parquet"),
            format!("sums-2026-10-{hash}.parquet"),
            format!("timeslices-2026-10-{hash}.parquet"),
            format!("fetched-{hash}.json"),
            format!("counts-{hash}.json"),
        ] {
            assert!(matches_hash_in_name(&name, b"bytes"), "{name}");
            assert!(!matches_hash_in_name(&name, b"others"), "{name}");
            assert!(PREFIXES.iter().any(|start| name.starts_with(start)), "{name}");
        }
        for name in [
            "manifest.json".to_owned(),
            format!("2026-13-01/minutes-08-{hash}.parquet"),
            format!("backup/2026-10-01/minutes-08-{hash}.parquet"),
            format!("2026-10-01/minutes-08-{hash}.parquet.tmp"),
            format!("2026-10-01/notes-08-{hash}.parquet"),
            format!("2026-10-01/minutes-8-{hash}.parquet"),
            format!("2026-10-01/minutes-08-{}.parquet", hash.to_uppercase()),
            format!("sums-2026-{hash}.parquet"),
            format!("sums-{hash}.parquet"),
            format!("fetched-{hash}.parquet"),
            "fetched-2026.json".to_owned(),
            format!("asked-{hash}.json"),
            format!("slices-2026-10-{hash}.parquet"),
        ] {
            assert_eq!(hash_in_name(&name), None, "{name}");
        }
    }
}
