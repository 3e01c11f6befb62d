//! Which data files count at one moment, and how they are named. Absent on purpose: the files themselves.
//!
//! The name of a data file ends in the hash of its bytes, so that a file proves by itself that slowburn wrote it. The
//! small JSON files beside the manifest have names of their own, and are never removed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{StoreError, content_version};
use crate::fetch_plan::{DayListing, ListingCache};
use crate::ledger::{Partition, UnlistedFolders};
use crate::serialization::serialize_as_text;
use crate::series::SeriesKey;
use crate::time::{Day, Minute, ParseTimeError};

pub(super) const MANIFEST: &str = "manifest.json";
/// Raised when files change so that older programs must not read them.
pub(super) const FORMAT: u32 = 5;
/// Hexadecimal digits of the hash in a name.
const HASH_LENGTH: usize = 32;
/// How the names of all data files start: with the year of a day's folder, or with what they hold.
pub(super) const DATA_FILE_PREFIXES: [&str; 5] = ["2", "counts-", "fetched-", "sums-", "timeslices-"];

/// The number of a file's format alone, which every version has.
#[derive(Deserialize)]
pub(super) struct Format {
    pub(super) format: u32,
}

/// A value with the number of its format before its own fields.
#[derive(Serialize)]
pub(super) struct Versioned<'a, T> {
    pub(super) format: u32,
    #[serde(flatten)]
    pub(super) value: &'a T,
}

/// All data files that count, by the hashes in their names, and what is known about fetching.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    #[serde(rename = "parts")]
    pub(super) partitions: BTreeMap<Partition, PartitionFiles>,
    pub(super) sums: BTreeMap<Month, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) timeslices: BTreeMap<Month, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) listed_days: BTreeMap<String, BTreeMap<Day, DayListing>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) listed_folders: BTreeMap<String, ListingCache>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fetched: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counts_files: Option<String>,
    /// Bytes that a day of a table scanned in the last query of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) scanned_bytes_per_day: BTreeMap<String, u64>,
    /// The minutes of the first values of metrics.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) first_values: BTreeMap<SeriesKey, BTreeMap<String, Minute>>,
    #[serde(skip_serializing_if = "UnlistedFolders::is_empty")]
    pub(crate) unlisted: UnlistedFolders,
    /// Names of replaced data files, and how many runs have written the manifest since.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) retired: BTreeMap<String, u8>,
    /// The day of the last search for data files that no manifest names.
    #[serde(rename = "swept", skip_serializing_if = "Option::is_none")]
    pub(super) last_gc_day: Option<Day>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartitionFiles {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minutes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) objects: Option<String>,
}

impl Manifest {
    pub(super) fn is_manifest(bytes: &[u8]) -> bool {
        serde_json::from_slice::<Format>(bytes).is_ok()
    }

