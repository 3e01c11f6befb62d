//! What AWS was asked, by month, day for day: kept beside the manifest, since it says nothing about promises.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use super::sidecar::Sidecar;
use crate::cost::Usage;
use crate::store::{BlobError, StoreError};
use crate::time::Day;

/// How the names of these files start.
pub(super) const USAGE: &str = "usage-";

/// What a day asked for, as it is written.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct UsageJson {
    s3_reads: u64,
    s3_writes: u64,
    metrics: u64,
    athena_bytes: u64,
}

impl From<UsageJson> for Usage {
    fn from(UsageJson { s3_reads, s3_writes, metrics, athena_bytes }: UsageJson) -> Self {
        Self { s3_reads, s3_writes, metrics, athena_bytes }
    }
}

impl From<Usage> for UsageJson {
    fn from(Usage { s3_reads, s3_writes, metrics, athena_bytes }: Usage) -> Self {
        Self { s3_reads, s3_writes, metrics, athena_bytes }
    }
}

impl LedgerStore {
    /// Adds what a run asked to the day's sum, but for the two requests that this takes.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn add_usage(&self, day: Day, usage: &Usage) -> Result<(), StoreError> {
        if *usage == Usage::default() {
            return Ok(());
        }
        let name = file_name(day);
        let add = |days: &mut BTreeMap<String, UsageJson>| {
            let stored = days.entry(day.to_string()).or_default();
            let mut sum = Usage::from(*stored);
            sum.add(usage);
            *stored = sum.into();
            Ok(())
        };
        match month_sidecar(&name).update(self, add).await {
            // Others are at it all the time: a sum that lacks one run is better than a run that fails.
            Err(StoreError::Blob(BlobError::Conflict(_))) => Ok(()),
            noted => noted,
        }
    }

    /// What was asked on a day by all runs.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn usage(&self, day: Day) -> Result<Usage, StoreError> {
        let days: BTreeMap<String, UsageJson> = month_sidecar(&file_name(day)).read(self).await?;
        Ok(days.get(&day.to_string()).copied().unwrap_or_default().into())
    }
}

fn month_sidecar(name: &str) -> Sidecar<'_> {
    Sidecar { name, hint: "restore it from a backup, or remove it: only the AWS usage for that month is lost" }
}

fn file_name(day: Day) -> String {
    let day = day.to_string();
    format!("{USAGE}{}.json", day.rsplit_once('-').map_or(day.as_str(), |(month, _)| month))
}
