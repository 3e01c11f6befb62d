//! The ledger on a shelf: data files named by their own content, and one manifest that says which of them count.
//!
//! ```text
//! manifest.json                       the only name whose bytes change, swapped last
//! 2026-10-01/minutes-HASH.parquet     counts of a UTC day
//! 2026-10-01/objects-HASH.parquet     log objects whose interval ends in that day
//! sums-HASH.parquet                   sums by series and day
//! ```
//!
//! **Invariant:** the bytes depend on nothing but what was absorbed: there is no time, no random name, no counter in them. A
//! file that the manifest does not name is litter, and the next writer sweeps it.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{PolarsError, PolarsResult};
use serde::{Deserialize, Serialize};

use super::codec;
use super::{Shelf, ShelfError, Version, version_of};
use crate::ledger::Ledger;
use crate::minute::Day;

const MANIFEST: &str = "manifest.json";
/// Raised when files change so that older programs must not read them.
const FORMAT: u32 = 1;

/// The ledger's files did not do what they should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The shelf refused.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The manifest is no manifest.
    #[error(
        "`manifest.json` of the ledger cannot be read: {0}\nhint: restore it, or remove the ledger's folder and run again to fill it anew"
    )]
    Manifest(#[source] serde_json::Error),
    /// There are data files, but nothing says which of them count.
    #[error(
        "the ledger has data files such as `{0}`, but no `manifest.json`\nhint: restore it, or remove the ledger's folder and run again to fill it anew"
    )]
    NoManifest(String),
    /// It was written by a newer program.
    #[error(
        "the ledger has format {0}, and this slowburn knows format {FORMAT}\nhint: use the newer slowburn that wrote it"
    )]
    Format(u32),
    /// A data file is missing or not what its name says.
    #[error(
        "`{name}` of the ledger is {what}\nhint: restore it, or remove the ledger's folder and run again to fill it anew"
    )]
    Damaged {
        /// Which.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Parquet could not be written or read.
    #[error("`{name}` of the ledger cannot be coded: {source}")]
    Coding {
        /// Which.
        name: String,
        /// What the library said.
        source: PolarsError,
    },
}

/// Which days of the ledger are wanted; sums of all days always come along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Days whose minutes are wanted.
    pub minutes: BTreeSet<Day>,
    /// Days whose log objects are wanted.
    pub objects: BTreeSet<Day>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    days: BTreeMap<String, DayFiles>,
    sums: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct DayFiles {
    #[serde(skip_serializing_if = "Option::is_none")]
    minutes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<String>,
}

/// A ledger that is kept on a shelf.
pub struct LedgerStore {
    shelf: Box<dyn Shelf>,
    manifest: Manifest,
    version: Option<Version>,
}

impl LedgerStore {
    /// Reads the manifest; a shelf without one is an empty ledger.
    ///
    /// # Errors
    /// When the shelf refuses, or the manifest is damaged or of a newer format.
    pub async fn open(shelf: Box<dyn Shelf>) -> Result<Self, StoreError> {
        let Some((bytes, version)) = shelf.get(MANIFEST).await? else {
            if let Some(name) = shelf.list().await?.into_iter().find(|name| name.ends_with(".parquet")) {
                return Err(StoreError::NoManifest(name));
            }
            return Ok(Self {
                shelf,
                manifest: Manifest { format: FORMAT, days: BTreeMap::new(), sums: None },
                version: None,
            });
        };
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(StoreError::Manifest)?;
        if manifest.format != FORMAT {
            return Err(StoreError::Format(manifest.format));
        }
        Ok(Self { shelf, manifest, version: Some(version) })
    }

    /// The first day with known minutes.
    #[must_use]
    pub fn first_day(&self) -> Option<Day> {
        let mut days = self.manifest.days.iter().filter(|(_, files)| files.minutes.is_some());
        days.next().and_then(|(day, _)| day.parse().ok())
    }

