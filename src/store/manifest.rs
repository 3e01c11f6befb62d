//! What the ledger's files are at one moment: which data file holds which part. Absent on purpose: the files
//! themselves.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::ledger::{Partition, UnlistedFolders};
use crate::time::{Day, Minute};

pub(super) const MANIFEST: &str = "manifest.json";
/// Raised when files change so that older programs must not read them.
pub(super) const FORMAT: u32 = 5;

/// All data files that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) partitions: BTreeMap<Partition, PartitionFiles>,
    /// By month: `2026-10`.
    pub(super) sums: BTreeMap<String, String>,
    /// By month.
    pub(super) timeslices: BTreeMap<String, String>,
    /// What folders of finished days were looked into for, by bucket.
    pub(super) listed_days: BTreeMap<String, BTreeMap<Day, DayListing>>,
    /// The folders above those of days, by bucket.
    pub(super) listed_folders: BTreeMap<String, ListingCache>,
    /// The file that lists the fetched ranges of sources.
    pub(super) fetched: Option<String>,
    /// The file that lists the counts files that were read.
    pub(super) counts_files: Option<String>,
    /// Bytes that a day of a table scans, as the last query of it had them.
    pub(super) scanned_bytes_per_day: BTreeMap<String, u64>,
    /// The minutes of the first values of metrics, by series.
    pub(super) first_values: BTreeMap<String, BTreeMap<String, Minute>>,
    /// Folders of days that were not listed.
    pub(super) unlisted: UnlistedFolders,
    /// Data files that counted before, and how many runs have written the manifest since.
    pub(super) retired: BTreeMap<String, u8>,
    /// The day on which files that nothing names were looked for last.
    pub(super) last_gc_day: Option<Day>,
}

/// That a finished day's folder in a bucket was looked into, so that it need not be listed at every tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayListing {
    /// The hash of all that was asked of it.
    #[serde(rename = "query_hash")]
    pub query_hash: String,
    /// The first minute that was asked for: objects of earlier ones were left where they lie.
    #[serde(with = "text")]
    pub from: Minute,
    /// The day on which that was done last.
    #[serde(rename = "listed_on", with = "text")]
    pub listed_on: Day,
}

/// The folders above those of days as they were found in a bucket, so that they need not be listed at every tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingCache {
    /// The hash of all that was asked of it.
    #[serde(rename = "query_hash")]
    pub query_hash: String,
    /// The first minute that was asked for: folders of earlier days were left out.
    #[serde(with = "text")]
    pub from: Minute,
    /// The moment that was looked at.
    #[serde(rename = "evaluated_at", with = "text")]
    pub evaluated_at: Minute,
    /// When that was done.
    #[serde(rename = "listed_at", with = "text")]
    pub listed_at: Minute,
    /// Folders of accounts and regions.
    pub regions: Vec<String>,
    /// Folders of days that any of them has: `2026/10/31`.
    pub days: Vec<String>,
}

/// A day or a minute as people write it.
pub(super) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::store) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(in crate::store) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The names of the files of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartitionFiles {
    pub(super) minutes: Option<String>,
    pub(super) objects: Option<String>,
}

impl PartitionFiles {
    /// How the name of a file starts; the hash of its content follows.
    pub(super) fn file_stem(part: Partition, content: &str) -> String {
        format!("{}/{content}-{:02}", part.day(), part.hour())
    }
}

/// The manifest as it is written: only the hashes of parts' files, since the rest of a name follows from the part.
#[derive(Serialize, Deserialize)]
struct ManifestJson {
    format: u32,
    #[serde(default)]
    parts: BTreeMap<String, PartitionFilesJson>,
    #[serde(default)]
    sums: BTreeMap<String, String>,
    #[serde(default, rename = "timeslices", skip_serializing_if = "BTreeMap::is_empty")]
    timeslices: BTreeMap<String, String>,
    #[serde(default, rename = "listed_days", skip_serializing_if = "BTreeMap::is_empty")]
    listed_days: BTreeMap<String, BTreeMap<String, DayListing>>,
    #[serde(default, rename = "listed_folders", skip_serializing_if = "BTreeMap::is_empty")]
    listed_folders: BTreeMap<String, ListingCache>,
    #[serde(default, rename = "fetched", skip_serializing_if = "Option::is_none")]
    fetched: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts_files: Option<String>,
    #[serde(default, rename = "scanned_bytes_per_day", skip_serializing_if = "BTreeMap::is_empty")]
    scanned_bytes_per_day: BTreeMap<String, u64>,
    #[serde(default, rename = "first_values", skip_serializing_if = "BTreeMap::is_empty")]
    first_values: BTreeMap<String, BTreeMap<String, MinuteText>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unlisted: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    retired: BTreeMap<String, u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    swept: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct MinuteText(#[serde(with = "text")] Minute);

#[derive(Serialize, Deserialize)]
struct PartitionFilesJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    minutes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<String>,
}

/// Only the number, which every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn parse_day(text: &str) -> Result<Day, StoreError> {
    text.parse().map_err(|error| StoreError::Manifest(serde::de::Error::custom(error)))
}

