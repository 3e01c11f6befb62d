//! What sources were asked and answered, as it is kept: series with the same spans together, since most have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::demand::AskedOf;
use crate::minute::Minute;
use crate::series::SeriesKey;
use crate::store::manifest::{Manifest, text};
use crate::store::{StoreError, version_of};

/// Series that were asked for alike.
#[derive(Serialize, Deserialize)]
struct Twin {
    #[serde(with = "text")]
    from: Minute,
    #[serde(rename = "settled_until", with = "text")]
    settled: Minute,
    #[serde(rename = "until", with = "text")]
    end: Minute,
    series: Vec<String>,
}

impl LedgerStore {
    /// What sources were asked and answered.
    ///
    /// # Errors
    /// When the file is missing, damaged, or refused by the shelf.
    pub async fn asked(&self) -> Result<BTreeMap<SeriesKey, AskedOf>, StoreError> {
        match &self.manifest.asked {
            Some(name) => read(&self.file(name).await?),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Keeps what sources were asked and answered. Their counts must be kept before: what is lost in between is asked
    /// again.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn keep_asked(&mut self, asked: &BTreeMap<SeriesKey, AskedOf>) -> Result<(), StoreError> {
        let bytes = write(asked)?;
        let name = format!("fetched-{}.json", version_of(&bytes).0);
        if self.manifest.asked.as_ref() == Some(&name) {
            return Ok(());
        }
        self.start().await?;
        self.shelf.put(&name, &bytes).await?;
        self.stage(Manifest { asked: Some(name), ..self.manifest.clone() }).await
    }
}

impl LedgerStore {
    /// Bytes that a day of each table of Athena scans, as far as it is known.
    #[must_use]
    pub const fn scanned(&self) -> &BTreeMap<String, u64> {
        &self.manifest.scanned
    }

    /// Keeps what a day of tables scans.
    pub fn keep_scanned(&mut self, scanned: BTreeMap<String, u64>) {
        self.manifest.scanned = scanned;
    }
}

impl LedgerStore {
    /// The minutes of the first values that the metrics of a series had, or of its first request, as far as they were
    /// seen.
    #[must_use]
    pub fn began(&self, series: &SeriesKey) -> BTreeMap<String, Minute> {
        self.manifest.began.get(series.as_str()).cloned().unwrap_or_default()
    }

    /// Keeps when metrics began.
    pub fn keep_began(&mut self, began: &BTreeMap<SeriesKey, BTreeMap<String, Minute>>) {
        let known = began.iter().filter(|(_, began)| !began.is_empty());
        self.manifest.began.extend(known.map(|(series, began)| (series.to_string(), began.clone())));
    }
}

fn read(bytes: &[u8]) -> Result<BTreeMap<SeriesKey, AskedOf>, StoreError> {
    let twins: Vec<Twin> = serde_json::from_slice(bytes).map_err(StoreError::Manifest)?;
    let series = twins.into_iter().flat_map(|Twin { from, settled, end, series }| {
        series.into_iter().map(move |series| (SeriesKey::new(&series), AskedOf { from, settled, end }))
    });
    Ok(series.collect())
}

fn write(asked: &BTreeMap<SeriesKey, AskedOf>) -> Result<Vec<u8>, StoreError> {
    let mut groups: BTreeMap<AskedOf, Vec<String>> = BTreeMap::new();
    for (series, of) in asked {
        groups.entry(*of).or_default().push(series.to_string());
    }
    let twins = groups.into_iter().map(|(AskedOf { from, settled, end }, series)| Twin { from, settled, end, series });
    serde_json::to_vec_pretty(&twins.collect::<Vec<_>>()).map_err(StoreError::Manifest)
}
