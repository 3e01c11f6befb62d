//! The ledger on a shelf: data files named by their own content, and one manifest that says which of them count.
//!
//! ```text
//! manifest.json                         the only name whose bytes change, swapped last
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
//! So a run that has only the newest minutes to add writes one part and one month, and one that judges the newest
//! minute reads only the parts that a window begins or ends in, however long it is.
//!
//! **Invariant:** the bytes of data files depend on nothing but what was absorbed, and those of slices on what was
//! asked of it: there is no time, no random name, no counter in them. A data file that was replaced stays for one more
//! run, since others may be reading it.

mod alert_state;
mod counts_files;
mod discovery;
mod fetched_ranges;
mod gc;
mod listing_cache;
mod overrides;
mod publish;
mod scan;
mod sidecar;
mod slices;
mod usage;
mod weekly;

pub use alert_state::{AlertStateKind, VersionedAlertState};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hashbrown::HashMap;
use polars::prelude::PolarsResult;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::codec::{self, SeriesLists};
use super::manifest::{MANIFEST, Manifest, PartitionFiles};
use super::{BlobError, BlobStore, StoreError, Version, content_version, names};
use crate::ledger::{DayMinutes, DaySums, Ledger, PartialSumsRequest, Partition, PartitionObjects};
use crate::series::SeriesKey;
use crate::time::Day;

/// Files that are read at the same time.
const CONCURRENT_READS: usize = 16;

/// Which parts of the ledger are wanted; sums of all days always come along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadRequest {
    /// Parts whose minutes are wanted.
    pub minutes: BTreeSet<Partition>,
    /// Parts whose log objects are wanted.
    pub objects: BTreeSet<Partition>,
    /// Parts of which only matters what their log objects delivered, not what they are called.
    pub delivered_intervals: BTreeSet<Partition>,
    /// What is wanted of minutes that are not to be kept in memory.
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

/// A ledger that is kept on a shelf.
pub struct LedgerStore {
    blobs: Box<dyn BlobStore>,
    /// What will count once it is published.
    manifest: Manifest,
    /// What counts for everybody.
    published: Manifest,
    version: Option<Version>,
    /// Data files that were written and replaced before anybody could know of them.
    unpublished: BTreeSet<String>,
    /// How often this run has written the manifest.
    publications: usize,
    /// Counts the commits: what was loaded before one is of an earlier edition.
    revision: u64,
    /// Sums of all days as they are now, once they were read.
    daily_sums: Mutex<Option<DaySumsBySeries>>,
}

/// Sums of all days. Copies share what did not change.
type DaySumsBySeries = HashMap<SeriesKey, Arc<DaySums>>;

impl LedgerStore {
    /// Reads the manifest; a shelf without one is an empty ledger.
    ///
    /// # Errors
    /// When the shelf refuses, or the manifest is damaged or of another format.
    pub async fn open(blobs: Box<dyn BlobStore>) -> Result<Self, StoreError> {
        let mut manifest = blobs.get(MANIFEST).await?;
        if manifest.is_none()
            && let Some(name) = blobs.list().await?.into_iter().find(|name| names::hash_in_name(name).is_some())
        {
            // Another run may have begun the ledger between the two looks: it writes the manifest before any data.
            manifest = blobs.get(MANIFEST).await?;
            if manifest.is_none() {
                return Err(StoreError::MissingManifest(name));
            }
        }
        let Some((bytes, version)) = manifest else {
            return Ok(Self::new(blobs, Manifest::default(), None));
        };
        let manifest = Manifest::from_bytes(&bytes, &blobs.location())?;
        Ok(Self::new(blobs, manifest, Some(version)))
    }

    /// The same, and starts a ledger where there is none: from then on the place is the ledger's.
    ///
    /// # Errors
    /// Those of [`Self::open`], and [`ShelfError::Occupied`] where anything else lies there.
    pub async fn create(blobs: Box<dyn BlobStore>, location: &str) -> Result<Self, StoreError> {
        let mut store = Self::open(blobs).await?;
        if store.version.is_none() {
            if let Some(entry) = store.blobs.first_entry().await? {
                // Another run may have started it since.
                if store.blobs.get(MANIFEST).await?.is_some() {
                    return Err(BlobError::Conflict(MANIFEST.to_owned()).into());
                }
                return Err(BlobError::Occupied { location: location.to_owned(), entry }.into());
            }
            store.write_first_manifest().await?;
        }
        Ok(store)
    }

