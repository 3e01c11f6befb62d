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

mod aside;
mod asked;
mod book;
mod counts_files;
mod discovered;
mod listings;
mod look;
mod overrides;
mod publish;
mod slices;
mod sweep;
mod usage;
mod weekly;

pub use book::BookKind;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hashbrown::HashMap;
use polars::prelude::PolarsResult;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::codec::{self, Lists};
use super::manifest::{MANIFEST, Manifest, PartFiles};
use super::{Shelf, ShelfError, StoreError, Version, names, version_of};
use crate::ledger::{DayMinutes, DaySums, Ledger, Part, PartObjects, Wanted};
use crate::minute::Day;
use crate::series::SeriesKey;

/// Files that are read at the same time.
const READ_TOGETHER: usize = 16;

/// Which parts of the ledger are wanted; sums of all days always come along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Parts whose minutes are wanted.
    pub minutes: BTreeSet<Part>,
    /// Parts whose log objects are wanted.
    pub objects: BTreeSet<Part>,
    /// Parts of which only matters what their log objects delivered, not what they are called.
    pub deliveries: BTreeSet<Part>,
    /// What is wanted of minutes that are not to be kept in memory.
    pub wanted: Wanted,
}

impl Needs {
    /// The minutes of some days and the log objects of some days.
    pub fn of_days(minutes: impl IntoIterator<Item = Day>, objects: impl IntoIterator<Item = Day>) -> Self {
        Self {
            minutes: minutes.into_iter().flat_map(Part::of_day).collect(),
            objects: objects.into_iter().flat_map(Part::of_day).collect(),
            ..Self::default()
        }
    }
}

/// A ledger that is kept on a shelf.
pub struct LedgerStore {
    shelf: Box<dyn Shelf>,
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
    edition: u64,
    /// Sums of all days as they are now, once they were read.
    sums: Mutex<Option<DaySumsBySeries>>,
}

/// Sums of all days. Copies share what did not change.
type DaySumsBySeries = HashMap<SeriesKey, Arc<DaySums>>;

impl LedgerStore {
    /// Reads the manifest; a shelf without one is an empty ledger.
    ///
    /// # Errors
    /// When the shelf refuses, or the manifest is damaged or of another format.
    pub async fn open(shelf: Box<dyn Shelf>) -> Result<Self, StoreError> {
        let mut manifest = shelf.get(MANIFEST).await?;
        if manifest.is_none()
            && let Some(name) = shelf.list().await?.into_iter().find(|name| names::hash_of(name).is_some())
        {
            // Another run may have begun the ledger between the two looks: it writes the manifest before any data.
            manifest = shelf.get(MANIFEST).await?;
            if manifest.is_none() {
                return Err(StoreError::NoManifest(name));
            }
        }
        let Some((bytes, version)) = manifest else {
            return Ok(Self::of(shelf, Manifest::default(), None));
        };
        let manifest = Manifest::read(&bytes, &shelf.place())?;
        Ok(Self::of(shelf, manifest, Some(version)))
    }

    /// The same, and starts a ledger where there is none: from then on the place is the ledger's.
    ///
    /// # Errors
    /// Those of [`Self::open`], and [`ShelfError::Occupied`] where anything else lies there.
    pub async fn create(shelf: Box<dyn Shelf>, place: &str) -> Result<Self, StoreError> {
        let mut store = Self::open(shelf).await?;
        if store.version.is_none() {
            if let Some(entry) = store.shelf.first_entry().await? {
                // Another run may have started it since.
                if store.shelf.get(MANIFEST).await?.is_some() {
                    return Err(ShelfError::Lost(MANIFEST.to_owned()).into());
                }
                return Err(ShelfError::Occupied { place: place.to_owned(), entry }.into());
            }
            store.start().await?;
        }
        Ok(store)
    }

    fn of(shelf: Box<dyn Shelf>, manifest: Manifest, version: Option<Version>) -> Self {
        Self {
            shelf,
            published: manifest.clone(),
            manifest,
            version,
            unpublished: BTreeSet::new(),
            publications: 0,
            edition: 0,
            sums: Mutex::default(),
        }
    }

