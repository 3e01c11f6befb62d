//! How partitions are read: minutes that stay in memory, sums of minutes that do not, log objects, cached timeslices.

use std::collections::BTreeSet;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{LedgerStore, LoadRequest, with_file_name};
use crate::counts::Sums;
use crate::ledger::{Ledger, PartialSums, PartialSumsRequest, Partition, PartitionObjects, TimesliceSums};
use crate::series::SeriesKey;
use crate::store::codec::{self, SeriesLists};
use crate::store::manifest::{DataFile, Month};
use crate::store::{StoreError, content_version};
use crate::time::Day;

/// Raised when the same minutes give other timeslices: cached ones are then computed again.
const TIMESLICE_RULE_VERSION: &str = "1";

impl LedgerStore {
    pub(super) async fn load_objects(&self, ledger: &mut Ledger, request: &LoadRequest) -> Result<(), StoreError> {
        let is_missing = |partition: &&Partition| match ledger.objects.get(partition) {
            Some(PartitionObjects::Records(_)) => false,
            Some(PartitionObjects::Intervals(_)) => request.objects.contains(partition),
            None => true,
        };
        let missing = request.objects.union(&request.delivered_intervals).filter(is_missing);
        let files = self.read_files(missing.map(|part| (*part, DataFile::Objects(*part)))).await?;
        let decode = |(partition, name, bytes): &(Partition, String, Vec<u8>)| {
            let objects = if request.objects.contains(partition) {
                codec::decode_records(bytes).map(PartitionObjects::Records)
            } else {
                codec::decode_intervals(bytes).map(PartitionObjects::Intervals)
            };
            Ok((*partition, with_file_name(name, objects)?))
        };
        for (partition, objects) in files.par_iter().map(decode).collect::<Result<Vec<_>, StoreError>>()? {
            ledger.objects.insert(partition, objects);
            ledger.unloaded_objects.remove(&partition);
        }
        Ok(())
    }

    pub(super) async fn load_minutes(
        &self,
        ledger: &mut Ledger,
        partitions: &[Partition],
        series_lists: &mut SeriesLists,
    ) -> Result<(), StoreError> {
        let files = self.read_minutes_files(partitions, series_lists).await?;
        let lists = &*series_lists;
        let decode = |(partition, name, bytes): &(Partition, String, Vec<u8>)| {
            Ok((*partition, with_file_name(name, codec::decode_minutes(bytes, *partition, lists))?.select(|_| true)))
        };
        for (partition, minutes) in files.par_iter().map(decode).collect::<Result<Vec<_>, StoreError>>()? {
            ledger.minutes.insert(partition, minutes);
            ledger.unloaded_minutes.remove(&partition);
        }
        Ok(())
    }

    /// Computes sums of minutes that are not kept in memory. Their files are read on all cores, a few at a time.
    pub(super) async fn load_partial_sums(
        &self,
        ledger: &mut Ledger,
        request: &PartialSumsRequest,
        series_lists: &mut SeriesLists,
    ) -> Result<(), StoreError> {
        let mut partial_sums = PartialSums::new(request);
        let (sum_partitions, timeslice_partitions) = (request.sum_partitions(), request.timeslice_partitions());
        let partitions: Vec<Partition> =
            (&(&sum_partitions | &timeslice_partitions) | &request.known_partitions).into_iter().collect();
        for batch in day_batches(&partitions, 2 * rayon::current_num_threads()) {
            let files = self.read_minutes_files(batch, series_lists).await?;
            let lists = &*series_lists;
            let scan_file = |(part, name, bytes): &(Partition, String, Vec<u8>)| {
                let (mut partial, mut timeslice_minutes) = (PartialSums::default(), None);
                if sum_partitions.contains(part) || timeslice_partitions.contains(part) {
                    let minutes = with_file_name(name, codec::decode_minutes(bytes, *part, lists))?;
                    if sum_partitions.contains(part) {
                        partial = PartialSums::from_partition(request, *part, &minutes.rows());
                    }
                    if timeslice_partitions.contains(part) {
                        let series = request.timeslice_series(part.day());
                        timeslice_minutes = Some((*part, minutes.select(|name| series.contains(name))));
                    }
                }
                if request.known_partitions.contains(part) && ledger.unloaded_minutes.contains(part) {
                    let known = with_file_name(name, codec::decode_known(bytes, *part, lists))?;
                    partial.known.insert(*part, known);
                }
                Ok((partial, timeslice_minutes))
            };
            let scanned = files.par_iter().map(scan_file).collect::<Result<Vec<_>, StoreError>>()?;
            let (partials, timeslice_minutes): (Vec<PartialSums>, Vec<_>) = scanned.into_iter().unzip();
            for partial in partials {
                partial_sums.merge(partial);
            }
            let minutes_by_partition = timeslice_minutes.into_iter().flatten().collect();
            let mut days: Vec<Day> = batch.iter().map(|part| part.day()).collect();
            days.dedup();
            let evaluate_day =
                |day: &Day| TimesliceSums::evaluate_day(&request.timeslices, *day, &minutes_by_partition);
            let timeslices: Vec<TimesliceSums> = days.par_iter().map(evaluate_day).collect();
            for sums in timeslices {
                ledger.timeslices.merge(sums);
            }
        }
        ledger.partial_sums.extend(partial_sums);
        Ok(())
    }

