//! What the ledger's files are at one moment: which data file holds which part. Absent on purpose: the files
//! themselves.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::ledger::{Part, Unlisted};
use crate::minute::{Day, Minute};

pub(super) const MANIFEST: &str = "manifest.json";
/// Raised when files change so that older programs must not read them.
pub(super) const FORMAT: u32 = 5;

/// All data files that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) parts: BTreeMap<Part, PartFiles>,
    /// By month: `2026-10`.
    pub(super) sums: BTreeMap<String, String>,
    /// By month.
    pub(super) slices: BTreeMap<String, String>,
    /// What folders of finished days were looked into for, by bucket.
    pub(super) looked: BTreeMap<String, BTreeMap<Day, Looked>>,
    /// The folders above those of days, by bucket.
    pub(super) walked: BTreeMap<String, Walked>,
    /// The file that lists the fetched ranges of sources.
    pub(super) asked: Option<String>,
    /// The file that lists the counts files that were read.
    pub(super) counts_files: Option<String>,
    /// Bytes that a day of a table scans, as the last query of it had them.
    pub(super) scanned: BTreeMap<String, u64>,
    /// The minutes of the first values of metrics, by series.
    pub(super) began: BTreeMap<String, BTreeMap<String, Minute>>,
    /// Folders of days that were not listed.
    pub(super) unlisted: Unlisted,
    /// Data files that counted before, and how many runs have written the manifest since.
    pub(super) retired: BTreeMap<String, u8>,
    /// The day on which files that nothing names were looked for last.
    pub(super) swept: Option<Day>,
}

/// That a finished day's folder in a bucket was looked into, so that it need not be listed at every tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// The hash of all that was asked of it.
    #[serde(rename = "query_hash")]
    pub asked: String,
    /// The first minute that was asked for: objects of earlier ones were left where they lie.
    #[serde(with = "text")]
    pub from: Minute,
    /// The day on which that was done last.
    #[serde(rename = "listed_on", with = "text")]
    pub on: Day,
}

/// The folders above those of days as they were found in a bucket, so that they need not be listed at every tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walked {
    /// The hash of all that was asked of it.
    #[serde(rename = "query_hash")]
    pub asked: String,
    /// The first minute that was asked for: folders of earlier days were left out.
    #[serde(with = "text")]
    pub from: Minute,
    /// The moment that was looked at.
    #[serde(rename = "evaluated_at", with = "text")]
    pub at: Minute,
    /// When that was done.
    #[serde(rename = "listed_at", with = "text")]
    pub now: Minute,
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
pub(super) struct PartFiles {
    pub(super) minutes: Option<String>,
    pub(super) objects: Option<String>,
}

impl PartFiles {
    /// How the name of a file starts; the hash of its content follows.
    pub(super) fn kind(part: Part, what: &str) -> String {
        format!("{}/{what}-{:02}", part.day(), part.hour())
    }
}

