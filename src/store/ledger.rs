//! The ledger in a blob store: data files named by their own content, and one manifest that says which of them count.
//!
//! ```text
//! manifest.json                         the only data file that is replaced, swapped last
//! 2026-10-01/minutes-08-HASH.parquet    counts of the part of a UTC day that starts at that hour
//! 2026-10-01/objects-08-HASH.parquet    log objects whose interval ends in that part
//! sums-2026-10-HASH.parquet             sums by series and day of a month
//! timeslices-2026-10-HASH.parquet       the same per timeslice, where any SLO has them
//! usage-2026-10.json                    AWS requests and what they cost, by day
//! alerts.json                           the alert state: incidents, and the outbox
//! alerts-dry-run.json                   the same of dry runs
//! overrides.json                        overrides of the gate
//! weekly.json                           the weekly reports already sent
//! discovery.json                        load balancers and target groups found by discovery
//! fetched-HASH.json                     ranges already fetched from CloudWatch and Athena
//! counts-HASH.json                      counts files already read, with their state
//! ```
//!
//! A run that adds the newest minutes only writes one partition and one month, and one that evaluates the newest minute
//! reads only the partitions that a window begins or ends in, however long it is.
//!
//! **Invariant:** the bytes of data files depend on nothing but what was merged, and those of timeslices on what was
//! requested of it: there is no time, no random name, no counter in them. A replaced data file stays for one more run,
//! since others may be reading it.

mod fetch_state;
mod publish;
mod scan;
mod sidecars;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hashbrown::HashMap;
use polars::prelude::PolarsResult;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

pub use sidecars::{AlertStateKind, VersionedAlertState};

use super::codec::{self, SeriesLists};
use super::manifest::{DataFile, MANIFEST, Manifest, Month, PartitionFiles, hash_in_name, matches_hash_in_name};
use super::{BlobError, BlobStore, StoreError, Version};
use crate::ledger::{DaySums, Ledger, PartialSumsRequest, Partition, PartitionObjects};
use crate::series::SeriesKey;
use crate::time::Day;

const CONCURRENT_READS: usize = 16;

/// Which partitions of the ledger to load; sums of all days are always loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadRequest {
    pub minutes: BTreeSet<Partition>,
    pub objects: BTreeSet<Partition>,
    /// Partitions of which the log objects are loaded without their names.
    pub delivered_intervals: BTreeSet<Partition>,
    /// Sums of minutes that are not kept in memory.
    pub partial_sums: PartialSumsRequest,
}

impl LoadRequest {
    /// The minutes of some days and the log objects of some days.
    pub fn for_days(minutes: impl IntoIterator<Item = Day>, objects: impl IntoIterator<Item = Day>) -> Self {
        Self {
            minutes: minutes.into_iter().flat_map(Partition::in_day).collect(),
            objects: objects.into_iter().flat_map(Partition::in_day).collect(),
            ..Self::default()
        }
    }
}

pub struct LedgerStore {
    blobs: Box<dyn BlobStore>,
    /// What will count once it is published. A ledger keeps the unlisted folders that it was loaded with.
    pub(crate) manifest: Manifest,
    /// What counts for all readers.
    published: Manifest,
    version: Option<Version>,
    /// Data files that were written and replaced before they were published.
    unpublished: BTreeSet<String>,
    /// How often this run has written the manifest.
    publications: usize,
    /// The number of commits: distinguishes a ledger that was loaded before a commit from a current one.
    revision: u64,
    /// Sums of all days, once they were read.
    daily_sums: Mutex<Option<DaySumsBySeries>>,
}

/// Sums of all days. Copies share what did not change.
type DaySumsBySeries = HashMap<SeriesKey, Arc<DaySums>>;

impl LedgerStore {
    /// Reads the manifest; a blob store without one is an empty ledger.
    pub async fn open(blobs: Box<dyn BlobStore>) -> Result<Self, StoreError> {
        let mut manifest = blobs.get(MANIFEST).await?;
        if manifest.is_none()
            && let Some(name) = blobs.list().await?.into_iter().find(|name| hash_in_name(name).is_some())
        {
            // Another run may have created the ledger meanwhile: it writes the manifest before any data.
            manifest = blobs.get(MANIFEST).await?;
            if manifest.is_none() {
                return Err(StoreError::MissingManifest(name));
            }
        }
        let (manifest, version) = match manifest {
            Some((bytes, version)) => (Manifest::from_bytes(&bytes, &blobs.location())?, Some(version)),
            None => (Manifest::default(), None),
        };
        Ok(Self {
            blobs,
            published: manifest.clone(),
            manifest,
            version,
            unpublished: BTreeSet::new(),
            publications: 0,
            revision: 0,
            daily_sums: Mutex::default(),
        })
    }

    /// The same, and creates a ledger where there is none.
    pub async fn create(blobs: Box<dyn BlobStore>, location: &str) -> Result<Self, StoreError> {
        let mut store = Self::open(blobs).await?;
        if store.version.is_none() {
            if let Some(entry) = store.blobs.first_entry().await? {
                // Another run may have created it since.
                if store.blobs.get(MANIFEST).await?.is_some() {
                    return Err(BlobError::Conflict(MANIFEST.to_owned()).into());
                }
                return Err(BlobError::Occupied { location: location.to_owned(), entry }.into());
            }
            store.write_first_manifest().await?;
        }
        Ok(store)
    }

    /// Whether nothing was ever stored.
    pub fn is_empty(&self) -> bool {
        self.manifest.partitions.is_empty() && self.manifest.fetched.is_none()
    }

    pub const fn has_manifest(&self) -> bool {
        self.version.is_some()
    }

    pub fn first_day(&self) -> Option<Day> {
        self.manifest.partitions.iter().find(|(_, files)| files.minutes.is_some()).map(|(part, _)| part.day())
    }

