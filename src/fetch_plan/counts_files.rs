//! The counts files whose counts are in the ledger, so that an unchanged file is not read again.

use serde::{Deserialize, Serialize};

use crate::time::Minute;

const MINUTE_NS: u64 = 60_000_000_000;
/// A file that was modified more recently may be modified again without a newer modification time, which is as coarse
/// as the file system's clock.
const SETTLED_AFTER_NS: u64 = MINUTE_NS;

/// The state of a file according to the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: u64,
}

/// A file whose counts are in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedFile {
    pub path: String,
    /// When it was read.
    #[serde(flatten)]
    pub state: FileState,
    pub hash: String,
}

impl FileState {
    /// Whether the file was last modified long enough before a run that began in a minute.
    pub fn is_settled(&self, now: Minute) -> bool {
        let now_ns = u64::try_from(now.0).unwrap_or(0) * MINUTE_NS;
        self.modified_ns.saturating_add(SETTLED_AFTER_NS) <= now_ns
    }
}

impl ImportedFile {
    /// Whether a file in a state is this one, unchanged.
    pub fn is_unchanged(&self, path: &str, state: FileState) -> bool {
        self.path == path && self.state == state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_settled_a_minute_after_its_last_modification() {
        let now = Minute(29_000_000);
        let modified = |seconds: i64| {
            let at = (i64::from(now.0) * 60 + seconds) * 1_000_000_000;
            FileState { size: 1, modified_ns: u64::try_from(at).unwrap() }
        };
        assert!(modified(-60).is_settled(now) && modified(-100_000).is_settled(now));
        for seconds in [-59, 0, 59, 100_000] {
            assert!(!modified(seconds).is_settled(now), "{seconds}");
        }
        assert!(!FileState { size: 1, modified_ns: u64::MAX }.is_settled(now));
    }

    #[test]
    fn different_path_size_or_time_means_a_different_file() {
        let state = FileState { size: 7, modified_ns: 9 };
        let read = ImportedFile { path: "a.csv".to_owned(), state, hash: "x".to_owned() };
        assert!(read.is_unchanged("a.csv", state) && !read.is_unchanged("b.csv", state));
        assert!(!read.is_unchanged("a.csv", FileState { size: 8, ..state }));
        assert!(!read.is_unchanged("a.csv", FileState { modified_ns: 10, ..state }));
    }
}