    /// Whether nothing was ever kept in it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.manifest.parts.is_empty() && self.manifest.asked.is_none()
    }

    /// Whether a run has started it.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        self.version.is_some()
    }

    /// The first day with known minutes.
    #[must_use]
    pub fn first_day(&self) -> Option<Day> {
        self.manifest.parts.iter().find(|(_, files)| files.minutes.is_some()).map(|(part, _)| part.day())
    }

    /// Reads the sums of all days, and the wanted parts.
    ///
    /// # Errors
    /// When a file is missing, damaged, or refused by the shelf.
    pub async fn load(&self, needs: &Needs) -> Result<Ledger, StoreError> {
        let unlisted = self.manifest.unlisted.clone();
        let mut ledger =
            Ledger { sums: self.sums().await?, edition: Some(self.edition), unlisted, ..Ledger::default() };
        for (part, files) in &self.manifest.parts {
            ledger.minutes_left.extend(files.minutes.iter().map(|_| *part));
            ledger.objects_left.extend(files.objects.iter().map(|_| *part));
        }
        self.load_more(&mut ledger, needs).await?;
        Ok(ledger)
    }

    /// Sums of all days: a run asks for them again and again, and reads them once.
    async fn sums(&self) -> Result<DaySumsBySeries, StoreError> {
        if let Some(sums) = self.held_sums().as_ref() {
            return Ok(sums.clone());
        }
        let mut sums = HashMap::new();
        for (name, bytes) in self.files(self.manifest.sums.values()).await? {
            coded(name, codec::decode_sums(&bytes, &mut sums))?;
        }
        *self.held_sums() = Some(sums.clone());
        Ok(sums)
    }

    fn held_sums(&self) -> std::sync::MutexGuard<'_, Option<DaySumsBySeries>> {
        // What another thread left half done when it panicked is whole or nothing.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads wanted parts that an unchanged ledger does not hold yet.
    ///
    /// # Errors
    /// When a file is missing, damaged, or refused by the shelf.
    pub async fn load_more(&self, ledger: &mut Ledger, needs: &Needs) -> Result<(), StoreError> {
        let mut days: BTreeMap<Day, Vec<Part>> = BTreeMap::new();
        for part in needs.minutes.intersection(&ledger.minutes_left) {
            days.entry(part.day()).or_default().push(*part);
        }
        let mut lists = Lists::default();
        for (day, parts) in days {
            self.load_minutes(ledger, day, &parts, &mut lists).await?;
        }
        self.look_through(ledger, &needs.wanted, &mut lists).await?;
        self.load_objects(ledger, needs).await
    }

    /// Reads log objects. Their files are decoded on all cores.
    async fn load_objects(&self, ledger: &mut Ledger, needs: &Needs) -> Result<(), StoreError> {
        let mut left = Vec::new();
        for part in needs.objects.union(&needs.deliveries) {
            let Some(name) = self.manifest.parts.get(part).and_then(|files| files.objects.as_ref()) else { continue };
            let named = needs.objects.contains(part);
            match ledger.objects.get(part) {
                Some(PartObjects::Records(_)) => {}
                Some(PartObjects::Deliveries(_)) if !named => {}
                _ => left.push((*part, named, name)),
            }
        }
        let files = self.files(left.iter().map(|(.., name)| *name)).await?;
        let files: Vec<_> = left.iter().zip(files).collect();
        let decode = |((part, named, _), (name, bytes)): &(&(Part, bool, &String), (&String, Vec<u8>))| {
            let objects = if *named {
                codec::decode_records(bytes).map(PartObjects::Records)
            } else {
                codec::decode_deliveries(bytes).map(PartObjects::Deliveries)
            };
            Ok((*part, coded(name, objects)?))
        };
        for (part, objects) in files.par_iter().map(decode).collect::<Result<Vec<_>, StoreError>>()? {
            ledger.objects.insert(part, objects);
            ledger.objects_left.remove(&part);
        }
        Ok(())
    }

    /// Reads the minutes of a day from the first to the last of some parts. The parts of a day lie side by side in
    /// memory, so what was held of it before is read again.
    async fn load_minutes(
        &self,
        ledger: &mut Ledger,
        day: Day,
        parts: &[Part],
        lists: &mut Lists,
    ) -> Result<(), StoreError> {
        let held = ledger.minutes.get(&day).map(DayMinutes::slots);
        let slots = parts.iter().map(|part| part.slots()).chain(held);
        let Some(mut slots) = slots.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end)) else {
            return Ok(());
        };
        let kept = |part: &Part| self.manifest.parts.get(part).and_then(|files| files.minutes.as_ref());
        let (inside, outside): (Vec<Part>, Vec<Part>) =
            Part::of_day(day).filter(|part| kept(part).is_some()).partition(|part| slots.contains(&part.slots().start));
        if outside.is_empty() {
            slots = DayMinutes::default().slots();
        }
        let files = self.minutes_files(&inside, lists).await?;
        let lists = &*lists;
        let decode = |(part, name, bytes): &(Part, &String, Vec<u8>)| {
            Ok((*part, coded(name, codec::decode_minutes(bytes, part.slots().len(), lists))?))
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
        let columns = decoded
            .iter()
            .map(|(part, minutes)| Ok((part.slots(), &**minutes.series, coded("minutes", minutes.columns())?)));
        let columns = columns.collect::<Result<Vec<_>, StoreError>>()?;
        let whole = DayMinutes::filled(slots, series, columns.into_iter());
        for (part, _) in &decoded {
            ledger.minutes_left.remove(part);
        }
        ledger.minutes.insert(day, whole);
        Ok(())
    }

    /// Writes what changed in a loaded ledger; others see it once it is [published](Self::publish), which happens by
    /// itself when many files are waiting. When nothing changed, nothing is written.
    ///
    /// # Errors
    /// When the shelf refuses; the ledger on it is then as it was.
    pub async fn commit(&mut self, ledger: &mut Ledger) -> Result<(), StoreError> {
        self.start().await?;
        let mut manifest = self.manifest.clone();
        let minutes: Vec<Part> = std::mem::take(&mut ledger.minutes_changed).into_iter().collect();
        let objects: Vec<Part> = std::mem::take(&mut ledger.objects_changed).into_iter().collect();
        let months: BTreeSet<Month> = minutes.iter().map(|part| month_of(part.day())).collect();
        let months: Vec<Month> = months.into_iter().collect();
        let (of_minutes, (of_objects, of_months)) = encoded(ledger, &minutes, &objects, &months);
        for (part, encoded) in minutes.into_iter().zip(of_minutes) {
            let files = manifest.parts.entry(part).or_default();
            files.minutes = self.put_data(&PartFiles::kind(part, "minutes"), encoded, files.minutes.take()).await?;
        }
        for (part, encoded) in objects.into_iter().zip(of_objects) {
            let files = manifest.parts.entry(part).or_default();
            files.objects = self.put_data(&PartFiles::kind(part, "objects"), encoded, files.objects.take()).await?;
        }
        for ((month, ..), encoded) in months.into_iter().zip(of_months) {
            if let Some(name) = self.put_data(&format!("sums-{month}"), encoded, manifest.sums.remove(&month)).await? {
                manifest.sums.insert(month, name);
            }
        }
        manifest.parts.retain(|_, files| *files != PartFiles::default());
        if manifest == self.manifest {
            return Ok(());
        }
        self.stage(manifest).await?;
        // A ledger that was loaded before the last commit does not know what that one added.
        let is_current = ledger.edition == Some(self.edition);
        self.edition += 1;
        *self.held_sums() = is_current.then(|| ledger.sums.clone());
        ledger.edition = is_current.then_some(self.edition);
        Ok(())
    }

    /// Data files in the order of their names here, some of them read at the same time: a bucket is far away.
    async fn files<'a>(
        &self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Result<Vec<(&'a String, Vec<u8>)>, StoreError> {
        let read = names.into_iter().map(async |name| Ok((name, self.file(name).await?)));
        stream::iter(read).buffered(READ_TOGETHER).try_collect().await
    }

    /// A data file, checked against the hash in its name, so that damaged bytes never reach a decoder.
    async fn file(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let damaged = |what| StoreError::Damaged { name: name.to_owned(), what };
        let Some((bytes, _)) = self.shelf.get(name).await? else {
            return Err(if self.is_moved().await? { StoreError::Moved } else { damaged("missing") });
        };
        let hash = version_of(&bytes).0;
        if name.contains(&format!("-{hash}.")) { Ok(bytes) } else { Err(damaged("damaged")) }
    }
}