    /// Reads the wanted days and the sums of all.
    ///
    /// # Errors
    /// When a file is missing, damaged, or refused by the shelf.
    pub async fn load(&self, needs: &Needs) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::default();
        if let Some(name) = &self.manifest.sums {
            ledger.sums = coded(name, codec::decode_sums(&self.file(name).await?))?;
        }
        for (text, files) in &self.manifest.days {
            let Ok(day) = text.parse::<Day>() else { continue };
            match &files.minutes {
                Some(name) if needs.minutes.contains(&day) => {
                    let tables = coded(name, codec::decode_minutes(&self.file(name).await?))?;
                    ledger.minutes.insert(day, tables);
                }
                Some(_) => drop(ledger.minutes_left.insert(day)),
                None => {}
            }
            match &files.objects {
                Some(name) if needs.objects.contains(&day) => {
                    let objects = coded(name, codec::decode_objects(&self.file(name).await?))?;
                    ledger.objects.insert(day, objects);
                }
                Some(_) => drop(ledger.objects_left.insert(day)),
                None => {}
            }
        }
        Ok(ledger)
    }

    /// Keeps what changed in a loaded ledger. When nothing did, nothing is written.
    ///
    /// # Errors
    /// When the shelf refuses; the ledger on it is then as it was.
    pub async fn commit(&mut self, ledger: &mut Ledger) -> Result<(), StoreError> {
        if self.version.is_none() {
            // From here on, data files without a manifest are a loss and not a beginning.
            self.swap(self.manifest.clone()).await?;
        }
        let mut manifest = self.manifest.clone();
        for day in std::mem::take(&mut ledger.changed) {
            let files = manifest.days.entry(day.to_string()).or_default();
            if !ledger.minutes_left.contains(&day) {
                let tables = ledger.minutes.get(&day).filter(|tables| !tables.is_empty());
                let kind = format!("{day}/minutes");
                files.minutes = self.keep(&kind, tables.map(codec::encode_minutes), files.minutes.take()).await?;
            }
            if !ledger.objects_left.contains(&day) {
                let objects = ledger.objects.get(&day).filter(|objects| !objects.is_empty());
                let kind = format!("{day}/objects");
                files.objects = self.keep(&kind, objects.map(codec::encode_objects), files.objects.take()).await?;
            }
        }
        manifest.days.retain(|_, files| *files != DayFiles::default());
        if manifest == self.manifest {
            return Ok(());
        }
        let sums = (!ledger.sums.is_empty()).then(|| codec::encode_sums(&ledger.sums));
        manifest.sums = self.keep("sums", sums, manifest.sums.take()).await?;
        self.swap(manifest).await
    }

    async fn swap(&mut self, manifest: Manifest) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec_pretty(&manifest).map_err(StoreError::Manifest)?;
        self.version = Some(self.shelf.swap(MANIFEST, self.version.as_ref(), &bytes).await?);
        self.manifest = manifest;
        Ok(())
    }

    /// Writes a data file under the name that its content gives it, unless that is the `present` one.
    async fn keep(
        &self,
        kind: &str,
        encoded: Option<PolarsResult<Vec<u8>>>,
        present: Option<String>,
    ) -> Result<Option<String>, StoreError> {
        let Some(encoded) = encoded else { return Ok(None) };
        let bytes = coded(kind, encoded)?;
        let name = format!("{kind}-{}.parquet", version_of(&bytes).0);
        if present.as_ref() != Some(&name) {
            self.shelf.put(&name, &bytes).await?;
        }
        Ok(Some(name))
    }

    /// Removes files that the manifest does not name: what a crash left, and what the last commit replaced.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let files = self.manifest.days.values().flat_map(|files| [&files.minutes, &files.objects]);
        let named: BTreeSet<&str> =
            files.chain([&self.manifest.sums]).flatten().map(String::as_str).chain([MANIFEST]).collect();
        for name in self.shelf.list().await? {
            if !named.contains(name.as_str()) {
                self.shelf.delete(&name).await?;
            }
        }
        Ok(())
    }

    /// A data file, checked against the hash in its name, so that damaged bytes never reach a decoder.
    async fn file(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let damaged = |what| StoreError::Damaged { name: name.to_owned(), what };
        let (bytes, version) = self.shelf.get(name).await?.ok_or_else(|| damaged("missing"))?;
        if name.ends_with(&format!("-{}.parquet", version.0)) { Ok(bytes) } else { Err(damaged("damaged")) }
    }
}

fn coded<T>(name: &str, result: PolarsResult<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Coding { name: name.to_owned(), source })
}