    fn new(blobs: Box<dyn BlobStore>, manifest: Manifest, version: Option<Version>) -> Self {
        Self {
            blobs,
            published: manifest.clone(),
            manifest,
            version,
            unpublished: BTreeSet::new(),
            publications: 0,
            revision: 0,
            daily_sums: Mutex::default(),
        }
    }

    /// Whether nothing was ever kept in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.manifest.partitions.is_empty() && self.manifest.fetched.is_none()
    }

    /// Whether a run has started it.
    #[must_use]
    pub const fn has_manifest(&self) -> bool {
        self.version.is_some()
    }

    /// The first day with known minutes.
    #[must_use]
    pub fn first_day(&self) -> Option<Day> {
        self.manifest.partitions.iter().find(|(_, files)| files.minutes.is_some()).map(|(part, _)| part.day())
    }

    /// Reads the sums of all days, and the wanted parts.
    ///
    /// # Errors
    /// When a file is missing, damaged, or refused by the shelf.
    pub async fn load(&self, request: &LoadRequest) -> Result<Ledger, StoreError> {
        let unlisted = self.manifest.unlisted.clone();
        let mut ledger = Ledger {
            daily_sums: self.daily_sums().await?,
            revision: Some(self.revision),
            unlisted,
            ..Ledger::default()
        };
        for (partition, files) in &self.manifest.partitions {
            ledger.unloaded_minutes.extend(files.minutes.iter().map(|_| *partition));
            ledger.unloaded_objects.extend(files.objects.iter().map(|_| *partition));
        }
        self.load_more(&mut ledger, request).await?;
        Ok(ledger)
    }

    /// Whether nothing was committed since a ledger was loaded.
    #[must_use]
    pub fn is_current(&self, ledger: &Ledger) -> bool {
        ledger.revision == Some(self.revision)
    }

    /// Sums of all days: a run asks for them again and again, and reads them once.
    async fn daily_sums(&self) -> Result<DaySumsBySeries, StoreError> {
        if let Some(sums) = self.lock_daily_sums().as_ref() {
            return Ok(sums.clone());
        }
        let mut sums = HashMap::new();
        for (name, bytes) in self.read_files(self.manifest.sums.values()).await? {
            with_file_name(name, codec::decode_sums(&bytes, &mut sums))?;
        }
        *self.lock_daily_sums() = Some(sums.clone());
        Ok(sums)
    }

    fn lock_daily_sums(&self) -> std::sync::MutexGuard<'_, Option<DaySumsBySeries>> {
        // What another thread left half done when it panicked is whole or nothing.
        self.daily_sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads wanted parts that an unchanged ledger does not hold yet.
    ///
    /// # Errors
    /// When a file is missing, damaged, or refused by the shelf.
    pub async fn load_more(&self, ledger: &mut Ledger, request: &LoadRequest) -> Result<(), StoreError> {
        let mut partitions_by_day: BTreeMap<Day, Vec<Partition>> = BTreeMap::new();
        for part in request.minutes.intersection(&ledger.unloaded_minutes) {
            partitions_by_day.entry(part.day()).or_default().push(*part);
        }
        let mut series_lists = SeriesLists::default();
        for (day, partitions) in partitions_by_day {
            self.load_minutes(ledger, day, &partitions, &mut series_lists).await?;
        }
        self.load_partial_sums(ledger, &request.partial_sums, &mut series_lists).await?;
        self.load_objects(ledger, request).await
    }

    /// Reads log objects. Their files are decoded on all cores.
    async fn load_objects(&self, ledger: &mut Ledger, request: &LoadRequest) -> Result<(), StoreError> {
        let mut to_load = Vec::new();
        for partition in request.objects.union(&request.delivered_intervals) {
            let Some(name) = self.manifest.partitions.get(partition).and_then(|files| files.objects.as_ref()) else {
                continue;
            };
            let with_names = request.objects.contains(partition);
            match ledger.objects.get(partition) {
                Some(PartitionObjects::Records(_)) => {}
                Some(PartitionObjects::Intervals(_)) if !with_names => {}
                _ => to_load.push((*partition, with_names, name)),
            }
        }
        let files = self.read_files(to_load.iter().map(|(.., name)| *name)).await?;
        let files: Vec<_> = to_load.iter().zip(files).collect();
        let decode = |((part, named, _), (name, bytes)): &(&(Partition, bool, &String), (&String, Vec<u8>))| {
            let objects = if *named {
                codec::decode_records(bytes).map(PartitionObjects::Records)
            } else {
                codec::decode_intervals(bytes).map(PartitionObjects::Intervals)
            };
            Ok((*part, with_file_name(name, objects)?))
        };
        for (part, objects) in files.par_iter().map(decode).collect::<Result<Vec<_>, StoreError>>()? {
            ledger.objects.insert(part, objects);
            ledger.unloaded_objects.remove(&part);
        }
        Ok(())
    }

    /// Reads the minutes of a day from the first to the last of some parts. The parts of a day lie side by side in
    /// memory, so what was held of it before is read again.
    async fn load_minutes(
        &self,
        ledger: &mut Ledger,
        day: Day,
        partitions: &[Partition],
        series_lists: &mut SeriesLists,
    ) -> Result<(), StoreError> {
        let loaded_slots = ledger.minutes.get(&day).map(DayMinutes::slots);
        let slots = partitions.iter().map(|part| part.slots()).chain(loaded_slots);
        let Some(mut slots) = slots.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end)) else {
            return Ok(());
        };
        let file_of = |part: &Partition| self.manifest.partitions.get(part).and_then(|files| files.minutes.as_ref());
        let (inside, outside): (Vec<Partition>, Vec<Partition>) = Partition::in_day(day)
            .filter(|part| file_of(part).is_some())
            .partition(|part| slots.contains(&part.slots().start));
        if outside.is_empty() {
            slots = DayMinutes::default().slots();
        }
        let files = self.read_minutes_files(&inside, series_lists).await?;
        let lists = &*series_lists;
        let decode = |(part, name, bytes): &(Partition, &String, Vec<u8>)| {
            Ok((*part, with_file_name(name, codec::decode_minutes(bytes, part.slots().len(), lists))?))
        };
        let decoded = files.par_iter().map(decode).collect::<Result<Vec<_>, StoreError>>()?;
        let mut series: Vec<_> = Vec::new();
        for (_, minutes) in &decoded {
            if series != *minutes.series {
                series.extend(minutes.series.iter().cloned());
                series.sort_unstable();
                series.dedup();
            }
        }
        let columns = decoded.iter().map(|(part, minutes)| {
            Ok((part.slots(), &**minutes.series, with_file_name("minutes", minutes.columns())?))
        });
        let columns = columns.collect::<Result<Vec<_>, StoreError>>()?;
        let day_minutes = DayMinutes::from_partitions(slots, series, columns.into_iter());
        for (part, _) in &decoded {
            ledger.unloaded_minutes.remove(part);
        }
        ledger.minutes.insert(day, day_minutes);
        Ok(())
    }

    /// Writes what changed in a loaded ledger; others see it once it is [published](Self::publish), which happens by
    /// itself when many files are waiting. When nothing changed, nothing is written.
    ///
    /// # Errors
    /// When the shelf refuses; the ledger on it is then as it was.
    pub async fn commit(&mut self, ledger: &mut Ledger) -> Result<(), StoreError> {
        self.write_first_manifest().await?;
        let mut manifest = self.manifest.clone();
        let changed_minutes: Vec<Partition> = std::mem::take(&mut ledger.changed_minutes).into_iter().collect();
        let changed_objects: Vec<Partition> = std::mem::take(&mut ledger.changed_objects).into_iter().collect();
        let months: BTreeSet<Month> = changed_minutes.iter().map(|part| month_containing(part.day())).collect();
        let months: Vec<Month> = months.into_iter().collect();
        let (minute_files, (object_files, sums_files)) =
            encode_changes(ledger, &changed_minutes, &changed_objects, &months);
        for (part, encoded) in changed_minutes.into_iter().zip(minute_files) {
            let files = manifest.partitions.entry(part).or_default();
            files.minutes =
                self.put_data_file(&PartitionFiles::file_stem(part, "minutes"), encoded, files.minutes.take()).await?;
        }
        for (part, encoded) in changed_objects.into_iter().zip(object_files) {
            let files = manifest.partitions.entry(part).or_default();
            files.objects =
                self.put_data_file(&PartitionFiles::file_stem(part, "objects"), encoded, files.objects.take()).await?;
        }
        for ((month, ..), encoded) in months.into_iter().zip(sums_files) {
            if let Some(name) =
                self.put_data_file(&format!("sums-{month}"), encoded, manifest.sums.remove(&month)).await?
            {
                manifest.sums.insert(month, name);
            }
        }
        manifest.partitions.retain(|_, files| *files != PartitionFiles::default());
        if manifest == self.manifest {
            return Ok(());
        }
        self.stage(manifest).await?;
        // A ledger that was loaded before the last commit does not know what that one added.
        let is_current = ledger.revision == Some(self.revision);
        self.revision += 1;
        *self.lock_daily_sums() = is_current.then(|| ledger.daily_sums.clone());
        ledger.revision = is_current.then_some(self.revision);
        Ok(())
    }

    /// Data files in the order of their names here, some of them read at the same time: a bucket is far away.
    async fn read_files<'a>(
        &self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Result<Vec<(&'a String, Vec<u8>)>, StoreError> {
        let read = names.into_iter().map(async |name| Ok((name, self.read_file(name).await?)));
        stream::iter(read).buffered(CONCURRENT_READS).try_collect().await
    }

    /// A data file, checked against the hash in its name, so that damaged bytes never reach a decoder.
    async fn read_file(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let damaged = |what| StoreError::Damaged { name: name.to_owned(), problem: what };
        let Some((bytes, _)) = self.blobs.get(name).await? else {
            return Err(if self.is_manifest_changed().await? {
                StoreError::ChangedWhileReading
            } else {
                damaged("missing")
            });
        };
        let hash = content_version(&bytes).0;
        if name.contains(&format!("-{hash}.")) { Ok(bytes) } else { Err(damaged("damaged")) }
    }
}

