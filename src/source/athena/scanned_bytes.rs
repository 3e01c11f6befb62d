//! How many bytes a day of each table or custom query scans, as the ledger stores it between runs.

use std::collections::BTreeMap;

/// Hexadecimal digits of the hash of a query's text.
const QUERY_HASH_LENGTH: usize = 32;

#[derive(Clone)]
pub struct ScannedBytes {
    /// The source, and the table or file.
    pub target_key: String,
    /// The same, and the hash of its text if it is a custom query.
    pub scan_key: String,
    pub day_bytes: u64,
}

impl ScannedBytes {
    /// Replaces what is known of the target: what an earlier text of a query scanned says nothing of this one.
    pub fn record_in(self, scanned: &mut BTreeMap<String, u64>) {
        scanned.retain(|known_key, _| !is_scan_key_of(known_key, &self.target_key));
        scanned.insert(self.scan_key, self.day_bytes);
    }
}

/// Whether a stored scan size is one of a target, whatever the text of its query was.
fn is_scan_key_of(scan_key: &str, target_key: &str) -> bool {
    let suffix = scan_key.strip_prefix(target_key).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
    suffix.is_some_and(|query_hash| {
        query_hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && [0, QUERY_HASH_LENGTH].contains(&query_hash.len())
    })
}

/// The source, and the table or file, of a stored scan size.
pub fn split_scan_key(scan_key: &str) -> Option<(String, String)> {
    let (source, target) = scan_key.split_once(' ')?;
    let target = target
        .rsplit_once(' ')
        .filter(|(part, _)| is_scan_key_of(scan_key, &format!("{source} {part}")))
        .map_or(target, |(part, _)| part);
    Some((source.to_owned(), target.to_owned()))
}
