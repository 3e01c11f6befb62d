//! What AWS was asked, by month, day for day: kept beside the manifest, since it says nothing about promises.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::cost::Usage;
use crate::minute::Day;
use crate::store::{ShelfError, StoreError};

/// How the names of these files start.
pub(super) const USAGE: &str = "usage-";
/// How often the file is read again because others wrote it.
const RACES: usize = 5;

/// What a day asked for, as it is written.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Twin {
    s3_reads: u64,
    s3_writes: u64,
    metrics: u64,
    athena_bytes: u64,
}

impl From<Twin> for Usage {
    fn from(Twin { s3_reads, s3_writes, metrics, athena_bytes }: Twin) -> Self {
        Self { s3_reads, s3_writes, metrics, athena_bytes }
    }
}

impl From<Usage> for Twin {
    fn from(Usage { s3_reads, s3_writes, metrics, athena_bytes }: Usage) -> Self {
        Self { s3_reads, s3_writes, metrics, athena_bytes }
    }
}

impl LedgerStore {
    /// Adds what a run asked to the day's sum, but for the two requests that this takes.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn note_usage(&self, day: Day, usage: &Usage) -> Result<(), StoreError> {
        if *usage == Usage::default() {
            return Ok(());
        }
        let name = file_of(day);
        for _ in 0..RACES {
            let (mut days, version) = self.month_of_usage(&name).await?;
            let mut sum = Usage::from(days.get(&day.to_string()).copied().unwrap_or_default());
            sum.add(usage);
            days.insert(day.to_string(), sum.into());
            let bytes = serde_json::to_vec_pretty(&days).map_err(StoreError::Manifest)?;
            match self.shelf.swap(&name, version.as_ref(), &bytes).await {
                Err(ShelfError::Lost(_)) => {}
                written => return Ok(written.map(drop)?),
            }
        }
        // Others are at it all the time: a sum that lacks one run is better than a run that fails.
        Ok(())
    }

    /// What was asked on a day by all runs.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn usage(&self, day: Day) -> Result<Usage, StoreError> {
        let (days, _) = self.month_of_usage(&file_of(day)).await?;
        Ok(days.get(&day.to_string()).copied().unwrap_or_default().into())
    }

    async fn month_of_usage(
        &self,
        name: &str,
    ) -> Result<(BTreeMap<String, Twin>, Option<crate::store::Version>), StoreError> {
        let Some((bytes, version)) = self.shelf.get(name).await? else { return Ok((BTreeMap::new(), None)) };
        let days = serde_json::from_slice(&bytes).map_err(StoreError::Manifest)?;
        Ok((days, Some(version)))
    }
}

fn file_of(day: Day) -> String {
    let day = day.to_string();
    format!("{USAGE}{}.json", day.rsplit_once('-').map_or(day.as_str(), |(month, _)| month))
}