    pub(super) fn from_bytes(bytes: &[u8], location: &str) -> Result<Self, StoreError> {
        let Format { format } = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
        let location = location.to_owned();
        match format.cmp(&FORMAT) {
            Ordering::Less => Err(StoreError::OlderLedger { location, format }),
            Ordering::Equal => serde_json::from_slice(bytes).map_err(StoreError::Manifest),
            Ordering::Greater => Err(StoreError::NewerLedger { location, format }),
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec_pretty(&Versioned { format: FORMAT, value: self }).map_err(StoreError::Manifest)
    }

    pub(super) fn file_name(&self, file: DataFile) -> Option<String> {
        let hash = match file {
            DataFile::Minutes(partition) => self.partitions.get(&partition)?.minutes.as_ref(),
            DataFile::Objects(partition) => self.partitions.get(&partition)?.objects.as_ref(),
            DataFile::Sums(month) => self.sums.get(&month),
            DataFile::Timeslices(month) => self.timeslices.get(&month),
            DataFile::FetchedRanges => self.fetched.as_ref(),
            DataFile::CountsFiles => self.counts_files.as_ref(),
        };
        hash.map(|hash| file.name(hash))
    }

    pub(super) fn set_hash(&mut self, file: DataFile, hash: Option<String>) -> Option<String> {
        let (months, month) = match file {
            DataFile::Minutes(part) => {
                return mem::replace(&mut self.partitions.entry(part).or_default().minutes, hash);
            }
            DataFile::Objects(part) => {
                return mem::replace(&mut self.partitions.entry(part).or_default().objects, hash);
            }
            DataFile::FetchedRanges => return mem::replace(&mut self.fetched, hash),
            DataFile::CountsFiles => return mem::replace(&mut self.counts_files, hash),
            DataFile::Sums(month) => (&mut self.sums, month),
            DataFile::Timeslices(month) => (&mut self.timeslices, month),
        };
        match hash {
            Some(hash) => months.insert(month, hash),
            None => months.remove(&month),
        }
    }

    pub(super) fn file_names(&self) -> impl Iterator<Item = String> {
        let partitions = self.partitions.keys().flat_map(|part| [DataFile::Minutes(*part), DataFile::Objects(*part)]);
        let sums = self.sums.keys().map(|month| DataFile::Sums(*month));
        let timeslices = self.timeslices.keys().map(|month| DataFile::Timeslices(*month));
        let others = [DataFile::FetchedRanges, DataFile::CountsFiles];
        partitions.chain(sums).chain(timeslices).chain(others).filter_map(|file| self.file_name(file))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataFile {
    Minutes(Partition),
    Objects(Partition),
    Sums(Month),
    Timeslices(Month),
    FetchedRanges,
    CountsFiles,
}

impl DataFile {
    /// How its name starts; the hash of its bytes follows.
    pub(super) fn stem(self) -> String {
        match self {
            Self::Minutes(part) => format!("{}/minutes-{:02}", part.day(), part.hour()),
            Self::Objects(part) => format!("{}/objects-{:02}", part.day(), part.hour()),
            Self::Sums(month) => format!("sums-{month}"),
            Self::Timeslices(month) => format!("timeslices-{month}"),
            Self::FetchedRanges => "fetched".to_owned(),
            Self::CountsFiles => "counts".to_owned(),
        }
    }

    pub(super) fn name(self, hash: &str) -> String {
        let ending = if matches!(self, Self::FetchedRanges | Self::CountsFiles) { "json" } else { "parquet" };
        format!("{}-{hash}.{ending}", self.stem())
    }
}

/// A calendar month, by its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month(Day);

impl Month {
    pub(super) fn containing(day: Day) -> Self {
        let text = day.to_string();
        text.rsplit_once('-').and_then(|(month, _)| month.parse().ok()).unwrap_or(Self(day))
    }

    pub(super) const fn first_day(self) -> Day {
        self.0
    }

    pub(super) fn end(self) -> Day {
        // The 32nd day of a month lies in the next one.
        Self::containing(self.0.plus(31)).0
    }
}

/// `2026-10`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.0.to_string();
        f.write_str(day.strip_suffix("-01").unwrap_or(&day))
    }
}

impl FromStr for Month {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{text}-01").parse().map(Self)
    }
}

serialize_as_text!(Month);

/// The hash in the name of a data file; `None` for every other name.
pub(super) fn hash_in_name(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    let (kind, hash) = stem.rsplit_once('-')?;
    let is_hash = hash.len() == HASH_LENGTH && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_data_file = match (kind, ending) {
        ("fetched" | "counts", "json") => true,
        (kind, "parquet") => match kind.split_once('/') {
            Some((day, part)) => is_day_name(day) && is_partition_name(part),
            None => kind.strip_prefix("sums-").or_else(|| kind.strip_prefix("timeslices-")).is_some_and(is_month_name),
        },
        _ => false,
    };
    (is_hash && is_data_file).then_some(hash)
}

pub(super) fn matches_hash_in_name(name: &str, bytes: &[u8]) -> bool {
    hash_in_name(name).is_some_and(|hash| content_version(bytes).0 == hash)
}

pub(super) fn is_day_name(text: &str) -> bool {
    text.parse::<Day>().is_ok_and(|day| day.to_string() == text)
}

fn is_month_name(text: &str) -> bool {
    text.parse::<Month>().is_ok_and(|month| month.to_string() == text)
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
            assert!(DATA_FILE_PREFIXES.iter().any(|start| name.starts_with(start)), "{name}");
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