/// The manifest as it is written: only the hashes of parts' files, since the rest of a name follows from the part.
#[derive(Serialize, Deserialize)]
struct Twin {
    format: u32,
    #[serde(default)]
    parts: BTreeMap<String, TwinPart>,
    #[serde(default)]
    sums: BTreeMap<String, String>,
    #[serde(default, rename = "timeslices", skip_serializing_if = "BTreeMap::is_empty")]
    slices: BTreeMap<String, String>,
    #[serde(default, rename = "listed_days", skip_serializing_if = "BTreeMap::is_empty")]
    looked: BTreeMap<String, BTreeMap<String, Looked>>,
    #[serde(default, rename = "listed_folders", skip_serializing_if = "BTreeMap::is_empty")]
    walked: BTreeMap<String, Walked>,
    #[serde(default, rename = "fetched", skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts_files: Option<String>,
    #[serde(default, rename = "scanned_bytes_per_day", skip_serializing_if = "BTreeMap::is_empty")]
    scanned: BTreeMap<String, u64>,
    #[serde(default, rename = "first_values", skip_serializing_if = "BTreeMap::is_empty")]
    began: BTreeMap<String, BTreeMap<String, TwinMinute>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unlisted: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    retired: BTreeMap<String, u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    swept: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct TwinMinute(#[serde(with = "text")] Minute);

#[derive(Serialize, Deserialize)]
struct TwinPart {
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

fn day(text: &str) -> Result<Day, StoreError> {
    text.parse().map_err(|error| StoreError::Manifest(serde::de::Error::custom(error)))
}

impl Manifest {
    /// Whether these bytes are a manifest of any format.
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        serde_json::from_slice::<Format>(bytes).is_ok()
    }

    /// Reads the manifest of the ledger at a place.
    pub(super) fn read(bytes: &[u8], place: &str) -> Result<Self, StoreError> {
        let Format { format } = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
        let place = || place.to_owned();
        match format.cmp(&FORMAT) {
            Ordering::Less => return Err(StoreError::Older { place: place(), format }),
            Ordering::Equal => {}
            Ordering::Greater => return Err(StoreError::Newer { place: place(), format }),
        }
        let twin: Twin = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
        let mut manifest = Self::default();
        for (text, files) in twin.parts {
            let part: Part = text.parse().map_err(|error| StoreError::Manifest(serde::de::Error::custom(error)))?;
            let name = |what: &str, hash: Option<String>| {
                hash.map(|hash| format!("{}-{hash}.parquet", PartFiles::kind(part, what)))
            };
            let files = PartFiles { minutes: name("minutes", files.minutes), objects: name("objects", files.objects) };
            manifest.parts.insert(part, files);
        }
        for (place, days) in twin.looked {
            let held: &mut BTreeMap<Day, Looked> = manifest.looked.entry(place).or_default();
            for (text, looked) in days {
                held.insert(day(&text)?, looked);
            }
        }
        for (source, days) in twin.unlisted {
            for (text, areas) in days {
                manifest.unlisted.0.entry(source.clone()).or_default().insert(day(&text)?, areas);
            }
        }
        manifest.retired = twin.retired;
        manifest.swept = twin.swept.as_deref().map(day).transpose()?;
        let named = |what: &str, months: BTreeMap<String, String>| {
            let names =
                months.into_iter().map(|(month, hash)| (month.clone(), format!("{what}-{month}-{hash}.parquet")));
            names.collect()
        };
        manifest.sums = named("sums", twin.sums);
        manifest.slices = named("timeslices", twin.slices);
        manifest.asked = twin.asked.map(|hash| format!("fetched-{hash}.json"));
        manifest.counts_files = twin.counts_files.map(|hash| format!("counts-{hash}.json"));
        manifest.scanned = twin.scanned;
        let minutes = |began: BTreeMap<String, TwinMinute>| began.into_iter().map(|(name, at)| (name, at.0)).collect();
        manifest.began = twin.began.into_iter().map(|(series, began)| (series, minutes(began))).collect();
        manifest.walked = twin.walked;
        Ok(manifest)
    }

    pub(super) fn write(&self) -> Result<Vec<u8>, StoreError> {
        let parts = self.parts.iter().map(|(part, files)| {
            let files =
                TwinPart { minutes: files.minutes.as_deref().map(hash), objects: files.objects.as_deref().map(hash) };
            (part.to_string(), files)
        });
        let hashes = |months: &BTreeMap<String, String>| {
            months.iter().map(|(month, name)| (month.clone(), hash(name))).collect::<BTreeMap<_, _>>()
        };
        let looked = self.looked.iter().map(|(place, days)| {
            (place.clone(), days.iter().map(|(day, looked)| (day.to_string(), looked.clone())).collect())
        });
        let unlisted = self.unlisted.0.iter().map(|(source, days)| {
            (source.clone(), days.iter().map(|(day, areas)| (day.to_string(), areas.clone())).collect())
        });
        let minutes =
            |began: &BTreeMap<String, Minute>| began.iter().map(|(name, at)| (name.clone(), TwinMinute(*at))).collect();
        let twin = Twin {
            format: FORMAT,
            parts: parts.collect(),
            sums: hashes(&self.sums),
            slices: hashes(&self.slices),
            looked: looked.collect(),
            walked: self.walked.clone(),
            asked: self.asked.as_deref().map(hash),
            counts_files: self.counts_files.as_deref().map(hash),
            scanned: self.scanned.clone(),
            began: self.began.iter().map(|(series, began)| (series.clone(), minutes(began))).collect(),
            unlisted: unlisted.collect(),
            retired: self.retired.clone(),
            swept: self.swept.map(|day| day.to_string()),
        };
        serde_json::to_vec_pretty(&twin).map_err(StoreError::Manifest)
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.values().flat_map(|files| [&files.minutes, &files.objects]).flatten();
        let months = self.sums.values().chain(self.slices.values());
        parts.chain(months).chain(&self.asked).chain(&self.counts_files).map(String::as_str)
    }
}

/// The hash in a file's name.
fn hash(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.rsplit('-').next().unwrap_or(stem).to_owned()
}