fn coded<T>(name: &str, result: PolarsResult<T>) -> Result<T, StoreError> {
    result.map_err(|source| StoreError::Coding { name: name.to_owned(), source })
}

/// The bytes of a file, if it has any.
type Encoded = Option<PolarsResult<Vec<u8>>>;

/// The files of what changed, encoded on all cores: of minutes, of objects, of sums.
fn encoded(
    ledger: &Ledger,
    minutes: &[Part],
    objects: &[Part],
    months: &[Month],
) -> (Vec<Encoded>, (Vec<Encoded>, Vec<Encoded>)) {
    let of_minutes = |part: &Part| {
        let minutes = ledger.minutes.get(&part.day())?;
        codec::encode_minutes(minutes, &part.slots())
    };
    let of_objects = |part: &Part| match ledger.objects.get(part) {
        Some(PartObjects::Records(records)) if !records.is_empty() => Some(codec::encode_objects(records)),
        _ => None,
    };
    let of_month = |(_, first, end): &Month| codec::encode_sums(&ledger.sums, *first, *end);
    rayon::join(
        || minutes.par_iter().map(of_minutes).collect(),
        || rayon::join(|| objects.par_iter().map(of_objects).collect(), || months.par_iter().map(of_month).collect()),
    )
}

/// A month such as `2026-10`, its first day and that of the next month.
type Month = (String, Day, Day);

fn month_of(day: Day) -> Month {
    let month = |day: Day| day.to_string().rsplit_once('-').map_or_else(String::new, |(month, _)| month.to_owned());
    let first = |day: Day| format!("{}-01", month(day)).parse().unwrap_or(day);
    // The 32nd day of a month lies in the next one.
    (month(day), first(day), first(first(day).plus(31)))
}