    async fn read_minutes_files(
        &self,
        partitions: &[Partition],
        series_lists: &mut SeriesLists,
    ) -> Result<Vec<(Partition, String, Vec<u8>)>, StoreError> {
        let files = self.read_files(partitions.iter().map(|part| (*part, DataFile::Minutes(*part)))).await?;
        for (_, name, bytes) in &files {
            with_file_name(name, codec::read_series_list(bytes, series_lists))?;
        }
        Ok(files)
    }

    /// Reads cached sums of timeslices, but for days whose minutes have changed since.
    pub async fn load_timeslices(&self, ledger: &mut Ledger) -> Result<(), StoreError> {
        let files = self.manifest.timeslices.keys().map(|month| (*month, DataFile::Timeslices(*month)));
        for (_, name, bytes) in self.read_files(files).await? {
            let minute_hashes = with_file_name(&name, codec::timeslice_minute_hashes(&bytes))?;
            let valid_day = |line: &str| {
                let (day, hash) = line.split_once(' ')?;
                day.parse().ok().filter(|day| self.hash_of_minutes(*day) == hash)
            };
            let valid_days: BTreeSet<Day> = minute_hashes.lines().filter_map(valid_day).collect();
            for (key, rows) in with_file_name(&name, codec::decode_sums_by_series(&bytes))? {
                ledger.timeslices.insert_cached(&key, rows.into_iter().filter(|(day, _)| valid_days.contains(day)));
            }
        }
        Ok(())
    }

    /// Stores the sums of timeslices that a ledger has computed, if it was loaded since the last commit.
    pub async fn save_timeslices(&mut self, ledger: &Ledger) -> Result<(), StoreError> {
        if !self.is_current(ledger) {
            return Ok(());
        }
        let months: BTreeSet<Month> = ledger.timeslices.new_days().iter().map(|day| Month::containing(*day)).collect();
        let mut manifest = self.manifest.clone();
        for month in months {
            let rows: Vec<(&SeriesKey, Day, Sums)> = ledger.timeslices.daily_rows(month.first_day(), month.end());
            let days: BTreeSet<Day> = rows.iter().map(|(_, day, _)| *day).collect();
            let minute_hashes: Vec<String> =
                days.iter().map(|day| format!("{day} {}", self.hash_of_minutes(*day))).collect();
            let file = DataFile::Timeslices(month);
            let encoded = codec::encode_timeslices(&rows, minute_hashes.join("\n")).transpose();
            self.put_data_file(&mut manifest, file, with_file_name(&file.stem(), encoded)?).await?;
        }
        self.stage(manifest).await
    }

    /// A hash that changes with any minute of a day.
    fn hash_of_minutes(&self, day: Day) -> String {
        let files = Partition::in_day(day).filter_map(|part| self.manifest.file_name(DataFile::Minutes(part)));
        let names: Vec<String> = std::iter::once(TIMESLICE_RULE_VERSION.to_owned()).chain(files).collect();
        content_version(names.join("\n").as_bytes()).0
    }
}

/// Partitions in batches of at least a size, those of a day together: a timeslice may lie in several.
fn day_batches(partitions: &[Partition], min_batch_size: usize) -> Vec<&[Partition]> {
    let (mut batches, mut start, mut end) = (Vec::new(), 0, 0);
    for day in partitions.chunk_by(|one, other| one.day() == other.day()) {
        end += day.len();
        if end - start >= min_batch_size {
            batches.push(&partitions[start..end]);
            start = end;
        }
    }
    batches.push(&partitions[start..]);
    batches
}