fn with_file_name<T>(name: &str, result: PolarsResult<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Parquet { name: name.to_owned(), source })
}

/// The bytes of a file, if it has any.
type EncodedFile = Option<PolarsResult<Vec<u8>>>;

/// The files of what changed, encoded on all cores: of minutes, of objects, of sums.
fn encode_changes(
    ledger: &Ledger,
    minutes: &[Partition],
    objects: &[Partition],
    months: &[Month],
) -> (Vec<EncodedFile>, (Vec<EncodedFile>, Vec<EncodedFile>)) {
    let encode_partition_minutes = |part: &Partition| {
        let minutes = ledger.minutes.get(&part.day())?;
        codec::encode_minutes(minutes, &part.slots())
    };
    let encode_partition_objects = |part: &Partition| match ledger.objects.get(part) {
        Some(PartitionObjects::Records(records)) if !records.is_empty() => Some(codec::encode_objects(records)),
        _ => None,
    };
    let encode_month = |(_, first, end): &Month| codec::encode_sums(&ledger.daily_sums, *first, *end);
    rayon::join(
        || minutes.par_iter().map(encode_partition_minutes).collect(),
        || {
            rayon::join(
                || objects.par_iter().map(encode_partition_objects).collect(),
                || months.par_iter().map(encode_month).collect(),
            )
        },
    )
}

/// A month such as `2026-10`, its first day and that of the next month.
type Month = (String, Day, Day);

fn month_containing(day: Day) -> Month {
    let month = |day: Day| day.to_string().rsplit_once('-').map_or_else(String::new, |(month, _)| month.to_owned());
    let first = |day: Day| format!("{}-01", month(day)).parse().unwrap_or(day);
    // The 32nd day of a month lies in the next one.
    (month(day), first(day), first(first(day).plus(31)))
}

#[cfg(test)]
mod tests;