    /// Reads the sums of all days, and the requested partitions.
    pub async fn load(&self, request: &LoadRequest) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger {
            daily_sums: self.daily_sums().await?,
            revision: Some(self.revision),
            unlisted: self.manifest.unlisted.clone(),
            ..Ledger::default()
        };
        for (partition, files) in &self.manifest.partitions {
            ledger.unloaded_minutes.extend(files.minutes.iter().map(|_| *partition));
            ledger.unloaded_objects.extend(files.objects.iter().map(|_| *partition));
        }
        self.load_more(&mut ledger, request).await?;
        Ok(ledger)
    }

    pub fn is_current(&self, ledger: &Ledger) -> bool {
        ledger.revision == Some(self.revision)
    }

    /// Reads requested partitions that an unchanged ledger does not hold yet.
    pub async fn load_more(&self, ledger: &mut Ledger, request: &LoadRequest) -> Result<(), StoreError> {
        let mut series_lists = SeriesLists::default();
        let missing: Vec<Partition> = request.minutes.intersection(&ledger.unloaded_minutes).copied().collect();
        for partitions in missing.chunk_by(|one, other| one.day() == other.day()) {
            self.load_minutes(ledger, partitions, &mut series_lists).await?;
        }
        self.load_partial_sums(ledger, &request.partial_sums, &mut series_lists).await?;
        self.load_objects(ledger, request).await
    }

    async fn daily_sums(&self) -> Result<DaySumsBySeries, StoreError> {
        if let Some(sums) = self.lock_daily_sums().as_ref() {
            return Ok(sums.clone());
        }
        let mut sums = HashMap::new();
        let files = self.manifest.sums.keys().map(|month| (*month, DataFile::Sums(*month)));
        for (_, name, bytes) in self.read_files(files).await? {
            with_file_name(&name, codec::decode_sums(&bytes, &mut sums))?;
        }
        *self.lock_daily_sums() = Some(sums.clone());
        Ok(sums)
    }

    fn lock_daily_sums(&self) -> MutexGuard<'_, Option<DaySumsBySeries>> {
        // The value is replaced as a whole, so that a panic elsewhere leaves none half written.
        self.daily_sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what changed in a loaded ledger; others see it once it is [published](Self::publish), which happens by
    /// itself when many files are waiting. When nothing changed, nothing is written.
    pub async fn commit(&mut self, ledger: &mut Ledger) -> Result<(), StoreError> {
        self.write_first_manifest().await?;
        let mut manifest = self.manifest.clone();
        let minutes = std::mem::take(&mut ledger.changed_minutes);
        let objects = std::mem::take(&mut ledger.changed_objects);
        let months: BTreeSet<Month> = minutes.iter().map(|part| Month::containing(part.day())).collect();
        let partitions = minutes.into_iter().map(DataFile::Minutes).chain(objects.into_iter().map(DataFile::Objects));
        let changed: Vec<DataFile> = partitions.chain(months.into_iter().map(DataFile::Sums)).collect();
        let encoded: Vec<_> = changed.par_iter().map(|file| encode_file(*file, ledger)).collect();
        for (file, encoded) in changed.into_iter().zip(encoded) {
            self.put_data_file(&mut manifest, file, with_file_name(&file.stem(), encoded.transpose())?).await?;
        }
        manifest.partitions.retain(|_, files| *files != PartitionFiles::default());
        if manifest == self.manifest {
            return Ok(());
        }
        self.stage(manifest).await?;
        // A ledger that was loaded before the last commit lacks what that one added.
        let is_current = self.is_current(ledger);
        self.revision += 1;
        *self.lock_daily_sums() = is_current.then(|| ledger.daily_sums.clone());
        ledger.revision = is_current.then_some(self.revision);
        Ok(())
    }

    /// Those of some data files that exist, with a key each, in the given order. Some are read at the same time: a
    /// bucket is far away.
    async fn read_files<K>(
        &self,
        files: impl Iterator<Item = (K, DataFile)>,
    ) -> Result<Vec<(K, String, Vec<u8>)>, StoreError> {
        let named = files.filter_map(|(key, file)| Some((key, self.manifest.file_name(file)?)));
        let reads = named.map(async |(key, name)| {
            let bytes = self.read_file(&name).await?;
            Ok((key, name, bytes))
        });
        stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
    }

    /// A data file, checked against the hash in its name, so that damaged bytes never reach a decoder.
    async fn read_file(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let damaged = |problem| StoreError::Damaged { name: name.to_owned(), problem };
        match self.blobs.get(name).await? {
            Some((bytes, _)) if matches_hash_in_name(name, &bytes) => Ok(bytes),
            Some(_) => Err(damaged("damaged")),
            None => {
                let version = self.blobs.get(MANIFEST).await?.map(|(_, version)| version);
                Err(if version == self.version { damaged("missing") } else { StoreError::ChangedWhileReading })
            }
        }
    }
}

fn with_file_name<T>(name: &str, result: PolarsResult<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Parquet { name: name.to_owned(), source })
}

fn encode_file(file: DataFile, ledger: &Ledger) -> Option<PolarsResult<Vec<u8>>> {
    match file {
        DataFile::Minutes(part) => codec::encode_minutes(ledger.minutes.get(&part)?),
        DataFile::Objects(part) => match ledger.objects.get(&part) {
            Some(PartitionObjects::Records(records)) if !records.is_empty() => Some(codec::encode_objects(records)),
            _ => None,
        },
        DataFile::Sums(month) => codec::encode_sums(&ledger.daily_sums, month.first_day(), month.end()),
        DataFile::Timeslices(_) | DataFile::FetchedRanges | DataFile::CountsFiles => None,
    }
}

#[cfg(test)]
mod tests;