impl Manifest {
    /// Whether these bytes are a manifest of any format.
    pub(super) fn is_manifest(bytes: &[u8]) -> bool {
        serde_json::from_slice::<Format>(bytes).is_ok()
    }

    /// Reads the manifest of the ledger at a place.
    pub(super) fn from_bytes(bytes: &[u8], location: &str) -> Result<Self, StoreError> {
        let Format { format } = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
        let location = || location.to_owned();
        match format.cmp(&FORMAT) {
            Ordering::Less => return Err(StoreError::OlderLedger { location: location(), format }),
            Ordering::Equal => {}
            Ordering::Greater => return Err(StoreError::NewerLedger { location: location(), format }),
        }
        let json: ManifestJson = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
        let mut manifest = Self::default();
        for (text, files) in json.parts {
            let partition: Partition =
                text.parse().map_err(|error| StoreError::Manifest(serde::de::Error::custom(error)))?;
            let file_name = |what: &str, hash: Option<String>| {
                hash.map(|hash| format!("{}-{hash}.parquet", PartitionFiles::file_stem(partition, what)))
            };
            let files = PartitionFiles {
                minutes: file_name("minutes", files.minutes),
                objects: file_name("objects", files.objects),
            };
            manifest.partitions.insert(partition, files);
        }
        for (location, days) in json.listed_days {
            let listings: &mut BTreeMap<Day, DayListing> = manifest.listed_days.entry(location).or_default();
            for (text, listing) in days {
                listings.insert(parse_day(&text)?, listing);
            }
        }
        for (source, days) in json.unlisted {
            for (text, areas) in days {
                manifest.unlisted.0.entry(source.clone()).or_default().insert(parse_day(&text)?, areas);
            }
        }
        manifest.retired = json.retired;
        manifest.last_gc_day = json.swept.as_deref().map(parse_day).transpose()?;
        let month_names = |what: &str, months: BTreeMap<String, String>| {
            let names =
                months.into_iter().map(|(month, hash)| (month.clone(), format!("{what}-{month}-{hash}.parquet")));
            names.collect()
        };
        manifest.sums = month_names("sums", json.sums);
        manifest.timeslices = month_names("timeslices", json.timeslices);
        manifest.fetched = json.fetched.map(|hash| format!("fetched-{hash}.json"));
        manifest.counts_files = json.counts_files.map(|hash| format!("counts-{hash}.json"));
        manifest.scanned_bytes_per_day = json.scanned_bytes_per_day;
        let first_values_of =
            |values: BTreeMap<String, MinuteText>| values.into_iter().map(|(name, at)| (name, at.0)).collect();
        manifest.first_values =
            json.first_values.into_iter().map(|(series, began)| (series, first_values_of(began))).collect();
        manifest.listed_folders = json.listed_folders;
        Ok(manifest)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let partitions = self.partitions.iter().map(|(part, files)| {
            let files = PartitionFilesJson {
                minutes: files.minutes.as_deref().map(hash_in_name),
                objects: files.objects.as_deref().map(hash_in_name),
            };
            (part.to_string(), files)
        });
        let hashes = |months: &BTreeMap<String, String>| {
            months.iter().map(|(month, name)| (month.clone(), hash_in_name(name))).collect::<BTreeMap<_, _>>()
        };
        let listed_days = self.listed_days.iter().map(|(location, days)| {
            (location.clone(), days.iter().map(|(day, looked)| (day.to_string(), looked.clone())).collect())
        });
        let unlisted = self.unlisted.0.iter().map(|(source, days)| {
            (source.clone(), days.iter().map(|(day, areas)| (day.to_string(), areas.clone())).collect())
        });
        let first_values_of = |values: &BTreeMap<String, Minute>| {
            values.iter().map(|(name, at)| (name.clone(), MinuteText(*at))).collect()
        };
        let json = ManifestJson {
            format: FORMAT,
            parts: partitions.collect(),
            sums: hashes(&self.sums),
            timeslices: hashes(&self.timeslices),
            listed_days: listed_days.collect(),
            listed_folders: self.listed_folders.clone(),
            fetched: self.fetched.as_deref().map(hash_in_name),
            counts_files: self.counts_files.as_deref().map(hash_in_name),
            scanned_bytes_per_day: self.scanned_bytes_per_day.clone(),
            first_values: self
                .first_values
                .iter()
                .map(|(series, began)| (series.clone(), first_values_of(began)))
                .collect(),
            unlisted: unlisted.collect(),
            retired: self.retired.clone(),
            swept: self.last_gc_day.map(|day| day.to_string()),
        };
        serde_json::to_vec_pretty(&json).map_err(StoreError::Manifest)
    }

    /// All names.
    pub(super) fn file_names(&self) -> impl Iterator<Item = &str> {
        let partition_files = self.partitions.values().flat_map(|files| [&files.minutes, &files.objects]).flatten();
        let months = self.sums.values().chain(self.timeslices.values());
        partition_files.chain(months).chain(&self.fetched).chain(&self.counts_files).map(String::as_str)
    }
}

/// The hash in a file's name.
fn hash_in_name(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.rsplit('-').next().unwrap_or(stem).to_owned()
}
